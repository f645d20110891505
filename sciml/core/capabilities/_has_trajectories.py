"""Fields over time in a dataset."""

from sciml.core.problem import Problem


class HasTrajectories(Problem):
    """Has trajectories in a dataset: its fields over time, on a grid where there is space.

    They are made by a reference solver (see `Evolves`) or imported from somebody's files.
    """
