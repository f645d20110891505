"""Operators: functions in, functions out."""

from sciml.tasks.operator._card import OperatorCard as OperatorCard
from sciml.tasks.operator._data import OperatorConfig as OperatorConfig
from sciml.tasks.operator._data import OperatorContext as OperatorContext
from sciml.tasks.operator._data import OperatorStatistics as OperatorStatistics
from sciml.tasks.operator._data import PairBatch as PairBatch
from sciml.tasks.operator._data import PairExamples as PairExamples
from sciml.tasks.operator._data import Questions as Questions
from sciml.tasks.operator._ensemble import Ensemble as Ensemble
from sciml.tasks.operator._ensemble import held_out as held_out
from sciml.tasks.operator._ensemble_solver import EnsembleSettings as EnsembleSettings
from sciml.tasks.operator._ensemble_solver import EnsembleSolver as EnsembleSolver
from sciml.tasks.operator._finer import FinerLattice as FinerLattice
from sciml.tasks.operator._finer import from_neighbours as from_neighbours
from sciml.tasks.operator._finer import refined_size as refined_size
from sciml.tasks.operator._metrics import pair_errors as pair_errors
from sciml.tasks.operator._module import FixedOperator as FixedOperator
from sciml.tasks.operator._module import FreeOperator as FreeOperator
from sciml.tasks.operator._module import Gridded as Gridded
from sciml.tasks.operator._module import OperatorScales as OperatorScales
from sciml.tasks.operator._module import relative_error as relative_error
from sciml.tasks.operator._module import squared_error as squared_error
from sciml.tasks.operator._score import ScoresItself as ScoresItself
from sciml.tasks.operator._solver import OperatorSolver as OperatorSolver
from sciml.tasks.operator._task import OPERATOR as OPERATOR
from sciml.tasks.operator._task import Operator as Operator
from sciml.tasks.operator._task import OperatorBench as OperatorBench

TASKS = (OPERATOR,)

__all__ = [
    "OPERATOR",
    "TASKS",
    "Ensemble",
    "EnsembleSettings",
    "EnsembleSolver",
    "FinerLattice",
    "FixedOperator",
    "FreeOperator",
    "Gridded",
    "Operator",
    "OperatorBench",
    "OperatorCard",
    "OperatorConfig",
    "OperatorContext",
    "OperatorScales",
    "OperatorSolver",
    "OperatorStatistics",
    "PairBatch",
    "PairExamples",
    "Questions",
    "ScoresItself",
    "from_neighbours",
    "held_out",
    "pair_errors",
    "refined_size",
    "relative_error",
    "squared_error",
]
