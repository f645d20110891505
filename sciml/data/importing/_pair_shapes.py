"""From arrays of pairs, in whatever layout, to rows of functions, queries and values; shapes are named by role."""

from dataclasses import dataclass

import numpy as np

from sciml.core.errors import DataError
from sciml.data.importing._pair_arrays import without_channel
from sciml.data.importing._source import PairArrays


@dataclass(frozen=True)
class Rows:
    """Pairs of one split.

    Fields:
        functions: per input, ``function sensor``, no function twice where rows repeat them.
        row: the function of every row.
        queries: points, ``query dim``.
        query: numbers of the queries of every row, ``row point``; None for all, in order.
        values: ``row point field``.
    """

    functions: tuple[np.ndarray, ...]
    row: np.ndarray
    queries: np.ndarray
    query: np.ndarray | None
    values: np.ndarray


def check_arrays(part: PairArrays, label: str) -> None:
    """Refuse arrays that are empty, hold numbers that are not finite or that single precision cannot hold, by role.

    Raises: DataError.
    """
    arrays = {f"function {name}": values for name, values in part.functions} | {"values": part.values}
    for role, values in (arrays if part.queries is None else arrays | {"queries": part.queries}).items():
        if values.size == 0:
            raise DataError(f"the {role} of {label}: there are none", got=_words(part))
        bad = ~np.isfinite(values)
        if bad.any():
            rows = np.unique(np.nonzero(bad)[0])
            raise DataError(
                f"the {role} of {label}: some numbers are not finite",
                got=f"in {len(rows)} of {len(values)} rows, the first of them {int(rows[0])}",
                fix="Drop these rows before importing.",
            )
        if role != "queries":
            _check_precision(f"the {role} of {label}", values)


def _check_precision(what: str, values: np.ndarray) -> None:
    """Refuse numbers that lose what they say in single precision, in which pairs are stored. Raises DataError."""
    largest = float(np.abs(values).max())
    if largest and not _SMALLEST <= largest <= _LARGEST:
        raise DataError(f"{what}: single precision does not hold such numbers", got=f"up to {largest:.3g} in size",
                        expected=f"between {_SMALLEST:.0e} and {_LARGEST:.0e}", fix="Choose other units.")  # fmt: skip
    spread = float((values - values.flat[0]).std())
    if _ROUNDING * largest < spread < _RESOLVED * float(np.finfo(np.float32).eps) * largest:
        raise DataError(
            f"{what}: single precision does not tell its numbers apart",
            got=f"numbers of size {largest:.6g} that differ by {spread:.3g}",
            fix="Subtract what they have in common before importing.",
        )


_SMALLEST, _LARGEST = 1e-37, 1e37
"""Numbers that are normal ones in single precision, and their inverses too."""
_RESOLVED = 100.0
"""Spread that is kept to a percent, in units of the last digit."""
_ROUNDING = 1e-13
"""Spread that is rounding of double precision: the array is a constant."""


def rows_of(part: PairArrays, lattice: np.ndarray | None, label: str) -> Rows:
    """The rows of one split.

    Arguments:
        part: its arrays, which were checked by `check_arrays`.
        lattice: the points, where everything lies on one lattice.
        label: of the file, for messages.

    Raises: DataError for shapes that do not pair.
    """
    if lattice is not None or part.queries is None:
        assert lattice is not None
        return _on_lattice(part, lattice, label)
    functions = [values if values.ndim == 2 else values.reshape(len(values), -1) for _, values in part.functions]
    counts = {f"function {name}": len(v) for (name, _), v in zip(part.functions, functions, strict=True)}
    if len(set(counts.values())) > 1:
        raise DataError(f"the input functions of {label} have different numbers of rows", got=_words(part))
    number, values, queries = len(functions[0]), part.values, _table(part.queries, part.values)
    if part.row is not None and part.query is not None:
        return _by_number(part, functions, queries, label)
    if len(values) != number:
        raise DataError(
            f"functions and values of {label} do not pair",
            got=f"{_words(part)}: {number} rows of functions, {len(values)} of values",
            expected="one row of values for every row of functions",
        )
    if queries.ndim == 3:
        return _own_queries(part, functions, queries, label)
    if (
        values.ndim in (2, 3)
        and values.shape[1] == len(queries)
        and not (len(queries) == number and values.shape[1] == 1)
    ):
        aligned = values[..., None] if values.ndim == 2 else values
        return Rows(tuple(functions), np.arange(number), queries, None, aligned)
    if len(queries) == number and values.ndim <= 2:
        return _pointwise(functions, queries, values.reshape(number, -1))
    wanted = f"values of shape ({number}, {len(queries)}) for common queries"
    raise DataError(
        f"queries and values of {label} do not pair",
        got=f"{_words(part)}: {len(queries)} queries, values of shape {values.shape}",
        expected=f"{wanted}, or one query per row ({number} of them) with values ({number}, 1)",
    )


def _own_queries(part: PairArrays, functions: list[np.ndarray], queries: np.ndarray, label: str) -> Rows:
    """Queries of every function's own, ``function point dim``, each stored once."""
    values = part.values[..., None] if part.values.ndim == 2 else part.values
    if values.ndim != 3 or values.shape[:2] != queries.shape[:2]:
        raise DataError(
            f"queries and values of {label} do not pair",
            got=_words(part),
            expected=f"values of shape {queries.shape[:2]} for queries of every function's own",
        )
    points, query = np.unique(queries.reshape(-1, queries.shape[2]), axis=0, return_inverse=True)
    return Rows(tuple(functions), np.arange(len(functions[0])), points, query.reshape(queries.shape[:2]), values)


def _on_lattice(part: PairArrays, lattice: np.ndarray, label: str) -> Rows:
    values = without_channel(part.values)
    functions = []
    for name, array in part.functions:
        array = without_channel(array)
        if array.shape != values.shape:
            raise DataError(
                f"function {name!r} and the values of {label} do not lie on one lattice",
                got=_words(part),
                expected="equal shapes (sample, *lattice)",
            )
        functions.append(array.reshape(len(array), -1))
    flat = values.reshape(len(values), -1, 1)
    return Rows(tuple(functions), np.arange(len(values)), lattice, None, flat)


def _pointwise(functions: list[np.ndarray], queries: np.ndarray, values: np.ndarray) -> Rows:
    """Rows of one query each: every function and query once, and rows of a function joined where all have as many.

    Aligned data that was tiled is aligned again, which is what makes it cheap.
    """
    sizes = [part.shape[1] for part in functions]
    unique, row = np.unique(np.concatenate(functions, axis=1), axis=0, return_inverse=True)
    points, query = np.unique(queries, axis=0, return_inverse=True)
    row, query = row.ravel(), query.ravel()
    counts = np.bincount(row)
    if counts.min() == counts.max():
        order = np.argsort(row, kind="stable")
        size = int(counts[0])
        row, query = np.arange(len(unique)), query[order].reshape(-1, size)
        stacked = values[order].reshape(len(unique), size, -1)
        place = query.argsort(1)
        if size == len(points) and (np.take_along_axis(query, place, 1) == np.arange(size)).all():
            return Rows(_apart(unique, sizes), row, points, None, np.take_along_axis(stacked, place[..., None], 1))
    else:
        query, stacked = query[:, None], values[:, None, :]
    return Rows(_apart(unique, sizes), row, points, query, stacked)


def _by_number(part: PairArrays, functions: list[np.ndarray], queries: np.ndarray, label: str) -> Rows:
    """Rows that say which function and which queries they are about. Raises DataError for numbers there are not."""
    row, query, values = part.row, part.query, part.values
    assert row is not None
    assert query is not None
    shapes_fit = row.ndim == 1 and query.ndim == 2 and values.shape[:2] == query.shape and len(row) == len(query)
    whole = row.dtype.kind in "iu" and query.dtype.kind in "iu" and min(row.size, query.size) > 0
    if not shapes_fit or not whole or row.min() < 0 or query.min() < 0 or (
        row.max() >= len(functions[0]) or query.max() >= len(queries)
    ):  # fmt: skip
        raise DataError(
            f"the numbers of functions and queries of {label} do not fit its arrays",
            got=f"{_words(part)}, row {row.shape}, query {query.shape}",
            expected=f"row (R,) below {len(functions[0])}, query (R, P) below {len(queries)}, values (R, P)",
        )
    return Rows(tuple(functions), row.astype(np.int64), queries, query.astype(np.int64),
                values.reshape(*query.shape, -1))  # fmt: skip


def _apart(functions: np.ndarray, sizes: list[int]) -> tuple[np.ndarray, ...]:
    """The input functions that stand side by side."""
    return tuple(np.split(functions, np.cumsum(sizes)[:-1], axis=1))


def _table(points: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Queries as ``query dim``."""
    is_line = points.ndim == 1 or (points.ndim == 2 and 1 in points.shape)
    return points.reshape(-1, 1) if is_line else points


def _words(part: PairArrays) -> str:
    """The arrays by role, with names and shapes."""
    shapes = {f"function {name}": values.shape for name, values in part.functions} | {"values": part.values.shape}
    if part.queries is not None:
        shapes["queries"] = part.queries.shape
    return ", ".join(f"{role} ({part.names[role]!r}) {shape}" for role, shape in shapes.items())
