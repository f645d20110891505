"""Arrays, DataFrames and lists of them as rows of cells, so that they are read as files are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sciml.core.errors import DataError
from sciml.core.formulas import parse_equations
from sciml.data.tables import RawTable, as_name, text_rows

TIME, TRAJECTORY = "t", "trajectory"


class ArrayError(DataError, ValueError):
    """Arrays that cannot be fitted; a ValueError too, as callers of scikit-learn's estimators expect."""


def raw_of(t: Any, x: Any, names: Sequence[str]) -> RawTable:  # Any: what numpy.asarray takes, or a DataFrame
    """One table of all trajectories.

    Arguments:
        t: times, one per row of `x`; the name of a column of a DataFrame; a list of either for several trajectories.
        x: values ``row column`` (a single column may be flat), or a DataFrame, which may have a column of trajectories;
            a list of them for several.
        names: of the columns of plain arrays.

    Raises: ArrayError for what does not fit together.
    """
    if not is_several(t, x):
        return _single(t, x, names)
    times = [t] * len(x) if isinstance(t, str) else list(t)
    if len(times) != len(x):
        raise ArrayError("there must be times for every trajectory", got=len(times), expected=len(x))
    tables = [_single(one, values, names) for one, values in zip(times, x, strict=True)]
    if any(table.header != tables[0].header for table in tables):
        raise ArrayError("trajectories have different columns", got="; ".join(map(str, (e.header for e in tables))))
    rows = tuple([str(k), *row] for k, table in enumerate(tables) for row in table.rows)
    return RawTable((TRAJECTORY, *tables[0].header), tuple(range(len(rows))), rows, where="row")


def is_several(t: Any, x: Any) -> bool:  # Any: as above
    """Whether these are lists of trajectories."""
    return isinstance(x, list | tuple) and bool(x) and np.ndim(x[0]) > 0 and (isinstance(t, str) or np.ndim(t[0]) > 0)


def names_for(count: int, known: str, inputs: Sequence[str]) -> tuple[str, ...]:
    """Names for the columns of a plain array: those of the equations (else ``x0, x1, …``), then the inputs."""
    if not known:
        plain = tuple(f"x{i}" for i in range(count - len(inputs)))
        return (*plain, *inputs)
    names = (*parse_equations(known), *inputs)
    if len(names) != count:
        raise ArrayError("the columns of x are other than those of the equations and the inputs", got=count,
                         expected=f"{len(names)}: {', '.join(names)}")  # fmt: skip
    return names


def width_of(t: Any, x: Any) -> int:  # Any: as above
    """Number of columns."""
    values = np.asarray(x[0] if is_several(t, x) else x)
    return values.shape[1] if values.ndim == 2 else 1


def is_frame(x: Any) -> bool:  # Any: as above
    """Whether it is a DataFrame, or a list of them; pandas is not imported to find out."""
    one = x[0] if isinstance(x, list | tuple) and x else x
    return hasattr(one, "itertuples") and hasattr(one, "columns")


def _single(t: Any, x: Any, names: Sequence[str]) -> RawTable:
    if is_frame(x):
        return _from_frame(t, x)
    times, values = _plain(t, "t"), _plain(x, "x")
    if times.ndim == 2 and times.shape[1] == 0:
        raise ArrayError(f"t has 0 feature(s) (shape={times.shape}) while a minimum of 1 is required")
    times = times[:, 0] if times.ndim == 2 and times.shape[1] == 1 else times
    values = values[:, None] if values.ndim == 1 else values
    if times.ndim != 1 or values.ndim != 2 or len(times) != len(values):
        raise ArrayError("times and values do not fit together", got=f"t {times.shape}, x {values.shape}",
                         expected="t (rows,), x (rows, columns)", fix="Several trajectories are lists.")  # fmt: skip
    if not len(times):
        raise ArrayError("there are no rows", got=f"0 sample(s) (shape={values.shape})", expected="a minimum of 6")
    rows = text_rows([[time, *row] for time, row in zip(times.tolist(), values.tolist(), strict=True)])
    return RawTable((TIME, *names), tuple(range(len(rows))), rows, where="row")


def _from_frame(t: Any, x: Any) -> RawTable:  # Any: as above
    header = [str(name) for name in x.columns]
    rows = text_rows(x.itertuples(index=False, name=None))
    if isinstance(t, str):
        if as_name(t) not in map(as_name, header):
            raise ArrayError(f"the table has no column {t!r} for the times", expected=f"one of: {', '.join(header)}")
        header[[as_name(name) for name in header].index(as_name(t))] = t
        return RawTable(tuple(header), tuple(range(len(rows))), rows, where="row")
    times = text_rows([[time] for time in getattr(t, "tolist", lambda: list(t))()])
    if len(times) != len(rows):
        raise ArrayError("times and values do not fit together", got=f"{len(times)} times, {len(rows)} rows")
    return RawTable((TIME, *header), tuple(range(len(rows))),
                    tuple([*time, *row] for time, row in zip(times, rows, strict=True)), where="row")  # fmt: skip


def _plain(values: Any, name: str) -> np.ndarray:  # Any: as above
    if hasattr(values, "tocsr"):
        raise ArrayError(f"Sparse data was passed for {name}, but dense data is required", fix="Use .toarray().")
    try:
        array = np.asarray(values)
        if np.iscomplexobj(array):
            raise ArrayError("Complex data not supported", got=f"{name} of {array.dtype}")
        if array.dtype == object or array.dtype.kind not in "fiubM":
            array = array.astype(float)
    except (TypeError, ValueError) as error:
        if isinstance(error, ArrayError):
            raise
        raise ArrayError(f"{name} holds something that is no number", got=error) from None
    if name == "t" and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ArrayError("t contains NaN or infinity", fix="Leave such rows out.")
    return array
