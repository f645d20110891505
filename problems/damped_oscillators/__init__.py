"""Mixed damped oscillators: short multichannel series for models that must find a hidden state."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves, HasDynamics
from sciml.core.problem import Field, Invariant, Parameter
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import no_axes

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class DampedOscillators(Evolves, HasDynamics):
    """Six channels, each a fixed mixture of a slow and a fast damped oscillator.

        z_k(t) = exp((−γ_k + i ω_k) t) z_k(0),  c = M (Re z_slow, Im z_slow, Re z_fast, Im z_fast)

    Frequencies, dampings, amplitudes and phases differ between series, the mixture does not. A series is observed at a
    few random times; frequencies and dampings are stored with it but are what a model should find out. Good values: 40
    times 0.25 apart, which is 1 to 2 periods of the slow and 3 to 5 of the fast oscillator.
    """

    def grid(self, size: Sequence[int]) -> Grid:
        """No axes; `size` must be ``()``."""
        return no_axes(size)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Six channels at the first time, random amplitudes and phases of the oscillators."""
        return reference.initial_state(generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Complex exponentials, exact to rounding."""
        return reference.simulate(params, initial, times)

    def closures(self) -> Mapping[str, Callable[..., Tensor]]:
        """``slow`` and ``fast``: ``dz/dt`` of ``z`` as (Re, Im), ``batch 2`` to ``batch 2``, and the parameters."""
        return equations.CLOSURES

    def dynamics(
        self, time: Tensor, state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]
    ) -> Tensor:
        """dc/dt: unmix the channels, let the closures act on the oscillators, mix again."""
        return equations.rate(state, params, closures)


PROBLEM = DampedOscillators(
    name="damped_oscillators",
    title="Mixed damped oscillators, irregularly observed",
    equation=equations.EQUATION,
    fields=tuple(Field(f"c{j}", f"c{j}", "1", f"channel {j}") for j in range(1, len(equations.MIXING) + 1)),
    parameters=(
        Parameter("slow_frequency", "ω_slow", "1", "angular frequency of the slow oscillator", 0.8, 1.3),
        Parameter("slow_damping", "γ_slow", "1", "decay rate of the slow oscillator", 0.02, 0.08),
        Parameter("fast_frequency", "ω_fast", "1", "angular frequency of the fast oscillator", 2.0, 3.2),
        Parameter("fast_damping", "γ_fast", "1", "decay rate of the fast oscillator", 0.04, 0.16),
    ),
    boundary={},
    invariants=(Invariant("balance", "decay of one oscillator against that of the other", equations.balance, 1e-5),),
    metrics=("interpolation/rmse", "extrapolation/rmse", "all/rmse", "evaluations"),
    solver="latent_ode",
    citation="Own data, in place of clinical series (Y. Rubanova, R. T. Q. Chen, D. Duvenaud, Latent ODEs for "
    "Irregularly-Sampled Time Series, NeurIPS (2019), arXiv:1907.03907)",
)
