"""The dataset card: what to make for each preset and task, read from TOML and checked key by key."""

from abc import abstractmethod
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import pydantic

from sciml.core.config import Config, parse, read_toml
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError
from sciml.core.paths import shown
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.core.registry import card_path, typed
from sciml.data._check import Check

Count = Annotated[int, pydantic.Field(strict=True, ge=1)]
K = TypeVar("K", bound="CardTable")


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


class CardTable(Config):
    """One table ``[presets.NAME.<key>]`` of a card: the data of one task, or of several that share it."""

    key: ClassVar[str]
    """What the table is called in the card."""

    cost: str = ""
    """What making the data costs, in words."""

    def content(self) -> dict[str, Any]:  # Any: JSON
        """What the data depends on, as plain data."""
        return self.model_dump(mode="json", exclude={"cost"})


class DescribedCard(CardTable):
    """A table of data that describes and checks itself; it is always the same for the same table."""

    @abstractmethod
    def place(self, problem: Problem) -> str:
        """Where the data is stored, in words."""

    @abstractmethod
    def summary(self, problem: Problem, time_units: str) -> dict[str, Any]:  # Any: JSON
        """The data in numbers, as plain data. Raises UserError for faulty data."""

    @abstractmethod
    def checks(self, problem: Problem) -> list[Check]:
        """Checks of contents and splits, and that making it again gives the same bits; faults are failed checks."""

    def export(self, problem: Problem, format: str, destination: Path, *, preset: str) -> list[Path]:
        """Write the data for other people's loaders. Raises UnsupportedError for data that has no such form yet."""
        raise UnsupportedError(
            f"the data of {problem.name!r} is not exported",
            got=f"data of the kind {self.key!r}",
            expected="trajectories, or pairs of functions",
            fix=f"`sciml data info {typed(problem)}` says where it is kept.",
        )


class InMemoryCard(DescribedCard):
    """A table of data that is made in memory where it is used."""

    def place(self, problem: Problem) -> str:
        """Nowhere."""
        return "nowhere: it is made in memory where it is used"


class StoredCard(DescribedCard):
    """A table of data that a reference makes and that is stored in shards, like trajectories."""

    @abstractmethod
    def generate(self, problem: Problem, *, workers: int, executor: Executor | None, progress: Progress) -> None:
        """Make what is missing; arguments and errors as `sciml.data.generate`."""


class PresetCard(CardTable):
    """The table of trajectories that a reference solver makes and stores; all tasks on trajectories share it."""

    key = "trajectories"

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


class SamplesCard(InMemoryCard):
    """Sizes of data that is drawn or split in memory."""

    samples: Splits
    """How many samples each split holds; of a fixed set, the rest is left out."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Seed of the split of a fixed set, and of every draw."""


class Prose(Config):
    """What a card says for people, beside its tables."""

    title: str
    description: str
    licence: str
    citation: str
    not_modelled: str
    """What the data leaves out of the real world."""
    time_units: str = "1"
    """Units of `dt`; ``1`` when time is non-dimensional."""


@dataclass(frozen=True)
class Card:
    """A dataset card: what the data is, and the tables of its presets.

    Fields:
        path: the file.
        title, description, licence, citation, not_modelled, time_units: what it says for people.
        presets: the tables by preset and key, as they stand in the file.
    """

    path: Path
    title: str
    description: str
    licence: str
    citation: str
    not_modelled: str
    time_units: str
    presets: dict[str, dict[str, dict[str, Any]]]  # Any: TOML

    def tables(self, preset: str) -> tuple[str, ...]:
        """Keys of the tables of one preset; an unknown name lists the valid ones."""
        return tuple(self._preset(preset))

    def table(self, preset: str, kind: type[K]) -> K:
        """One table of a preset, parsed.

        Raises: UnknownNameError for an unknown preset; ConfigError, naming file, table and key, for a table that is
            missing or faulty.
        """
        tables = self._preset(preset)
        if kind.key not in tables:
            raise ConfigError(
                f"{self.path} lacks the table [presets.{preset}.{kind.key}]",
                got=", ".join(f"[presets.{preset}.{key}]" for key in tables) or "no tables",
                expected=f"a table with {', '.join(kind.model_fields)}",
            )
        return parse(kind, tables[kind.key], f"{self.path}, table [presets.{preset}.{kind.key}],")

    def _preset(self, name: str) -> dict[str, dict[str, Any]]:
        if name not in self.presets:
            raise UnknownNameError("preset", name, self.presets)
        return self.presets[name]


def read_card(problem: Problem) -> Card:
    """The card of a loaded problem; its tables are parsed when they are asked for.

    Raises: ConfigError naming the file, the table and the key of every fault.
    """
    path = card_path(problem)
    if not path.is_file():
        raise ConfigError(f"problem {problem.name!r} has no dataset card", expected=f"a file {shown(path)}",
                          fix="`sciml new problem` writes one to start from.")  # fmt: skip
    values = read_toml(path)
    presets = values.pop("presets", None)
    if not isinstance(presets, dict) or not all(isinstance(tables, dict) for tables in presets.values()):
        raise ConfigError(f"{path} has no presets", expected="tables [presets.NAME.TASK]")
    for name, tables in presets.items():
        if stray := [key for key, table in tables.items() if not isinstance(table, dict)]:
            raise ConfigError(
                f"{path}, table [presets.{name}]: the key {stray[0]!r} stands outside of a task's table",
                expected=f"tables [presets.{name}.TASK], such as [presets.{name}.trajectories]",
            )
    missing = [name for name in problem.presets if name not in presets]
    if missing:
        raise ConfigError(
            f"{path} lacks presets that problem {problem.name!r} declares",
            got=", ".join(presets) or "(none)",
            expected=", ".join(problem.presets),
            fix=f"Add [presets.{missing[0]}.TASK], or drop the name from the problem's `presets`.",
        )
    return Card(path, **dict(parse(Prose, values, str(path))), presets=presets)
