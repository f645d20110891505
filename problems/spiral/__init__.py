"""The cubic spiral: the two-dimensional system neural ordinary differential equations are first tried on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves, HasDynamics
from sciml.core.problem import Field
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import no_axes

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class Spiral(Evolves, HasDynamics):
    """Cubic spiral in the plane, autonomous.

        dy/dt = y³ A,  A = [[−0.1, 2], [−2, −0.1]],  y a row, the cube taken per component

    The state turns anticlockwise on rounded squares and falls to the origin like ``t^(−1/2)``, turning more slowly the
    closer it gets. Good values: t from 0 to 25, radius about 2 at the start, dt 0.05 or less.
    """

    def grid(self, size: Sequence[int]) -> Grid:
        """No axes; `size` must be ``()``."""
        return no_axes(size)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """(y₁, y₂) on a ring around the radius 2, any angle."""
        return reference.initial_state(generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """RK4 in float64, every row with its own steps."""
        return reference.simulate(params, initial, times)

    def closures(self) -> Mapping[str, Callable[..., Tensor]]:
        """``decay`` and ``rotation``, each ``(cubes: batch 2, params) -> batch 2``."""
        return equations.CLOSURES

    def dynamics(
        self, time: Tensor, state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]
    ) -> Tensor:
        """dy/dt, the sum of the two closures at the cubes of the state."""
        return equations.rate(state, params, closures)


PROBLEM = Spiral(
    name="spiral",
    title="Cubic spiral",
    equation=equations.EQUATION,
    fields=(Field("y1", "y₁", "1", "first coordinate"), Field("y2", "y₂", "1", "second coordinate")),
    boundary={},
    metrics=("rollout/relative_l2", "rollout/mae_share", "window/relative_l2", "evaluations"),
    solver="neural_ode",
    citation="R. T. Q. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud, Neural Ordinary Differential Equations, "
    "NeurIPS (2018), arXiv:1806.07366",
)
