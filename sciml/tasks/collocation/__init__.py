"""Differential equations solved from their statement."""

from sciml.tasks.collocation._data import CollocationBatch as CollocationBatch
from sciml.tasks.collocation._data import CollocationConfig as CollocationConfig
from sciml.tasks.collocation._data import CollocationExamples as CollocationExamples
from sciml.tasks.collocation._data import Locations as Locations
from sciml.tasks.collocation._samplers import Sampler as Sampler
from sciml.tasks.collocation._samplers import unit_points as unit_points
from sciml.tasks.collocation._task import Collocation as Collocation
from sciml.tasks.collocation._task import Differentiable as Differentiable

__all__ = [
    "Collocation",
    "CollocationBatch",
    "CollocationConfig",
    "CollocationExamples",
    "Differentiable",
    "Locations",
    "Sampler",
    "unit_points",
]
