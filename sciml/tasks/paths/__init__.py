"""Paths of stochastic differential equations."""

from sciml.tasks.paths._data import PathBatch as PathBatch
from sciml.tasks.paths._data import PathInputs as PathInputs
from sciml.tasks.paths._data import PathsConfig as PathsConfig
from sciml.tasks.paths._task import Paths as Paths

__all__ = ["PathBatch", "PathInputs", "Paths", "PathsConfig"]
