"""The stacked schedule: all steps of a solve repeated as one batch."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.ode._costs import Costs, Gradients, with_hits
from sciml.ode._explicit import Explicit
from sciml.ode._graph import complain_if_missed, grad
from sciml.ode._method import Step
from sciml.ode._plan import Plan, places
from sciml.ode._repeated import complain_if_changed
from sciml.ode._walk import Move, Walk

_CHUNK = 2048  # rows repeated at once: what stays in the cache
_KEEP = 65536  # rows up to which the graphs of all chunks are kept; beyond, they are made twice


class Record(NamedTuple):
    """Accepted steps as the stacked schedule needs them: start and end, and which requested times they passed."""

    rows: Int[Tensor, " row"]
    time: Float[Tensor, " row"]
    size: Float[Tensor, " row"]
    state: Float[Tensor, "row dim"]
    count: Int[Tensor, " row"]  # pyright: ignore[reportIncompatibleMethodOverride] (hides tuple.count)
    before: Int[Tensor, " row"]
    after: Int[Tensor, " row"]
    met: Float[Tensor, " row"]
    end: Float[Tensor, "row dim"]


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
        columns = (
            walk.rows,
            walk.time,
            move.size,
            walk.state,
            walk.accepted,
            walk.target,
            move.target,
            met,
            move.step.state,
        )
        self.records.append(Record(*(column[kept] for column in columns)))

    def reverse(self, plan: Plan, costs: Costs, gradients: Gradients) -> None:
        """Repeat all steps as one batch, run the costate through their Jacobians, collect the gradients."""
        records = [r for r in self.records if len(r.rows)]
        if not records:
            return
        lengths = [len(r.rows) for r in records]
        whole = Record(*(torch.cat(column) for column in zip(*records, strict=True)))
        spans = _spans(sum(lengths), _CHUNK)
        chunks = [_Chunk(plan, _part(whole, a, b), costs, gradients.inputs) for a, b in spans]
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
                chunk = _Chunk(plan, _part(whole, a, b), costs, gradients.inputs)
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

    def __init__(self, plan: Plan, record: Record, costs: Costs, inputs: Sequence[Tensor]) -> None:
        self.plan, self.record = plan, record
        self.state = record.state.detach().requires_grad_()
        args = [a[record.rows].detach() for a in plan.args]
        self.args = tuple(a.requires_grad_(a.is_floating_point()) for a in args)
        with torch.enable_grad():
            f, time = plan.bind(self.args), record.time.to(record.size.dtype)
            slope = f(time, self.state)
            step = plan.method.step(f, time, record.size, self.state, slope, stiffness=costs.stiffness is not None)
            self.new = step.state
            seen = (self.state, *(a for a in self.args if a.requires_grad), *inputs)
            complain_if_changed(plan, record.state, record.end, step.state, record.rows, seen)
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
        known, time = [self.state, *self.args, *gradients.inputs], self.record.time.to(self.state.dtype)
        f = self.plan.bind(self.args)
        complain_if_missed(self.plan.f, self.shows, known, self.record.time, lambda: f(time, self.state))
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
        passed = with_hits(
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
