"""Training: the solver and task contracts, the one loop, checkpoints, distribution, parameter matching."""

from sciml.train._advance import Advance as Advance
from sciml.train._checkpoint import Checkpoint as Checkpoint
from sciml.train._checkpoint import load_weights as load_weights
from sciml.train._checkpoint import save_weights as save_weights
from sciml.train._config import TrainConfig as TrainConfig
from sciml.train._distributed import process_group as process_group
from sciml.train._match import count_parameters as count_parameters
from sciml.train._match import match_parameters as match_parameters
from sciml.train._solver import Knob as Knob
from sciml.train._solver import Recipe as Recipe
from sciml.train._solver import Solver as Solver
from sciml.train._solver import Spec as Spec
from sciml.train._solver import recipe_of as recipe_of
from sciml.train._task import Examination as Examination
from sciml.train._task import Examples as Examples
from sciml.train._task import Task as Task
from sciml.train._trainer import Trainer as Trainer
from sciml.train._trainer import TrainResult as TrainResult

__all__ = [
    "Advance",
    "Checkpoint",
    "Examination",
    "Examples",
    "Knob",
    "Recipe",
    "Solver",
    "Spec",
    "Task",
    "TrainConfig",
    "TrainResult",
    "Trainer",
    "count_parameters",
    "load_weights",
    "match_parameters",
    "process_group",
    "recipe_of",
    "save_weights",
]
