"""Which problem a file means: a name that is read from a file is a registered name, and nothing else."""

from pathlib import Path

from sciml.core import registry
from sciml.core.errors import UserError
from sciml.core.problem import Problem
from sciml.core.recorded import Imported, Recording


def recorded_problem(recording: Recording) -> Imported:
    """Imported data as a file describes it: with its shards where the very same was imported here, else without."""
    if recording.name in registry.problem_folders():
        subject = registry.problem(recording.name)
        if isinstance(subject, Imported) and subject.recording == recording:
            return subject
    return recording.problem()


def problem_of(name: str, source: Path, named: str | Path | None) -> Problem:
    """The problem that a file calls `name`.

    Loading a problem folder runs its code, and the file may be somebody else's: a path in it is never imported.

    Arguments:
        name: what the file says.
        source: the file, or its folder, for errors.
        named: the folder of the problem, named by the user, where it is not registered; None for a registered one.

    Raises: UnknownNameError for a name that is not registered; UserError if the folder holds another problem.
    """
    subject = registry.problem(name) if named is None else registry.find_problem(named)
    if subject.name != name:
        raise UserError(f"{source} describes another problem", got=subject.name, expected=name)
    return subject
