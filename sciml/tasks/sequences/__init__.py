"""Long sequences: signals answered with signals, values or classes."""

from sciml.tasks.sequences._card import SequencesCard as SequencesCard
from sciml.tasks.sequences._data import SequenceBatch as SequenceBatch
from sciml.tasks.sequences._data import SequencesConfig as SequencesConfig
from sciml.tasks.sequences._data import SequencesContext as SequencesContext
from sciml.tasks.sequences._data import Signals as Signals
from sciml.tasks.sequences._data import step_of as step_of
from sciml.tasks.sequences._data import uniform_step as uniform_step
from sciml.tasks.sequences._module import SequenceModel as SequenceModel
from sciml.tasks.sequences._module import StateSpaces as StateSpaces
from sciml.tasks.sequences._module import units_of as units_of
from sciml.tasks.sequences._solver import SequenceNetworkSolver as SequenceNetworkSolver
from sciml.tasks.sequences._solver import SequencesSolver as SequencesSolver
from sciml.tasks.sequences._splits import sequence_splits as sequence_splits
from sciml.tasks.sequences._splits import sequence_times as sequence_times
from sciml.tasks.sequences._task import SEQUENCES as SEQUENCES
from sciml.tasks.sequences._task import SequencesBench as SequencesBench
from sciml.tasks.sequences._task import SequencesTask as SequencesTask

TASKS = (SEQUENCES,)

__all__ = [
    "SEQUENCES",
    "TASKS",
    "SequenceBatch",
    "SequenceModel",
    "SequenceNetworkSolver",
    "SequencesBench",
    "SequencesCard",
    "SequencesConfig",
    "SequencesContext",
    "SequencesSolver",
    "SequencesTask",
    "Signals",
    "StateSpaces",
    "sequence_splits",
    "sequence_times",
    "step_of",
    "uniform_step",
    "units_of",
]
