"""The forward pass: run the loop and write down what it says."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.status import Status
from sciml.ode._loop import Move, Places, Plan, Walk, advance, gather, pick, places, start

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
    """

    outputs: Float[Tensor, "batch time dim"]
    event_time: Float[Tensor, " batch"]
    status: Int[Tensor, " batch"]
    accepted: Int[Tensor, " batch"]
    attempts: Int[Tensor, " batch"]
    index: Int[Tensor, " batch"]
    evaluations: Int[Tensor, " batch"]
    calls: int
    errors: Float[Tensor, "batch step"]
    stiffness: Float[Tensor, "batch step"]
    times: Float[Tensor, "batch step"]
    sizes: Float[Tensor, "batch step"]
    words: dict[int, str]


def forward(
    plan: Plan, state: Float[Tensor, "batch dim"], taped: bool, see: Callable[[Move, Walk | None], None] | None
) -> Trail:
    """Run the loop and write down what it says; `see` gets every move, for a later reverse pass."""
    batch, wanted = len(state), plan.wanted.shape[1]
    outputs = state.new_full((batch, wanted + (plan.events is not None), state.shape[1]), torch.nan)
    outputs[:, 0] = state
    event_time = torch.full_like(plan.wanted[:, 0], torch.nan)
    status, accepted, attempts = (torch.zeros(batch, dtype=torch.long, device=state.device) for _ in range(3))
    index = torch.full_like(status, -1)
    words: dict[int, str] = {}
    steps: list[tuple[Tensor, ...]] = []
    pending: list[Move] = []
    walk, calls = start(plan, state)
    evaluations = torch.full_like(status, calls)
    left: Walk | None = walk
    bad = ~walk.slope.isfinite().all(1) | ~state.isfinite().all(1)
    if bool(bad.any()):
        left = _refuse(plan, walk, bad, status, words)
    while left is not None:
        move, left = advance(plan, left, taped)
        calls += move.step.evaluations
        pending.append(move)
        if len(pending) == _PENDING or left is None:
            _write(plan, pending, outputs)
            pending.clear()
        if move.hit is not None:
            position = move.hit.rows.nonzero().flatten()
            rows = move.walk.rows[position]
            along = move.hit.along[position]
            event_time[rows] = move.walk.time[position] + along.double() * move.size[position].double()
            outputs[rows, wanted] = dense(plan, move, Places(position, position, along)).detach()
        if move.ended is not None:
            position, how, which = move.ended
            rows = move.walk.rows[position]
            status[rows], index[rows] = how, which
            accepted[rows] = (move.walk.accepted + move.accept)[position]
            attempts[rows] = move.walk.attempts + 1
            evaluations[rows] = calls
            words |= move.words
        if plan.record:
            steps.append(_step_line(move))
        if see is not None:
            see(move, left)
    columns = _columns(steps, batch, state)
    return Trail(outputs, event_time, status, accepted, attempts, index, evaluations, calls, *columns, words)


@torch.no_grad()
def _write(plan: Plan, moves: Sequence[Move], outputs: Tensor) -> None:
    """The dense output of several moves at the requested times they came past, all at once."""
    moves = [move for move in moves if bool((move.target > move.walk.target).any())]
    if not moves:
        return
    if len(moves) == 1:
        (move,) = moves
        rows, time, before = move.walk.rows, move.walk.time, move.walk.target
        found = places(plan, rows, time, move.size, before, move.target)
        outputs[rows[found.position], found.target] = dense(plan, move, found).detach()
        return
    walks = [move.walk for move in moves]
    rows, time, before, state = (torch.cat([getattr(w, n) for w in walks]) for n in ("rows", "time", "target", "state"))
    size, target = torch.cat([m.size for m in moves]), torch.cat([m.target for m in moves])
    blocks = [m.step.stages if isinstance(m.step.stages, Tensor) else torch.stack(list(m.step.stages)) for m in moves]
    step = moves[0].step._replace(
        state=torch.cat([m.step.state for m in moves]),
        slope=torch.cat([m.step.slope for m in moves]),
        stages=torch.cat(blocks, dim=1),
    )
    found = places(plan, rows, time, size, before, target)
    p = found.position
    values = plan.method.interpolate(pick(step, p), state[p], size[p], found.along)
    outputs[rows[p], found.target] = values.detach()


def dense(plan: Plan, move: Move, found: Places) -> Float[Tensor, "output dim"]:
    """The dense output of one move."""
    p = found.position
    return plan.method.interpolate(pick(move.step, p), move.walk.state[p], move.size[p], found.along)


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
    return gather(walk, kept) if len(kept) else None


def _step_line(move: Move) -> tuple[Tensor, ...]:
    """Rows, step numbers, E, S, t and h of the accepted steps of a move."""
    kept = move.accept.nonzero().flatten()
    zeros = torch.zeros_like(move.size)
    error = zeros if move.error is None else move.error.detach()
    stiffness = zeros if move.step.stiffness is None else move.step.stiffness.detach()
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
