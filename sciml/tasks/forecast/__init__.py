"""Fields stepped forward in time."""

from sciml.tasks._conformal import conformal_widths as conformal_widths
from sciml.tasks._conformal import least_held_out as least_held_out
from sciml.tasks._conformal import spread_factors as spread_factors
from sciml.tasks.forecast._data import ForecastConfig as ForecastConfig
from sciml.tasks.forecast._data import ForecastContext as ForecastContext
from sciml.tasks.forecast._data import Window as Window
from sciml.tasks.forecast._ensemble import ForecastEnsemble as ForecastEnsemble
from sciml.tasks.forecast._ensemble import ForecastEnsembleSolver as ForecastEnsembleSolver
from sciml.tasks.forecast._ensemble import Members as Members
from sciml.tasks.forecast._equation import FindsEquation as FindsEquation
from sciml.tasks.forecast._equation import FoundCoefficient as FoundCoefficient
from sciml.tasks.forecast._equation import FoundEquation as FoundEquation
from sciml.tasks.forecast._regrid import regrid as regrid
from sciml.tasks.forecast._solver import StepperSolver as StepperSolver
from sciml.tasks.forecast._speed import Rung as Rung
from sciml.tasks.forecast._speed import ladder as ladder
from sciml.tasks.forecast._speed import speed as speed
from sciml.tasks.forecast._task import FORECAST as FORECAST
from sciml.tasks.forecast._task import Forecast as Forecast

TASKS = (FORECAST,)

__all__ = [
    "FORECAST",
    "TASKS",
    "FindsEquation",
    "Forecast",
    "ForecastConfig",
    "ForecastContext",
    "ForecastEnsemble",
    "ForecastEnsembleSolver",
    "FoundCoefficient",
    "FoundEquation",
    "Members",
    "Rung",
    "StepperSolver",
    "Window",
    "conformal_widths",
    "ladder",
    "least_held_out",
    "regrid",
    "speed",
    "spread_factors",
]
