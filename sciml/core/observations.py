"""Sparse noisy observations of trajectories, and how a reference is sampled for them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.clock import Clock
from sciml.core.domain import Domain


@dataclass(frozen=True)
class Observations:
    """Sparse noisy values of one trajectory, float64.

    Arguments:
        coordinates: of the observed points, time first, then space.
        values: what was seen there, one column per field; NaN where a field was not seen.
        sigma: standard deviation of the noise per field, or per field at every point; zero where there is none, None if
            nobody knows.
    """

    coordinates: Float[Tensor, "point dim"]
    values: Float[Tensor, "point channel"]
    sigma: Float[Tensor, " channel"] | Float[Tensor, "point channel"] | None = None

    @property
    def seen(self) -> Bool[Tensor, "point channel"]:
        """Where there is a value."""
        return self.values.isfinite()

    @property
    def largest(self) -> Float[Tensor, " channel"]:
        """Largest magnitude of each field."""
        return self.values.nan_to_num(0.0).abs().amax(0)

    @property
    def magnitude(self) -> Float[Tensor, " channel"]:
        """Mean magnitude of each field where it was seen."""
        return self.values.abs().nanmean(0)

    @property
    def typical_sigma(self) -> Float[Tensor, " channel"] | None:
        """The noise per field, root mean square over the points; None if nobody knows."""
        if self.sigma is None or self.sigma.ndim == 1:
            return self.sigma
        return self.sigma.square().nanmean(0).sqrt()


class Levels(NamedTuple):
    """Where fields lie and how far they vary: temperatures in kelvin lie at 300 and vary by ten.

    Fields:
        offset: what carries no information; errors are measured on values without it.
        scale: the unit in which they are.
    """

    offset: Float[Tensor, " channel"]
    scale: Float[Tensor, " channel"]


@dataclass(frozen=True)
class ObservationPlan:
    """How much is observed.

    Arguments:
        trajectories: how many trajectories, each with initial conditions of its own.
        points: values seen on each.
        noise: standard deviation of the noise, as a share of the mean magnitude of each field.
    """

    trajectories: int
    points: int
    noise: float


@dataclass(frozen=True)
class HeldOut:
    """A trajectory that is observed nowhere, to try a finished equation on.

    Arguments:
        times: increasing, the first is the start.
        states: the true ones at those times.
        points: of the grid that an equation in space is simulated on, one list per axis, without the points on walls;
            empty without space.
    """

    times: Float[Tensor, " time"]
    states: Float[Tensor, "time channel *space"]
    points: tuple[Float[Tensor, " point"], ...] = ()


def sample(
    reference: Callable[[int, Float[Tensor, "point dim"]], Float[Tensor, "point channel"]],
    domain: Domain,
    plan: ObservationPlan,
    generator: torch.Generator,
    *,
    pace: float = math.inf,
) -> tuple[Observations, ...]:
    """Noisy values of reference trajectories: at times equidistant by the clock, or scattered over space and time.

    Arguments:
        reference: the fields of a trajectory at coordinates ``(t, *space)``.
        domain: the box, with its axis of time.
        plan: how much is observed.
        generator: of the points' coordinates, where they are scattered, and of the noise.
        pace: of the clock of times, see `Clock`.
    """
    lower, extent = (values[list(time_first(domain))] for values in (domain.lower, domain.extent))
    observations = []
    for trajectory in range(plan.trajectories):
        if len(lower) == 1:
            coordinates = Clock(float(lower), float(lower + extent), pace).ticks(plan.points)[:, None]
        else:
            unit = torch.rand((plan.points, len(lower)), generator=generator, dtype=torch.float64)
            coordinates = lower + unit * extent
        values = reference(trajectory, coordinates)
        sigma = plan.noise * values.abs().mean(0)
        noise = torch.randn(values.shape, generator=generator, dtype=torch.float64)
        observations.append(Observations(coordinates, values + sigma * noise, sigma))
    return tuple(observations)


def time_first(domain: Domain) -> tuple[int, ...]:
    """Indices of the axes of a domain, that of time first, those of space in their order."""
    time = domain.index(domain.time)
    return time, *(i for i in range(len(domain.axes)) if i != time)
