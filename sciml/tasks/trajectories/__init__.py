"""Whole trajectories of ordinary differential equations."""

from sciml.tasks.trajectories._data import Start as Start
from sciml.tasks.trajectories._data import TrajectoriesConfig as TrajectoriesConfig
from sciml.tasks.trajectories._data import TrajectoryBatch as TrajectoryBatch
from sciml.tasks.trajectories._data import TrajectoryExamples as TrajectoryExamples
from sciml.tasks.trajectories._outcome import named_parameters as named_parameters
from sciml.tasks.trajectories._task import Trajectories as Trajectories

__all__ = ["Start", "Trajectories", "TrajectoriesConfig", "TrajectoryBatch", "TrajectoryExamples", "named_parameters"]
