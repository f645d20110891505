"""Data frames whose columns name sample, time and space."""

import numpy as np
import pandas as pd
import xarray

from sciml.core.errors import DataError

_TIME = ("time", "t")
_SPACE = ("z", "y", "x", "lev", "lat", "lon")
_USUAL = ("sample", "trajectory", "case", "time", "t", *_SPACE)


def has_space(frame: pd.DataFrame, dims: tuple[str, ...] = ()) -> bool:
    """Whether columns are dimensions in space, or the user names dimensions; else it is a table of cases."""
    return bool(dims) or (
        any(name in frame.columns for name in _SPACE) and any(name in frame.columns for name in _TIME)
    )


def frame_to_dataset(frame: pd.DataFrame, dims: tuple[str, ...] = ()) -> xarray.Dataset:
    """One row per sample, time and point as arrays on these dimensions; what has no row is NaN.

    A column that is the same in all rows of the first dimension's values becomes a variable on that dimension alone.
    One that is the same at all points of a sample and time becomes a variable on these two.

    Arguments:
        frame: the table.
        dims: the columns that are dimensions; by default those with usual names (sample, time, t, x, y, ...).

    Raises: DataError for columns that are missing, or points that occur twice.
    """
    missing = [name for name in dims if name not in frame.columns]
    chosen = list(dims) or [name for name in _USUAL if name in frame.columns]
    if missing or len(chosen) < 2:
        raise DataError(
            "the dimensions of a data frame cannot be told",
            got="columns " + ", ".join(map(str, frame.columns)),
            expected="columns for sample and time (and x, y, ...)",
            fix='Name them: dims=("run", "time", "x").',
        )
    twice = frame.duplicated(chosen)
    if twice.any():
        place = ", ".join(f"{name}={frame[name].iloc[int(twice.argmax())]}" for name in chosen)
        raise DataError("a data frame has several rows for one point", got=place, expected="one row each")
    dataset = frame.set_index(chosen).to_xarray()
    if chosen[0] not in _TIME:
        groups = frame.groupby(chosen[0])
        for name in [name for name in frame.columns if name not in chosen]:
            if bool(
                np.all(groups[name].nunique(dropna=False) == 1)
            ):  # a number per sample, repeated in all of its rows
                dataset[name] = (chosen[0], groups[name].first().to_numpy())
    if len(chosen) > 2 and chosen[1] in _TIME:
        moments = frame.groupby(chosen[:2])
        for name in [name for name in frame.columns if name not in chosen and dataset[name].ndim > 1]:
            if bool(np.all(moments[name].nunique(dropna=False) == 1)):
                dataset[name] = moments[name].first().to_xarray()
    return dataset
