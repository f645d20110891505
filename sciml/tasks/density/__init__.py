"""Probability densities from points."""

from sciml.tasks.density._card import DensityCard as DensityCard
from sciml.tasks.density._data import DensityConfig as DensityConfig
from sciml.tasks.density._data import DensityContext as DensityContext
from sciml.tasks.density._data import PointBatch as PointBatch
from sciml.tasks.density._data import PointExamples as PointExamples
from sciml.tasks.density._data import Points as Points
from sciml.tasks.density._mass import drawn_mass as drawn_mass
from sciml.tasks.density._mass import resolves as resolves
from sciml.tasks.density._solver import DensitySolver as DensitySolver
from sciml.tasks.density._task import DENSITY as DENSITY
from sciml.tasks.density._task import Density as Density
from sciml.tasks.density._task import DensityBench as DensityBench
from sciml.tasks.density._task import Draws as Draws

TASKS = (DENSITY,)

__all__ = [
    "DENSITY",
    "TASKS",
    "Density",
    "DensityBench",
    "DensityCard",
    "DensityConfig",
    "DensityContext",
    "DensitySolver",
    "Draws",
    "PointBatch",
    "PointExamples",
    "Points",
    "drawn_mass",
    "resolves",
]
