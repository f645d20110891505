"""Measured networks of a space: how they are measured, the file they are kept in, and whether it may be used here."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.config import Config, from_file, parse, read_json
from sciml.core.errors import DataError, UnsupportedError, UserError
from sciml.tools._contract import Subject
from sciml.tools._flops import count_flops
from sciml.tools.cost import Conditions, Machine, measure_energy, measure_latencies, peak_memory, this_machine
from sciml.train import Choices, Space, build_module

Quantity = Literal["latency", "flops", "memory", "energy"]
"""What a network costs per prediction."""

_GROUP = 12  # networks timed side by side
_LARGEST = 20_000
_ANCHOR = "\0anchor"
_TRIES = 30  # draws per network before the space counts as exhausted


class CostTable(Config):
    """Costs of random networks of one space on one machine: a latency file."""

    format: Literal["sciml/costs/1"] = "sciml/costs/1"
    quantity: Quantity
    """What was measured, in seconds, FLOPs, bytes or joules."""
    machine: Machine
    """Where."""
    conditions: Conditions
    """On what: device, threads, precision, batch, grid."""
    space: str = pydantic.Field(max_length=64)
    """Digest of the slots, of their choices and of what is not searched."""
    slots: dict[str, tuple[str | int | float | bool, ...]]
    """Choices by slot, for people."""
    nets: tuple[tuple[pydantic.NonNegativeInt, ...], ...] = pydantic.Field(min_length=1, max_length=_LARGEST)
    """Numbers of the choices, a row per network."""
    costs: tuple[pydantic.PositiveFloat, ...]
    """Of every network."""
    spreads: tuple[pydantic.NonNegativeFloat, ...]
    """Repeat error of each, relative; 0 for what does not vary."""
    flops: tuple[pydantic.NonNegativeFloat, ...]
    """FLOPs of each, Fourier transforms included."""
    anchor: pydantic.PositiveFloat
    """Cost of the run's own network, measured beside every group of others, whose drift is divided out by it."""

    def choices(self, space: Space) -> list[dict[str, str | int | float | bool]]:
        """The networks. Raises DataError for numbers that are none of the space."""
        try:
            return [
                {slot.name: slot.choices[index] for slot, index in zip(space.slots, row, strict=True)}
                for row in self.nets
            ]
        except (IndexError, ValueError):
            raise DataError("a latency file holds networks that its search space does not have") from None

    def codes(self, space: Space) -> Float[Tensor, "net entry"]:
        """The codes of the networks in a space."""
        return torch.stack([space.encode(chosen) for chosen in self.choices(space)])


class Measured(NamedTuple):
    """Costs of some networks.

    Fields:
        costs, spreads, flops: of each.
        anchor: of the subject's own network.
    """

    costs: list[float]
    spreads: list[float]
    flops: list[float]
    anchor: float


def read_costs(path: Path) -> CostTable:
    """A latency file; DataError for a file that is none."""
    try:
        content = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"no such file: {path}", fix="`sciml tool latency RUN` writes one.") from None
    table = parse(CostTable, content, f"the latency file {path}")
    if not len(table.nets) == len(table.costs) == len(table.spreads) == len(table.flops):
        raise DataError(f"the latency file {path} is damaged", got="columns of different lengths")
    return table


FromFile = from_file(read_costs, "latency file")
"""For a setting that is a latency file."""


def build(subject: Subject, space: Space, choices: Choices) -> nn.Module:
    """The network of an architecture, freshly initialised from torch's generator."""
    return build_module(subject.solver, subject.problem, space.model(choices), subject.context)


def conditions_of(subject: Subject) -> Conditions:
    """What a measurement of the subject's networks is on."""
    tensors = [*subject.module.parameters(), *subject.module.buffers()]
    device = tensors[0].device if tensors else torch.device("cpu")
    precise = next((t.dtype for t in tensors if t.is_floating_point() or t.is_complex()), torch.get_default_dtype())
    return Conditions(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        threads=1,
        dtype=str(precise).removeprefix("torch."),
        batch=1,
        grid=tuple(subject.task.grid_of(subject.context)),
    )


def measure(
    subject: Subject, space: Space, nets: Sequence[Choices], quantity: Quantity, *, patience: float, seed: int
) -> Measured:
    """Costs of networks, untrained: what a network computes takes as long with any weights.

    Latencies are taken as by the probe `cost`, in processor time on a CPU: one thread, three calls to warm up,
    interleaved in random order, the least of two or more passes, a dozen networks at a time. The subject's own network
    is timed in every dozen; costs are divided by how much longer it took there than at its best.

    Arguments:
        subject: gives solver, inputs and the network to compare with.
        space, nets: what is measured.
        quantity: what of it.
        patience: seconds per dozen after which no further repeat is begun.
        seed: of weights and order.
    """
    costs, spreads, flops, factors = [], [], [], []
    for start in range(0, len(nets), _GROUP):
        group = nets[start : start + _GROUP]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rng.derive(seed, "measure", start))
            calls = [subject.predict(build(subject, space, chosen).eval()) for chosen in group]
        for call in calls:
            counted = count_flops(call)
            flops.append(float(counted.products + counted.transforms))
        values, errors, anchor = _costs(subject, calls, quantity, patience, rng.derive(seed, "order", start))
        costs.append(values)
        spreads += errors
        factors.append(anchor)
    best = min(factors)
    scaled = [value * best / anchor for values, anchor in zip(costs, factors, strict=True) for value in values]
    return Measured(scaled, spreads, flops, best)


def _costs(
    subject: Subject, calls: list[Callable[[], object]], quantity: Quantity, patience: float, seed: int
) -> tuple[list[float], list[float], float]:
    """Costs of calls, their repeat errors, and the cost of the subject's own network beside them."""
    prediction = subject.predict(subject.module)
    if quantity == "latency":
        named = {str(i): call for i, call in enumerate(calls)} | {_ANCHOR: prediction}
        times = measure_latencies(named, patience=patience, seed=seed, processor=conditions_of(subject).device == "cpu")
        kept = [times[str(i)] for i in range(len(calls))]
        return [one.seconds for one in kept], [one.spread for one in kept], times[_ANCHOR].seconds
    value = {"flops": _all_flops, "memory": _bytes, "energy": measure_energy}[quantity]
    return [value(call) for call in calls], [0.0] * len(calls), value(prediction)


def _all_flops(call: Callable[[], object]) -> float:
    counted = count_flops(call)
    return float(max(1, counted.products + counted.transforms))


def _bytes(call: Callable[[], object]) -> float:
    call()
    return float(max(1, peak_memory(call)))


def draw_networks(space: Space, count: int, seed: int) -> list[dict[str, str | int | float | bool]]:
    """Different random networks, fewer where the space has no more."""
    draw, networks = rng.generator(seed, "networks"), {}
    for _ in range(_TRIES * count):
        chosen = space.sample(draw)
        networks.setdefault(tuple(chosen.values()), chosen)
        if len(networks) == count:
            break
    return list(networks.values())


def make_table(
    subject: Subject, space: Space, quantity: Quantity, *, nets: int, patience: float, seed: int
) -> CostTable:
    """Measure random networks of a space.

    Raises:
        UnsupportedError: the space holds fewer than ten networks, too few to learn from.
    """
    drawn = draw_networks(space, nets, seed)
    if len(drawn) < _FEWEST:
        raise UnsupportedError("too few networks to learn a cost from", got=f"{len(drawn)} in the search space",
                               expected=f"at least {_FEWEST}", fix="Allow more choices.")  # fmt: skip
    measured = measure(subject, space, drawn, quantity, patience=patience, seed=seed)
    return CostTable(
        quantity=quantity,
        machine=this_machine(),
        conditions=conditions_of(subject),
        space=digest(subject, space),
        slots={slot.name: slot.choices for slot in space.slots},
        nets=tuple(tuple(slot.choices.index(one[slot.name]) for slot in space.slots) for one in drawn),
        costs=tuple(measured.costs),
        spreads=tuple(measured.spreads),
        flops=tuple(measured.flops),
        anchor=measured.anchor,
    )


_FEWEST = 10


def digest(subject: Subject, space: Space) -> str:
    """Of what a code means: solver, slots, and the hyper-parameters that are not searched."""
    first = {slot.name: slot.choices[0] for slot in space.slots}
    content = {
        "solver": subject.solver.key,
        "slots": [[slot.name, slot.choices, slot.needs] for slot in space.slots],
        "rest": space.model(first).model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def check_table(table: CostTable, subject: Subject, space: Space, quantity: Quantity) -> None:
    """Refuse costs that are of something else than what is searched here.

    Raises:
        UserError: naming what differs: machine, device, threads, precision, batch, grid, quantity or space.
    """
    here, conditions = this_machine(), conditions_of(subject)
    pairs = {
        "quantity": (table.quantity, quantity),
        "processor": (table.machine.processor, here.processor),
        "torch": (table.machine.torch, here.torch),
        "device": (table.conditions.device, conditions.device),
        "threads": (table.conditions.threads, conditions.threads),
        "precision": (table.conditions.dtype, conditions.dtype),
        "batch": (table.conditions.batch, conditions.batch),
        "grid": (table.conditions.grid, conditions.grid),
        "search space": (table.space, digest(subject, space)),
    }
    if table.quantity not in ("latency", "energy"):  # these are the same on every machine with this version
        pairs.pop("processor")
    different = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if different:
        raise UserError(
            "a latency file is of something else than what is searched here",
            got="; ".join(f"{name} {theirs}" for name, (theirs, _) in different.items()),
            expected="; ".join(f"{name} {ours}" for name, (_, ours) in different.items()),
            fix="Measure here with `sciml tool latency RUN`, or leave out the file.",
        )
