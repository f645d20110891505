"""Lotka-Volterra predators and prey: closed orbits with sharp peaks, and an invariant to watch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves, HasDynamics, HasHiddenTerm, HeldOut, HiddenSpec
from sciml.core.clock import Clock
from sciml.core.problem import Field, Invariant, Parameter
from sciml.core.statement import Statement
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import no_axes

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class LotkaVolterra(Evolves, HasDynamics, HasHiddenTerm):
    """Predators and prey, non-dimensional and autonomous.

        dx/dt = α x − β x y,  dy/dt = δ x y − γ y

    Populations run round closed orbits about the equilibrium (γ/δ, α/β): prey rise, predators follow in a sharp peak,
    both fall. Good values: (α, β, δ, γ) about (1.5, 1, 1, 3), start near (1, 1), t from 0 to 10, dt 0.1.

    For discovery the growth of prey and the death of predators are known; what happens when they meet,
    (− β x y, δ x y), is hidden. Good values: three trajectories with ten points each and half a per cent of noise. One
    trajectory alone is a curve in the plane, on which x y cannot be told from other functions.
    """

    hidden: HiddenSpec = equations.HIDDEN

    def grid(self, size: Sequence[int]) -> Grid:
        """No axes; `size` must be ``()``."""
        return no_axes(size)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """(prey, predators), each uniform in 0.5 to 1.5."""
        return reference.initial_state(generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """RK4 in float64, every row with its own steps."""
        return reference.simulate(params, initial, times)

    def closures(self) -> Mapping[str, Callable[..., Tensor]]:
        """``birth(prey)``, ``predation(state)``, ``reproduction(state)``, ``death(predator)``; parameters come second.

        A population is ``batch 1``, the state ``batch 2``, what is returned ``batch 1`` and positive.
        """
        return equations.CLOSURES

    def dynamics(
        self, time: Tensor, state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]
    ) -> Tensor:
        """d(x, y)/dt = (birth − predation, reproduction − death)."""
        return equations.rate(state, params, closures)

    def hidden_statement(self, trajectory: int = 0) -> Statement:
        """See `equations.statement`."""
        return equations.statement(equations.STARTS[trajectory])

    def reference_trajectory(self, trajectory: int, coordinates: Tensor) -> Tensor:
        """By DOP853, at the parameters of the benchmark."""
        return reference.BENCHMARK_TRAJECTORIES.states(equations.STARTS[trajectory], coordinates.detach()[:, 0])

    def held_out(self) -> HeldOut:
        """From (1, 3), as long as the observed ones."""
        times = Clock(0.0, equations.END).ticks(61)
        return HeldOut(times, reference.BENCHMARK_TRAJECTORIES.states(equations.HELD_OUT, times))


PROBLEM = LotkaVolterra(
    name="lotka_volterra",
    title="Lotka-Volterra predators and prey",
    equation=equations.EQUATION,
    fields=(
        Field("prey", "x", "1", "number of prey", least=0.0),
        Field("predator", "y", "1", "number of predators", least=0.0),
    ),
    parameters=(
        Parameter("alpha", "α", "1", "birth rate of the prey", 1.2, 1.8),
        Parameter("beta", "β", "1", "rate at which a predator eats", 0.8, 1.2),
        Parameter("delta", "δ", "1", "rate at which eaten prey become predators", 0.8, 1.2),
        Parameter("gamma", "γ", "1", "death rate of the predators", 2.5, 3.5),
    ),
    boundary={},
    invariants=(Invariant("volterra", "Volterra's first integral above its smallest value", equations.volterra, 1e-5),),
    metrics=(
        "rollout/relative_l2",
        "rollout/mae_share",
        "window/relative_l2",
        "evaluations",
        "hidden/relative_l2",
        "hidden/prey",
        "hidden/predator",
        "state/relative_l2",
    ),
    solver="neural_ode",
    citation="V. Volterra, Fluctuations in the abundance of a species considered mathematically, Nature 118 (1926) "
    "558-560. doi:10.1038/118558a0; hidden interaction: C. Rackauckas et al., Universal differential equations for "
    "scientific machine learning, arXiv 2001.04385; L. Podina, B. Eastman, M. Kohandel, Universal physics-informed "
    "neural networks, ICML 2023, PMLR 202:27948",
)
