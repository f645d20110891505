"""The dataset card: what to generate for each preset, read from TOML and checked key by key."""

from typing import Annotated

import pydantic

from sciml.core.config import Config, parse, read_toml
from sciml.core.errors import ConfigError, UnknownNameError
from sciml.core.problem import Problem
from sciml.core.registry import card_path

Count = Annotated[int, pydantic.Field(strict=True, ge=1)]


class Trajectories(Config):
    """How many trajectories each split holds."""

    train: Count
    valid: Count
    test: Count


class PresetCard(Config):
    """One table ``[presets.NAME]`` of a card."""

    grid: tuple[Count, ...]
    """Stored points per axis, y then x; empty for an ordinary differential equation."""
    dt: float = pydantic.Field(gt=0)
    """Physical time between stored frames."""
    frames: int = pydantic.Field(strict=True, ge=2)
    """Stored states per trajectory, the initial one included."""
    trajectories: Trajectories
    shard_size: Count
    """Trajectories per file, and the batch of the reference solver."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Seed of every initial state and parameter."""
    cost: str = ""
    """What generating it costs, in words."""


class Card(Config):
    """A dataset card: what the data is, and the sizes of its presets."""

    title: str
    description: str
    licence: str
    citation: str
    not_modelled: str
    """What the data leaves out of the real world."""
    time_units: str = "1"
    """Units of `dt`; ``1`` when time is non-dimensional."""
    presets: dict[str, PresetCard]

    def preset(self, name: str) -> PresetCard:
        """The table of one preset; an unknown name lists the valid ones."""
        if name not in self.presets:
            raise UnknownNameError("preset", name, self.presets)
        return self.presets[name]


def read_card(problem: Problem) -> Card:
    """The checked card of a loaded problem.

    Raises ConfigError naming the file, the table and the key of every fault.
    """
    path = card_path(problem)
    values = read_toml(path)
    tables = values.get("presets")
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{path} has no presets", expected="tables [presets.NAME] with grid, dt, frames, ...")
    missing = [name for name in problem.presets if name not in tables]
    if missing:
        raise ConfigError(
            f"{path} lacks presets that problem {problem.name!r} declares",
            got=", ".join(tables) or "(none)",
            expected=", ".join(problem.presets),
            fix=f"Add [presets.{missing[0]}], or drop the name from the problem's `presets`.",
        )
    presets = {name: parse(PresetCard, table, f"{path}, table [presets.{name}],") for name, table in tables.items()}
    return parse(Card, {**values, "presets": presets}, str(path))
