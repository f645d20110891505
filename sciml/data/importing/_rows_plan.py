"""What will be imported of tables without time: rows of parameters and targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sciml.core.errors import DataError
from sciml.core.recorded import RecordedField, RecordedParameter, RecordedRows, Recording
from sciml.data._rows import Rows, save_rows
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._fields import Roles
from sciml.data.importing._plan import about_of, parameters_of, proper_names, units_of
from sciml.data.importing._source import Source
from sciml.data.importing._splits import Sample, splits_of


@dataclass(frozen=True)
class RowsPlan:
    """Rows as they will be stored.

    Fields:
        formats: keys of the readers.
        fields, parameters: as in ``problem.json``.
        targets, columns: their values, ``sample target`` and ``sample parameter``.
        splits: numbers of the rows of each split.
        notes: what was understood, assumed and left out.
        about: title, licence, citation where the user states them.
    """

    formats: tuple[str, ...]
    fields: tuple[RecordedField, ...]
    parameters: tuple[RecordedParameter, ...]
    targets: np.ndarray
    columns: np.ndarray
    splits: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...]
    about: Mapping[str, str]

    def words(self) -> list[str]:
        """What was recognised, line by line."""
        counts = ", ".join(f"{len(rows)} {name}" for name, rows in self.splits.items())
        return [
            f"format: {', '.join(dict.fromkeys(self.formats))}",
            f"samples: {len(self.targets)} rows ({counts})",
            "time: none",
            "targets: " + ", ".join(f"{field.name} [{field.units}]" for field in self.fields),
            "parameters: " + ", ".join(f"{p.name} [{p.units}] {p.low:g} to {p.high:g}" for p in self.parameters),
            *(f"note: {note}" for note in self.notes),
        ]

    def write(self, folder: Path, recording: Recording) -> None:
        """The rows into the folder of their problem."""
        splits = {
            name: Rows(torch.from_numpy(self.columns[list(rows)]), torch.from_numpy(self.targets[list(rows)]))
            for name, rows in self.splits.items()
        }
        save_rows(folder, RecordedRows.of(recording, folder), splits)


def make_rows_plan(sources: Sequence[Source], choices: ImportChoices) -> RowsPlan:
    """Recognise what tables of rows hold; the user's choices come first.

    Raises: UserError for everything that cannot be imported, before anything is written.
    """
    sources = [_renamed(source, choices.rename) for source in sources]
    first = sources[0]
    for source in sources[1:]:
        if set(source.variables) != set(first.variables) or set(source.targets) != set(first.targets):
            raise DataError(f"{source.label} has other columns than {first.label}", got=", ".join(source.variables),
                            expected=", ".join(first.variables))  # fmt: skip
        for name, entry in source.variables.items():
            if entry.units != first.variables[name].units:
                raise DataError(f"{name!r} in {source.label} has other units than in {first.label}",
                                got=entry.units, expected=first.variables[name].units)  # fmt: skip
    notes = list(dict.fromkeys(note for source in sources for note in source.notes))
    roles = [_roles(source) for source in sources]
    samples = [
        Sample(number, row, 0)
        for number, source in enumerate(sources)
        for row in range(source.variables[first.targets[0]].shape[0])
    ]
    splits = splits_of(samples, sources, choices, notes)
    proper = proper_names([*first.targets, *roles[0].scalars], notes)
    parameters, columns = parameters_of(roles, samples, choices, proper)
    fields = tuple(
        RecordedField(name=proper[name], units=units_of(name, first.variables[name], choices)) for name in first.targets
    )
    silent = [name for name in first.targets if first.variables[name].units is None and name not in choices.units
              and not choices.stated_fields().get(name)]  # fmt: skip
    if silent:
        notes.append(f"units of {', '.join(silent)} are not stated: 1 (--units {silent[0]}=...)")
    return RowsPlan(
        formats=tuple(source.format for source in sources),
        fields=fields,
        parameters=parameters,
        targets=np.concatenate(
            [np.stack([source.variables[name].values() for name in first.targets], axis=1) for source in sources]
        ),
        columns=columns,
        splits=splits,
        notes=tuple(notes),
        about=about_of(sources, choices),
    )


def _roles(source: Source) -> Roles:
    fields = {name: source.variables[name] for name in source.targets}
    return Roles(fields, {name: v for name, v in source.variables.items() if name not in fields}, {}, None, (), ())


def _renamed(source: Source, names: Mapping[str, str]) -> Source:
    variables = {names.get(name, name): entry for name, entry in source.variables.items()}
    if len(variables) < len(source.variables):
        raise DataError(f"--rename gives two columns of {source.label} one name")
    return Source(source.label, source.format, variables, {}, {}, source.split, source.notes, source.about,
                  tuple(names.get(name, name) for name in source.targets))  # fmt: skip
