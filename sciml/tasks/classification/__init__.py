"""Labelled samples."""

from sciml.tasks.classification._card import ClassificationCard as ClassificationCard
from sciml.tasks.classification._data import ClassificationConfig as ClassificationConfig
from sciml.tasks.classification._data import ClassificationContext as ClassificationContext
from sciml.tasks.classification._data import Labelled as Labelled
from sciml.tasks.classification._data import Pictures as Pictures
from sciml.tasks.classification._data import as_read as as_read
from sciml.tasks.classification._data import sample_dims as sample_dims
from sciml.tasks.classification._solver import ClassificationSolver as ClassificationSolver
from sciml.tasks.classification._task import CLASSIFICATION as CLASSIFICATION
from sciml.tasks.classification._task import Classification as Classification
from sciml.tasks.classification._task import ClassificationBench as ClassificationBench

TASKS = (CLASSIFICATION,)

__all__ = [
    "CLASSIFICATION",
    "TASKS",
    "Classification",
    "ClassificationBench",
    "ClassificationCard",
    "ClassificationConfig",
    "ClassificationContext",
    "ClassificationSolver",
    "Labelled",
    "Pictures",
    "as_read",
    "sample_dims",
]
