"""The universal differential equation: a network inside the equation, fitted through the integrator.

    dx/dt = K(x; θ) + F(x),   min mean |x(t_d) − y_d|² / s²

Training through the integrator from nothing ends in poor minima, since errors of F grow along a trajectory. So F is
first fitted to derivatives of smoothing splines, where there are points enough for splines.

Reference: C. Rackauckas et al., arXiv 2001.04385.
"""

from collections.abc import Callable

import pydantic
import torch
from torch import Tensor, nn

from sciml import ode
from sciml.core import rng
from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.config import Config
from sciml.discovery import FEWEST_FOR_SPLINES as FEWEST
from sciml.discovery import method_for, start_of
from sciml.models import StackedMLP
from sciml.solvers.discovery._descent import LBFGS, Adam
from sciml.solvers.discovery._places import scales_of
from sciml.solvers.discovery._solver import DiscoverySolver
from sciml.solvers.discovery._spline import SplineConfig, Splines
from sciml.tasks.discovery import (
    DiscoveryConfig,
    HiddenTermModule,
    Measured,
    ObservationBatch,
    ObservationExamples,
    Visited,
    dense_places,
)
from sciml.train import Examples, Phases, Recipe, StepRule, TrainConfig, recipe_of

ROWS = 61
"""Places per trajectory at which slopes are matched."""


class UniversalODEConfig(Config):
    """Sizes and training."""

    width: int = pydantic.Field(default=16, ge=2)
    """Hidden units of the network, in two layers."""
    steps: int = pydantic.Field(default=30, ge=4)
    """Steps of RK4 over the longest trajectory."""
    warm: int = pydantic.Field(default=1000, ge=0)
    """Of the training's steps, those of Adam on the derivatives of smoothing splines, before anything is integrated;
    left out where there are too few points for splines."""
    adam: int = pydantic.Field(default=100, ge=0)
    """Of the training's steps, the next ones, of Adam through the integrator; the others are iterations of L-BFGS."""
    learning_rate: float = pydantic.Field(default=1e-2, gt=0)
    """Of Adam on derivatives, and a fifth of it through the integrator; falling to a thirtieth along a cosine."""


class UniversalODE(HiddenTermModule):
    """A hidden network and unknown scalars, integrated from the starts.

    A start that is not known exactly is a parameter too.

    Arguments:
        problem: gives the known part.
        config: sizes.
        seen: the observations.
        seed: of the initial weights; the last layer starts at zero, so that integration starts with the known part.
    """

    began: Tensor

    def __init__(
        self, problem: HasHiddenTerm, config: UniversalODEConfig, seen: tuple[Observations, ...], seed: int
    ) -> None:
        super().__init__()
        self.problem, self.config, self.seen = problem, config, seen
        self.chosen = problem.rate_equation.hidden_columns
        self.scales = scales_of(problem, seen)
        channels = len(problem.fields)
        self.hidden = StackedMLP(1, len(self.chosen), channels, width=config.width, layers=2,
                                 generator=rng.generator(seed, "hidden"))  # fmt: skip
        with torch.no_grad():
            self.hidden.weights[-1].zero_()
        guesses = torch.tensor(list(problem.rate_equation.unknowns.values()), dtype=torch.float64)
        self.scalars = nn.Parameter(guesses) if len(guesses) else None
        first = [entry.coordinates[:1] for entry in seen]
        parts = [start_of(problem, k, point) for k, point in enumerate(first)]
        exact = all(bool((factor == 0).all()) for _, factor in parts)
        start = torch.cat([a if exact else _first(entry) for (a, _), entry in zip(parts, seen, strict=True)])
        self.start = nn.Parameter(start, requires_grad=not exact)
        self.register_buffer("began", torch.cat(first)[:, 0], persistent=False)

    def states(self, times: Tensor) -> Tensor:
        """States of all trajectories at common increasing times after their starts, ``trajectory time channel``."""
        which = torch.arange(len(self.seen))
        step = float(self.scales.upper[0] - self.scales.lower[0]) / self.config.steps
        begun = self.began[:, None]
        grid = torch.cat((begun, times.clamp(min=float(begun.max()) + 1e-9).expand(len(begun), -1)), dim=1)
        if self.scales.clock.even:
            return ode.solve(self._rate, self.start, grid, args=(which,), method="rk4", step=step).states[:, 1:]
        solved = ode.solve(
            self._rate, self.start, grid, args=(which,), method=method_for(grid[0]), rtol=1e-4, atol=1e-6
        )
        return solved.states[:, 1:]

    def inputs(self, time: Tensor, state: Tensor, which: Tensor) -> Tensor:
        """The inputs of the known part, with what drives trajectories `which`."""
        return torch.cat([state, self.problem.drivers_at(which, time.expand(len(state)))], dim=1)

    def _rate(self, time: Tensor, state: Tensor, which: Tensor) -> Tensor:
        names = self.problem.rate_equation.unknowns
        scalars = (
            {} if self.scalars is None else {n: v.expand(len(state)) for n, v in zip(names, self.scalars, strict=True)}
        )
        inputs = self.inputs(time, state, which)
        return self.problem.rate_equation.known(time, inputs, scalars) + self.term_of(inputs)

    def at(self, places: Visited) -> Tensor:
        """States at the places, ``point channel``; NaN where time is not a number."""
        asked = places.coordinates[:, 0].double()
        times, back = torch.unique(asked.nan_to_num(float(self.scales.lower[0])), return_inverse=True)
        states = self.states(times)[places.trajectory, back]
        return torch.where(asked.isnan()[:, None], torch.nan, states)

    @torch.no_grad()
    def measure(self, places: Visited) -> Measured:
        """Integrated states and the hidden term there."""
        inputs = self.inputs(places.coordinates[:, 0].double(), self.at(places), places.trajectory)
        return Measured(inputs, self.term_of(inputs))

    def term_of(self, inputs: Tensor) -> Tensor:
        """F in physical units."""
        scaled = (inputs.double() - self.scales.input_offset)[:, self.chosen] / self.scales.input[self.chosen]
        return self.hidden(scaled[None])[0] * (self.scales.rate * self.problem.is_hidden)

    def found_scalars(self) -> dict[str, float]:
        """The unknown scalars as fitted."""
        names = self.problem.rate_equation.unknowns
        return {} if self.scalars is None else dict(zip(names, self.scalars.tolist(), strict=True))

    def slopes(self) -> Callable[[], Tensor] | None:
        """Mean squared misfit of K + F to the slopes of smoothing splines; None where there are too few points."""
        if min(int(entry.seen.sum(0).min()) for entry in self.seen) < FEWEST:
            return None
        splines = Splines(self.problem, SplineConfig().nodes, self.seen)
        splines.smooth()
        places = dense_places(self.seen, ROWS)
        states, rates = splines.at(places)

        def misfit() -> Tensor:
            modelled = self._rate(places.coordinates[:, 0], states, places.trajectory)
            return ((modelled - rates) / self.scales.rate).square().mean()

        return misfit

    def misfit(self, batch: ObservationBatch) -> Tensor:
        """Mean squared scaled misfit."""
        states = self.at(Visited(batch.trajectory, batch.coordinates))
        misses = (states - batch.values.nan_to_num(0.0)) / self.scales.field
        return misses[batch.values.isfinite()].square().mean()  # a NaN that only is left out still spoils gradients


def _first(entry: Observations) -> Tensor:
    """The first value of every field, ``1 channel``."""
    rows = entry.seen.int().argmax(0)
    return entry.values.gather(0, rows[None])


_RECIPES = {
    preset: Recipe[UniversalODEConfig, DiscoveryConfig](
        model=UniversalODEConfig(adam=adam),
        task=DiscoveryConfig(),
        train=TrainConfig(steps=steps, evaluate_every=50, checkpoint_every=50),
    )
    for preset, adam, steps in (("tiny", 0, 1040), ("small", 100, 1250), ("paper", 1000, 2500))
}


class UniversalODESolver(DiscoverySolver[UniversalODEConfig, UniversalODE]):
    """A network inside the equation."""

    key = "universal_ode"
    title = "Universal ODE"
    citation = (
        "C. Rackauckas et al., Universal differential equations for scientific machine learning, arXiv 2001.04385"
    )
    claim = ""
    rule = Phases
    fits_own_scalars = False

    def recipe(self, preset: str) -> Recipe[UniversalODEConfig, DiscoveryConfig]:
        """Larger presets train longer."""
        return recipe_of(_RECIPES, preset)

    def make(
        self, problem: HasHiddenTerm, config: UniversalODEConfig, seen: tuple[Observations, ...], seed: int
    ) -> UniversalODE:
        """The untrained equation."""
        return UniversalODE(problem, config, seen, seed)

    def step_rule(
        self, module: UniversalODE, examples: Examples[ObservationBatch], config: TrainConfig, seed: int = 0
    ) -> Phases[ObservationBatch]:
        """Adam on slopes, then Adam and L-BFGS through the integrator, on all observations at every step."""
        model, whole = module.config, ObservationExamples(module.seen).whole
        warm = min(model.warm, config.steps)
        adam = min(model.adam, config.steps - warm)
        rest = config.steps - warm - adam
        every = [p for p in module.parameters() if p.requires_grad]

        def misfit() -> Tensor:
            return module.misfit(whole)

        phases: list[tuple[StepRule[ObservationBatch], int]] = [
            (Adam(every, misfit, steps=adam, learning_rate=model.learning_rate / 5), adam),
            (LBFGS(every, misfit, iterations=rest), rest),
        ]
        if not warm:
            return Phases(phases)
        slopes = module.slopes()
        if slopes is None:
            return Phases(
                phases, ends=f"the {warm} steps on slopes are left out: fewer than {FEWEST} times are observed"
            )
        inner = [*module.hidden.parameters(), *([] if module.scalars is None else [module.scalars])]
        return Phases([(Adam(inner, slopes, steps=warm, learning_rate=model.learning_rate), warm), *phases])

    def misfit(self, module: UniversalODE, batch: ObservationBatch) -> Tensor:
        """Of the integrated trajectories."""
        return module.misfit(batch)
