"""Whole trajectories of ordinary differential equations."""

from sciml.tasks.trajectories._bench import TrajectoriesBench as TrajectoriesBench
from sciml.tasks.trajectories._cautions import Cautions as Cautions
from sciml.tasks.trajectories._data import Start as Start
from sciml.tasks.trajectories._data import TrajectoriesConfig as TrajectoriesConfig
from sciml.tasks.trajectories._data import TrajectoriesContext as TrajectoriesContext
from sciml.tasks.trajectories._data import TrajectoryBatch as TrajectoryBatch
from sciml.tasks.trajectories._data import TrajectoryExamples as TrajectoryExamples
from sciml.tasks.trajectories._outcome import area_under_curve as area_under_curve
from sciml.tasks.trajectories._outcome import constraint_scores as constraint_scores
from sciml.tasks.trajectories._outcome import derived_scores as derived_scores
from sciml.tasks.trajectories._outcome import map_inputs as map_inputs
from sciml.tasks.trajectories._outcome import named_parameters as named_parameters
from sciml.tasks.trajectories._outcome import outcome_scores as outcome_scores
from sciml.tasks.trajectories._solver import TrajectoriesSolver as TrajectoriesSolver
from sciml.tasks.trajectories._starts import StartRule as StartRule
from sciml.tasks.trajectories._starts import start_rule as start_rule
from sciml.tasks.trajectories._task import TRAJECTORIES as TRAJECTORIES
from sciml.tasks.trajectories._task import Trajectories as Trajectories

TASKS = (TRAJECTORIES,)

__all__ = [
    "TASKS",
    "TRAJECTORIES",
    "Cautions",
    "Start",
    "StartRule",
    "Trajectories",
    "TrajectoriesBench",
    "TrajectoriesConfig",
    "TrajectoriesContext",
    "TrajectoriesSolver",
    "TrajectoryBatch",
    "TrajectoryExamples",
    "area_under_curve",
    "constraint_scores",
    "derived_scores",
    "map_inputs",
    "named_parameters",
    "outcome_scores",
    "start_rule",
]
