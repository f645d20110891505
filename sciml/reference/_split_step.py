"""Split-step Fourier solution of Schrödinger equations on periodic grids; the norm is exact to rounding."""

import math
from itertools import pairwise

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.core.types import Grid, Trajectory
from sciml.reference._spectral import Fourier

_W1 = 1 / (2 - 2 ** (1 / 3))
_STAGES = (_W1, 1 - 2 * _W1, _W1)
"""Shares of the step that three Strang steps take: their errors of second order cancel."""


def split_step(
    initial: Complex[Tensor, "batch *space"],
    times: Float[Tensor, " time"],
    grid: Grid,
    *,
    dispersion: Float[Tensor, " batch"],
    potential: Float[Tensor, "batch *space"],
    interaction: Float[Tensor, " batch"] | None = None,
    step: float,
) -> Trajectory:
    """Solutions of ``i ψ_t = −D ∇²ψ + V ψ + g |ψ|² ψ`` at `times`.

    Kinetic and potential part are solved exactly in turn, composed to order four; each of them only turns phases, so
    ``∫|ψ|²`` is kept to rounding whatever the step. Equal steps, at most `step` long, between two output times.

    Arguments:
        initial: ψ at ``times[0]``, complex128.
        times: increasing.
        grid: periodic, of any number of axes.
        dispersion: D per row; 1/2 in the usual units, 1/(2k) for the envelope of a beam.
        potential: V on the grid.
        interaction: g per row; none if left out.
        step: longest time step; above ``2π / (D k_max²)`` the nonlinear equation resonates with the splitting, and is
            refused.

    Returns: real and imaginary part of ψ as channels, ``batch time 2 *space``; DIVERGED and NaN for a row that is not
        finite.

    Raises: UserError for times that do not increase, a grid that is not periodic or of another size, a step that is not
        positive or resonates.

    Reference: H. Yoshida, Phys. Lett. A 150 (1990) 262-268, doi:10.1016/0375-9601(90)90092-3; R. H. Hardin and
    F. D. Tappert, SIAM Rev. 15 (1973) 423.
    """
    if any(not late > early for early, late in pairwise(times.tolist())):
        raise UserError("output times must increase", got=times.tolist())
    dims = tuple(range(-len(grid.size), 0))
    wide = (-1, *[1] * len(dims))
    kinetic = dispersion.reshape(wide) * _full_k_squared(grid).to(dispersion)
    _check(initial, potential, grid, step, kinetic if interaction is None else kinetic[interaction != 0], interaction)
    strength = None if interaction is None else interaction.reshape(wide)

    def potential_part(psi: Tensor, h: float) -> Tensor:
        energy = potential if strength is None else potential + strength * psi.abs().square()
        return psi * torch.exp(-1j * h * energy)

    psi, kept, total = initial, [initial], 0
    for early, late in pairwise(times.tolist()):
        count = max(1, math.ceil((late - early) / step))
        h = (late - early) / count
        turns = [torch.exp(-1j * share * h * kinetic) for share in _STAGES]
        for _ in range(count):
            for share, turn in zip(_STAGES, turns, strict=True):
                psi = potential_part(psi, share * h / 2)
                psi = torch.fft.ifftn(turn * torch.fft.fftn(psi, dim=dims), dim=dims)
                psi = potential_part(psi, share * h / 2)
        total += count
        kept.append(psi)
    states = torch.stack(kept, 1)
    broken = ~torch.view_as_real(states).isfinite().flatten(1).all(1)
    parts = torch.where(broken.reshape(-1, *[1] * (states.ndim)), torch.nan, torch.stack([states.real, states.imag], 2))
    status = torch.where(broken, int(Status.DIVERGED), int(Status.OK)).to(torch.int8)
    return Trajectory(parts, status, {"steps": torch.full_like(status, total, dtype=torch.int64)})


def _check(
    initial: Tensor, potential: Tensor, grid: Grid, step: float, kinetic: Tensor, interaction: Tensor | None
) -> None:
    """Refuse what would be solved wrongly; `kinetic` is the kinetic energy by mode of the rows that interact."""
    for name, values in (("ψ", initial), ("potential", potential)):
        if tuple(values.shape) != (len(initial), *grid.size):
            raise UserError(
                f"the {name} does not fit the grid",
                got=f"shape {tuple(values.shape)}",
                expected=f"one row per sample on the grid, {(len(initial), *grid.size)}",
            )
    if not initial.is_complex():
        raise UserError("ψ must be complex", got=str(initial.dtype), expected="torch.complex128")
    if not 0 < step < math.inf:
        raise UserError("the time step must be positive", got=step, expected="a number above 0")
    if interaction is None or not len(kinetic):
        return
    largest = 2 * math.pi / float(kinetic.abs().max())
    if step > largest * (1 + 1e-12):
        raise UserError(
            "the interaction resonates with time steps of this length, and errors grow",
            got=f"step={step:g}",
            expected=f"at most 2π / (D k_max²) = {largest:.4g}",
        )


def _full_k_squared(grid: Grid) -> Float[Tensor, "*space"]:
    """``|k|²`` on all modes of a complex field."""
    Fourier(grid)  # refuses grids that are not periodic
    total = torch.zeros((), dtype=torch.float64)
    for dim, axis in enumerate(grid.axes):
        k = 2 * math.pi / axis.extent * torch.fft.fftfreq(axis.size, 1 / axis.size, dtype=torch.float64)
        total = total + k.square().reshape(-1, *[1] * (len(grid.axes) - 1 - dim))
    return total
