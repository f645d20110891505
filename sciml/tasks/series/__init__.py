"""Sparse time series: interpolation and extrapolation."""

from sciml.tasks.series._data import Observed as Observed
from sciml.tasks.series._data import SeriesBatch as SeriesBatch
from sciml.tasks.series._data import SeriesConfig as SeriesConfig
from sciml.tasks.series._data import SeriesContext as SeriesContext
from sciml.tasks.series._data import SeriesExamples as SeriesExamples
from sciml.tasks.series._solver import SeriesSolver as SeriesSolver
from sciml.tasks.series._task import SERIES as SERIES
from sciml.tasks.series._task import Series as Series
from sciml.tasks.series._task import SeriesBench as SeriesBench

TASKS = (SERIES,)

__all__ = [
    "SERIES",
    "TASKS",
    "Observed",
    "Series",
    "SeriesBatch",
    "SeriesBench",
    "SeriesConfig",
    "SeriesContext",
    "SeriesExamples",
    "SeriesSolver",
]
