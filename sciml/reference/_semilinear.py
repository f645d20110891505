"""Pseudo-spectral solution of semilinear equations on periodic grids: two functions make a solver."""

import math
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Complex, Float, Inexact
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference._exponential import ETDRK4, ExponentialMethod
from sciml.reference._grids import check_initial
from sciml.reference._spectral import Fourier, resample
from sciml.reference._stepping import check_step_factor, in_chunks, integrate

CHUNK_POINTS = 8 * 64**2
"""Grid points of the rows solved at a time on a CPU; the work arrays of more leave its cache."""

LARGEST_FACTOR = 2.8
"""Of a step that takes a Courant number of one, where methods of four stages become unstable."""


class Semilinear(ABC):
    """An equation ``u_t = L u + N(u)`` with constant coefficients in L, on a periodic grid of any number of axes.

    It holds no state; parameters have one value per row. Everything but `largest_step` is in Fourier space.
    """

    degree: ClassVar[int] = 2
    """Degree of N as a polynomial in u, which sets how many modes are kept free of aliasing."""
    method: ClassVar[ExponentialMethod] = ETDRK4
    longest_interval: ClassVar[float] = math.inf
    """Longest time for which a time step is kept before `largest_step` is asked again."""

    @abstractmethod
    def linear(self, fourier: Fourier, params: Params) -> Inexact[Tensor, "row channel *mode"]:
        """L as a factor per mode, per row and channel or broadcastable over them."""

    @abstractmethod
    def nonlinear(
        self, u_hat: Complex[Tensor, "batch channel *mode"], fourier: Fourier, params: Params
    ) -> Complex[Tensor, "batch channel *mode"]:
        """N of coefficients that vanish outside ``fourier.resolved``; what it gives outside is dropped."""

    def source(self, fourier: Fourier, params: Params) -> Complex[Tensor, "row channel *mode"] | None:
        """A part of N that is constant in time, asked for once; None for none."""
        return None

    @abstractmethod
    def largest_step(
        self, u: Float[Tensor, "batch channel *space"], fourier: Fourier, params: Params
    ) -> Float[Tensor, " batch"]:
        """The time step that is accurate for every row; infinite where the method is exact."""


def evolve_semilinear(
    equation: Semilinear,
    params: Params,
    initial: Float[Tensor, "batch channel *space"],
    times: Float[Tensor, " time"],
    grid: Grid,
    *,
    internal: Grid | None = None,
    method: ExponentialMethod | None = None,
    step_factor: float = 1.0,
) -> Trajectory:
    """States at `times` of a batch of rows that do not influence each other; float64, on the device of `initial`.

    Products are dealiased: modes outside an ellipse of ``2 / (degree + 1)`` of the Nyquist wavenumbers are dropped,
    from the initial state too.

    Arguments:
        equation: what to solve.
        params: ``batch`` values each.
        initial: states at ``times[0]`` on `grid`.
        times: increasing.
        grid: where states are stored, periodic.
        internal: where they are computed, a finer grid on the same box; `grid` if left out.
        method: `IFRK4` or `ETDRK4`; the equation's own if left out.
        step_factor: multiplies the equation's time step; at most 2.8, the limit of four stages for waves.

    Raises: UserError for a step factor that cannot be, or initial states on another grid.
    Returns: DIVERGED for a row with a value that is not finite, NaN from there on; ``stats["steps"]`` per row.
    """
    check_step_factor(step_factor, LARGEST_FACTOR)
    check_initial(initial, initial.shape[1], grid.size, "the unknowns of the equation")
    internal = grid if internal is None else internal
    fourier = Fourier(internal, initial.device, truncate=True, degree=equation.degree)
    scheme = equation.method if method is None else method
    asked, kept = _cut(times.tolist(), equation.longest_interval)

    def solve(rows: slice) -> Trajectory:
        numbers = {name: value[rows].to(initial) for name, value in params.items()}
        source = equation.source(fourier, numbers)

        def tendency(state: Tensor) -> Tensor:
            changes = equation.nonlinear(state, fourier, numbers)
            return (changes if source is None else changes + source) * fourier.resolved

        solved = integrate(
            tendency,
            fourier.forward(resample(initial[rows], fourier.size)) * fourier.resolved,
            asked,
            largest_step=lambda state: step_factor * equation.largest_step(fourier.inverse(state), fourier, numbers),
            is_admissible=lambda state: torch.view_as_real(state).isfinite().flatten(1).all(1),
            observe=lambda state: resample(fourier.inverse(state), grid.size),
            method=scheme(equation.linear(fourier, numbers)),
        )
        return solved._replace(states=solved.states[:, kept])

    chunk = len(initial) if initial.is_cuda else max(1, CHUNK_POINTS // math.prod(internal.size))
    return in_chunks(solve, len(initial), chunk)


def _cut(times: list[float], longest: float) -> tuple[list[float], list[int]]:
    """`times` with equidistant ones between them, at most `longest` apart; and where the given ones are."""
    asked, kept = times[:1], [0]
    for early, late in pairwise(times):
        parts = max(1, math.ceil((late - early) / longest))
        asked += [early + (late - early) * part / parts for part in range(1, parts)] + [late]
        kept.append(len(asked) - 1)
    return asked, kept


def over_space(values: Float[Tensor, " batch"], fourier: Fourier) -> Float[Tensor, "batch one *one"]:
    """One number per row, broadcastable over ``batch channel *mode``."""
    return values.reshape(-1, *[1] * (1 + len(fourier.size)))
