"""Where in a step events happen: looks inside of it, dips that touch zero, and roots by bracketing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.ode._events import Events
from sciml.ode._method import Field, Method, Step, evaluate, pick

_GOLDEN = 0.6180339887498949


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
    places, values = _looks(events, curve, before, after)
    accepted = accept[None, :, None]
    change = events.crossed(values[:-1], values[1:]) & accepted
    sides = values.sign()
    size = values.abs()
    turns = (sides[:-2] == sides[1:-1]) & (sides[1:-1] == sides[2:]) & (size[1:-1] < size[:-2])
    turns = turns & (size[1:-1] <= size[2:]) & accepted
    if not bool(change.any()) and not bool(turns.any()):
        return None
    low, row, event = change.nonzero().unbind(1)
    roots = [(row, event, places[low], places[low + 1])]
    middle, row, event = turns.nonzero().unbind(1)
    if len(row):
        bottom, value = _extremum(events, curve, row, event, places[middle], places[middle + 2])
        through = value * sides[middle + 1, row, event] <= 0
        for low, high in ((places[middle], bottom), (bottom, places[middle + 2])):
            item = torch.arange(len(row), device=row.device)
            value_at = _picker(events, curve, row, event)
            pair = [value_at(edge) for edge in (low, high)]
            wide = torch.zeros(len(row), before.shape[1], dtype=before.dtype, device=row.device)
            ends = [wide.index_put((item, event), v) for v in pair]
            kept = through & events.crossed(*ends)[item, event]
            roots.append((row[kept], event[kept], low[kept], high[kept]))
    row, event, low, high = (torch.cat(column) for column in zip(*roots, strict=True))
    if not len(row):
        return None
    return Crossings(row, event, _root(events, curve, row, event, low, high))


def _looks(
    events: Events, curve: Curve, before: Tensor, after: Tensor
) -> tuple[Float[Tensor, " place"], Float[Tensor, "place row event"]]:
    """Places in a step, ends included, and the event functions there."""
    inside = events.looks
    places = torch.tensor((0.0, *inside, 1.0), dtype=curve.size.dtype, device=curve.size.device)
    if not inside:
        return places, torch.stack([before, after])
    rows = len(before)
    row = torch.arange(rows, device=places.device).repeat(len(inside))
    along = places[1:-1].repeat_interleave(rows)
    seen = events.values(curve.times(row, along), curve.states(row, along))
    return places, torch.cat([before[None], seen.unflatten(0, (len(inside), rows)), after[None]])


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
