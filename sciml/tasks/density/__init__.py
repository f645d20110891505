"""Probability densities from points."""

from sciml.tasks.density._data import DensityConfig as DensityConfig
from sciml.tasks.density._data import PointBatch as PointBatch
from sciml.tasks.density._data import Points as Points
from sciml.tasks.density._task import Density as Density
from sciml.tasks.density._task import Draws as Draws

__all__ = ["Density", "DensityConfig", "Draws", "PointBatch", "Points"]
