"""Right-hand sides that jump: one integration from each jump to the next, put together as one solution."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import ConfigError, UserError
from sciml.core.status import Status
from sciml.ode._dense import Dense
from sciml.ode._field import FlatField
from sciml.ode._forcing import Forcing
from sciml.ode._integrate import Order, integrate
from sciml.ode._plan import step_budget
from sciml.ode._solution import Hit, Marks, Solution, Stats, Steps

Jumps = Float[Tensor, " jump"] | Forcing | Sequence[Forcing] | None


def inner_jumps(jumps: Jumps, times: Float[Tensor, "*batch time"]) -> Float[Tensor, " jump"] | None:
    """The jumps from the first to the last requested time, in that order, none twice; None for none."""
    if jumps is None:
        return None
    first, last = times[..., 0].detach().double(), times[..., -1].detach().double()
    lowest, highest = float(torch.minimum(first, last).min()), float(torch.maximum(first, last).max())
    if isinstance(jumps, Tensor):
        if jumps.ndim != 1 or not jumps.is_floating_point() or not bool(jumps.isfinite().all()):
            raise UserError(
                "the jumps must be finite times in one list",
                got=f"shape {tuple(jumps.shape)}, {jumps.dtype}",
                expected="a tensor (jump,), the same for all samples",
            )
        known = jumps.double()
    else:
        tables = (jumps,) if isinstance(jumps, Forcing) else tuple(jumps)
        if not all(isinstance(table, Forcing) for table in tables):
            raise UserError("the jumps are neither a tensor nor tables of forcing", got=repr(jumps),
                            fix="Give torch.tensor([...]).")  # fmt: skip
        for table in tables:
            begin, end = float(table.times[0]), float(table.times[-1])
            if lowest < begin or highest > end:
                raise UserError(
                    "the table of forcing does not cover the requested times",
                    got=f"a table from {begin:g} to {end:g}",
                    expected=f"from {lowest:g} to {highest:g}",
                    fix="Extend the table by what the forcing is there.",
                )
        known = torch.cat([table.times.double() for table in tables])
    known = known.to(times.device)
    known = known[(known >= lowest) & (known <= highest)]
    if not len(known):
        return None
    known = known.sort(descending=bool((last < first).any())).values
    fresh = torch.ones(len(known), dtype=torch.bool, device=known.device)
    fresh[1:] = known.detach().diff() != 0
    return known[fresh]


def in_pieces(
    order: Order,
    y0: Float[Tensor, "batch ..."],
    times: Float[Tensor, "*batch time"],
    args: tuple[Tensor, ...],
    jumps: Float[Tensor, " jump"],
) -> Solution:
    """The solution of one integration after another, each within two jumps."""
    rows = times.double().expand(len(y0), -1)
    sign = -1 if bool((rows[:, -1] < rows[:, 0]).any()) else 1
    ahead, cuts = sign * rows.detach(), sign * jumps.detach()
    budget = step_budget(rows.detach(), order.step, order.max_steps)
    if order.step is not None and budget + 2 * len(cuts) > 2 * (order.max_steps or 10**9):
        raise ConfigError("the fixed steps are more than max_steps, one more per jump", got=f"{budget // 2} steps")
    state = y0
    parts = _Parts(len(y0), y0)
    alive = torch.ones(len(y0), dtype=torch.bool, device=y0.device)
    first: Tensor | None = None
    edges = [-torch.inf, *cuts.tolist(), torch.inf]
    pieces: list[tuple[Tensor, Tensor, Tensor]] = []
    for k, (low, high) in enumerate(itertools.pairwise(edges)):
        begin, end = ahead[:, 0].clamp_min(low), ahead[:, -1].clamp_max(high)
        kept = (alive & (begin < end)).nonzero().flatten()
        if not len(kept):
            continue
        within = _bounds(low, high, sign, y0.dtype)
        wanted, asked = _asked(times, rows, ahead, kept, begin, end, low, high, sign)
        room, spent = None, None
        if order.step is None and order.peer is None:
            room, spent = budget, parts.attempts[kept]  # a sample that needs many leaves the others theirs
        elif order.step is None:
            room = max(1, budget - int(parts.attempts[kept].max()))
        start = None
        if first is not None:
            span = (end - begin)[kept]  # who starts here starts carefully
            start = torch.where(first[kept] > 0, torch.minimum(first[kept], span), span * 1e-3)
        here = replace(order, max_steps=room)
        solution, following = integrate(here, state[kept], asked, tuple(a[kept] for a in args), within, start, spent)
        first = torch.zeros_like(ahead[:, 0]) if first is None else first
        first[kept] = following
        parts.add(kept, solution)
        position, column, local = wanted
        pieces.append((kept[position], column, solution.states[position, local]))
        well = solution.status == (Status.NO_EVENT if any(e.terminal for e in order.events) else Status.OK)
        alive[kept[~well]] = False
        last = solution.states[:, -1]
        if jumps.requires_grad and k < len(cuts):
            last = _moved(
                order, last, jumps[k], (low, high, edges[k + 2]), sign, tuple(a[kept] for a in args), end[kept]
            )
        good = well.nonzero().flatten()
        state = state.index_put((kept[good],), last[good])
    table = y0.new_full((len(y0), rows.shape[1], *y0.shape[1:]), torch.nan)
    table[:, 0] = y0
    still = ahead[:, -1] == ahead[:, 0]
    table = torch.where(still.reshape(-1, 1, *(1,) * (y0.ndim - 1)), y0[:, None], table)
    if pieces:
        place, column, values = (torch.cat(part) for part in zip(*pieces, strict=True))
        table = table.index_put((place, column), values)
    return parts.solution(order, table, times)


def _bounds(low: float, high: float, sign: int, dtype: torch.dtype) -> tuple[float, float]:
    """The user's times strictly between two jumps, as `dtype` can tell them apart."""
    edges = sorted((sign * low, sign * high))
    lower, upper = (torch.tensor(edge, dtype=dtype) for edge in edges)
    infinity = torch.tensor(torch.inf, dtype=dtype)
    return float(torch.nextafter(lower, infinity)) if lower.isfinite() else -torch.inf, (
        float(torch.nextafter(upper, -infinity)) if upper.isfinite() else torch.inf
    )


def _asked(
    times: Tensor,
    rows: Tensor,
    ahead: Tensor,
    kept: Tensor,
    begin: Tensor,
    end: Tensor,
    low: float,
    high: float,
    sign: int,
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Where the answers of a piece belong (its row, column of the whole, its column), and its times."""
    inside = (ahead > low) & (ahead <= high)
    inside[:, 0] = False
    mine = inside[kept]
    columns = mine.any(0).nonzero().flatten()
    starts = ahead[:, 0] >= low  # whose first time this piece holds: it may have a gradient
    if times.ndim == 1:
        head = times[:1].double() if bool(starts[0]) else sign * begin[:1]
        body = times[columns].double()
        tail = sign * end[:1]
        asked = torch.cat([head, body, tail])
    else:
        head = torch.where(starts[kept], rows[kept, 0], sign * begin[kept])[:, None]
        clamped = torch.maximum(torch.minimum(ahead[kept][:, columns], end[kept, None]), begin[kept, None])
        body = torch.where(mine[:, columns], rows[kept][:, columns], sign * clamped)
        asked = torch.cat([head, body, sign * end[kept, None]], dim=1)
    position, place = mine[:, columns].nonzero().unbind(1)
    return (position, columns[place], place + 1), asked


def _moved(
    order: Order,
    state: Tensor,
    jump: Tensor,
    edges: tuple[float, float, float],
    sign: int,
    args: tuple[Tensor, ...],
    end: Tensor,
) -> Tensor:
    """The state at a jump with its derivative by the time of the jump: the slope before less the one after."""
    shape = tuple(state.shape[1:])
    flat = state.reshape(len(state), -1)
    time = sign * end
    slopes = [
        FlatField(order.f, shape, sign, state.dtype, _bounds(low, high, sign, state.dtype)).slope(time, flat, args)
        for low, high in (edges[:2], edges[1:])
    ]
    shift = (jump - jump.detach()).to(state.dtype)
    crosses = (end == edges[1])[:, None]
    return (flat + torch.where(crosses, (slopes[0] - slopes[1]) * shift, 0.0)).reshape(state.shape)


@dataclass
class _Parts:
    """What the pieces left, sample by sample."""

    batch: int
    like: Tensor
    calls: int = 0
    found: list[tuple[Int[Tensor, " kept"], Solution]] = field(default_factory=list)

    def __post_init__(self) -> None:
        zeros = torch.zeros(self.batch, dtype=torch.long, device=self.like.device)
        self.accepted, self.attempts, self.evaluations = zeros, zeros.clone(), zeros.clone()
        self.status = torch.full_like(zeros, int(Status.OK))
        self.words: dict[int, str] = {}

    def add(self, kept: Tensor, solution: Solution) -> None:
        """One piece of some samples."""
        stats = solution.stats
        self.accepted[kept] += stats.accepted
        self.attempts[kept] += stats.accepted + stats.rejected
        self.evaluations[kept] += stats.evaluations
        self.calls += stats.calls
        self.status[kept] = solution.status
        self.words |= {int(kept[row]): words for row, words in solution.failures.items()}
        self.found.append((kept, solution))

    def solution(self, order: Order, states: Tensor, times: Tensor) -> Solution:
        """All of it."""
        stats = Stats(self.accepted, self.attempts - self.accepted, self.evaluations, self.calls)
        steps = marks = dense = hit = None
        if order.record:
            tables = [(kept, s.steps.taken, s.steps) for kept, s in self.found if s.steps is not None]
            steps = Steps(*_ragged(self.batch, tables, self.like, zeros=True))
        if any(not event.terminal for event in order.events):
            tables = [(kept, s.marks.index >= 0, s.marks) for kept, s in self.found if s.marks is not None]
            marks = Marks(*_ragged(self.batch, tables, self.like, zeros=False))
        if any(event.terminal for event in order.events):
            hit = self._hit()
        if order.dense and self.found:
            dense = Dense.joined(self.batch, [(kept, s.dense) for kept, s in self.found if s.dense is not None])
        words = {row: self.words[row] for row in sorted(self.words)}
        return Solution(states, times, self.status, stats, steps, hit, words, marks, dense)

    def _hit(self) -> Hit:
        time = torch.full((self.batch,), torch.nan, dtype=torch.float64, device=self.like.device)
        state, index = torch.full_like(self.like, torch.nan), torch.full_like(self.status, -1)
        for kept, solution in self.found:
            if solution.event is None:
                continue
            met = (solution.event.index >= 0).nonzero().flatten()
            time = time.index_put((kept[met],), solution.event.time[met])
            state = state.index_put((kept[met],), solution.event.state[met])
            index[kept[met]] = solution.event.index[met]
        return Hit(time, state, index)


def _ragged(
    batch: int, tables: Sequence[tuple[Tensor, Tensor, tuple[Tensor, ...]]], like: Tensor, *, zeros: bool
) -> tuple[Tensor, ...]:
    """Columns of tables ``kept entry ...`` one after another in every row; entries that do not count are dropped."""
    filled = torch.zeros(batch, dtype=torch.long, device=like.device)
    rows, places, columns = [], [], []
    for kept, taken, table in tables:
        row, entry = taken.nonzero().unbind(1)
        rows.append(kept[row])
        places.append(filled[kept[row]] + (taken.cumsum(1) - 1)[row, entry])
        columns.append([column[row, entry] for column in table])
        filled[kept] += taken.sum(1)
    row, place = torch.cat(rows), torch.cat(places)
    joined = []
    for column in zip(*columns, strict=True):
        values = torch.cat(column)
        empty = 0 if zeros or values.dtype == torch.bool else torch.nan if values.is_floating_point() else -1
        table = values.new_full((batch, int(filled.max()), *values.shape[1:]), empty)
        joined.append(table.index_put((row, place), values))
    return tuple(joined)
