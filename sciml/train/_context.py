"""What a network must know of the data it is built for."""

from sciml.core.config import Config


class Context(Config):
    """All that building a module, reading its inputs and describing its answers needs of the data.

    Every task has a leaf of its own (grid, statistics, times, units, sensors, ...). It is plain data and is kept in the
    run's ``config.json``, so that a finished run can be used where its dataset is not.
    """
