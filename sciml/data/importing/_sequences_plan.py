"""What will be imported of signals over time and what they are answered with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from sciml.core.capabilities import Sequences, SequenceTarget
from sciml.core.errors import DataError, UnknownNameError
from sciml.core.recorded import RecordedField, RecordedSequences, Recording
from sciml.data._sequences import StoredSequences, save_sequences
from sciml.data.importing._axes import Times, read_times
from sciml.data.importing._checks import check_alike
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._fields import Roles, read_course, roles_of
from sciml.data.importing._plan import about_of, proper_names, units_of
from sciml.data.importing._source import Source, Variable, variable, with_usual_names
from sciml.data.importing._splits import Sample, samples_of, splits_of

_UNEVEN = 1e-3
"""Share of the mean step by which steps may differ and still be one."""
_MOST_CLASSES = 1000


@dataclass(frozen=True)
class SequencesPlan:
    """Sequences as they will be stored.

    Fields:
        formats: keys of the readers.
        signals, fields, target, classes, forecasts, uneven: as in ``problem.json``.
        parameters: none.
        stored: the numbers.
        dt, time_units: mean distance of the times.
        notes: what was understood, assumed and left out.
        about: title, licence, citation where the user states them.
    """

    formats: tuple[str, ...]
    signals: tuple[RecordedField, ...]
    fields: tuple[RecordedField, ...]
    target: SequenceTarget
    classes: tuple[str, ...]
    forecasts: tuple[str, ...]
    uneven: bool
    stored: StoredSequences
    dt: float
    time_units: str
    notes: tuple[str, ...]
    about: Mapping[str, str]

    @property
    def solver(self) -> str:
        """The one that reads such times."""
        return "s5" if self.uneven else "lssl"

    def words(self) -> list[str]:
        """What was recognised, line by line."""
        counts = ", ".join(f"{len(split.signals)} {name}" for name, split in self.stored.splits.items())
        units = "" if self.time_units == "1" else f" {self.time_units}"
        answers = ", ".join(f"{field.name} [{field.units}]" for field in self.fields)
        kind = {"signal": "signals", "value": "numbers per sequence", "class": "classes"}[self.target]
        if self.target == "class":
            answers = ", ".join(self.classes)
        return [
            f"format: {', '.join(dict.fromkeys(self.formats))}, sequences",
            f"sequences: {sum(len(split.signals) for split in self.stored.splits.values())} ({counts})",
            f"time: {len(self.stored.times)} times, {self.dt:g}{units} apart" + (" on average" if self.uneven else ""),
            "signals: " + ", ".join(f"{field.name} [{field.units}]" for field in self.signals),
            f"answered with {'a forecast' if self.forecasts else kind}: {answers}",
            *(f"note: {note}" for note in self.notes),
        ]

    def table(self) -> list[str]:
        """Lines of the card's table."""
        counts = ", ".join(f"{name} = {len(split.signals)}" for name, split in self.stored.splits.items())
        return [f"samples = {{ {counts} }}", f"length = {len(self.stored.times)}", f"dt = {float(self.dt)!r}"]

    def write(self, folder: Path, recording: Recording) -> None:
        """The sequences into the folder of their problem."""
        save_sequences(folder, RecordedSequences.of(recording, folder), self.stored, self.time_units)


def make_sequences_plan(files: Sequence[Source], choices: ImportChoices) -> SequencesPlan:
    """Recognise the signals of sequences and what they are answered with; the user says what that is.

    Raises: UserError for everything that cannot be imported, before anything is written.
    """
    sources, labels = _without_labels([with_usual_names(source, choices.rename) for source in files], choices)
    roles = [roles_of(source, choices) for source in sources]
    check_alike(sources, roles)
    first, head = roles[0], sources[0]
    if first.space:
        raise DataError(f"the signals of {head.label} lie on axes of space", got=", ".join(first.space),
                        expected="sample and time", fix="Select places first, or leave out --target.")  # fmt: skip
    notes = list(dict.fromkeys(note for entry in roles for note in entry.notes))
    samples, frames = samples_of(roles, choices, notes)
    times = _times(sources, frames, choices)
    notes += times.notes
    splits = splits_of(samples, sources, choices, notes)
    question = _question(first, choices, head.label)
    if unread := [name for name in first.scalars if name not in question.values]:
        notes.append(f"numbers per sequence are no signals: {', '.join(unread)} left out")
    proper = proper_names([*first.fields, *question.values], notes)

    def described(name: str, entry: Variable, long_name: str = "") -> RecordedField:
        units = units_of(name, entry, choices)
        return RecordedField(name=proper[name], units=units, long_name=long_name or entry.long_name)

    columns = _columns(roles, samples, frames, [*question.signals, *question.targets])
    _check_finite(columns, head.label)
    ahead = choices.ahead or 0
    kept = frames - ahead
    if kept < 2:
        raise DataError("--ahead is longer than a sequence", got=f"{choices.ahead} of {frames} times")
    values = np.stack([columns[name][:, :kept] for name in question.signals], axis=2)
    signals = tuple(described(name, first.fields[name]) for name in question.signals)
    classes: tuple[str, ...] = ()
    if choices.label:
        fields, (classes, wanted) = signals, _classes(labels, samples, head.label)
    elif question.targets:
        far = f"{{}}, {ahead} times later" if ahead else ""
        fields = tuple(described(name, first.fields[name], far.format(name)) for name in question.targets)
        wanted = np.stack([columns[name][:, ahead:] for name in question.targets], axis=2)
    else:
        fields = tuple(described(name, first.scalars[name]) for name in question.values)
        wanted = np.stack([_scalar(roles, samples, name) for name in question.values], axis=1)
    parts = {name: _part(values, wanted, rows) for name, rows in splits.items()}
    _check_classes(classes, parts["train"], head.label)
    return SequencesPlan(
        formats=tuple(source.format for source in sources),
        signals=signals,
        fields=fields,
        target="class" if choices.label else "signal" if question.targets else "value",
        classes=classes,
        forecasts=tuple(proper[name] for name in question.targets) if ahead else (),
        uneven=times.uneven,
        stored=StoredSequences(torch.from_numpy(times.values[:kept]), parts),
        dt=times.step.dt,
        time_units=times.step.units,
        notes=tuple(notes),
        about=about_of(sources, choices),
    )


class _Question(NamedTuple):
    """Names of the signals, and of the fields or of the scalars they are answered with."""

    signals: tuple[str, ...]
    targets: tuple[str, ...]
    values: tuple[str, ...]


def _question(roles: Roles, choices: ImportChoices, label: str) -> _Question:
    every, known = tuple(roles.fields), (*roles.fields, *roles.scalars)
    if missing := [name for name in choices.targets if name not in known]:
        raise UnknownNameError(f"target of {label}", missing[0], known)
    moving = tuple(name for name in choices.targets if name in roles.fields)
    values = tuple(name for name in choices.targets if name in roles.scalars)
    if moving and values:
        raise DataError("targets are signals or numbers per sequence, not both", got=f"{moving[0]} and {values[0]}",
                        fix="Import them separately.")  # fmt: skip
    if choices.ahead:
        if values:
            raise DataError("only signals are forecast", got=values[0], expected=", ".join(every))
        return _Question(every, moving or every, ())
    signals = tuple(name for name in every if name not in moving)
    if not signals:
        raise DataError(f"{label} has no signal beside the targets", got=", ".join(moving),
                        fix="Forecast them with --ahead TIMES, or take fewer targets.")  # fmt: skip
    return _Question(signals, moving, values)


class _SequenceTimes(NamedTuple):
    """Times from 0 on, their mean step with its units, and whether they are uneven."""

    values: np.ndarray
    step: Times
    uneven: bool
    notes: tuple[str, ...]


def _times(sources: Sequence[Source], frames: int, choices: ImportChoices) -> _SequenceTimes:
    entry = sources[0].coordinates.get("time")
    for source in sources:
        other = source.coordinates.get("time")
        if other is not None and "sample" in other.dims:
            raise DataError(f"every sequence of {source.label} has times of its own", expected="the same for all",
                            fix="Interpolate to common ones.")  # fmt: skip
        if (other is None) != (entry is None) or (
            other is not None and entry is not None and not np.array_equal(other.values(), entry.values())
        ):
            raise DataError(f"{source.label} has other times than {sources[0].label}", expected="the same for all")
    values = np.arange(frames, dtype=np.float64) if entry is None else entry.values()
    if values.dtype.kind == "M":
        values = (values - values[0]) / np.timedelta64(1, "s")
    values = values.astype(np.float64)
    steps = np.diff(values)
    if not np.isfinite(values).all() or (steps <= 0).any():
        raise DataError(f"the times of {sources[0].label} do not increase", got=f"{values[0]:g}, {values[1]:g}, …")
    uneven = choices.dt is None and bool((np.abs(steps - steps.mean()) > _UNEVEN * steps.mean()).any())
    if not uneven:
        step = read_times(entry, sources[0].label, choices)
        return _SequenceTimes(step.dt * np.arange(frames), step, False, step.notes)
    if choices.cut:
        raise DataError(f"the times of {sources[0].label} are uneven, so its pieces would not have the same",
                        got=f"--cut {choices.cut}", fix="Interpolate first, or state --dt.")  # fmt: skip
    assert entry is not None
    line = variable(np.linspace(values[0], values[-1], len(values)), ("time",), entry.units)
    step = read_times(line, sources[0].label, choices)
    note = f"times are uneven, {steps.min():g} to {steps.max():g} apart: for solvers that read such times (s5)"
    return _SequenceTimes(values - values[0], step, True, (*step.notes, note))


def _without_labels(sources: Sequence[Source], choices: ImportChoices) -> tuple[list[Source], list[np.ndarray]]:
    """The sources without the variable of classes, and the class of every row as text."""
    if not choices.label:
        return list(sources), []
    name = choices.rename.get(choices.label, choices.label)
    rest, labels = [], []
    for source in sources:
        if name not in source.variables:
            raise UnknownNameError(f"class of {source.label}", name, source.variables)
        entry = source.variables[name]
        values = entry.values()
        if values.ndim != 1 or values.dtype.kind not in "iubSUO":
            raise DataError(f"{name!r} in {source.label} is no class for every sequence", got=entry.words,
                            expected="whole numbers or texts, one per sequence")  # fmt: skip
        texts = [cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell) for cell in values.tolist()]
        labels.append(np.array(texts))
        rest.append(replace(source, variables={key: v for key, v in source.variables.items() if key != name}))
    return rest, labels


def _classes(labels: Sequence[np.ndarray], samples: Sequence[Sample], label: str) -> tuple[tuple[str, ...], np.ndarray]:
    column = [str(labels[sample.source][sample.row]) for sample in samples]
    names = sorted(
        set(column), key=lambda text: (not text.lstrip("-").isdigit(), len(text) if text.isdigit() else 0, text)
    )
    if not 2 <= len(names) <= min(_MOST_CLASSES, len(column) // 2):
        raise DataError(f"the classes of {label} are no classes", got=f"{len(names)} in {len(column)} sequences",
                        expected="two at least, and several sequences of each",
                        fix="Take a number per sequence as --target.")  # fmt: skip
    return tuple(names), np.array([names.index(text) for text in column])


def _check_classes(classes: tuple[str, ...], train: Sequences, label: str) -> None:
    absent = [name for index, name in enumerate(classes) if not (train.targets == index).any()]
    if absent:
        raise DataError(f"no training sequence of {label} is of class {absent[0]!r}",
                        fix="Import more sequences of it, or change --split or --split-seed.")  # fmt: skip


def _columns(
    roles: Sequence[Roles], samples: Sequence[Sample], frames: int, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Values of the named fields, ``sample time``."""
    return {
        name: np.stack([read_course(roles[s.source].fields[name], s.row, s.first, frames) for s in samples]).astype(
            np.float64
        )
        for name in dict.fromkeys(names)
    }


def _scalar(roles: Sequence[Roles], samples: Sequence[Sample], name: str) -> np.ndarray:
    tables = [np.atleast_1d(entry.scalars[name].values()).astype(np.float64) for entry in roles]
    column = np.array([tables[s.source][s.row if tables[s.source].size > 1 else 0] for s in samples])
    _check_finite({name: column[:, None]}, "the data")
    return column


def _check_finite(columns: Mapping[str, np.ndarray], label: str) -> None:
    for name, values in columns.items():
        broken = np.atleast_1d(~np.isfinite(values).all(axis=1))
        if broken.any():
            raise DataError(
                f"{name!r} in {label} has gaps",
                got=f"NaN or infinity in {int(broken.sum())} of {len(broken)} sequences, first in number "
                f"{int(broken.argmax())}",
                fix="Fill the gaps, or leave these sequences out.",
            )


def _part(signals: np.ndarray, targets: np.ndarray, rows: Sequence[int]) -> Sequences:
    chosen = targets[list(rows)]
    wanted = torch.from_numpy(chosen)
    return Sequences(
        torch.from_numpy(signals[list(rows)].astype(np.float32)),
        wanted.long() if chosen.dtype.kind in "iu" else wanted.float(),
    )
