"""Fields on their modes: what is spanned is stepped, what is not is held, and rotations are learned."""

import pytest
import torch

from sciml.core import rng
from sciml.core.errors import UserError
from sciml.models import PODStateSpace


def waves(count, generator):
    """Frames of a wave with one wavelength on 16 points, and of another one, at random phases; two channels."""
    x = 2 * torch.pi * torch.arange(16) / 16
    phase = 2 * torch.pi * torch.rand(count, 1, generator=generator)
    return torch.stack(((x - phase).sin(), 0.5 * (x - phase).cos()), dim=1)


def test_modes_are_those_of_the_frames_and_untrained_it_holds_the_last_one():
    frames = waves(40, rng.generator(0))
    network = PODStateSpace((16,), fields=2, history=3, modes=5, condition_channels=1)
    network.fit_modes(frames.flatten(1))
    gram = network.basis @ network.basis.T
    torch.testing.assert_close(gram, torch.diag(torch.tensor([1.0, 1, 0, 0, 0])), atol=1e-5, rtol=0)  # of rank two
    torch.testing.assert_close(network.scale[2:], torch.ones(3))
    history = waves(9, rng.generator(1)).view(3, 6, 16)
    answer = network(history, torch.zeros(3, 1))
    torch.testing.assert_close(answer, history[:, -2:], atol=1e-5, rtol=0)
    torch.nn.init.normal_(network.courses.head.weight)
    moved = network(history, torch.zeros(3, 1)) - history[:, -2:]
    assert moved.abs().max() > 0.1
    other = torch.cos(7 * 2 * torch.pi * torch.arange(16) / 16)
    noisy = network(history + other, torch.zeros(3, 1)) - history[:, -2:] - other
    torch.testing.assert_close(noisy, moved, atol=1e-4, rtol=0)


def test_a_travelling_wave_is_learned():
    """Every step turns the phase by the same angle, which the coefficients show."""
    rng.seed_everything(0)
    generator = rng.generator(2)
    network = PODStateSpace((16,), fields=1, history=2, modes=2, features=8, state=4, depth=1)
    x, turn = 2 * torch.pi * torch.arange(16) / 16, 0.4
    phase = 2 * torch.pi * torch.rand(64, 1, generator=generator)
    frames = torch.stack([(x - phase - k * turn).sin() for k in range(3)], dim=1)
    network.fit_modes(frames[:, 0])
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        loss = (network(frames[:, :2])[:, 0] - frames[:, 2]).square().mean()
        loss.backward()
        optimiser.step()
    still = float((frames[:, 1] - frames[:, 2]).square().mean())
    assert float(loss.detach()) < 1e-2 * still


def test_another_grid_is_refused():
    network = PODStateSpace((16,), fields=1, history=2, modes=2)
    with pytest.raises(UserError, match="another grid"):
        network(torch.zeros(1, 2, 12))
    with pytest.raises(UserError, match="no modes"):
        PODStateSpace((16,), fields=1, history=2, modes=0)
