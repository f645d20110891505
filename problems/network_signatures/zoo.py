"""The networks: how they are built, drawn and taught."""

import functools
import itertools
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from sciml.core import rng
from sciml.nn import Activation, activation
from sciml.tools.network import Member, train_population  # loaded with this module alone, when networks are asked for

ARCHITECTURES = ("dense", "autoencoder", "convolutional", "residual")
ACTIVATIONS: tuple[Activation, ...] = ("tanh", "relu", "gelu")
EACH = 16
"""Networks of each architecture and activation; every other one has a hidden layer more."""
POINTS, ROWS, STEPS, RATE = 16, 64, 100, 1e-2
_WIDTH, _NECK, _CHANNELS = 32, 6, 8


@functools.cache
def networks() -> tuple[tuple[str, str, Member], ...]:
    """Architecture, activation and what was seen, of every network; trained once per process, always the same."""
    return tuple(
        (architecture, nonlinearity, member)
        for architecture, nonlinearity in itertools.product(ARCHITECTURES, ACTIVATIONS)
        for more in (False, True)
        for member in family(architecture, nonlinearity, range(int(more), EACH, 2), more=more)
    )


def family(architecture: str, nonlinearity: Activation, numbers: Iterable[int], *, more: bool) -> list[Member]:
    """Networks of one shape, by their numbers; each has first weights and training samples of its own."""
    draws = [rng.generator(number, "network_signatures", architecture, nonlinearity) for number in numbers]
    built = [drawn(_BUILDERS[architecture](nonlinearity, more), draw) for draw in draws]
    noisy, clean = (torch.stack(part) for part in zip(*(waves(draw) for draw in draws), strict=True))
    return train_population(built, noisy, clean, steps=STEPS, learning_rate=RATE)


def waves(draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sums of two waves on a circle, with noise and without, ``row point``."""
    points = torch.arange(POINTS, dtype=torch.float64) / POINTS
    orders = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    phases, sizes = (torch.rand(ROWS, 2, 1, generator=draw, dtype=torch.float64) for _ in range(2))
    clean = (sizes * torch.sin(2 * math.pi * (orders * points + phases))).sum(1)
    return clean + 0.3 * torch.randn(clean.shape, generator=draw, dtype=torch.float64), clean


class Residual(nn.Module):
    """x + φ(W x + b)."""

    def __init__(self, nonlinearity: Activation) -> None:
        super().__init__()
        self.linear, self.activation = nn.Linear(_WIDTH, _WIDTH), activation(nonlinearity)

    def forward(self, x: Tensor) -> Tensor:
        """The sum."""
        return x + self.activation(self.linear(x))


def _chain(nonlinearity: Activation, *sizes: int) -> nn.Module:
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), activation(nonlinearity))]
    return nn.Sequential(*layers[:-1])


def dense(nonlinearity: Activation, more: bool) -> nn.Module:
    """16-32-32-16, or with a hidden layer more."""
    return _chain(nonlinearity, POINTS, *[_WIDTH] * (2 + more), POINTS)


def autoencoder(nonlinearity: Activation, more: bool) -> nn.Module:
    """16-32-6-32-16, or with a hidden layer more."""
    return _chain(nonlinearity, POINTS, *[_WIDTH] * (1 + more), _NECK, _WIDTH, POINTS)


def convolutional(nonlinearity: Activation, more: bool) -> nn.Module:
    """Circular convolutions of five points, 1-8-8-1 channels, or with a hidden layer more."""
    sizes = (1, *[_CHANNELS] * (2 + more), 1)
    layers = [
        part
        for a, b in itertools.pairwise(sizes)
        for part in (nn.Conv1d(a, b, 5, padding=2, padding_mode="circular"), activation(nonlinearity))
    ]
    return nn.Sequential(nn.Unflatten(1, (1, POINTS)), *layers[:-1], nn.Flatten())


def residual(nonlinearity: Activation, more: bool) -> nn.Module:
    """16-32, x + φ(W x + b), 32-16, or with a hidden layer more."""
    first = nn.Sequential(nn.Linear(POINTS, _WIDTH), activation(nonlinearity))
    blocks = [Residual(nonlinearity) for _ in range(1 + more)]
    return nn.Sequential(first, *blocks, nn.Linear(_WIDTH, POINTS))


_BUILDERS: dict[str, Callable[[Activation, bool], nn.Module]] = {
    "dense": dense,
    "autoencoder": autoencoder,
    "convolutional": convolutional,
    "residual": residual,
}


def drawn(network: nn.Module, draw: torch.Generator) -> nn.Module:
    """Weights and biases uniform within 1/√fan-in, as torch draws them, from a generator, in double precision."""
    network = network.double()
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d):
                bound = layer.weight[0].numel() ** -0.5
                for parameter in layer.parameters():
                    shares = torch.rand(parameter.shape, generator=draw, dtype=torch.float64)
                    parameter.copy_((2 * shares - 1) * bound)
    return network
