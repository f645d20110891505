"""What an exported file of pairs says of itself, as the choices a user would make."""

import json
from collections.abc import Mapping

from sciml.core.errors import ConfigError, DataError
from sciml.data._export_pairs import DESCRIPTION
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._source import PairDescription, Variable


def described_by(text: str, label: str) -> PairDescription:
    """The description. Raises DataError for a text that is none."""
    try:
        return PairDescription.model_validate(json.loads(text))
    except (ValueError, ConfigError, RecursionError) as error:
        raise DataError(
            f"{label} does not say what its pairs are, though it should",
            got=" ".join(str(error).split())[:200],
            fix=f"Remove {DESCRIPTION!r} from it.",
        ) from None


def text_of(arrays: Mapping[str, Variable]) -> str:
    """The text among the arrays of an archive; empty where there is none."""
    entry = arrays.get(DESCRIPTION)
    return str(entry.values()) if entry is not None and entry.kind == "U" and entry.shape == () else ""


def with_description(choices: ImportChoices, said: PairDescription) -> ImportChoices:
    """The user's choices, and the file's where the user makes none."""
    coordinates = [*said.axes, *(axis for entry in said.functions for axis in entry.axes)]
    ranges = {axis.name: (axis.lower, axis.upper) for axis in said.axes}
    ranges |= {f"{entry.name}_{axis.name}": (axis.lower, axis.upper) for entry in said.functions for axis in entry.axes}
    return choices.model_copy(
        update={
            "functions": choices.functions or tuple(f"{entry.name}={entry.units}" for entry in said.functions),
            "fields": choices.fields or tuple(f"{entry.name}={entry.units}" for entry in said.fields),
            "dims": choices.dims or tuple(axis.name for axis in said.axes),
            "units": {axis.name: axis.units for axis in reversed(coordinates)} | choices.units,
            "ranges": ranges | choices.ranges,
            "boundary": {axis.name: "periodic" for axis in coordinates if axis.periodic} | choices.boundary,
        }
    )
