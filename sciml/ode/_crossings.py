"""Where in a step events happen: looks inside of it, dips that touch zero, and roots by bracketing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.core.errors import UserError
from sciml.ode._events import Events
from sciml.ode._looks import Looks, changed, finer
from sciml.ode._method import Field, Method, Step, evaluate, pick

_GOLDEN = 0.6180339887498949
_NUMBERS = 1 << 22  # of states that are looked at together


class Crossings(NamedTuple):
    """Zeros of event functions inside of steps.

    Fields:
        row: position of the row in the walk.
        event: which of the event functions.
        along: where in the step, in [0, 1].
    """

    row: Int[Tensor, " item"]
    event: Int[Tensor, " item"]
    along: Float[Tensor, " item"]

    def chosen(self, which: Tensor) -> "Crossings":
        """Some of them."""
        return Crossings(self.row[which], self.event[which], self.along[which])


@dataclass(frozen=True)
class Curve:
    """The states along one step of every row.

    Arguments:
        method, step: what was taken.
        bind: the right-hand side of some rows.
        time, size, state, slope: what the step started with.
    """

    method: Method
    step: Step
    bind: Callable[[Tensor], Field]
    time: Float[Tensor, " row"]
    size: Float[Tensor, " row"]
    state: Float[Tensor, "row dim"]
    slope: Float[Tensor, "row dim"]

    def states(self, row: Int[Tensor, " item"], along: Float[Tensor, " item"]) -> Float[Tensor, "item dim"]:
        """By the dense output."""
        return self.method.interpolate_at(self.step, self.state, self.size, row, along)

    def along(self, row: Int[Tensor, " item"]) -> Callable[[Float[Tensor, " item"]], Float[Tensor, "item dim"]]:
        """The same of the same rows at many places, one after the other."""
        powers, before = self.method.polynomial(pick(self.step, row), self.size[row]), self.state[row]
        after = self.step.state[row]
        return lambda along: evaluate(powers, before, after, along)

    def again(self, row: Int[Tensor, " item"], along: Float[Tensor, " item"]) -> Step:
        """Shorter steps from the same start: as good as the method, where its dense output is not."""
        return self.method.step(
            self.bind(row), self.time[row].to(along.dtype), self.size[row] * along, self.state[row], self.slope[row]
        )

    def best(self, row: Int[Tensor, " item"], along: Float[Tensor, " item"]) -> Float[Tensor, "item dim"]:
        """As good as the method is."""
        return self.again(row, along).state if self.method.lands else self.states(row, along)

    def times(self, row: Int[Tensor, " item"], along: Float[Tensor, " item"]) -> Float[Tensor, " item"]:
        """In float64."""
        return self.time[row] + self.size[row].double() * along.double()


@torch.no_grad()
def crossings(
    events: Events,
    curve: Curve,
    before: Float[Tensor, "row event"],
    after: Float[Tensor, "row event"],
    accept: Bool[Tensor, " row"],
) -> Crossings | None:
    """All crossings in the accepted steps that are seen, in no order; None for none.

    Arguments:
        before, after: values of the event functions at both ends of the steps.
    """
    if not bool(accept.any()):
        return None
    seen = _looks(events, curve, before, after, accept)
    brackets = [bracket for looks in seen for bracket in _brackets(events, curve, looks)]
    row, event, low, high = (torch.cat(column) for column in zip(*brackets, strict=True))
    kept = _in_direction(events, curve, row, event, low, high)
    row, event, low, high = row[kept], event[kept], low[kept], high[kept]
    if not len(row):
        return None
    return Crossings(row, event, _root(events, curve, row, event, low, high))


def _brackets(events: Events, curve: Curve, looks: Looks) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Rows, events and pairs of places: where signs change in any direction, and both sides of a dip through zero."""
    places, rows, values = looks
    low, row, event = changed(values[:-1], values[1:]).nonzero().unbind(1)
    brackets = [(rows[row], event, places[low], places[low + 1])]
    sides, size = values.sign(), values.abs()
    turns = (sides[:-2] == sides[1:-1]) & (sides[1:-1] == sides[2:]) & (size[1:-1] < size[:-2])
    middle, row, event = (turns & (size[1:-1] <= size[2:])).nonzero().unbind(1)
    if not len(row):
        return brackets
    side, row = sides[middle + 1, row, event], rows[row]
    bottom, value = _extremum(events, curve, row, event, places[middle], places[middle + 2])
    value_at = _picker(events, curve, row, event)
    for low, high in ((places[middle], bottom), (bottom, places[middle + 2])):
        kept = (value * side <= 0) & changed(value_at(low), value_at(high))
        brackets.append((row[kept], event[kept], low[kept], high[kept]))
    return brackets


def _in_direction(
    events: Events, curve: Curve, row: Tensor, event: Tensor, low: Tensor, high: Tensor
) -> Bool[Tensor, " item"]:
    """Which brackets hold a crossing in the wanted direction."""
    if not len(row):
        return torch.zeros(0, dtype=torch.bool, device=row.device)
    item, value_at = torch.arange(len(row), device=row.device), _picker(events, curve, row, event)
    wide = curve.state.new_zeros(len(row), len(events.events))
    before, after = (wide.index_put((item, event), value_at(edge)) for edge in (low, high))
    return events.crossed(before, after)[item, event]


def _looks(events: Events, curve: Curve, before: Tensor, after: Tensor, accept: Bool[Tensor, " row"]) -> list[Looks]:
    """The event functions in the accepted steps: at the places that `events` names, and at more where these fail."""
    inside, rows = events.looks, accept.nonzero().flatten()
    places = torch.tensor((0.0, *inside, 1.0), dtype=curve.size.dtype, device=curve.size.device)
    ends = before[rows], after[rows]
    looks = Looks(places, rows, _values(events, curve, places, rows, *ends))
    if len(inside) < 3:
        return [looks]
    seen: list[Looks] = []
    for again in (Looks.crossed_or_restless, Looks.unresolved):
        more = again(looks)
        if not bool(more.any()):
            break
        seen.append(looks.some(~more))
        rows, places = looks.rows[more], finer(looks.places)
        ends = looks.values[0, more], looks.values[-1, more]
        looks = Looks(places, rows, _values(events, curve, places, rows, *ends))
    return [*seen, looks]


def _values(
    events: Events, curve: Curve, places: Tensor, rows: Tensor, before: Tensor, after: Tensor
) -> Float[Tensor, "place row event"]:
    """The event functions of some rows at places, of which the first and the last are known. UserError for NaN."""
    inside, count = len(places) - 2, len(rows)
    time = curve.time[rows]
    chunk = max(1, _NUMBERS // max(1, curve.state[rows].numel()))
    parts = []
    for along in places[1:-1].split(chunk) if inside else ():
        row, along = rows.repeat(len(along)), along.repeat_interleave(count)
        parts.append(events.values(curve.times(row, along), curve.states(row, along)).unflatten(0, (-1, count)))
    values = torch.cat([before[None], *parts, after[None]])
    if bool((bad := values.isnan()).any()):
        place, row, event = bad.nonzero()[0].tolist()
        when = events.sign * float(time[row] + curve.size[rows[row]].double() * float(places[place]))
        raise UserError(
            "an event function is not a number",
            got=f"NaN of event {event} at t = {when:.6g}",
            expected="a number wherever a step may look, beyond the event too",
            fix="Write it without roots and logarithms: y - 1 is zero where log(y) is.",
        )
    return values


def _picker(
    events: Events, curve: Curve, row: Tensor, event: Tensor, best: bool = False
) -> Callable[[Float[Tensor, " item"]], Float[Tensor, " item"]]:
    """One event function per item, of places along its step; polynomials are made once."""
    states = (lambda along: curve.best(row, along)) if best else curve.along(row)
    return lambda along: events.values(curve.times(row, along), states(along)).gather(1, event[:, None])[:, 0]


def _extremum(
    events: Events, curve: Curve, row: Tensor, event: Tensor, low: Tensor, high: Tensor, times: int = 30
) -> tuple[Tensor, Tensor]:
    """Where the functions come nearest to zero between two places, by golden sections, and their values there.

    An item ends as soon as its function is beyond zero.
    """
    value_at = _picker(events, curve, row, event)
    side = value_at(low).sign()
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = (side * value_at(place) for place in (left, right))
    for _ in range(times):
        if bool((torch.minimum(at_left, at_right) <= 0).all()):
            break
        lower = at_left < at_right
        low, high = torch.where(lower, low, left), torch.where(lower, right, high)
        place = torch.where(lower, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        value = side * value_at(place)
        left, right = torch.where(lower, place, right), torch.where(lower, left, place)
        at_left, at_right = torch.where(lower, value, at_right), torch.where(lower, at_left, value)
    lower = at_left < at_right
    return torch.where(lower, left, right), side * torch.where(lower, at_left, at_right)


def _root(
    events: Events, curve: Curve, row: Tensor, event: Tensor, low: Tensor, high: Tensor, times: int = 64
) -> Float[Tensor, " item"]:
    """Roots between places of opposite signs, by the Illinois rule with a bisection every third time."""
    best = curve.method.lands
    value_at = _picker(events, curve, row, event, best)
    at_low, at_high = (value_at(place) for place in (low, high))
    if best:  # the better curve may cross a little outside of the bracket that its dense output gave
        gap = high - low
        astray = at_low.sign() == at_high.sign()
        low = torch.where(astray, (low - 0.5 * gap).clamp_min(0), low)
        high = torch.where(astray, (high + 0.5 * gap).clamp_max(1), high)
        if bool(astray.any()):
            at_low, at_high = (value_at(place) for place in (low, high))
    side = at_low.sign()
    truth = (at_low.abs() == 1) & (at_high.abs() == 1)
    small = 4 * torch.finfo(low.dtype).eps
    weight_low, weight_high = at_low, at_high
    for count in range(times):
        gap = high - low
        if bool(((gap <= small * high) | (at_high == 0)).all()):
            break
        falls = weight_high - weight_low
        share = weight_high / torch.where(falls == 0, 1.0, falls)
        middle = high - gap * torch.where((falls == 0) | truth | (count % 3 == 2), 0.5, share).clamp(0, 1)
        value = value_at(middle)
        same = value.sign() == side
        low, at_low = torch.where(same, middle, low), torch.where(same, value, at_low)
        high, at_high = torch.where(same, high, middle), torch.where(same, at_high, value)
        weight_low = torch.where(same, value, 0.5 * weight_low)
        weight_high = torch.where(same, 0.5 * weight_high, value)
    nearer = (at_low.abs() < at_high.abs()) & ~truth
    return torch.where(nearer, low, high)
