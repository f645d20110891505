"""The states anywhere: accepted steps with their dense output."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import UserError
from sciml.ode._field import FlatField
from sciml.ode._method import Method, block_of, evaluate, pick
from sciml.ode._plan import Plan
from sciml.ode._walk import Move


class Piece(NamedTuple):
    """Accepted steps: of which samples, where they started and ended, and their polynomials.

    Fields:
        rows: numbers of the samples.
        time, size: where a step started and its length, in forward time, float64.
        state, slope: y and f(t, y) at its start.
        end: the state at its end.
        powers: coefficients of θ, θ², ...
    """

    rows: Int[Tensor, " step"]
    time: Float[Tensor, " step"]
    size: Float[Tensor, " step"]
    state: Float[Tensor, "step dim"]
    slope: Float[Tensor, "step dim"]
    end: Float[Tensor, "step dim"]
    powers: Float[Tensor, "power step dim"]


@torch.no_grad()
def piece_of(method: Method, move: Move) -> Piece:
    """The accepted steps of a move."""
    kept = move.accept.nonzero().flatten()
    walk, size = move.walk, move.size[kept]
    step = move.step._replace(
        state=move.step.state.detach(), slope=move.step.slope.detach(), stages=block_of(move.step).detach()
    )
    powers = method.polynomial(pick(step, kept), size)
    taken = size.double()
    if move.hit is not None:  # beyond an event there is nothing
        reach = move.hit.along[kept].double()
        taken, powers = taken * reach, powers * _powers(reach.to(powers.dtype), len(powers))[..., None]
    end = walk.state[kept].detach() + powers.sum(0) if move.hit is not None else step.state[kept]
    return Piece(
        walk.rows[kept], walk.time[kept], taken, walk.state[kept].detach(), walk.slope[kept].detach(), end, powers
    )


def _powers(base: Float[Tensor, " step"], count: int) -> Float[Tensor, "power step"]:
    return base[None] ** torch.arange(1, count + 1, device=base.device, dtype=base.dtype)[:, None]


@dataclass(frozen=True)
class Dense:
    """The solution as a function of time, without gradient.

    Called with times, ``(time,)`` for all samples or ``(batch, time)``, it returns states ``batch time *shape``, NaN
    where a sample was not; as good as the method's own dense output between steps, and as the method where that has
    none of its own (`dopri8` takes its steps again, up to the times asked for).

    Fields:
        time: where every sample's steps ended, its start first, ``batch step``; the last one repeated for samples with
            fewer steps.
        state: the states there, ``batch step *shape``.
    """

    time: Float[Tensor, "batch step"]
    state: Float[Tensor, "batch step ..."]
    _parts: tuple[tuple[Tensor, Plan, FlatField, Piece, Tensor], ...]
    shaped: Callable[[Tensor], Any] | None = None  # Any: states nested as the caller has them

    @classmethod
    def of(cls, plan: Plan, flat: FlatField, pieces: Sequence[Piece]) -> Dense:
        """From the accepted steps of a forward pass."""
        batch = len(plan.wanted)
        rows = torch.arange(batch, device=plan.wanted.device)
        if not pieces:
            raise UserError("there is no step to look into", fix="Check the solution's status: no sample started.")
        *columns, powers = zip(*pieces, strict=True)
        whole = Piece(*[torch.cat(column) for column in columns], powers=torch.cat(powers, dim=1))
        order = whole.rows.argsort(stable=True)
        whole = Piece(*[column[order] for column in whole[:-1]], powers=whole.powers[:, order])
        counts = torch.bincount(whole.rows, minlength=batch)
        starts = counts.cumsum(0) - counts
        most = int(counts.max())
        place = torch.arange(most, device=rows.device)
        index = starts[:, None] + torch.minimum(place, (counts[:, None] - 1).clamp_min(0))
        index = index.clamp_max(len(whole.rows) - 1)
        first = index[:, :1]
        edge = torch.cat([whole.time[first], (whole.time + whole.size)[index]], dim=1)
        state = torch.cat([whole.state[first], whole.end[index]], dim=1)
        empty = counts == 0
        edge = edge.masked_fill(empty[:, None], torch.nan)
        state = state.masked_fill(empty[:, None, None], torch.nan)
        part = (rows, plan, flat, whole, torch.stack([starts, counts], 1))
        return cls(plan.sign * edge, state.reshape(batch, most + 1, *flat.shape), (part,))

    @classmethod
    def joined(cls, batch: int, parts: Sequence[tuple[Tensor, Dense]]) -> Dense:
        """From several, each of some samples and one after another in time."""
        most = 1 + max((sum(d.time.shape[1] - 1 for _, d in parts), 0))
        like = parts[0][1]
        time = like.time.new_full((batch, most), torch.nan)
        state = like.state.new_full((batch, most, *like.state.shape[2:]), torch.nan)
        filled = 0
        for rows, dense in parts:
            width = dense.time.shape[1]
            if filled:  # who has left repeats where it ended
                time[:, filled : filled + width - 1], state[:, filled : filled + width - 1] = (
                    time[:, filled - 1 : filled],
                    state[:, filled - 1 : filled],
                )
            skip = 1 if filled else 0
            time[rows, filled : filled + width - skip] = dense.time[:, skip:]
            state[rows, filled : filled + width - skip] = dense.state[:, skip:]
            filled += width - skip
        inner = tuple((rows[part[0]], *part[1:]) for rows, dense in parts for part in dense._parts)
        return cls(time, state, inner)

    @torch.no_grad()
    def __call__(self, times: Float[Tensor, "*batch time"]) -> Float[Tensor, "batch time ..."]:
        """States at any times."""
        batch, shape = len(self.time), self._parts[0][2].shape
        if times.ndim not in (1, 2) or (times.ndim == 2 and len(times) != batch):
            raise UserError("the times do not fit", got=tuple(times.shape), expected=f"(time,) or ({batch}, time)")
        asked = times.double().expand(batch, -1)
        like = self._parts[0][3].state
        answer = like.new_full((batch, asked.shape[1], math.prod(shape)), torch.nan)
        for rows, plan, flat, steps, span in self._parts:
            self._fill(answer, asked, rows, plan, flat, steps, span)
        return answer.reshape(batch, asked.shape[1], *shape) if self.shaped is None else self.shaped(answer)

    def _fill(
        self, answer: Tensor, asked: Tensor, rows: Tensor, plan: Plan, flat: FlatField, steps: Piece, span: Tensor
    ) -> None:
        for local, row in enumerate(rows.tolist()):
            first, count = span[local].tolist()
            if not count:
                continue
            mine = slice(first, first + count)
            now = plan.sign * asked[row]
            begin, end = steps.time[mine], steps.time[mine] + steps.size[mine]
            inside = ((now >= begin[0]) & (now <= end[-1])).nonzero().flatten()
            at = first + torch.searchsorted(begin, now[inside], right=True).sub(1).clamp(0, count - 1)
            size = steps.size[at]
            along = ((now[inside] - steps.time[at]) / torch.where(size == 0, 1.0, size)).clamp(0, 1).to(answer.dtype)
            if plan.method.lands:
                bound = plan.bind(tuple(a[local].expand(len(at), *a.shape[1:]).detach() for a in plan.args))
                values = plan.method.step(
                    bound,
                    steps.time[at].to(along.dtype),
                    (size * along).to(along.dtype),
                    steps.state[at],
                    steps.slope[at],
                ).state
            else:
                values = evaluate(steps.powers[:, at], steps.state[at], steps.end[at], along)
            answer[row, inside] = values
