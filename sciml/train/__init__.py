"""Training: the solver and task contracts, the one loop, step rules, checkpoints, distribution."""

from sciml.train._checkpoint import Checkpoint as Checkpoint
from sciml.train._checkpoint import load_weights as load_weights
from sciml.train._checkpoint import save_weights as save_weights
from sciml.train._config import TrainConfig as TrainConfig
from sciml.train._context import Context as Context
from sciml.train._distributed import Group as Group
from sciml.train._distributed import current_group as current_group
from sciml.train._distributed import local_device as local_device
from sciml.train._distributed import process_group as process_group
from sciml.train._examples import Examples as Examples
from sciml.train._gradient_rule import GradientRule as GradientRule
from sciml.train._gradient_rule import Loss as Loss
from sciml.train._gradient_rule import learning_rates as learning_rates
from sciml.train._least_squares_rule import LeastSquaresRule as LeastSquaresRule
from sciml.train._least_squares_rule import solve_columns as solve_columns
from sciml.train._match import count_parameters as count_parameters
from sciml.train._match import match_parameters as match_parameters
from sciml.train._polish_rule import PolishRule as PolishRule
from sciml.train._polish_rule import default_rule as default_rule
from sciml.train._registered import find_solver as find_solver
from sciml.train._registered import find_task as find_task
from sciml.train._registered import registered_solvers as registered_solvers
from sciml.train._registered import registered_tasks as registered_tasks
from sciml.train._registered import solver_for as solver_for
from sciml.train._sampler import PoissonSampler as PoissonSampler
from sciml.train._sampler import Sampler as Sampler
from sciml.train._sampler import ShuffleSampler as ShuffleSampler
from sciml.train._solver import AnyRecipe as AnyRecipe
from sciml.train._solver import AnySolver as AnySolver
from sciml.train._solver import Certified as Certified
from sciml.train._solver import Knob as Knob
from sciml.train._solver import Recipe as Recipe
from sciml.train._solver import Solver as Solver
from sciml.train._solver import build_module as build_module
from sciml.train._solver import recipe_of as recipe_of
from sciml.train._space import Choice as Choice
from sciml.train._space import Choices as Choices
from sciml.train._space import Places as Places
from sciml.train._space import Searchable as Searchable
from sciml.train._space import Slot as Slot
from sciml.train._space import Space as Space
from sciml.train._space import space_of as space_of
from sciml.train._space import spread as spread
from sciml.train._step_rule import BrokenStep as BrokenStep
from sciml.train._step_rule import Phases as Phases
from sciml.train._step_rule import StepRule as StepRule
from sciml.train._task import AnyBench as AnyBench
from sciml.train._task import AnyTask as AnyTask
from sciml.train._task import Bench as Bench
from sciml.train._task import Column as Column
from sciml.train._task import Conclusion as Conclusion
from sciml.train._task import Examination as Examination
from sciml.train._task import Task as Task
from sciml.train._task import TaskSolver as TaskSolver
from sciml.train._task import columns_of as columns_of
from sciml.train._trainer import Trainer as Trainer
from sciml.train._trainer import TrainResult as TrainResult
from sciml.train._view import Competitor as Competitor
from sciml.train._view import Predictions as Predictions
from sciml.train._view import RunView as RunView
from sciml.train._view import Shown as Shown
from sciml.train._view import View as View
from sciml.train._view import layout_errors as layout_errors
from sciml.train._view import show_training as show_training

__all__ = [
    "AnyBench",
    "AnyRecipe",
    "AnySolver",
    "AnyTask",
    "Bench",
    "BrokenStep",
    "Certified",
    "Checkpoint",
    "Choice",
    "Choices",
    "Competitor",
    "Conclusion",
    "Context",
    "Examination",
    "Examples",
    "GradientRule",
    "Group",
    "Knob",
    "LeastSquaresRule",
    "Loss",
    "Phases",
    "Places",
    "PoissonSampler",
    "PolishRule",
    "Predictions",
    "Recipe",
    "RunView",
    "Sampler",
    "Searchable",
    "Shown",
    "ShuffleSampler",
    "Slot",
    "Solver",
    "Space",
    "StepRule",
    "Task",
    "TaskSolver",
    "TrainConfig",
    "TrainResult",
    "Trainer",
    "View",
    "build_module",
    "count_parameters",
    "current_group",
    "default_rule",
    "find_solver",
    "find_task",
    "layout_errors",
    "learning_rates",
    "load_weights",
    "local_device",
    "match_parameters",
    "process_group",
    "recipe_of",
    "registered_solvers",
    "registered_tasks",
    "save_weights",
    "show_training",
    "solve_columns",
    "solver_for",
    "space_of",
    "spread",
]
