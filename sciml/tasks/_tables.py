"""All tables of a problem's card at once, for code that describes or checks its data."""

from typing import Any

from sciml.core.errors import ConfigError
from sciml.core.problem import Problem
from sciml.data import (
    CardTable,
    Check,
    DescribedCard,
    InMemoryCard,
    PresetCard,
    info,
    open_dataset,
    read_card,
    samples_digest,
    verify,
)
from sciml.train import registered_tasks


def card_tables(problem: Problem, preset: str) -> dict[str, CardTable]:
    """The parsed tables of one preset by key, in the order of the card.

    Raises: UnknownNameError for an unknown preset; ConfigError for a faulty table, or one that no task reads.
    """
    kinds: dict[str, type[CardTable]] = {task.card.key: task.card for task in registered_tasks().values()}
    card = read_card(problem)
    for key in card.tables(preset):
        if key not in kinds:
            raise ConfigError(f"{card.path} has a table [presets.{preset}.{key}] that no task reads",
                              expected=f"[presets.{preset}.TASK] with one of: {', '.join(sorted(kinds))}")  # fmt: skip
    return {key: card.table(preset, kinds[key]) for key in card.tables(preset)}


def describe_data(problem: Problem, preset: str) -> dict[str, dict[str, Any]]:  # Any: JSON
    """The data of one preset in numbers, by key of its table.

    Raises: DataError for trajectories that are not generated yet; ConfigError and UnknownNameError as `card_tables`.
    """
    card, tables = read_card(problem), card_tables(problem, preset)
    stored = {key: info(open_dataset(problem, preset)) for key in tables if key == PresetCard.key}
    made = {
        key: {
            "problem": problem.name,
            "preset": preset,
            "title": card.title,
            "licence": card.licence,
            "citation": card.citation,
            "digest": samples_digest(problem, table),
            "stored": table.place(problem),
            **table.summary(problem, card.time_units),
        }
        for key, table in tables.items()
        if isinstance(table, DescribedCard)
    }
    return {key: {**stored, **made}[key] for key in tables}


def check_data(problem: Problem, preset: str) -> dict[str, list[Check]]:
    """Checks of all data of one preset, by key of its table; faults of data are failed checks.

    Raises: ConfigError and UnknownNameError as `card_tables`.
    """
    checks: dict[str, list[Check]] = {}
    for key, table in card_tables(problem, preset).items():
        if isinstance(table, InMemoryCard):
            in_memory = Check("files", True, "none, the data is made in memory where it is used")
            checks[key] = [in_memory, *table.checks(problem)]
        elif isinstance(table, DescribedCard):
            checks[key] = table.checks(problem)
        else:
            checks[key] = verify(problem, preset)
    return checks
