"""Sparse series to complete and continue."""

from sciml.tasks.series._data import Observed as Observed
from sciml.tasks.series._data import SeriesBatch as SeriesBatch
from sciml.tasks.series._data import SeriesConfig as SeriesConfig
from sciml.tasks.series._task import Series as Series

__all__ = ["Observed", "Series", "SeriesBatch", "SeriesConfig"]
