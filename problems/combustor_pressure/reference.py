"""Pressure records of the combustor of `combustor_ignition`, as a transducer gives them."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml import data
from sciml.core import registry, rng
from sciml.core.errors import DataError, UserError
from sciml.core.problem import Problem
from sciml.data import PresetCard

SOURCE = "combustor_ignition"
"""The problem whose trajectories these are."""
NOISE = 2e3
"""Standard deviation of the transducer, Pa: 0.1 % of 20 bar. The laser alone raises p by 20 to 50 kPa."""

IGNITED = 1000.0
"""Mean temperature at the end, in K, that tells the outcomes apart; all cases are far from it."""


class Traces(NamedTuple):
    """Records of all cases.

    Fields:
        times: in s, from 0.
        pressure: mean pressure of the chamber with the noise of the transducer, Pa, float64.
        ignited: whether the chamber burns in the end.
    """

    times: Float[Tensor, " time"]
    pressure: Float[Tensor, "sample time"]
    ignited: Bool[Tensor, " sample"]


def traces(count: int) -> Traces:
    """The cases of the smallest dataset of `SOURCE` that has so many; it is made first if it is not there.

    Raises: DataError where no dataset has so many.
    """
    source = registry.problem(SOURCE)
    dataset = data.generate(source, preset_for(source, count))
    parts = [dataset.split(name) for name in ("train", "valid", "test")]
    states = torch.cat([part.states[part.good] for part in parts]).double()
    names = [field.name for field in source.fields]
    pressure, temperature = (states[:, :, names.index(name)] for name in ("pressure", "temperature"))
    noise = torch.randn(pressure.shape, generator=rng.generator(0, "transducer"), dtype=torch.float64)
    return Traces(dataset.layout.times, pressure + NOISE * noise, temperature[:, -1] > IGNITED)


def record(stored: Traces, times: Float[Tensor, " time"]) -> Float[Tensor, "sample time"]:
    """The records at other times, interpolated linearly. Raises: UserError for times beyond their end."""
    step, end = float(stored.times[1]), float(stored.times[-1])
    if float(times.min()) < 0 or float(times.max()) > end * (1 + 1e-9):
        raise UserError("the pressure records do not last so long", got=f"times up to {float(times.max()):.4g} s",
                        expected=f"0 to {end:.4g} s", fix="Lower `length` or `dt` in the card.")  # fmt: skip
    place = (times / step).clamp(0, len(stored.times) - 1)
    left = place.round().where((place - place.round()).abs() < 1e-9, place.floor()).long()
    left = left.clamp_max(len(stored.times) - 2)
    share = (place - left).clamp(0, 1)
    return torch.lerp(stored.pressure[:, left], stored.pressure[:, left + 1], share)


def preset_for(source: Problem, count: int) -> str:
    """The smallest preset with so many cases. Raises DataError where none has."""
    card = data.read_card(source)
    sizes = {}
    for name in source.presets:
        held = card.table(name, PresetCard).trajectories
        sizes[name] = held.train + held.valid + held.test
        if sizes[name] >= count:
            return name
    raise DataError(f"{SOURCE!r} has no dataset of so many cases", got=count,
                    expected=", ".join(f"{size} ({name})" for name, size in sizes.items()))  # fmt: skip
