"""Dynamics that depend on time say when something acts, or are refused."""

from dataclasses import dataclass

import pytest
import torch

from sciml.core import registry
from sciml.core.capabilities import HasDynamics
from sciml.core.errors import ConfigError
from sciml.core.forcing import check_forcing, uses_time
from sciml.core.problem import Field, Parameter
from sciml.testing import PROBLEMS


@dataclass(frozen=True, kw_only=True)
class Decay(HasDynamics):
    """du/dt = Q - u."""

    def closures(self):
        return {"heat": lambda time, params: torch.zeros_like(time)}

    def dynamics(self, time, state, params, closures):
        return closures["heat"](time, params)[:, None] - params["rate"][:, None] * state


@dataclass(frozen=True, kw_only=True)
class Kicked(Decay):
    """A rectangle of heat, which has no slope in time."""

    def closures(self):
        return {"heat": lambda time, params: torch.where(time > 0.5, 1.0, 0.0)}


@dataclass(frozen=True, kw_only=True)
class Told(Kicked):
    """The same, and it says when."""

    def forcing_times(self, params):
        return torch.tensor([[0.5]]).expand(len(params["rate"]), -1)


def made(kind):
    return kind(
        name="kick", title="Kick", equation="u' = Q - u", fields=(Field("u", "u", "1", "amount"),),
        parameters=(Parameter("rate", "k", "1/s", "rate", 0.5, 1.0),), boundary={}, metrics=(), citation="none",
    )  # fmt: skip


def test_time_that_is_not_computed_with_does_not_count():
    assert not uses_time(made(Decay))
    assert uses_time(made(Kicked))
    check_forcing(made(Decay))
    check_forcing(made(Told))


def test_a_forced_problem_that_does_not_say_when_is_refused():
    with pytest.raises(ConfigError, match="do not say when something acts"):
        check_forcing(made(Kicked))


def test_windows_of_sources_count():
    check_forcing(registry.find_problem(PROBLEMS / "warm_tank"))
