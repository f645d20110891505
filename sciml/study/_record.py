"""``record.json``: what a run did, in one validated file."""

import json
import math
from pathlib import Path
from typing import Any, Literal

import pydantic

from sciml.core import paths
from sciml.core.config import Config, parse, read_json
from sciml.core.errors import ConfigError, DataError
from sciml.core.files import check_sealed
from sciml.tools.cost import Cost

SCHEMA = "sciml/record/1"
RECORD = "record.json"

Metrics = dict[str, float | None]
"""Flat metric keys (``rollout/vrmse``) to numbers; None where the value is not finite."""


class DatasetEntry(Config):
    """Which data."""

    hash: str
    """Digest of the card's preset and the generator's version."""
    card: dict[str, Any]  # Any: JSON
    """The preset as generated."""
    unmeasured: dict[str, str] = {}
    """Metrics of the task that make no sense on this data, with the reason."""
    cautions: list[str] = []
    """What is wrong with it, such as samples that two splits share."""


class TrainEntry(Config):
    """What fitting took."""

    steps: int
    seconds: float
    nfe: int | None = None
    """Calls of learned right-hand sides in forward solves of all training steps; None where nothing is integrated."""
    best_step: int | None = None
    """The step whose weights were kept; None for a closed-form fit."""
    best_validation: float | None = None


class PredictEntry(Config):
    """What predicting takes."""

    seconds: float
    """Median wall time of one step (or of one answer, where there are no steps) of one sample, in a batch."""


class ConclusionEntry(Config):
    """What a task worked out of an examined solver, such as the formulas of a hidden term."""

    metrics: Metrics = {}
    words: tuple[str, ...] = ()
    """The result in a few lines for people, such as the equations found."""
    details: dict[str, Any] = {}  # Any: JSON of the task


class SolverEntry(Config):
    """One solver on the test split: size, cost, errors."""

    title: str
    model: dict[str, Any]  # Any: JSON
    """Its hyper-parameters (after matching, for a baseline)."""
    parameters: int
    flops: int
    """Floating-point operations of one step of one sample as counted by torch (FFTs are not counted)."""
    train: TrainEntry
    predict: PredictEntry
    metrics: dict[str, Metrics] = pydantic.Field(json_schema_extra={"required": ["test"]})
    """By split, that of the test among them."""
    outcomes: dict[str, int] = {}
    """Samples by how they ended."""
    conclusion: ConclusionEntry | None = None
    """None where the task draws none, or was not asked to."""

    @pydantic.field_validator("metrics")
    @classmethod
    def _examined(cls, metrics: dict[str, Metrics]) -> dict[str, Metrics]:
        if "test" not in metrics:
            raise ValueError("there are none of the split 'test'")
        return metrics


class LineageEntry(Config):
    """A run among those it was made from: one row of the table of before and after."""

    run: str
    """Name of its folder, as it was then."""
    tool: str
    """What made it; empty for the first one, which was trained."""
    metrics: Metrics
    """On the test split."""
    train_seconds: float
    """What making it took."""
    cost: Cost
    """What one prediction costs; of the last two rows measured side by side."""


class TableEntry(Config):
    """A table of what a tool found."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]
    bars: str = ""
    """The column that the page draws as bars; empty for none."""


class FigureEntry(Config):
    """Lines that a tool found."""

    title: str
    x: str
    y: str
    lines: dict[str, tuple[tuple[float | None, ...], tuple[float | None, ...]]]
    """Abscissae and ordinates by name; None where a value is not finite."""
    points: tuple[str, ...] = ()
    """Names of those that are points, not joined."""
    log: tuple[str, ...] = ()
    """Axes with a logarithmic scale."""
    caption: str = ""


class PicturesEntry(Config):
    """Pictures in a row, of a variable in the group of the tool in ``predictions.h5``."""

    title: str
    variable: str
    captions: tuple[str, ...]


class FindingsEntry(Config):
    """What a tool reported besides metrics of the run itself."""

    metrics: Metrics = {}
    words: tuple[str, ...] = ()
    tables: tuple[TableEntry, ...] = ()
    figures: tuple[FigureEntry, ...] = ()
    pictures: tuple[PicturesEntry, ...] = ()


class Record(SolverEntry):
    """The record of one run; its JSON Schema ships as ``record.schema.json``."""

    schema_name: Literal["sciml/record/1"] = pydantic.Field(default=SCHEMA, alias="schema")
    problem: str
    solver: str
    task: str = "forecast"
    """Key of the task it was trained and examined by."""
    preset: str
    seed: int
    status: Literal["finished", "diverged"]
    """``diverged`` when any test sample of the solver became non-finite."""
    dataset: DatasetEntry
    baselines: dict[str, SolverEntry] = {}
    left_out: dict[str, str] = {}
    """Baselines that could not be built on this data, with the reason."""
    versions: dict[str, str]
    hardware: dict[str, Any]  # Any: JSON
    git: str | None
    """Commit of the checkout the program ran from; None for an installed wheel."""
    parent: str | None = None
    """The run a tool was applied to."""
    tool: str | None = None
    """The tool it was made by; None for a run that was trained."""
    lineage: tuple[LineageEntry, ...] = ()
    """From the first run to this one, where tools acted; else empty."""
    findings: dict[str, FindingsEntry] = {}
    """What tools found in this very module, by key."""

    model_config = pydantic.ConfigDict(populate_by_name=True)

    def write(self, folder: Path) -> Path:
        """Write ``record.json`` into a run folder, atomically."""
        path = folder / RECORD
        content = self.model_dump(mode="json", by_alias=True)
        type(self).model_validate(content)
        paths.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def read(cls, folder: Path) -> "Record":
        """Read and validate; raises DataError for a missing or foreign file."""
        path = folder / RECORD
        try:
            check_sealed(folder)
            content = read_json(path)
        except (FileNotFoundError, NotADirectoryError):
            if not folder.exists():
                raise DataError(f"there is no folder {folder}", expected="the folder of a finished run, as "
                                "runs/PROBLEM/SOLVER-PRESET-s0") from None  # fmt: skip
            raise DataError(
                f"{folder} is not a finished run: it has no {RECORD}",
                fix="Finish it with `sciml run … --resume`, or name another folder.",
            ) from None
        if isinstance(content, dict) and (newer := _newer(content.get("schema"))):
            raise DataError(
                f"{path} was written by a newer version of this program",
                got=f"schema {newer}",
                expected=SCHEMA,
                fix="Install that version, or run it again with this one.",
            )
        try:
            return parse(cls, content, str(path))
        except ConfigError as error:
            raise DataError(error.what, fix="The file is not one this version writes; run it again.") from None


def _newer(schema: object) -> str:
    """The schema of a record if its number is above ours, else nothing."""
    name, _, number = str(schema).rpartition("/")
    ours, _, known = SCHEMA.rpartition("/")
    return str(schema) if name == ours and number.isdecimal() and int(number) > int(known) else ""


def finite(metrics: dict[str, float]) -> Metrics:
    """Metrics as JSON can hold them: None for what is not finite."""
    return {key: value if math.isfinite(value) else None for key, value in metrics.items()}


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of a record."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Record.model_json_schema(by_alias=True)}
