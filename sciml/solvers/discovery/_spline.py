"""The baseline of sparse discovery: smooth the data, differentiate, subtract what is known.

H(t_i) ≈ S'(t_i) − K(S(t_i))

Curves over time are smoothed by splines or Gaussian processes, surfaces over space and time by a Gaussian process (see `Surfaces`).
"""

from typing import Literal

import numpy as np
import pydantic
import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.clock import Clock
from sciml.core.config import Config
from sciml.discovery import curves_of, smooth
from sciml.solvers.discovery._solver import DirectSolver
from sciml.solvers.discovery._surface import Surfaces
from sciml.tasks.discovery import DiscoveryConfig, HiddenTermModule, Measured, ObservationBatch, Visited
from sciml.train import Recipe, TrainConfig, recipe_of


class SplineConfig(Config):
    """How trajectories are smoothed."""

    nodes: int = pydantic.Field(default=301, ge=20)
    """Nodes per trajectory at which the spline is kept; surfaces have none."""
    smoother: Literal["spline", "gaussian"] = "spline"
    """What is laid through the values of trajectories: smoothing splines, or Gaussian processes, whose length and noise
    all trajectories share. Surfaces are Gaussian processes always."""


class Splines(HiddenTermModule):
    """Smoothing splines of all trajectories, kept by value and slope at nodes equidistant by the clock (cubic Hermite).

    The smoothing follows from the noise where that is known (the spline misses the data by as much as the noise), else
    from generalised cross-validation. A start that is known exactly is kept.

    Arguments:
        problem: gives the known part and the starts.
        nodes: number of nodes.
        seen: the observations.
        smoother: splines or Gaussian processes.
    """

    value: Tensor
    slope: Tensor

    def __init__(
        self, problem: HasHiddenTerm, nodes: int, seen: tuple[Observations, ...],
        smoother: Literal["spline", "gaussian"] = "spline",
    ) -> None:  # fmt: skip
        super().__init__()
        self.problem, self.seen, self.smoother = problem, seen, smoother
        shape = (len(seen), nodes, len(problem.fields))
        self.register_buffer("value", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("slope", torch.zeros(shape, dtype=torch.float64))
        self.clocks = [Clock.of(entry.coordinates[:, 0]) for entry in seen]

    def smooth(self) -> None:
        """Fit the splines. Raises DataError for too few points or a time that comes twice."""
        nodes = np.linspace(0.0, 1.0, self.value.shape[1])
        if self.smoother == "gaussian":
            every = smooth(self.problem, self.seen).curves
        else:
            every = [curves_of(self.problem, k, entry) for k, entry in enumerate(self.seen)]
        for k, curves in enumerate(every):
            for c, curve in enumerate(curves):
                self.value[k, :, c] = torch.from_numpy(curve(nodes))
                self.slope[k, :, c] = torch.from_numpy(curve(nodes, 1))

    def at(self, places: Visited) -> tuple[Tensor, Tensor]:
        """State and time derivative, ``point channel``, NaN outside the observed times."""
        last, times = self.value.shape[1] - 1, places.coordinates[:, 0].double()
        position, speed = torch.full_like(times, torch.nan), torch.ones_like(times)
        for k, clock in enumerate(self.clocks):
            rows = places.trajectory == k
            position[rows], speed[rows] = last * clock.position(times[rows]), clock.speed(times[rows])
        inside = (position >= -1e-6) & (position <= last + 1e-6)
        left = position.nan_to_num(0.0).floor().clamp(0, last - 1).long()
        u, h = (position - left)[:, None], 1 / last
        a, b = self.value[places.trajectory, left], self.value[places.trajectory, left + 1]
        p, q = self.slope[places.trajectory, left] * h, self.slope[places.trajectory, left + 1] * h
        bend, twist = 3 * (b - a) - 2 * p - q, 2 * (a - b) + p + q
        state = a + u * (p + u * (bend + u * twist))
        rate = (p + u * (2 * bend + 3 * u * twist)) / h * speed[:, None]
        outside = ~inside[:, None]
        return state.masked_fill(outside, torch.nan), rate.masked_fill(outside, torch.nan)

    def fields(self, places: Visited) -> Tensor:
        """The state at the places."""
        return self.at(places)[0]

    def remainder(self, places: Visited) -> tuple[Tensor, Tensor]:
        """Inputs of the known part and what it does not explain of the state's derivative."""
        (state, rate), times = self.at(places), places.coordinates[:, 0].double()
        inputs = torch.cat([state, self.problem.drivers_at(places.trajectory, times)], dim=1)
        known = self.problem.rate_equation.known(times, inputs, self.problem.scalar_guesses(places.trajectory))
        return inputs, torch.where(self.problem.is_hidden, rate - known, 0.0 * rate)

    def measure(self, places: Visited) -> Measured:
        """Inputs and remainder at the places."""
        return Measured(*self.remainder(places))

    def term_of(self, inputs: Tensor) -> Tensor | None:
        """None: there are values along the trajectories, and no function."""
        return None

    def found_scalars(self) -> dict[str, float]:
        """The first guesses: this method finds none."""
        return self.problem.rate_equation.unknowns


def smoother_for(problem: HasHiddenTerm, config: SplineConfig, seen: tuple[Observations, ...]) -> Splines | Surfaces:
    """What smooths these observations: splines over time, surfaces where there is space."""
    return Surfaces(problem, seen) if problem.boundary else Splines(problem, config.nodes, seen, config.smoother)


_RECIPES: dict[str, Recipe[SplineConfig, DiscoveryConfig]] = dict.fromkeys(
    ("tiny", "small", "paper"),
    Recipe[SplineConfig, DiscoveryConfig](model=SplineConfig(), task=DiscoveryConfig(), train=TrainConfig(steps=0)),
)


class SplineDerivativeSolver(DirectSolver[SplineConfig, Splines | Surfaces]):
    """Smoothing splines, or surfaces where there is space, differentiated."""

    key = "spline_derivative"
    title = "Spline derivative"
    citation = "C. H. Reinsch, Smoothing by spline functions, Numerische Mathematik 10 (1967) 177-183"
    claim = ""
    max_spatial_dims = 2

    def recipe(self, preset: str) -> Recipe[SplineConfig, DiscoveryConfig]:
        """One for all."""
        return recipe_of(_RECIPES, preset)

    def make(
        self, problem: HasHiddenTerm, config: SplineConfig, seen: tuple[Observations, ...], seed: int
    ) -> Splines | Surfaces:
        """Curves or surfaces that are not fitted yet."""
        return smoother_for(problem, config, seen)

    def adjust(self, module: Splines | Surfaces) -> None:
        """Smooth."""
        module.smooth()

    def misfit(self, module: Splines | Surfaces, batch: ObservationBatch) -> Tensor:
        """Mean squared misfit of the observations."""
        return (module.fields(Visited(batch.trajectory, batch.coordinates)) - batch.values).square().nanmean()
