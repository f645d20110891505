"""Fields stepped forward in time."""

from sciml.tasks.forecast._data import ForecastConfig as ForecastConfig
from sciml.tasks.forecast._data import Window as Window
from sciml.tasks.forecast._stepper_solver import StepperSolver as StepperSolver
from sciml.tasks.forecast._task import Forecast as Forecast

__all__ = ["Forecast", "ForecastConfig", "StepperSolver", "Window"]
