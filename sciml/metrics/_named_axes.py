"""Axes by name: what lets a metric refuse a tensor of another layout instead of averaging over the wrong axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import numpy as np
import torch
import xarray
from torch import Tensor

from sciml.core.errors import UserError

Array = TypeVar("Array", Tensor, xarray.DataArray)
"""What a metric takes and gives: tensors, or labelled arrays of xarray."""

ROLES = ("sample", "time", "channel")
_SYNONYMS = {"batch": "sample"}  # what tensors call it; `sample` is the word on disk
_OTHER_WORDS = {
    "sample": {"b", "n", "s", "samples", "batches", "trajectory", "case"},
    "time": {"t", "times", "step", "steps", "frame", "frames"},
    "channel": {"c", "ch", "channels", "field", "fields", "feature", "features", "variable", "component"},
}
_SPACE = "*space"
_EXAMPLE = 'dims="sample time channel *space", or "sample channel=3 y x"'


@dataclass(frozen=True)
class Axes(Generic[Array]):
    """The axes of what a metric was given: which roles it has, and its axes in space.

    Arguments:
        roles: those of sample, time and channel that it has; the others are of length one in the tensors of `read`.
        space: names of the axes in space, in the order of the given dims.
        anonymous: whether these come from ``*space``, so that their names say nothing.
        source: what was given first.
    """

    roles: tuple[str, ...]
    space: tuple[str, ...]
    anonymous: bool
    source: Array

    def result(self, values: Tensor, names: str) -> Array:
        """What a metric gives for `values` of the axes `names`: without the roles that were not there, labelled if the
        input was.
        """  # fmt: skip
        axes = names.split()
        kept = tuple(name for name in axes if name in self.roles or name not in ROLES)
        values = values.reshape([size for name, size in zip(axes, values.shape, strict=True) if name in kept])
        if isinstance(self.source, Tensor):
            return cast("Array", values)
        coords = {name: self.source.coords[name] for name in kept if name in self.source.coords}
        return cast("Array", xarray.DataArray(values.numpy(force=True), coords, kept))


def read(array: Array, dims: str | None, *, space: bool = False) -> tuple[Axes[Array], Tensor]:
    """The axes of an array, and its values as ``sample time channel *space``.

    Arguments:
        array: a tensor, or a labelled array.
        dims: names of the axes of a tensor, in its order. None for a labelled array, which has its own.
        space: whether at least one axis in space is needed.

    Raises:
        UserError: no names for a tensor, or names that do not fit it.
    """
    values, dims = _unlabelled(array, dims)
    names, anonymous = _names(dims, values)
    roles = tuple(role for role in ROLES if role in names)
    axes = tuple(name for name in names if name not in ROLES)
    if space and not axes:
        raise UserError(
            "a field has too few axes for this metric",
            got=f"shape {tuple(values.shape)} with dims {dims!r}",
            expected="at least one spatial axis",
            fix="Errors of an ODE (no space) are measured by relative_l2, scaled_l2, rmse or max_error.",
        )
    values = values.permute([names.index(name) for name in (*roles, *axes)])
    shape = iter(values.shape)
    full = [next(shape) if role in roles else 1 for role in ROLES]
    return Axes(roles, axes, anonymous, array), values.reshape(*full, *shape)


def read_pair(pred: Array, true: Array, dims: str | None, *, space: bool = False) -> tuple[Axes[Array], Tensor, Tensor]:
    """The axes and the values of prediction and truth, both ``sample time channel *space``; nothing broadcasts.

    Labelled arrays are brought to one order of axes, and must have the same coordinates.

    Raises:
        UserError: as `read`; the two differ in kind, shape, axes or coordinates.
    """
    if isinstance(pred, Tensor) != isinstance(true, Tensor):
        raise UserError("prediction and truth are of different kinds", got=f"{type(pred).__name__} and "
                        f"{type(true).__name__}", expected="two tensors, or two labelled arrays")  # fmt: skip
    if isinstance(pred, xarray.DataArray) and isinstance(true, xarray.DataArray):
        true = cast("Array", _matched(pred, true))
    if pred.shape != true.shape:
        raise UserError(
            "prediction and truth have different shapes",
            got=f"{tuple(pred.shape)} and {tuple(true.shape)}",
            expected="two of one shape" + (f", {dims}" if dims else ""),
            fix="Cut the context frames off the truth, or select the same channels in both.",
        )
    axes, predicted = read(pred, dims, space=space)
    return axes, predicted, read(true, dims, space=space)[1]


def read_series(array: Array, dims: str | None) -> tuple[Axes[Array], Tensor]:
    """The axes of numbers over time and their values, ``sample channel time``; no space.

    Raises:
        UserError: as `read`; no axis of time, or one in space.
    """
    axes, values = read(array, dims)
    if axes.space or "time" not in axes.roles:
        raise UserError(
            "this needs numbers over time",
            got=f"axes {', '.join((*axes.roles, *axes.space)) or 'none'}",
            expected="time, and perhaps sample and channel",
            fix="" if "time" not in axes.roles else "Reduce the fields over space first.",
        )
    return axes, values.movedim(1, -1)


def in_order(axes: Axes[Array], values: Tensor, names: Sequence[str]) -> Tensor:
    """`values` with their axes in space in the order of `names`, where those of `axes` say anything.

    Raises:
        UserError: the names differ.
    """
    if axes.anonymous:
        return values
    if set(axes.space) != set(names):
        raise UserError("the fields do not lie on the grid", got=f"axes {', '.join(axes.space)}",
                        expected=", ".join(names))  # fmt: skip
    return values.permute(*range(len(ROLES)), *(len(ROLES) + axes.space.index(name) for name in names))


def _unlabelled(array: Array, dims: str | None) -> tuple[Tensor, str]:
    if isinstance(array, xarray.DataArray):
        labels = " ".join(map(str, array.dims))
        if dims is not None and dims.split() != labels.split():
            raise UserError("dims differ from those of the labelled array", got=dims, expected=labels,
                            fix="Leave out dims: a labelled array has its own.")  # fmt: skip
        values = torch.as_tensor(np.ascontiguousarray(array.to_numpy()))
        return (values if values.is_floating_point() else values.double()), labels
    if dims is None:
        raise UserError("the axes of a tensor have no names", got=f"shape {tuple(array.shape)} without dims",
                        expected=_EXAMPLE, fix="Name the axes in the order of the tensor.")  # fmt: skip
    return array, dims


def _names(dims: str, values: Tensor) -> tuple[tuple[str, ...], bool]:
    """The name of every axis, and whether those in space come from ``*space``."""
    words = [word.partition("=") for word in dims.split()]
    names = [_SYNONYMS.get(name, name) for name, _, _ in words]
    sizes = {name: size for name, (_, sign, size) in zip(names, words, strict=True) if sign}
    _refuse_unclear(names, dims)
    anonymous = _SPACE in names
    if anonymous:
        at, count = names.index(_SPACE), values.ndim - len(names) + 1
        names[at : at + 1] = [f"*space{i}" for i in range(count)]
    shape = tuple(values.shape)
    if len(names) != values.ndim:
        raise UserError("dims do not fit the shape", got=f"{values.ndim} axes, shape {shape}, for dims {dims!r}",
                        expected="one name per axis", fix=f"For example {_EXAMPLE}.")  # fmt: skip
    for name, size in sizes.items():
        if str(shape[names.index(name)]) != size:
            raise UserError(f"axis {name} has another length than dims say", got=f"shape {shape} for dims {dims!r}",
                            expected=f"{name}={size}", fix="Name the axes in the order of the tensor.")  # fmt: skip
    return tuple(names), anonymous


def _refuse_unclear(names: Sequence[str], dims: str) -> None:
    spatial = [name for name in names if name not in ROLES]
    if len(set(names)) != len(names) or (_SPACE in names and len(spatial) > 1):
        raise UserError("an axis is named twice", got=dims, fix=f"For example {_EXAMPLE}.")
    for name in spatial:
        for role, words in _OTHER_WORDS.items():
            if name.lower() in {*words, role}:
                raise UserError(f"{name!r} might be the axis {role}", got=f"dims {dims!r}", expected=f"{role!r}",
                                fix="Axes other than sample, time and channel are axes in space.")  # fmt: skip
        if name != _SPACE and not name.isidentifier():
            raise UserError(f"{name!r} is no name of an axis", got=f"dims {dims!r}",
                            fix=f"For example {_EXAMPLE}.")  # fmt: skip


def _matched(pred: xarray.DataArray, true: xarray.DataArray) -> xarray.DataArray:
    """The truth with its axes in the order of the prediction's, once their coordinates are seen to agree."""
    if set(pred.dims) != set(true.dims):
        raise UserError("prediction and truth have different axes", got=f"{', '.join(map(str, pred.dims))} and "
                        f"{', '.join(map(str, true.dims))}")  # fmt: skip
    for name in pred.dims:
        if name in pred.coords and name in true.coords and not _agree(pred[name].to_numpy(), true[name].to_numpy()):
            raise UserError(f"prediction and truth have different coordinates along {name}",
                            fix="Select the same ones in both.")  # fmt: skip
    return true.transpose(*pred.dims)


def _agree(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two coordinates are the same, to the rounding of single precision."""
    if a.shape != b.shape:
        return True  # of different shapes: said in better words by the caller
    if a.dtype.kind in "fiu" and b.dtype.kind in "fiu":
        return bool(np.allclose(a, b, rtol=1e-6, atol=1e-6 * float(np.ptp(a)) if a.size else 0.0))
    return bool(np.array_equal(a, b))
