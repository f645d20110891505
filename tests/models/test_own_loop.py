"""Every network that is not of fields: built by keywords alone, called, and trained by a plain loop."""

import inspect

import pytest
import torch
from network_cases import CASES, POINTS

from sciml import models
from sciml.core.errors import ConfigError
from sciml.models import Dynamics, Flow, IntegrateConfig, ODENet, ResNet


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_is_built_by_keywords_and_every_parameter_learns(name):
    build, call, shape = CASES[name]
    torch.manual_seed(0)
    network = build()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-2)
    for _ in range(3):  # what starts at zero lets a gradient through from the second step on
        torch.manual_seed(1)
        optimiser.zero_grad()
        out = call(network)
        assert out.shape == shape
        (out.square().mean() + out.mean()).backward()
        optimiser.step()
    silent = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_units_keep_what_the_data_are_like():
    far = 100 + 5 * POINTS
    plain, scaled = (
        Flow(2, width=4, **units) for units in ({}, {"mean": torch.full((2,), 100.0), "std": torch.full((2,), 5.0)})
    )
    scaled.load_state_dict({**plain.state_dict(), "mean": scaled.mean, "std": scaled.std})
    expected = plain(POINTS)[0] - 2 * torch.log(torch.tensor(5.0))
    torch.testing.assert_close(scaled(far)[0], expected, rtol=1e-3, atol=1e-3)


def test_settings_of_an_integration_are_optional():
    loose = Dynamics(2, integrate=IntegrateConfig(rtol=1e-2, atol=1e-2))
    assert loose.block.integrate.rtol == 1e-2
    assert Dynamics(2).block.integrate.rtol == 1e-5
    assert ODENet((4,), 2).block.integrate.rtol == 1e-3


def test_pictures_too_small_are_refused():
    with pytest.raises(ConfigError, match="cannot take these samples"):
        ResNet((4, 4), 2, kind="conv", halvings=3)


def test_every_public_name_is_told_of():
    named = [getattr(models, name) for name in models.__all__]
    assert all(entry.__doc__ for entry in named if inspect.isclass(entry) or inspect.isfunction(entry))
