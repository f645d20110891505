"""Equations forced at times of their own: every sample is integrated from one of its breaks to the next."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.ode._adjoint import Adjoint
from sciml.ode._control import PID
from sciml.ode._gradient import Checkpointed, Discrete
from sciml.ode._method import Method
from sciml.ode._plan import Gaps
from sciml.ode._solution import Solution
from sciml.ode._solve import find_method, solve

_DISCRETE, _CONTROL = Discrete(), PID()
_MOMENT = re.compile(r"\bt = (\d[\d.]*(?:e[+-]?\d+)?)")


def solve_forced(
    f: Callable[..., Tensor],
    y0: Float[Tensor, "batch ..."],
    times: Float[Tensor, "*batch time"],
    breaks: Float[Tensor, "batch break"],
    *,
    share: float = 0.25,
    args: Sequence[Tensor] = (),
    method: str | Method = "dopri5",
    rtol: float | int = 1e-6,
    atol: float | int | Float[Tensor, "..."] = 1e-8,
    step: float | int | None = None,
    gradient: Discrete | Checkpointed | Adjoint = _DISCRETE,
    controller: PID = _CONTROL,
    max_steps: int | None = None,
) -> Solution:
    """`solve` for samples that are forced at times of their own, so that no pulse is stepped over.

    With the breaks b_0 <= b_1 <= … of a sample, its first and its last time among them, it integrates

        dy/ds = (b_{k+1} - b_k) f(b_k + (s - k) (b_{k+1} - b_k), y),   k <= s <= k + 1

    so that breaks lie at whole s for all samples, and `jumps` of `solve` are these. No step crosses a break or is
    longer than `share` of the distance of two. Where the samples begin and which times are asked for moves no break.
    With `Discrete` and a method that chooses its steps, all pieces of all samples are one integration.

    Arguments:
        f, y0, times, args, method, rtol, atol, gradient, controller, max_steps: as for `solve`; times increase, and
            steps of the controller are in units of the distance of two breaks.
        breaks: times at which something begins, turns or ends, in any order, repeated or outside of the times as may
            be. They carry no gradient: the solution does not depend on them.
        share: longest step between two breaks.
        step: longest fixed step, as `share` is; None chooses steps by their error.

    Returns: as `solve`; times of `steps` are not in it.

    Raises: UserError for breaks that are not finite, not one row per sample, or a share that is not in (0, 1].
    """
    if breaks.ndim != 2 or len(breaks) != len(y0) or not bool(breaks.isfinite().all()):
        raise UserError("the breaks must be finite times, one row per sample",
                        got=f"shape {tuple(breaks.shape)}", expected=f"({len(y0)}, break), finite")  # fmt: skip
    if not 0 < share <= 1:
        raise UserError("the longest step is a share of the distance of two breaks", got=share, expected="in (0, 1]")
    rows = times.double().expand(len(y0), -1)
    if bool((rows.diff() < 0).any()):
        raise UserError("a forced equation is integrated forward", got="times that decrease", expected="increasing")
    edges = _edges(breaks.detach().double().to(rows), rows.detach())
    begin, end = edges[:, :-1], edges[:, 1:]
    lengths = end - begin
    inside = torch.nextafter(begin, end), torch.nextafter(end, begin)  # strictly between two breaks
    chosen = find_method(method)
    at_once = step is None and isinstance(gradient, Discrete) and not (chosen.lands or chosen.remembers)
    apart = 2 if at_once else 1
    inner = torch.arange(1.0, lengths.shape[1], dtype=torch.float64, device=y0.device)
    solution = solve(
        _Warped(f, apart), y0, _places(rows, edges, apart), args=(begin, lengths, *inside, *args), method=chosen,
        rtol=rtol, atol=atol, step=step, gradient=gradient, max_steps=max_steps,
        controller=replace(controller, longest=min(controller.longest, share)),
        jumps=_gaps(inner) if at_once else inner,
    )  # fmt: skip
    words = {row: _at_times(failure, edges[row], apart) for row, failure in solution.failures.items()}
    return replace(solution, times=times, failures=words)


def _gaps(inner: Float[Tensor, " break"]) -> Gaps:
    """Piece k lies at 2k <= s <= 2k + 1, so that both sides of a break have a place of their own."""
    return Gaps(*(torch.cat((edge, inner.new_full((1,), torch.inf))) for edge in (2 * inner - 1, 2 * inner)))


def _at_times(failure: str, edges: Float[Tensor, " edge"], apart: int) -> str:
    """Words of a failure with the time in place of s."""

    def moment(found: re.Match[str]) -> str:
        place = float(found[1])
        number = min(int(place // apart), len(edges) - 2)
        return f"t = {float(torch.lerp(edges[number], edges[number + 1], place - apart * number)):.6g}"

    return f"{_MOMENT.sub(moment, failure)} (lengths of steps in distances of two breaks)"


class _Warped(nn.Module):
    """The right-hand side in s; a module, so that whatever parameters `f` holds are found."""

    def __init__(self, f: Callable[..., Tensor], apart: int) -> None:
        super().__init__()
        self.f, self.apart = f, apart

    def forward(
        self,
        place: Float[Tensor, " row"],
        state: Float[Tensor, "row ..."],
        begin: Float[Tensor, "row piece"],
        lengths: Float[Tensor, "row piece"],
        lowest: Float[Tensor, "row piece"],
        highest: Float[Tensor, "row piece"],
        *args: Tensor,
    ) -> Float[Tensor, "row ..."]:
        """dy/ds; times stay strictly between two breaks, where rounding would touch one."""
        number = (place.detach() / self.apart).floor().long().clamp(0, begin.shape[1] - 1)[:, None]
        start, length, low, high = (table.gather(1, number)[:, 0] for table in (begin, lengths, lowest, highest))
        time = (start + (place - self.apart * number[:, 0]) * length).clamp(low, high)
        slope = self.f(time, state, *args)
        return slope * length.reshape(-1, *(1,) * (slope.ndim - 1)).to(slope.dtype)


def _edges(breaks: Float[Tensor, "batch break"], times: Float[Tensor, "batch time"]) -> Float[Tensor, "batch edge"]:
    """First time, breaks in between, last time; what lies outside is moved to the last, where it cuts nothing off."""
    first, last = times[:, :1], times[:, -1:]
    within = torch.where((breaks > first) & (breaks < last), breaks, last)
    return torch.cat((first, within.sort(dim=1).values, last), dim=1)


def _places(
    times: Float[Tensor, "batch time"], edges: Float[Tensor, "batch edge"], apart: int
) -> Float[Tensor, "batch time"]:
    """s of some times; a break ends the piece before it, and the last time the last piece that has a length."""
    number = torch.searchsorted(edges[:, 1:-1].contiguous(), times.detach().contiguous())
    begin, end = edges.gather(1, number), edges.gather(1, number + 1)
    length = end - begin
    return apart * number + torch.where(length > 0, (times - begin) / torch.where(length > 0, length, 1.0), 0.0)
