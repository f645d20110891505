"""Options that say something about files of another kind: without an effect, they are refused instead of ignored."""

from collections.abc import Iterator, Sequence

from sciml.core.errors import ConfigError
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._source import Source

_OF_TABLES = ("time", "case", "times", "decimal", "separator", "sheet")
_OF_TIME = ("dt", "cut", "forcings")
_UNSAID = (None, "", (), "none", ("none",))
_NAMED = {"table", "netcdf", "zarr", "well"}
"""Formats whose dimensions or columns have names."""


def refuse_unread(sources: Sequence[Source], choices: ImportChoices) -> None:
    """Raise ConfigError for what the user said that none of these files reads."""
    unread = [(name, kind) for name, kind in _unread(sources) if getattr(choices, name) not in _UNSAID]
    if unread:
        raise ConfigError(
            "an option does not apply to these files",
            got=", ".join(f"{name} = {getattr(choices, name)!r}" for name, _ in unread),
            expected=f"{' and '.join(dict.fromkeys(kind for _, kind in unread))}",
            fix="Leave it out.",
        )


def _unread(sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    """Fields of `ImportChoices` that are not read, with the files for which they are."""
    formats = {source.format for source in sources}
    has_pairs = any(source.pairs is not None for source in sources)
    if "table" not in formats:
        yield from ((name, "a table") for name in _OF_TABLES)
    if formats <= _NAMED and not has_pairs:
        yield "dims", "arrays whose dimensions have no names"
    if not has_pairs:
        yield "functions", "pairs of functions"
    if has_pairs or any(source.targets for source in sources):
        yield from ((name, "trajectories over time") for name in _OF_TIME)
    if has_pairs or formats <= {"table"}:
        yield "mask", "fields on a grid"
