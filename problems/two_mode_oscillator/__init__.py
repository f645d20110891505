"""A slow and a fast damped oscillator: what a regulariser of solver cost does to system identification."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves, HasDynamics
from sciml.core.problem import Field, Invariant
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import no_axes

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class TwoModeOscillator(Evolves, HasDynamics):
    """One linear system of two uncoupled damped modes, both observed, time in units of the slow mode.

        x₁'' = −x₁ − 0.1 x₁',  x₂'' = −100 x₂ − 0.2 x₂'

    The fast mode sets the cost of an explicit solver and holds little of the displacement, so a penalty on error
    estimates or stiffness is paid by damping it. Good values: t from 0 to 12.5, dt 0.05 (12 points per fast period).
    """

    def grid(self, size: Sequence[int]) -> Grid:
        """No axes; `size` must be ``()``."""
        return no_axes(size)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Displacement and velocity of both modes, random amplitudes and phases."""
        return reference.initial_state(generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """The matrix exponential, exact to rounding."""
        return reference.simulate(initial, times)

    def closures(self) -> Mapping[str, Callable[..., Tensor]]:
        """``slow`` and ``fast``: ``(displacement and velocity: batch 2, params) -> acceleration: batch 1``."""
        return equations.CLOSURES

    def dynamics(
        self, time: Tensor, state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]
    ) -> Tensor:
        """The velocities are known, the accelerations are the closures."""
        return equations.rate(state, params, closures)


PROBLEM = TwoModeOscillator(
    name="two_mode_oscillator",
    title="Two-mode oscillator, slow and fast",
    equation=equations.EQUATION,
    fields=(
        Field("slow", "x₁", "1", "displacement of the slow mode"),
        Field("slow_velocity", "x₁'", "1", "velocity of the slow mode"),
        Field("fast", "x₂", "1", "displacement of the fast mode"),
        Field("fast_velocity", "x₂'", "1", "velocity of the fast mode"),
    ),
    boundary={},
    invariants=(Invariant("balance", "decay of one mode against that of the other", equations.balance, 1e-5),),
    metrics=("rollout/relative_l2", "rollout/mae_share", "window/relative_l2", "evaluations"),
    solver="neural_ode",
    citation="Textbook. Its use to show the bias of regularised solver heuristics follows A. Pal, Y. Ma, V. Shah, "
    "C. Rackauckas, Opening the Blackbox, ICML (2021), arXiv:2105.03918, who name it as a limit of their method",
)
