"""A file as labelled arrays, for a reader's own use: nothing is imported, split or written."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from sciml.core.config import parse
from sciml.core.errors import ConfigError, DataError, UnknownNameError
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._fields import without_channels
from sciml.data.importing._formats import read_file
from sciml.data.importing._source import Source, Variable, with_usual_names

_OF_TABLES = ("parameters", "layout", "time", "case", "times", "decimal", "separator", "sheet")
_USED = ("format", "dims", "fields", "units", "rename", *_OF_TABLES)


def read(path: str | Path, **choices: Any) -> xarray.Dataset:  # Any: checked by ImportChoices
    """The arrays of a file of any format that can be imported, with named dimensions, coordinates and units.

    Dimensions of samples and time are called ``sample`` and ``time``; a dimension of channels becomes one array each.

    Arguments:
        path: one file, or a Zarr store.
        choices: ``format``, ``dims``, ``fields``, ``units`` and ``rename`` of `ImportChoices`, and of tables
            ``layout``, ``time``, ``case``, ``times``, ``parameters``, ...

    Raises: UserError for a file that cannot be read, or that could be understood in several ways; UnknownNameError for
        a field that is not there.
    """
    chosen = parse(ImportChoices, choices, "this call")
    if unused := sorted(set(choices) - set(_USED)):
        raise ConfigError(
            f"reading a file takes no {unused[0]!r}", expected=", ".join(_USED), fix="sciml.dataset imports data."
        )
    with ExitStack() as stack:
        sources = read_file(Path(path), chosen, stack)
        if len(sources) > 1:
            raise DataError(
                f"{path} holds several sets of trajectories",
                got=", ".join(source.label for source in sources),
                fix="Import it with sciml.dataset.",
            )
        return _labelled(with_usual_names(sources[0], chosen.rename), chosen)


def _labelled(source: Source, choices: ImportChoices) -> xarray.Dataset:
    variables = without_channels(source, choices)
    wanted = choices.stated_fields()
    if missing := [name for name in wanted if name not in variables]:
        raise UnknownNameError(f"field of {source.label}", missing[0], variables)
    units = choices.units | {name: text for name, text in wanted.items() if text}
    chosen = {name: entry for name, entry in variables.items() if not wanted or name in wanted}
    dims = {dim for entry in chosen.values() for dim in entry.dims}

    def array(name: str, entry: Variable) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
        attributes = {"units": units.get(name) or entry.units or "", "long_name": entry.long_name}
        return entry.dims, entry.values(), {key: text for key, text in attributes.items() if text}

    return xarray.Dataset(
        {name: array(name, entry) for name, entry in chosen.items()},
        {dim: array(dim, entry) for dim, entry in source.coordinates.items() if dim in dims},
        dict(source.about or {}),
    )
