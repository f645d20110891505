"""Where ratios of errors are defined at all: frames whose truth is not constant, or not zero, to rounding."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.metrics._fields import centred, rms
from sciml.metrics._named_axes import Array, read

_ROUNDINGS = 4 * torch.finfo(torch.float32).eps
"""Share of a field's magnitude that counts as nothing: fields are stored in single precision."""


def varies(true: Array, size: Float[Tensor, " channel"], *, dims: str | None = None) -> Array:
    """Whether each frame's standard deviation over space is more than rounding of fields of magnitude `size`.

    A frame that does not vary has no VRMSE and no correlation; leave it out of means.

    Arguments:
        true: the reference.
        size: magnitude per channel, in its units, for example its root mean square over the training data.

    Returns:
        ``sample time channel``, of type bool.
    """
    axes, field = read(true, dims, space=True)
    return axes.result(centred(field).square().mean(-1).sqrt() > _ROUNDINGS * size.double(), "sample time channel")


def is_there(true: Array, size: Float[Tensor, " channel"], *, dims: str | None = None) -> Array:
    """Whether each frame's root mean square is more than rounding of `size`: for errors over ``‖true‖``."""
    axes, field = read(true, dims)
    return axes.result(rms(field.double()) > _ROUNDINGS * size.double(), "sample time channel")


def mean_where(values: Tensor, defined: Tensor | None) -> float:
    """Mean over all entries, or over the defined ones; NaN where there are none. A diverged entry spoils it."""
    chosen = values.double() if defined is None else values.double()[defined]
    return float(chosen.mean()) if chosen.numel() else float("nan")


RATIOS: Mapping[str, str] = {"vrmse": "varies", "pearson": "varies", "nrmse": "is_there", "scaled_l2": "is_there"}
"""Which of the two a metric per channel needs."""
