"""The Van der Pol oscillator, from nearly harmonic to relaxation: one equation, mildly and severely stiff."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves, HasDynamics
from sciml.core.problem import Field, Parameter
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import no_axes

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class VanDerPol(Evolves, HasDynamics):
    """Van der Pol oscillator, autonomous, in units of the undamped frequency.

        x'' = μ (1 − x²) x' − x

    Whatever the start, it swings to a limit cycle of amplitude 2: nearly a cosine of period 2π for small μ, slow drifts
    of length 0.8 μ between sudden jumps for large μ. Good values: μ 0.5 to 20, t from 0 to 20 or 40, dt 0.1.
    """

    def grid(self, size: Sequence[int]) -> Grid:
        """No axes; `size` must be ``()``."""
        return no_axes(size)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """(x, v) uniform in the square ``[−2, 2]²``: inside, on and outside the limit cycle."""
        return reference.initial_state(generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """DOP853 at a relative tolerance of 1e-11, every row for itself."""
        return reference.simulate(params, initial, times)

    def closures(self) -> Mapping[str, Callable[..., Tensor]]:
        """``friction(state: batch 2, params)`` and ``restoring(x: batch 1, params)``, forces ``batch 1``."""
        return equations.CLOSURES

    def dynamics(
        self, time: Tensor, state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]
    ) -> Tensor:
        """d(x, v)/dt; the velocity is no closure, the two forces are."""
        return equations.rate(state, params, closures)


PROBLEM = VanDerPol(
    name="van_der_pol",
    title="Van der Pol oscillator",
    equation=equations.EQUATION,
    fields=(Field("displacement", "x", "1", "displacement"), Field("velocity", "v", "1", "velocity")),
    parameters=(Parameter("mu", "μ", "1", "strength of the nonlinear friction", 0.5, 20.0, "log"),),
    boundary={},
    metrics=("rollout/relative_l2", "rollout/mae_share", "window/relative_l2", "evaluations"),
    solver="neural_ode",
    citation="B. van der Pol, On relaxation-oscillations, The London, Edinburgh, and Dublin Philosophical Magazine and "
    "Journal of Science 2 (1926) 978-992. doi:10.1080/14786442608564127",
)
