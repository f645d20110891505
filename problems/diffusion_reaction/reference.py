"""Sources, and central differences in space with Runge-Kutta steps in time."""

import torch
from torch import Tensor

from sciml.core.capabilities import Images
from sciml.core.functions import Functions, FunctionSpace
from sciml.core.status import Status
from sciml.reference import ChebyshevSpace, GaussianSpace, Kernel, integrate, interpolate

from .equations import DIFFUSIVITY, LENGTH, LINE, RATE

CELLS = 200
"""Of the reference in space."""
_STABLE = 0.6
"""Step in units of the square of a cell over the diffusivity; Runge-Kutta of order 4 is stable up to 0.69."""

SPACES: dict[str, FunctionSpace] = {
    "grf": GaussianSpace(LINE, Kernel("rbf", LENGTH)),
    "grf_long": GaussianSpace(LINE, Kernel("rbf", 2.5 * LENGTH)),
    "chebyshev": ChebyshevSpace(LINE, size=10, bound=1.0),
}


def fields(functions: Functions, queries: Tensor, *, cells: int = CELLS) -> Images:
    """s at queries (t, x), ``function query 1``.

    Central differences of order 2 on `cells` cells, Runge-Kutta of order 4 in time; times of the queries are met
    exactly, points between the nodes are interpolated linearly.
    """
    x = torch.linspace(0, 1, cells + 1, dtype=torch.float64)
    source, spacing = functions(x[1:-1, None]), 1 / cells

    def tendency(inner: Tensor) -> Tensor:
        s = torch.nn.functional.pad(inner, (1, 1))
        return DIFFUSIVITY * (s[:, 2:] - 2 * inner + s[:, :-2]) / spacing**2 + RATE * inner.square() + source

    times = torch.unique(torch.cat((queries.new_zeros(1), queries[:, 0])))
    step = _STABLE * spacing**2 / DIFFUSIVITY
    solved = integrate(
        tendency,
        torch.zeros_like(source),
        times.tolist(),
        largest_step=lambda state: torch.full((len(state),), step, dtype=torch.float64),
        is_admissible=lambda state: state.isfinite().all(1),
    )
    states = torch.nn.functional.pad(solved.states, (1, 1))
    values = states.new_empty(len(states), len(queries))
    number = torch.searchsorted(times, queries[:, 0].contiguous())
    for row in number.unique().tolist():
        chosen = number == row
        values[:, chosen] = interpolate(states[:, row], queries[chosen, 1:])
    failed = solved.status != Status.OK
    return Images(torch.where(failed[:, None, None], torch.nan, values[..., None]), solved.status)
