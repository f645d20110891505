"""Whether repeated steps are those that were taken."""

from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.ode._explicit import Explicit
from sciml.ode._graph import grad
from sciml.ode._plan import Plan

_ROUNDINGS = 8
"""Units of rounding that sums of many terms are off by: those of float32, since such a network may be part of any f."""


def complain_if_changed(
    plan: Plan,
    start: Tensor,
    end: Tensor,
    again: Tensor | None,
    rows: Tensor | None = None,
    inputs: Sequence[Tensor] = (),
) -> None:
    """UserError if repeated steps end elsewhere: their gradient would be that of another right-hand side.

    What steps may differ by is measured by the longest way that a step of the same sample goes: close to an equilibrium
    the terms cancel, and what is left is their rounding, which another size of the batch may change.

    Arguments:
        start, end: states before and after the steps that were taken.
        again: states after the repeated ones; None if other samples were under way.
        rows: which sample each step is of, if there are several steps.
        inputs: what the repeated steps depend on, whose graph they then have.
    """
    if again is None:
        complain_of_change()
    size, gap = (end - start).norm(dim=1), (again.detach() - end).norm(dim=1)
    extent = end.norm(dim=1)
    if rows is not None and len(rows):
        size, extent = _largest(size, rows), _largest(extent, rows)
    absolute = plan.tolerance.absolute
    if isinstance(absolute, Tensor):
        absolute = absolute.norm() / len(absolute) ** 0.5
    # what another order of sums may change where terms cancel; a network in float32 may be part of any f
    share, rounding = (1e-4, 2e-7) if end.dtype == torch.float64 else (1e-2, 1e3 * torch.finfo(end.dtype).eps)
    allowed = share * size + rounding * extent
    if plan.step is None or not isinstance(plan.method, Explicit):  # Newton's iteration stops within the tolerance
        allowed = allowed + plan.tolerance.relative * end.norm(dim=1) + absolute * end.shape[1] ** 0.5
    if bool((gap > allowed).any()) and not _is_rounding(end, again, int(gap.argmax()), inputs):
        complain_of_change()


def _is_rounding(end: Tensor, again: Tensor, row: int, inputs: Sequence[Tensor]) -> bool:
    """Whether the gap of a step is rounding, some units of Σ |θ ∂y/∂θ|: at rest large terms may cancel."""
    gap = (again[row] - end[row]).detach()
    if not inputs or not gap.isfinite().all():
        return False
    cotangent = torch.zeros_like(again)
    cotangent[row] = gap.sign()
    slopes = grad([again], inputs, [cotangent])
    terms = sum(float((x.detach() * s).abs().sum()) for x, s in zip(inputs, slopes, strict=True) if s is not None)
    unit = max(torch.finfo(dtype).eps for dtype in (end.dtype, torch.float32))
    return float(gap.abs().sum()) <= _ROUNDINGS * unit * terms


def _largest(values: Tensor, rows: Tensor) -> Tensor:
    """The largest of the values with the same row, in place of each."""
    largest = values.new_zeros(int(rows.max()) + 1).scatter_reduce(0, rows, values, "amax")
    return largest[rows]


def complain_of_change() -> NoReturn:
    """UserError that says so."""
    raise UserError(
        "the right-hand side gives another answer when steps are repeated for the gradient",
        expected="a function of time, state and arguments of one row: no randomness, no look at other rows",
        fix="Take gradient=Discrete(schedule='graph'), which repeats nothing.",
    )
