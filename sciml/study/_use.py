"""Using a finished run: examine it again, apply it to new inputs."""

from pathlib import Path
from typing import NamedTuple

import xarray

from sciml.core.progress import Progress
from sciml.study._record import Metrics, Record, finite
from sciml.study._run import load_run


class Examined(NamedTuple):
    """A run examined again.

    Fields:
        metrics: what the test split gives now.
        recorded: what ``record.json`` says.
        seconds: median wall time of one step of one sample.
        outcomes: samples by how they ended.
    """

    metrics: Metrics
    recorded: Metrics
    seconds: float
    outcomes: dict[str, int]


def evaluate_run(folder: str | Path, progress: Progress | None = None) -> Examined:
    """Examine a finished run's weights on its test data, which is made again if it is gone.

    Raises: DataError and CheckpointError for a folder that is not a whole run.
    """
    recorded = Record.read(Path(folder))
    loaded = load_run(folder, progress)
    examination = loaded.task.examine(loaded.solver, loaded.module)
    return Examined(
        finite(dict(examination.metrics)), recorded.metrics["test"], examination.seconds, dict(examination.status)
    )


def predict_run(folder: str | Path, inputs: str | Path, *, steps: int | None = None) -> xarray.Dataset:
    """Apply a finished run to a file of inputs.

    Arguments:
        folder: the run.
        inputs: for forecasting, a NetCDF file with the context frames of every field and the parameters.
        steps: how far to forecast; None for as far as the run's own test rollouts.

    Returns: named arrays with units, and a status per sample.

    Raises: DataError for inputs that do not fit the problem.
    """
    loaded = load_run(folder)
    given = loaded.task.read_inputs(Path(inputs), steps)
    return loaded.task.describe(given, loaded.solver.predict(loaded.module, given))
