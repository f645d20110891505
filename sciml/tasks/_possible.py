"""States that cannot be, refused where a file is read: by field, sample and value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import xarray

from sciml.core.errors import DataError
from sciml.core.problem import Field, Parameter, Problem, is_possible, possible_words

_SUM = 1e-3
"""Largest deviation of the sum of shares from one."""
_ROUNDING = 1e-6
"""Share of the largest value by which values of a field may miss a closed bound."""


def check_possible(path: Path, source: xarray.Dataset, problem: Problem) -> None:
    """Refuse values of fields and parameters that are not physically possible, and sums of shares that cannot be.

    Values that are not finite are left to those who know whether they are gaps.

    Raises: DataError naming variable, sample and value.
    """
    for entry in (*problem.fields, *problem.parameters, *problem.forcings):
        if entry.name in source and source[entry.name].dtype.kind in "fiu":
            _check_one(path, source[entry.name], entry)
    groups: dict[str, list[Field]] = {}
    for field in problem.fields:
        if field.share_of:
            groups.setdefault(field.share_of, []).append(field)
    for whole, shares in groups.items():
        if all(field.name in source and source[field.name].dtype.kind in "fiu" for field in shares):
            _check_sum(path, source, whole, shares)


def _check_one(path: Path, array: xarray.DataArray, entry: Field | Parameter) -> None:
    values = torch.from_numpy(np.atleast_1d(array.values.astype(np.float64)))
    finite = values[values.isfinite()]
    slack = _ROUNDING * float(finite.abs().max()) if isinstance(entry, Field) and finite.numel() else 0.0
    bad = ~is_possible(entry, values, slack).numpy()
    if bad.any():
        place = tuple(np.argwhere(bad)[0].tolist())
        units = "" if entry.units == "1" else f" {entry.units}"
        raise DataError(
            f"{entry.name!r} in {path} has a value that is not physically possible",
            got=f"{np.atleast_1d(array.values)[place]:.6g}{units} at {_words(array, place)}"
            + (f", and {int(bad.sum()) - 1} more" if bad.sum() > 1 else ""),
            expected=possible_words(entry),
            fix="Correct it, or its attribute `units`.",
        )


def _check_sum(path: Path, source: xarray.Dataset, whole: str, shares: list[Field]) -> None:
    names, rest = [field.name for field in shares], any(field.rest for field in shares)
    total = xarray.concat([source[name].astype(np.float64) for name in names], "share").sum("share", skipna=False)
    values = np.atleast_1d(total.values)
    off = (values > 1 + _SUM) | ((values < 1 - _SUM) & (not rest))
    if off.any():
        place = tuple(np.argwhere(off)[0].tolist())
        raise DataError(
            f"the shares of {whole} in {path} add up to {'more than one' if rest else 'another number than one'}",
            got=f"{values[place]:.6g} at {_words(total, place)}",
            expected=f"{' + '.join(names)} {'<=' if rest else '='} 1",
            fix="Give all of them, as shares of the whole.",
        )


def _words(array: xarray.DataArray, place: tuple[int, ...]) -> str:
    named = zip(array.dims, place, strict=False)
    return ", ".join(f"{name} {index}" for name, index in named) or "the only sample"
