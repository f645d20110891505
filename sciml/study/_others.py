"""The further runs of a tool that merges several: opened, and refused where they do not belong together."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from sciml.core.config import differences
from sciml.core.errors import ConfigError, UnsupportedError
from sciml.study._folder import WEIGHTS, OtherRun
from sciml.study._use import Loaded, load_run
from sciml.tools import AnyTool, Merge


def open_others(tool: AnyTool, first: Loaded, others: Sequence[str | Path], problem: str | Path | None) -> list[Loaded]:
    """The other runs, of the same solver, problem and model as the first.

    Raises: ConfigError for runs given to a tool that takes one, or none to one that merges; UnsupportedError for runs
        that cannot be merged; the errors of `load_run`.
    """
    if not isinstance(tool, Merge):
        if others:
            raise ConfigError(f"tool {tool.key!r} acts on one run", got=f"{len(others)} others",
                              fix="Leave out --with (others=… in Python).")  # fmt: skip
        return []
    if not others:
        raise ConfigError(f"tool {tool.key!r} merges several runs", got="one",
                          fix="Name the others: --with RUN (others=[RUN, ...] in Python).")  # fmt: skip
    opened = [load_run(folder, problem=problem) for folder in others]
    folders = [entry.folder.resolve() for entry in (first, *opened)]
    if len(set(folders)) < len(folders):
        raise ConfigError("a run is to be merged with itself", got=", ".join(folder.name for folder in folders),
                          expected="different runs")  # fmt: skip
    for entry in opened:
        _check_alike(first, entry)
    return opened


def _check_alike(first: Loaded, other: Loaded) -> None:
    for noun, one, two in (
        ("solver", first.solver.key, other.solver.key),
        ("problem", first.problem.name, other.problem.name),
    ):
        if one != two:
            raise UnsupportedError(f"{other.folder.name} and {first.folder.name} cannot be merged: another {noun}",
                                   got=two, expected=one)  # fmt: skip
    models = (first.config.recipe.get("model", {}), other.config.recipe.get("model", {}))
    if different := differences(*models):
        raise UnsupportedError(
            f"{other.folder.name} and {first.folder.name} cannot be merged: their models differ",
            got=", ".join(f"model.{key}={now}" for key, (_, now) in different.items()),
            expected=", ".join(f"model.{key}={now}" for key, (now, _) in different.items()),
            fix="Train all of them with the same settings of the model.",
        )
    plans = [[(step.tool, step.plan) for step in entry.config.lineage] for entry in (first, other)]
    if plans[0] != plans[1]:
        raise UnsupportedError(
            f"{other.folder.name} and {first.folder.name} cannot be merged: tools changed them differently",
            got=", ".join(tool for tool, _ in plans[1]) or "no tool",
            expected=", ".join(tool for tool, _ in plans[0]) or "no tool",
        )


def recorded(runs: Sequence[Loaded]) -> tuple[OtherRun, ...]:
    """What the lineage keeps of every run."""
    return tuple(OtherRun(run=entry.folder.name, weights=weights_digest(entry.folder)) for entry in runs)


def weights_digest(folder: Path) -> str:
    """SHA-256 of the weights of a run."""
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
