"""Gradients through the steps that were taken: exact for the discrete map, with the step sizes held constant.

There are three schedules, with the same result:

- *graph*: autograd follows all steps of the forward pass. It keeps every activation, and repeats nothing.
- *stacked*: a solve is one node of autograd's graph, and the forward pass keeps only where each step started. Backward
  repeats all steps of all samples as one big batch, takes the Jacobian of each step by one product per state component,
  runs the costate through them, and collects the gradient of the parameters in one product. Few large operations
  instead of many small ones: for states of few components in small batches, and with little memory.
- *checkpointed*: one node as well; the graph is kept for a few steps at a time, through which the costate runs one
  after another, and the rest is repeated from where the checkpoints stand.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import ConfigError
from sciml.ode._explicit import Explicit
from sciml.ode._forward import Trail, dense, forward
from sciml.ode._graph import complain_if_missed, first_order, grad
from sciml.ode._loop import Hit, Move, Places, Plan, Walk, gather, leaves, march, places
from sciml.ode._method import Step

_FEW = 8  # components up to which one product per component is cheaper than one step after another
_SMALL = 384  # samples up to which few large operations are cheaper than none that are repeated
_CHUNK = 2048  # rows repeated at once by the stacked schedule: what stays in the cache
_KEEP = 65536  # rows up to which the graphs of all chunks are kept; beyond, they are made twice
_TAPE = 8  # steps whose graphs a checkpointed solve holds at once


@dataclass(frozen=True)
class Discrete:
    """Differentiate the steps themselves; memory grows with their number.

    Arguments:
        schedule: ``stacked``, ``graph``, or ``auto``: stacked up to eight state components and 384 samples. Only the
            graph has second derivatives.
    """

    schedule: Literal["auto", "stacked", "graph"] = "auto"

    def __post_init__(self) -> None:
        if self.schedule not in ("auto", "stacked", "graph"):
            raise ConfigError("unknown schedule of Discrete", got=self.schedule, expected="auto, stacked or graph")

    def follows(self, state: Float[Tensor, "batch dim"]) -> bool:
        """Whether autograd follows the steps from this initial state."""
        few = state.shape[1] <= _FEW and len(state) <= _SMALL
        return self.schedule == "graph" or (self.schedule == "auto" and not few)


@dataclass(frozen=True)
class Checkpointed:
    """Differentiate the steps themselves, repeating them from checkpoints; the same gradient as `Discrete`.

    Arguments:
        budget: states kept at most; None keeps about the square root of the number of steps. With a budget, memory does
            not grow with the number of steps, and steps are repeated about log2(steps / (budget · 8)) / 2 + 1 times.
    """

    budget: int | None = None

    def __post_init__(self) -> None:
        if self.budget is not None and self.budget < 2:
            raise ConfigError("a budget of checkpoints must be 2 or more", got=self.budget)


class Record(NamedTuple):
    """Accepted steps as the stacked schedule needs them: where they started and which requested times they passed."""

    rows: Int[Tensor, " row"]
    time: Float[Tensor, " row"]
    size: Float[Tensor, " row"]
    state: Float[Tensor, "row dim"]
    count: Int[Tensor, " row"]  # pyright: ignore[reportIncompatibleMethodOverride] (hides tuple.count)
    before: Int[Tensor, " row"]
    after: Int[Tensor, " row"]
    met: Float[Tensor, " row"]


class Integrate(torch.autograd.Function):
    """The solve as one node: states, errors and stiffness from the initial state, the arguments and the parameters."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, mode: Discrete | Checkpointed, box: list[Trail], *tensors: Tensor) -> Any:
        """``tensors`` are the initial state, the arguments and the parameters; the trail is left in `box`."""
        state = tensors[0].detach()
        plan = replace(plan, args=tuple(t.detach() for t in tensors[1 : 1 + len(plan.args)]))
        memory = Sparse(mode.budget) if isinstance(mode, Checkpointed) else Stacked()
        trail = forward(plan, state, memory.see)
        box.append(trail)
        ctx.plan, ctx.memory = plan, memory
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return trail.outputs, trail.errors, trail.stiffness

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        """Gradients of the initial state, the arguments and the parameters."""
        plan, tensors = ctx.plan, ctx.saved_tensors
        count = 1 + len(plan.args)
        leaves = tensors[count:]
        costs = Costs(*grads)
        gradients = Gradients.zeros(tensors[0], tensors[1:count], leaves, plan.searched)
        ctx.memory.reverse(plan, costs, gradients)
        _through_first_slope(plan, tensors[0].detach(), gradients)
        if costs.outputs is not None:
            gradients.state = gradients.state + costs.outputs[:, 0]
        wanted = (gradients.state, *gradients.args, *gradients.leaves)
        return (None, None, None, *(g if t.requires_grad else None for g, t in zip(wanted, tensors, strict=True)))


class Costs(NamedTuple):
    """Gradients that came in: of the states, the errors and the stiffness."""

    outputs: Tensor | None
    errors: Tensor | None
    stiffness: Tensor | None


@dataclass
class Gradients:
    """What a reverse pass adds up: the costate of (y, f(t, y)) per sample, gradients of arguments and parameters."""

    state: Tensor
    slope: Tensor
    args: list[Tensor]
    leaves: list[Tensor]
    inputs: tuple[Tensor, ...]
    searched: bool

    @classmethod
    def zeros(cls, state: Tensor, args: Sequence[Tensor], leaves: Sequence[Tensor], searched: bool) -> "Gradients":
        """Nothing yet."""
        nothing = torch.zeros_like(state)
        return cls(
            nothing,
            torch.zeros_like(state),
            [torch.zeros_like(a) for a in args],
            [torch.zeros_like(p) for p in leaves],
            tuple(leaves),
            searched,
        )

    def add_leaves(self, grads: Iterable[Tensor | None]) -> None:
        """Add one contribution to the gradients of the parameters."""
        for total, gradient in zip(self.leaves, grads, strict=True):
            if gradient is not None:
                total += gradient

    def add_args(self, rows: Tensor, grads: Iterable[Tensor | None]) -> None:
        """Add one contribution to the gradients of the arguments' rows."""
        for total, gradient in zip(self.args, grads, strict=True):
            if gradient is not None:
                total.index_add_(0, rows, gradient)


class Stacked:
    """The stacked schedule."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def see(self, move: Move, left: Walk | None) -> None:
        """Keep where the accepted steps of a move started."""
        walk = move.walk
        kept = slice(None) if move.everyone else move.accept.nonzero().flatten()
        met = torch.full_like(move.size, torch.nan)
        if move.hit is not None:
            met = torch.where(move.hit.rows, move.hit.along, met)
        columns = (walk.rows, walk.time, move.size, walk.state, walk.accepted, walk.target, move.target, met)
        self.records.append(Record(*(column[kept] for column in columns)))

    def reverse(self, plan: Plan, costs: Costs, gradients: Gradients) -> None:
        """Repeat all steps as one batch, run the costate through their Jacobians, collect the gradients."""
        records = [r for r in self.records if len(r.rows)]
        if not records:
            return
        lengths = [len(r.rows) for r in records]
        whole = Record(*(torch.cat(column) for column in zip(*records, strict=True)))
        spans = _spans(sum(lengths), _CHUNK)
        chunks = [_Chunk(plan, _part(whole, a, b), costs) for a, b in spans]
        keep = sum(lengths) <= _KEEP
        jacobians, sources = [], []
        for chunk in chunks:
            jacobian, source = chunk.linearise()
            jacobians.append(jacobian)
            sources.append(source)
            if not keep:
                chunk.forget()
        jacobian, source = torch.cat(jacobians), torch.cat(sources)
        costates = torch.empty_like(source)
        offset = sum(lengths)
        costate = gradients.state
        for record, length in zip(reversed(records), reversed(lengths), strict=True):
            offset -= length
            here = slice(offset, offset + length)
            everyone = length == len(costate)
            now = costate if everyone else costate[record.rows]
            costates[here] = now
            before = torch.baddbmm(source[here, None], now[:, None], jacobian[here])[:, 0]
            if everyone:
                costate = before
            else:
                costate = costate.index_copy(0, record.rows, before)
        gradients.state = costate
        for (a, b), chunk in zip(spans, chunks, strict=True):
            if not keep:
                chunk = _Chunk(plan, _part(whole, a, b), costs)
            chunk.collect(costates[a:b], gradients)
            chunk.forget()


def _part(record: Record, a: int, b: int) -> Record:
    return Record(*(column[a:b] for column in record))


def _spans(total: int, chunk: int) -> list[tuple[int, int]]:
    """Pieces of about `chunk` rows."""
    edges = [*range(0, total, chunk), total]
    return [(a, b) for a, b in itertools.pairwise(edges) if b > a]


class _Chunk:
    """A batch of repeated steps with their graph."""

    def __init__(self, plan: Plan, record: Record, costs: Costs) -> None:
        self.record = record
        self.state = record.state.detach().requires_grad_()
        args = [a[record.rows].detach() for a in plan.args]
        self.args = tuple(a.requires_grad_(a.is_floating_point()) for a in args)
        with torch.enable_grad():
            f, time = plan.bind(self.args), record.time.to(record.size.dtype)
            slope = f(time, self.state)
            step = plan.method.step(f, time, record.size, self.state, slope, stiffness=costs.stiffness is not None)
            self.new = step.state
            self.shows = step.state if isinstance(plan.method, Explicit) else slope
            self.known, self.weights = _known_costs(plan, record, self.state, step, costs)

    def linearise(self) -> tuple[Tensor, Tensor]:
        """∂y1/∂y of every step, ``row out in``, and what outputs and errors add to the costate of y."""
        rows = []
        unit = torch.zeros_like(self.new)
        for k in range(unit.shape[1]):
            unit.zero_()
            unit[:, k] = 1
            rows.append(grad([self.new], [self.state], [unit])[0])
        zeros = torch.zeros_like(self.state)
        jacobian = torch.stack([zeros if r is None else r for r in rows], dim=1)
        source = grad(self.known, [self.state], self.weights)[0] if self.known else None
        return jacobian, zeros if source is None else source

    def collect(self, costate: Tensor, gradients: Gradients) -> None:
        """Add the gradients of arguments and parameters, given the costate of y1."""
        if gradients.searched:
            complain_if_missed(self.shows, [self.state, *self.args, *gradients.inputs], self.record.time)
        wanted = [a for a in self.args if a.requires_grad]
        grads = grad([self.new, *self.known], [*wanted, *gradients.inputs], [costate, *self.weights])
        gradients.add_leaves(grads[len(wanted) :])
        parts = iter(grads[: len(wanted)])
        gradients.add_args(self.record.rows, [next(parts) if a.requires_grad else None for a in self.args])

    def forget(self) -> None:
        """Let go of the graph."""
        self.new = self.shows = self.state
        self.known, self.weights = [], []


def _known_costs(
    plan: Plan, record: Record, state: Tensor, step: Step, costs: Costs
) -> tuple[list[Tensor], list[Tensor]]:
    """What a loss reads directly off a batch of steps (outputs, E, S), and the gradients with respect to it."""
    values, weights = [], []
    if costs.outputs is not None:
        passed = _with_hits(
            places(plan, record.rows, record.time, record.size, record.before, record.after), record.met, plan
        )
        p = passed.position
        if len(p):
            values.append(plan.method.interpolate_at(step, state, record.size, p, passed.along))
            weights.append(costs.outputs[record.rows[p], passed.target])
    if costs.errors is not None and step.error is not None:
        values.append(plan.tolerance.ratio(step.error, state, step.state))
        weights.append(costs.errors[record.rows, record.count])
    if costs.stiffness is not None and step.stiffness is not None:
        values.append(step.stiffness)
        weights.append(costs.stiffness[record.rows, record.count])
    return values, weights


def _with_hits(passed: Places, met: Tensor, plan: Plan) -> Places:
    """Places of requested times together with places of events, whose `along` is in `met` (NaN for none)."""
    if plan.events is None:
        return passed
    position = met.isfinite().nonzero().flatten()
    extra = Places(position, torch.full_like(position, plan.wanted.shape[1]), met[position])
    return Places(*(torch.cat(pair) for pair in zip(passed, extra, strict=True)))


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
    if gradients.searched:
        with torch.enable_grad():  # the graph of an implicit step holds leaves of its own, that of f does not
            explicit = isinstance(plan.method, Explicit)
            slope = step.slope if explicit else plan.bind(walk.args)(walk.time.to(walk.state.dtype), walk.state)
        complain_if_missed(slope, [walk.state, walk.slope, *walk.args, *gradients.inputs], walk.time)
    values, weights = [step.state, step.slope], [after_state, after_slope]
    mask = None if move.everyone else move.accept
    if mask is not None:
        weights = [w * mask[:, None] for w in weights]
    if costs.outputs is not None and (move.hit is not None or bool((move.target > walk.target).any())):
        met = torch.full_like(move.size, torch.nan)
        if move.hit is not None:
            met = torch.where(move.hit.rows, move.hit.along, met)
        at = _with_hits(places(plan, rows, walk.time, move.size, walk.target, move.target), met, plan)
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
        end = self.count
        with torch.no_grad():
            for begin, walk in reversed(self.marks):
                self._segment(plan, walk, end - begin, costs, gradients)
                end = begin

    def _segment(self, plan: Plan, walk: Walk, length: int, costs: Costs, gradients: Gradients) -> None:
        longest = _TAPE if self.budget is not None else max(_TAPE, length)
        if length <= longest:
            moves = [move for move, _ in march(plan, walk, taped=True, limit=length)]
            while moves:
                _reverse_move(plan, moves.pop(), costs, gradients)
            return
        half = length // 2
        middle = _ahead(plan, walk, half)
        self._segment(plan, middle, length - half, costs, gradients)
        self._segment(plan, walk, half, costs, gradients)


def _ahead(plan: Plan, walk: Walk, count: int) -> Walk:
    """The walk some moves later; nothing of the moves is kept."""
    middle: Walk | None = walk
    for _, left in march(plan, walk, limit=count):
        middle = left
    assert middle is not None
    return middle


def _through_first_slope(plan: Plan, state: Tensor, gradients: Gradients) -> None:
    """The costate of f(t0, y0), which the first step was given, through f."""
    rows = gradients.slope.any(1).nonzero().flatten()
    if not len(rows):
        return
    with torch.enable_grad():
        leaf = state[rows].requires_grad_()
        args = tuple(a[rows].requires_grad_(a.is_floating_point()) for a in plan.args)
        slope = plan.bind(args)(plan.wanted[rows, 0].to(state.dtype), leaf)
    wanted = [a for a in args if a.requires_grad]
    grads = grad([slope], [leaf, *wanted, *gradients.inputs], [gradients.slope[rows]])
    if grads[0] is not None:
        gradients.state = gradients.state.index_add(0, rows, grads[0])
    parts = iter(grads[1 : 1 + len(wanted)])
    gradients.add_args(rows, [next(parts) if a.requires_grad else None for a in args])
    gradients.add_leaves(grads[1 + len(wanted) :])
