"""Regression: parameters to numbers, without time or space."""

from sciml.tasks.regression._data import Point as Point
from sciml.tasks.regression._data import RegressionConfig as RegressionConfig
from sciml.tasks.regression._data import RegressionContext as RegressionContext
from sciml.tasks.regression._data import RowBatch as RowBatch
from sciml.tasks.regression._data import RowExamples as RowExamples
from sciml.tasks.regression._solver import RegressionSolver as RegressionSolver
from sciml.tasks.regression._task import REGRESSION as REGRESSION
from sciml.tasks.regression._task import Regression as Regression
from sciml.tasks.regression._task import RegressionBench as RegressionBench

TASKS = (REGRESSION,)

__all__ = [
    "REGRESSION",
    "TASKS",
    "Point",
    "Regression",
    "RegressionBench",
    "RegressionConfig",
    "RegressionContext",
    "RegressionSolver",
    "RowBatch",
    "RowExamples",
]
