"""The checkpointed schedule: moves repeated from where checkpoints stand, the costate run through one after another."""

import torch

from sciml.ode._costs import Costs, Gradients, with_hits
from sciml.ode._explicit import Explicit
from sciml.ode._forward import dense
from sciml.ode._graph import complain_if_missed, grad
from sciml.ode._loop import march
from sciml.ode._plan import Plan, places
from sciml.ode._repeated import complain_if_changed, complain_of_change
from sciml.ode._walk import Hit, Move, Walk, gather, leaves

_TAPE = 8  # steps whose graphs a checkpointed solve holds at once


def _reverse_move(plan: Plan, move: Move, costs: Costs, gradients: Gradients) -> None:
    """The costate before a move from the one after it."""
    if not move.everyone:
        if not bool(move.accept.any()):
            return
        if not bool(move.step.state.isfinite().all() & move.step.slope.isfinite().all()):
            move = _accepted_only(plan, move)
    walk, step = move.walk, move.step
    rows, whole = walk.rows, len(walk.rows) == len(gradients.state)
    after_state, after_slope = (
        (gradients.state, gradients.slope) if whole else (gradients.state[rows], gradients.slope[rows])
    )
    with torch.enable_grad():  # the graph of an implicit step holds leaves of its own, that of f does not
        explicit = isinstance(plan.method, Explicit)
        slope = step.slope if explicit else plan.bind(walk.args)(walk.time.to(walk.state.dtype), walk.state)
    known, time = [walk.state, walk.slope, *walk.args, *gradients.inputs], walk.time.to(walk.state.dtype)
    complain_if_missed(plan.f, slope, known, walk.time, lambda: plan.bind(walk.args)(time, walk.state))
    values, weights = [step.state, step.slope], [after_state, after_slope]
    mask = None if move.everyone else move.accept
    if mask is not None:
        weights = [w * mask[:, None] for w in weights]
    if costs.outputs is not None and (move.hit is not None or bool((move.target > walk.target).any())):
        met = torch.full_like(move.size, torch.nan)
        if move.hit is not None:
            met = torch.where(move.hit.rows, move.hit.along, met)
        at = with_hits(places(plan, rows, walk.time, move.size, walk.target, move.target), met, plan)
        with torch.enable_grad():
            values.append(dense(plan, move, at))
        weights.append(costs.outputs[rows[at.position], at.target])
    for cost, value in ((costs.errors, move.error), (costs.stiffness, step.stiffness)):
        if cost is not None and value is not None:
            weight = cost[rows, walk.accepted.clamp_max(cost.shape[1] - 1)]
            values.append(value)
            weights.append(weight if mask is None else weight * mask)
    wanted = [a for a in walk.args if a.requires_grad]
    grads = grad(values, [walk.state, walk.slope, *wanted, *gradients.inputs], weights)
    before = [torch.zeros_like(walk.state) if g is None else g for g in grads[:2]]
    if mask is not None:
        before = [torch.where(mask[:, None], b, a) for b, a in zip(before, (after_state, after_slope), strict=True)]
    if whole:
        gradients.state, gradients.slope = before
    else:
        gradients.state, gradients.slope = (
            v.index_copy(0, rows, b) for v, b in zip((gradients.state, gradients.slope), before, strict=True)
        )
    parts = iter(grads[2 : 2 + len(wanted)])
    gradients.add_args(rows, [next(parts) if a.requires_grad else None for a in walk.args])
    gradients.add_leaves(grads[2 + len(wanted) :])


def _accepted_only(plan: Plan, move: Move) -> Move:
    """The move again without its rejected rows: what is not finite there would spoil the sum over rows."""
    kept = move.accept.nonzero().flatten()
    walk = leaves(gather(move.walk, kept))
    size = move.size[kept]
    with torch.enable_grad():
        f, time = plan.bind(walk.args), walk.time.to(size.dtype)
        step = plan.method.step(
            f, time, size, walk.state, walk.slope, stiffness=plan.record, repeatable=plan.repeatable
        )
        error = None if step.error is None else plan.tolerance.ratio(step.error, walk.state, step.state)
    hit = None if move.hit is None else Hit(*(v[kept] for v in move.hit))
    return move._replace(
        walk=walk,
        size=size,
        accept=torch.ones_like(kept, dtype=torch.bool),
        everyone=True,
        step=step,
        error=error,
        target=move.target[kept],
        hit=hit,
    )


class Sparse:
    """Checkpoints every so many moves; between them the moves are repeated.

    While going forward the distance between checkpoints doubles whenever there are too many, so that their number stays
    within the budget without knowing how many moves there will be.
    """

    def __init__(self, budget: int | None) -> None:
        self.budget = budget
        self.marks: list[tuple[int, Walk]] = []
        self.stride, self.count = 1, 0
        self.last: Walk | None = None

    def see(self, move: Move, left: Walk | None) -> None:
        """Keep where the move started, if it is the turn of one."""
        if self.count % self.stride == 0:
            walk = move.walk
            self.marks.append((self.count, walk._replace(slope=walk.slope.clone())))
        self.count += 1
        most = self.budget if self.budget is not None else max(4, int(2 * self.count**0.5))
        if len(self.marks) > most:
            self.stride *= 2
            self.marks = [mark for mark in self.marks if mark[0] % self.stride == 0]

    def reverse(self, plan: Plan, costs: Costs, gradients: Gradients) -> None:
        """Segment by segment from the end, each repeated from its checkpoint."""
        end, later = self.count, None
        with torch.no_grad():
            for begin, walk in reversed(self.marks):
                self._segment(plan, walk, end - begin, costs, gradients, later)
                end, later = begin, walk

    def _segment(
        self, plan: Plan, walk: Walk, length: int, costs: Costs, gradients: Gradients, later: Walk | None
    ) -> None:
        longest = _TAPE if self.budget is not None else max(_TAPE, length)
        if length <= longest:
            pairs = list(march(plan, walk, taped=True, limit=length))
            moves, left = [move for move, _ in pairs], pairs[-1][1]
            if later is not None:
                same = left is not None and torch.equal(left.rows, later.rows)
                complain_if_changed(plan, later.state, later.state, left.state if left is not None and same else None)
            del pairs, left
            while moves:
                _reverse_move(plan, moves.pop(), costs, gradients)
            return
        half = length // 2
        middle = _ahead(plan, walk, half)
        self._segment(plan, middle, length - half, costs, gradients, later)
        self._segment(plan, walk, half, costs, gradients, middle)


def _ahead(plan: Plan, walk: Walk, count: int) -> Walk:
    """The walk some moves later; nothing of the moves is kept."""
    middle: Walk | None = walk
    for _, left in march(plan, walk, limit=count):
        middle = left
    if middle is None:
        complain_of_change()
    return middle
