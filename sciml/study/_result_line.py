"""What a line of a study's results holds: checked where it is read, for anybody may have written it."""

from collections.abc import Mapping
from typing import Any

import pydantic

from sciml.core.config import Config, parse
from sciml.study._record import Metrics
from sciml.tools.cost import Cost


class ResultLine(Config):
    """One run of a study, as `result_line` and `broken_line` write it; further keys may stand beside these."""

    model_config = pydantic.ConfigDict(extra="ignore")

    variant: str
    budget: str
    seed: int
    solver: str
    preset: str = ""
    status: str = "finished"
    reason: str = ""
    conditions: dict[str, Any] = {}  # Any: JSON
    parameters: pydantic.NonNegativeInt
    flops: pydantic.NonNegativeInt = 0
    steps: pydantic.NonNegativeInt
    validation: float | None = None
    train_seconds: pydantic.NonNegativeFloat
    predict_seconds: pydantic.NonNegativeFloat
    metrics: Metrics
    cases: dict[str, tuple[float | None, ...]] = {}
    course: tuple[tuple[float, float | None], ...] = ()
    cost: Cost | None = None
    model: dict[str, Any] = {}  # Any: JSON
    dataset: str | None = None
    versions: dict[str, str] = {}
    hardware: dict[str, Any] = {}  # Any: JSON
    git: str | None = None


def check_line(line: Mapping[str, Any], source: str) -> None:  # Any: JSON
    """Raises: ConfigError for what is not the result of a run, with what is wrong."""
    parse(ResultLine, dict(line), source)
