"""Soft trees as surrogates: numbers from a table, outcomes and trajectories from parameters, classes of samples."""

from sciml.solvers.soft_trees._classes import SoftTreesClasses as SoftTreesClasses
from sciml.solvers.soft_trees._classes import SoftTreesClassesSolver as SoftTreesClassesSolver
from sciml.solvers.soft_trees._config import SoftTreesConfig as SoftTreesConfig
from sciml.solvers.soft_trees._rows import SoftTreesRowsSolver as SoftTreesRowsSolver
from sciml.solvers.soft_trees._trajectories import SoftTreesOfModes as SoftTreesOfModes
from sciml.solvers.soft_trees._trajectories import SoftTreesOutcome as SoftTreesOutcome
from sciml.solvers.soft_trees._trajectories import SoftTreesSolver as SoftTreesSolver

SOLVERS = (SoftTreesSolver(), SoftTreesRowsSolver(), SoftTreesClassesSolver())

__all__ = [
    "SOLVERS",
    "SoftTreesClasses",
    "SoftTreesClassesSolver",
    "SoftTreesConfig",
    "SoftTreesOfModes",
    "SoftTreesOutcome",
    "SoftTreesRowsSolver",
    "SoftTreesSolver",
]
