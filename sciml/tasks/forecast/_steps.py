"""The time step of a file of inputs: one that was trained on, or a parameter of the problem."""

from pathlib import Path

import numpy as np
import xarray

from sciml.core.errors import DataError
from sciml.core.problem import Problem
from sciml.core.units import conversion
from sciml.tasks._inputs import shape_words
from sciml.tasks.forecast._data import ForecastContext

_SLACK = 1e-3
"""Share of a step by which times of a file may differ from those of the run."""


def last_time(path: Path, source: xarray.Dataset, context: ForecastContext) -> tuple[float, int]:
    """Time of the last frame, 0 for a file without times, and the stride of the frames in stored ones.

    Raises: DataError for a time step that the run was not trained on.
    """
    if "time" not in source.variables:
        return 0.0, min(context.strides)
    times = source["time"].values[..., -context.history :]
    sound = times.ndim == 1 and times.dtype.kind in "fiu" and bool(np.isfinite(times).all())
    steps = np.diff(times.astype(np.float64)) if sound else np.zeros(0)
    strides = sorted(set(context.strides))
    for stride in strides if sound else ():
        if (np.abs(steps - stride * context.dt) <= _SLACK * stride * context.dt).all():
            return float(times[-1]), stride
    alone = len(strides) == 1
    raise DataError(
        f"the frames of {path} have another time step than the training data",
        got=f"times {', '.join(map(str, times))}",
        expected="numbers " + " or ".join(f"{stride * context.dt:g}" for stride in strides) + " apart",
        fix=("The run was trained on this step alone, so it cannot take another as a condition. " if alone else "")
        + "Interpolate the frames, leave out the coordinate `time` if it is only a number, or train on this step too: "
        "--set task.strides=[1,2] trains on every frame and on every other one.",
    )


def with_time_step(path: Path, source: xarray.Dataset, problem: Problem) -> tuple[xarray.Dataset, float]:
    """The file with the parameter that is its time step, which may follow from its times, and the last frame's number.

    Raises: DataError for a file that has neither, or both and they contradict each other.
    """
    name = problem.time_step
    assert name is not None
    units = next(entry.units for entry in problem.parameters if entry.name == name)
    steps = _steps(path, source, units)
    if name not in source:
        if steps is None:
            raise DataError(
                f"{path} lacks the time step {name!r}, which differs between the trajectories of this run",
                expected=f"the variable {name!r} on sample, or a coordinate time with two frames or more",
            )
        return source.assign({name: ("sample", np.broadcast_to(steps, source.sizes["sample"]))}), 0.0
    values = source[name].values
    if steps is not None and _are_frames(source, steps):
        return source, float(source["time"].values[-1])
    if steps is None or (np.abs(steps - values) <= _SLACK * np.abs(values)).all():
        return source, 0.0
    raise DataError(
        f"the times of {path} contradict its time step {name!r}",
        got=f"times {float(np.ravel(steps)[0]):g} apart, {name} {float(np.ravel(values)[0]):g}",
        expected=f"times in steps of {name!r}, or no times",
    )


def _steps(path: Path, source: xarray.Dataset, units: str) -> np.ndarray | None:
    """The distance of the frames, one for all samples or one for each, in `units`; None without times."""
    if "time" not in source.variables or source.sizes["time"] < 2:
        return None
    array = source["time"]
    times = array.values.astype(np.float64) if array.dtype.kind in "fiu" else np.full(1, np.nan)
    steps = np.diff(times, axis=-1)
    if set(array.dims) not in ({"time"}, {"sample", "time"}) or steps.size == 0:
        raise DataError(f"the times of {path} cannot be used", got=shape_words(array), expected="one per frame")
    first = steps[..., :1]
    if not (first > 0).all() or (np.abs(steps - first) > _SLACK * first).any():
        raise DataError(
            f"the times of {path} are not evenly spaced and increasing", got=f"{times.ravel()[:6]}",
            expected="frames at the same distance in time",
        )  # fmt: skip
    step = np.asarray(first[..., 0])
    change = conversion(str(array.attrs.get("units", units)), units)
    if change is not None:
        return np.asarray(change.factor * step)
    if _are_frames(source, step):
        return step
    raise DataError(
        f"'time' in {path} does not have units of the time step", got=repr(array.attrs.get("units")), expected=units
    )


def _are_frames(source: xarray.Dataset, steps: np.ndarray) -> bool:
    """Whether the coordinate ``time`` only numbers frames."""
    return str(source["time"].attrs.get("units", "1")) in ("1", "") and bool((steps == 1).all())
