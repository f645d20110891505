"""What of the settings of a training a solver would ignore, or cannot keep to."""

from collections.abc import Iterable, Sequence

from sciml.core.config import keys
from sciml.core.errors import ConfigError, UnsupportedError
from sciml.core.problem import Problem
from sciml.train import AnyRecipe, AnySolver, TrainConfig


def refuse_ignored(
    solver: AnySolver, recipe: AnyRecipe, settings: Sequence[str], problem: Problem | None = None
) -> None:
    """Raise ConfigError for a setting of ``train`` that means nothing to the solver, or one without effect.

    Arguments:
        solver, recipe: the recipe with all settings applied.
        settings: those that somebody asked for.
        problem: what is solved; None leaves settings out whose effect depends on it.
    """
    fits = problem is not None and solver.supports(problem).ok
    for setting in settings:
        key = setting.partition("=")[0].strip()
        if problem is not None and fits and (reason := solver.idle_reason(key, problem, recipe)):
            raise ConfigError(f"{key} has no effect: {reason}", got=setting, fix="Leave it out.")
        if name := _ignored(solver, setting):
            reads = sorted(_reads(solver))
            ours = [key for key in keys(type(recipe.model), "model.") if key.rsplit(".", 1)[-1] == name]
            raise ConfigError(
                f"solver {solver.key!r} does not read train.{name}",
                got=setting,
                expected=f"of train one of: {', '.join(reads)}" if reads else "no setting of train: it takes no steps",
                fix=f"Set {' or '.join(ours)} instead." if ours else "Leave it out.",
            )


def read_settings(solver: AnySolver, settings: Iterable[str]) -> list[str]:
    """Settings that several solvers share, without those of ``train`` that this one does not read."""
    return [setting for setting in settings if not _ignored(solver, setting)]


def check_training(solver: AnySolver, config: TrainConfig, processes: int) -> None:
    """Raise UnsupportedError where a batch would be split whose loss, or step, is one of the whole batch."""
    asked = [
        words
        for words, is_so in (
            (f"train.accumulate={config.accumulate}", config.accumulate > 1),
            (f"train.polish={config.polish}", config.polish > 0),
            (f"{processes} processes", processes > 1),
        )
        if is_so
    ]
    if config.batch_size < solver.least_batch and config.steps:
        raise UnsupportedError(
            f"the loss of solver {solver.key!r} needs more samples: {solver.pooled}",
            got=f"train.batch_size={config.batch_size}",
            expected=f"{solver.least_batch} or more",
        )
    if solver.pooled and asked:
        raise UnsupportedError(
            f"a batch of solver {solver.key!r} cannot be split: {solver.pooled}",
            got=", ".join(asked),
            expected="train.accumulate=1, train.polish=0 and one process",
        )
    if processes > 1 and solver.rule is not None and (config.polish or not solver.rule.distributed):
        raise UnsupportedError(
            f"several processes cannot share the steps of solver {solver.key!r}"
            + (" with train.polish" if solver.rule.distributed else ""),
            got=f"{processes} processes",
            expected="one",
        )


def _reads(solver: AnySolver) -> frozenset[str]:
    return frozenset() if solver.rule is None else solver.rule.reads


def _ignored(solver: AnySolver, setting: str) -> str:
    """The field of `TrainConfig` that a setting changes in vain; empty for any other setting."""
    table, _, name = setting.partition("=")[0].strip().partition(".")
    return name if table == "train" and name in TrainConfig.model_fields and name not in _reads(solver) else ""
