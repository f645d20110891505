"""The forward pass: run the loop and write down what it says."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.status import Status
from sciml.ode._dense import Piece, piece_of
from sciml.ode._loop import advance, start
from sciml.ode._method import block_of
from sciml.ode._plan import Places, Plan, places
from sciml.ode._walk import Marks, Move, Walk, gather

_PENDING = 16  # moves whose dense output is computed together


class Trail(NamedTuple):
    """What a forward pass leaves behind.

    Fields:
        outputs: states at the requested times, ``batch time dim``, NaN where a sample did not come; one more time with
            events, for their places.
        event_time: time of the event, NaN for none.
        status, accepted, attempts, index: per sample; `index` is the event that was hit, -1 for none.
        evaluations: of the right-hand side, per sample, start included.
        calls: of the right-hand side, whatever the number of rows.
        errors, stiffness, times, sizes: per sample and accepted step, if recorded.
        words: why samples failed.
        following: the step that each sample would have tried next.
        marks: rows, events, times and states of events that ended nothing.
        pieces: the accepted steps with their dense output, if the plan asks for them.
    """

    outputs: Float[Tensor, "batch time dim"]
    event_time: Float[Tensor, " batch"]
    status: Int[Tensor, " batch"]
    accepted: Int[Tensor, " batch"]
    attempts: Int[Tensor, " batch"]
    index: Int[Tensor, " batch"]  # pyright: ignore[reportIncompatibleMethodOverride] (hides tuple.index)
    evaluations: Int[Tensor, " batch"]
    calls: int
    errors: Float[Tensor, "batch step"]
    stiffness: Float[Tensor, "batch step"]
    times: Float[Tensor, "batch step"]
    sizes: Float[Tensor, "batch step"]
    words: dict[int, str]
    following: Float[Tensor, " batch"]
    marks: tuple[Tensor, Tensor, Tensor, Tensor]
    pieces: Sequence[Piece] = ()


def forward(
    plan: Plan, state: Float[Tensor, "batch dim"], see: Callable[[Move, Walk | None], None] | None = None
) -> Trail:
    """Run the loop and write down what it says; `see` gets every move, for a later reverse pass.

    Outputs, errors and stiffness have the graph of the moves where the plan asks for one.
    """
    batch, wanted = len(state), plan.wanted.shape[1]
    outputs = _Outputs(plan, state)
    event_time = torch.full_like(plan.wanted[:, 0], torch.nan)
    status, accepted, attempts = (torch.zeros(batch, dtype=torch.long, device=state.device) for _ in range(3))
    index = torch.full_like(status, -1)
    words: dict[int, str] = {}
    steps: list[tuple[Tensor, ...]] = []
    pending: list[Move] = []
    marks: list[Marks] = []
    pieces: list[Piece] = []
    following = torch.zeros_like(plan.wanted[:, 0])
    walk, calls = start(plan, state)
    evaluations = torch.full_like(status, calls)
    left: Walk | None = walk
    bad = ~walk.slope.isfinite().all(1) | ~state.isfinite().all(1)
    if bool(bad.any()):
        left = _refuse(plan, walk, bad, status, words)
    while left is not None:
        move, left = advance(plan, left, taped=False)
        calls += move.step.evaluations
        if plan.watch is not None:
            plan.watch(move)
        pending.append(move)
        if len(pending) == _PENDING or left is None:
            outputs.pass_by(pending)
            pending.clear()
        if move.hit is not None:
            position = move.hit.rows.nonzero().flatten()
            rows = move.walk.rows[position]
            along = move.hit.along[position]
            event_time[rows] = move.walk.time[position] + along.double() * move.size[position].double()
            outputs.add(rows, torch.full_like(rows, wanted), dense(plan, move, Places(position, position, along)))
        if move.marks is not None:
            marks.append(move.marks)
        if plan.dense and (move.everyone or bool(move.accept.any())):
            pieces.append(piece_of(plan.method, move))
        if move.ended is not None:
            position, how, which = move.ended
            rows = move.walk.rows[position]
            following[rows] = move.walk.size[position]
            status[rows], index[rows] = how, which
            accepted[rows] = (move.walk.accepted + move.accept)[position]
            attempts[rows] = move.walk.attempts + 1
            evaluations[rows] = calls
            words |= move.words
        if plan.record:
            steps.append(_step_line(plan, move))
        if see is not None:
            see(move, left)
    columns = _columns(steps, batch, state)
    counters = (status, accepted, attempts, index, evaluations, calls)
    noted = _noted(marks, state)
    return Trail(outputs.table(), event_time, *counters, *columns, words, following, noted, pieces)


def _noted(marks: Sequence[Marks], state: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if not marks:
        none = torch.zeros(0, dtype=torch.long, device=state.device)
        return none, none, none.double(), state.detach()[:0]
    rows, event, time, place = (torch.cat(column) for column in zip(*marks, strict=True))
    return rows, event, time, place


class _Outputs:
    """States at the requested times, as they come in."""

    def __init__(self, plan: Plan, state: Float[Tensor, "batch dim"]) -> None:
        self.plan, self.first = plan, state
        self.values: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, rows: Int[Tensor, " output"], targets: Int[Tensor, " output"], values: Tensor) -> None:
        """Some states at some requested times."""
        self.values.append((rows, targets, values if self.plan.graph else values.detach()))

    def pass_by(self, moves: Sequence[Move]) -> None:
        """The dense output of several moves at the requested times they came past, all at once but for a graph."""
        moves = [move for move in moves if bool((move.target > move.walk.target).any())]
        for move in moves if self.plan.graph or len(moves) == 1 else ():
            rows = move.walk.rows
            passed = places(self.plan, rows, move.walk.time, move.size, move.walk.target, move.target)
            self.add(rows[passed.position], passed.target, dense(self.plan, move, passed))
        if len(moves) > 1 and not self.plan.graph:
            self._together(moves)

    @torch.no_grad()
    def _together(self, moves: Sequence[Move]) -> None:
        walks = [move.walk for move in moves]
        names = ("rows", "time", "target", "state")
        rows, time, before, state = (torch.cat([getattr(w, name) for w in walks]) for name in names)
        size, target = torch.cat([m.size for m in moves]), torch.cat([m.target for m in moves])
        step = moves[0].step._replace(
            state=torch.cat([m.step.state for m in moves]),
            slope=torch.cat([m.step.slope for m in moves]),
            stages=torch.cat([block_of(m.step) for m in moves], dim=1),
        )
        passed = places(self.plan, rows, time, size, before, target)
        values = self.plan.method.interpolate_at(step, state, size, passed.position, passed.along)
        self.add(rows[passed.position], passed.target, values)

    def table(self) -> Float[Tensor, "batch time dim"]:
        """All of them; NaN where a sample did not come."""
        times = self.plan.wanted.shape[1] + (self.plan.events is not None)
        table = self.first.new_full((len(self.first), times, self.first.shape[1]), torch.nan)
        table[:, 0] = self.first
        if self.values:
            rows, targets, values = (torch.cat(column) for column in zip(*self.values, strict=True))
            table = table.index_put((rows, targets), values)
        return table


def dense(plan: Plan, move: Move, passed: Places) -> Float[Tensor, "output dim"]:
    """The dense output of one move."""
    return plan.method.interpolate_at(move.step, move.walk.state, move.size, passed.position, passed.along)


def _refuse(plan: Plan, walk: Walk, bad: Tensor, status: Tensor, words: dict[int, str]) -> Walk | None:
    """The walk without the samples whose right-hand side is not finite at the start."""
    status[bad] = int(Status.DIVERGED)
    for row in bad.nonzero().flatten().tolist():
        broken = (~walk.slope[row].isfinite() | ~walk.state[row].isfinite()).nonzero().flatten().tolist()
        words[row] = (
            f"f is not finite at the start, t = {plan.sign * float(walk.time[row]):.6g}, in component "
            + ", ".join(map(str, broken[:5]))
        )
    kept = (~bad).nonzero().flatten()
    if not len(kept):
        return None
    left = gather(walk, kept)
    if not plan.graph:
        return left
    return left._replace(slope=plan.bind(left.args)(left.time.to(left.state.dtype), left.state))  # without the bad ones


def _step_line(plan: Plan, move: Move) -> tuple[Tensor, ...]:
    """Rows, step numbers, E, S, t and h of the accepted steps of a move."""
    kept = move.accept.nonzero().flatten()
    zeros = torch.zeros_like(move.size)
    error, stiffness = (zeros if v is None else v for v in (move.error, move.step.stiffness))
    if not plan.graph:
        error, stiffness = error.detach(), stiffness.detach()
    walk = move.walk
    return tuple(v[kept] for v in (walk.rows, walk.accepted, error, stiffness, walk.time, move.size.double()))


def _columns(lines: Sequence[tuple[Tensor, ...]], batch: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """E, S, t and h as ``batch step`` tables, zero after the last step of a sample."""
    if not lines:
        empty = like.new_zeros(batch, 0)
        return empty, empty, empty.double(), empty.double()
    rows, numbers, *values = (torch.cat(column) for column in zip(*lines, strict=True))
    longest = int(numbers.max()) + 1 if len(numbers) else 0
    tables = []
    for value in values:
        table = value.new_zeros(batch, longest)
        table[rows, numbers] = value
        tables.append(table)
    return tuple(tables)
