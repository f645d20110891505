"""The dataset card: what to generate for each preset, read from TOML and checked key by key."""

from typing import Annotated

import pydantic

from sciml.core.capabilities import Classifies, Diffuses, Evolves, HasDensity, HasHiddenTerm, HasResidual
from sciml.core.config import Config, parse, read_toml
from sciml.core.errors import ConfigError, UnknownNameError
from sciml.core.problem import Problem
from sciml.core.registry import card_path

Count = Annotated[int, pydantic.Field(strict=True, ge=1)]


class Splits(Config):
    """How many trajectories, samples or paths each split holds."""

    train: Count
    valid: Count
    test: Count


class TrajectorySplits(Config):
    """How many trajectories each split holds."""

    train: Count
    valid: Count
    test: Count
    beyond: Count | None = None
    """Test trajectories with parameters outside of their ranges (`Problem.draw_beyond`); None for none."""


class PresetCard(Config):
    """One table ``[presets.NAME]`` of the card of a problem that is simulated in time."""

    grid: tuple[Count, ...]
    """Stored points per axis, y then x; empty for an ordinary differential equation."""
    dt: float = pydantic.Field(gt=0)
    """Physical time between stored frames."""
    frames: int = pydantic.Field(strict=True, ge=2)
    """Stored states per trajectory, the initial one included."""
    trajectories: TrajectorySplits
    shard_size: Count
    """Trajectories per file, and the batch of the reference solver."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Seed of every initial state and parameter."""
    cost: str = ""
    """What generating it costs, in words."""


class SamplesCard(Config):
    """One table ``[presets.NAME]`` of the card of a problem that has labelled samples or densities to draw from."""

    samples: Splits
    """How many samples each split holds; of a fixed set, the rest is left out."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Seed of the split of a fixed set, and of every draw."""
    cost: str = ""
    """What making them costs, in words."""


class PathsCard(Config):
    """One table ``[presets.NAME]`` of the card of a stochastic differential equation."""

    paths: Splits
    """Reference paths from which the moments of each split are computed, each split from its own."""
    step: float = pydantic.Field(gt=0)
    """Longest step of the reference integration."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Seed of the reference paths."""
    cost: str = ""
    """What making them costs, in words."""

    @pydantic.field_validator("paths")
    @classmethod
    def _enough(cls, paths: Splits) -> Splits:
        if min(paths.train, paths.valid, paths.test) < 2:
            raise ValueError("a variance needs at least 2 paths in every split")
        return paths


class ObservationsCard(Config):
    """One table ``[presets.NAME]`` of the card of a problem with a hidden term; the run says what is observed."""

    cost: str = ""
    """What making the observations costs, in words."""


class CollocationCard(Config):
    """One table ``[presets.NAME]`` of the card of a differential equation on a box: where solutions are examined."""

    grid: Count
    """Points per axis of the lattice on which a solution is compared with the reference."""
    pool: Count
    """Independent points at which the residual is watched; no solver is trained on them."""
    observations: int = pydantic.Field(0, strict=True, ge=0)
    """Points at which the observed fields of an inverse problem are given."""
    noise: float = pydantic.Field(0.0, ge=0)
    """Standard deviation of the errors of the observations."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Seed of pool and observations."""
    cost: str = ""
    """What making them costs, in words."""


AnyPreset = PresetCard | SamplesCard | PathsCard | CollocationCard | ObservationsCard


def preset_kind(problem: Problem) -> type[AnyPreset]:
    """What describes a preset of the problem's data: the capabilities decide."""
    if isinstance(problem, Evolves):
        return PresetCard
    if isinstance(problem, Diffuses):
        return PathsCard
    if isinstance(problem, HasHiddenTerm):
        return ObservationsCard
    if isinstance(problem, Classifies | HasDensity):
        return SamplesCard
    return CollocationCard if isinstance(problem, HasResidual) else PresetCard


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
    presets: dict[str, AnyPreset]

    def preset(self, name: str) -> AnyPreset:
        """The table of one preset; an unknown name lists the valid ones."""
        if name not in self.presets:
            raise UnknownNameError("preset", name, self.presets)
        return self.presets[name]


def read_card(problem: Problem) -> Card:
    """The checked card of a loaded problem.

    Raises ConfigError naming the file, the table and the key of every fault.
    """
    path, kind = card_path(problem), preset_kind(problem)
    values = read_toml(path)
    tables = values.get("presets")
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(
            f"{path} has no presets", expected=f"tables [presets.NAME] with {', '.join(kind.model_fields)}"
        )
    missing = [name for name in problem.presets if name not in tables]
    if missing:
        raise ConfigError(
            f"{path} lacks presets that problem {problem.name!r} declares",
            got=", ".join(tables) or "(none)",
            expected=", ".join(problem.presets),
            fix=f"Add [presets.{missing[0]}], or drop the name from the problem's `presets`.",
        )
    presets = {name: parse(kind, table, f"{path}, table [presets.{name}],") for name, table in tables.items()}
    return parse(Card, {**values, "presets": presets}, str(path))
