"""Paths of stochastic differential equations."""

from sciml.tasks.paths._card import PathsCard as PathsCard
from sciml.tasks.paths._data import LEAST_PATHS as LEAST_PATHS
from sciml.tasks.paths._data import PathBatch as PathBatch
from sciml.tasks.paths._data import PathInputs as PathInputs
from sciml.tasks.paths._data import PathsConfig as PathsConfig
from sciml.tasks.paths._data import PathsContext as PathsContext
from sciml.tasks.paths._data import moment_errors as moment_errors
from sciml.tasks.paths._solver import PathsSolver as PathsSolver
from sciml.tasks.paths._task import PATHS as PATHS
from sciml.tasks.paths._task import Paths as Paths
from sciml.tasks.paths._task import PathsBench as PathsBench

TASKS = (PATHS,)

__all__ = [
    "LEAST_PATHS",
    "PATHS",
    "TASKS",
    "PathBatch",
    "PathInputs",
    "Paths",
    "PathsBench",
    "PathsCard",
    "PathsConfig",
    "PathsContext",
    "PathsSolver",
    "moment_errors",
]
