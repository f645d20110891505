"""From shares of choices to one network: likely, allowed, and of the wanted cost."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core import rng
from sciml.core.errors import UserError
from sciml.train import Choice, Choices, Space

_DRAWS = 2000
_NEAR = (0.03, 0.06, 0.1)  # how far from the target a predicted cost may be; the first that leaves a network
_PRICES = (1.0, 10.0, 100.0)  # on missing a target by once the target, against logarithms of shares
_SWEEPS = 3
_STARTS = 5  # random networks that ascents to a target begin with, beside the likeliest, cheapest and dearest
TOLERANCE = 0.1
"""How far from a target the measured cost may be."""

Predict = Callable[[Float[Tensor, "net entry"]], Tensor]


class Candidate(NamedTuple):
    """A network that may be taken.

    Fields:
        choices: what it is.
        likelihood: sum of the logarithms of its shares.
        cost: predicted.
    """

    choices: dict[str, Choice]
    likelihood: float
    cost: float


def shortlist(
    space: Space,
    shares: Sequence[Float[Tensor, " choice"]],
    predict: Predict,
    *,
    target: float | None,
    skip_cap: int | None,
    count: int,
    seed: int,
) -> list[Candidate]:
    """The likeliest networks that are allowed, of the wanted cost if there is one.

    Tried are the likeliest of all, everything one choice away, random draws by the shares, and for a target those that
    are likeliest at a price on missing it.

    Raises:
        UserError: none is allowed.
    """
    pool: dict[tuple[Choice, ...], dict[str, Choice]] = {}

    def add(networks: Iterable[Choices]) -> None:
        for one in networks:
            kept = space.canonical(one)
            allowed = skip_cap is None or space.skips(kept) <= skip_cap
            if allowed and not space.obstacle(kept):
                pool.setdefault(tuple(kept.values()), kept)

    logs = [share.clamp_min(1e-12).log() for share in shares]
    top = {s.name: s.choices[int(log.argmax())] for s, log in zip(space.slots, logs, strict=True)}
    add([top, *_neighbours(space, top), *_fewer_skips(space, logs, top, skip_cap)])
    add(_drawn(space, shares, seed))
    if target is not None:
        ends = (extreme(space, predict, sign=sign, seed=seed) for sign in (1.0, -1.0))
        starts = (top, *ends, *itertools.islice(_drawn(space, shares, seed), _STARTS))
        add(_ascended(space, logs, start, _missing(predict, target, price)) for price in _PRICES for start in starts)
    if not pool:
        raise UserError("no network of the search space has so few skipped blocks", got=f"skip_cap={skip_cap}",
                        fix="Raise skip_cap, or allow more choices.")  # fmt: skip
    costs = predict(torch.stack([space.encode(one) for one in pool.values()])).tolist()
    likely = [
        Candidate(one, _likelihood(space, logs, one), cost) for one, cost in zip(pool.values(), costs, strict=True)
    ]
    if target is not None:
        away = {id(one): abs(one.cost / target - 1) for one in likely}
        near = next((kept for limit in _NEAR if (kept := [c for c in likely if away[id(c)] <= limit])), None)
        likely = near or sorted(likely, key=lambda one: away[id(one)])[:count]
    return sorted(likely, key=lambda one: one.likelihood, reverse=True)[:count]


def extreme(space: Space, predict: Predict, *, sign: float, seed: int) -> dict[str, Choice]:
    """A network of the least predicted cost (`sign` 1), or of the largest (-1): the best of a few descents."""
    draw, best = rng.generator(seed, "extreme"), None
    flat = [torch.zeros(len(slot.choices), dtype=torch.float64) for slot in space.slots]
    for _ in range(4):
        network = _ascended(space, flat, space.sample(draw), lambda codes: sign * predict(codes))
        if space.obstacle(network):
            continue
        cost = sign * float(predict(space.encode(network)[None])[0])
        if best is None or cost < best[0]:
            best = cost, network
    return space.sample(draw) if best is None else best[1]


def _ascended(space: Space, logs: Sequence[Tensor], start: Choices, price: Predict) -> dict[str, Choice]:
    """One slot after another set to what is likeliest less its price, until nothing changes."""
    chosen = dict(start)
    for _ in range(_SWEEPS):
        before = dict(chosen)
        for slot, log in zip(space.slots, logs, strict=True):
            options = [space.canonical({**chosen, slot.name: choice}) for choice in slot.choices]
            prices = price(torch.stack([space.encode(option) for option in options]))
            chosen = {**chosen, slot.name: slot.choices[int((log - prices).argmax())]}
        if chosen == before:
            break
    return space.canonical(chosen)


def _missing(predict: Predict, target: float, price: float) -> Predict:
    """A price on how far a cost is from a target."""
    return lambda codes: price * (predict(codes) / target - 1).abs()


def _neighbours(space: Space, top: Choices) -> Iterable[Choices]:
    return ({**top, slot.name: choice} for slot in space.slots for choice in slot.choices)


def _fewer_skips(space: Space, logs: Sequence[Tensor], top: Choices, cap: int | None) -> Iterable[Choices]:
    """The likeliest network with no more skips than allowed: those whose second choice is least unlikely go first."""
    if cap is None:
        return []
    changed, losses = dict(top), []
    for slot, log in zip(space.slots, logs, strict=True):
        if slot.skip is not None and top[slot.name] == slot.skip and len(slot.choices) > 1:
            others = log.clone()
            others[slot.choices.index(slot.skip)] = -math.inf
            losses.append((float(log.max() - others.max()), slot.name, slot.choices[int(others.argmax())]))
    for _, name, choice in sorted(losses, key=lambda entry: entry[0]):
        if space.skips(space.canonical(changed)) > cap:
            changed[name] = choice
    return [changed]


def _drawn(space: Space, shares: Sequence[Tensor], seed: int) -> Iterable[Choices]:
    draw = rng.generator(seed, "shortlist")
    columns = [torch.multinomial(share.clamp_min(1e-12), _DRAWS, True, generator=draw).tolist() for share in shares]
    rows = dict.fromkeys(zip(*columns, strict=True))
    return ({s.name: s.choices[i] for s, i in zip(space.slots, row, strict=True)} for row in rows)


def _likelihood(space: Space, logs: Sequence[Tensor], choices: Choices) -> float:
    return sum(
        float(log[slot.choices.index(choices[slot.name])])
        for slot, log in zip(space.slots, logs, strict=True)
        if space.exists(slot, choices)
    )
