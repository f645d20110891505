"""Differential equations solved from their statement."""

from sciml.tasks.collocation._answer import Answer as Answer
from sciml.tasks.collocation._bench import CollocationBench as CollocationBench
from sciml.tasks.collocation._card import CollocationCard as CollocationCard
from sciml.tasks.collocation._conclude import Found as Found
from sciml.tasks.collocation._data import CollocationBatch as CollocationBatch
from sciml.tasks.collocation._data import CollocationConfig as CollocationConfig
from sciml.tasks.collocation._data import CollocationContext as CollocationContext
from sciml.tasks.collocation._data import CollocationExamples as CollocationExamples
from sciml.tasks.collocation._data import Locations as Locations
from sciml.tasks.collocation._data import stated as stated
from sciml.tasks.collocation._observed import Observed as Observed
from sciml.tasks.collocation._observed import observed_in as observed_in
from sciml.tasks.collocation._table import ObservedTable as ObservedTable
from sciml.tasks.collocation._table import observed_table as observed_table
from sciml.tasks.collocation._table import read_observed as read_observed
from sciml.tasks.collocation._task import COLLOCATION as COLLOCATION
from sciml.tasks.collocation._task import Collocation as Collocation
from sciml.tasks.collocation._task import CollocationSolver as CollocationSolver
from sciml.tasks.collocation._unit_points import PointSet as PointSet
from sciml.tasks.collocation._unit_points import unit_points as unit_points

TASKS = (COLLOCATION,)

__all__ = [
    "COLLOCATION",
    "TASKS",
    "Answer",
    "Collocation",
    "CollocationBatch",
    "CollocationBench",
    "CollocationCard",
    "CollocationConfig",
    "CollocationContext",
    "CollocationExamples",
    "CollocationSolver",
    "Found",
    "Locations",
    "Observed",
    "ObservedTable",
    "PointSet",
    "observed_in",
    "observed_table",
    "read_observed",
    "stated",
    "unit_points",
]
