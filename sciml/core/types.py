"""Value types and tensor shapes shared by every layer.

Axis words: ``sample time channel y x`` on disk, ``batch time channel *space`` in tensors (channel before space).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import UserError

Params = Mapping[str, Tensor]
"""Physical parameters by name; each value has shape ``batch`` (or is a scalar for a single draw)."""


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a uniform grid.

    Arguments:
        name: coordinate name on disk (``x``, ``y``).
        size: number of points (cells).
        lower, upper: end points of the domain in physical units.
        boundary: ``periodic``, ``wall`` or ``open``; a periodic axis does not store its right end point.
        units: physical units of the coordinate (``m``, or ``1`` when non-dimensional).
    """

    name: str
    size: int
    lower: float
    upper: float
    boundary: str = "periodic"
    units: str = "1"

    def __post_init__(self) -> None:
        if self.boundary not in ("periodic", "wall", "open"):
            raise UserError(f"axis {self.name!r} has an unknown kind of boundary", got=repr(self.boundary),
                            expected="periodic, wall or open")  # fmt: skip
        if self.size < 1 or not self.upper > self.lower:
            raise UserError(
                f"axis {self.name!r} of the grid is empty",
                got=f"size {self.size}, interval [{self.lower}, {self.upper}]",
                expected="a positive size and upper > lower",
            )

    @property
    def extent(self) -> float:
        """Length of the domain along this axis."""
        return self.upper - self.lower

    @property
    def spacing(self) -> float:
        """Distance between neighbouring points."""
        return self.extent / self.size

    @property
    def periodic(self) -> bool:
        """Whether the axis closes on itself."""
        return self.boundary == "periodic"

    def points(self, dtype: torch.dtype = torch.float64) -> Float[Tensor, " point"]:
        """Left edges on a periodic axis (so that a spectral grid starts at `lower`), cell centres otherwise."""
        offset = 0.0 if self.periodic else 0.5
        return self.lower + (torch.arange(self.size, dtype=dtype) + offset) * self.spacing


@dataclass(frozen=True)
class Grid:
    """A uniform Cartesian grid, axes in storage order (``y`` before ``x``); no axes at all for an ODE."""

    axes: tuple[Axis, ...] = ()

    @property
    def size(self) -> tuple[int, ...]:
        """Points per axis."""
        return tuple(axis.size for axis in self.axes)

    @property
    def dims(self) -> tuple[str, ...]:
        """Axis names, as on disk."""
        return tuple(axis.name for axis in self.axes)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Whether each axis closes on itself."""
        return tuple(axis.periodic for axis in self.axes)


class Trajectory(NamedTuple):
    """What a reference solver returns.

    Fields:
        states: values at the requested times, ``batch time channel *space``.
        status: one `sciml.core.status.Status` code per sample; states after a failure are NaN.
        stats: counters of the method (steps, evaluations), by name.
    """

    states: Float[Tensor, "batch time channel *space"]
    status: Int[Tensor, " batch"]
    stats: Mapping[str, Any] = {}  # Any: tensors or numbers


class Prediction(NamedTuple):
    """What a solver's `predict` returns.

    Fields:
        mean: the answer, laid out as the task asks.
        spread: the standard deviation of its error, where the solver states one.
        status: one `sciml.core.status.Status` code per sample.
        stats: what it took, by name: ``evaluations`` (of a right-hand side, per sample) and ``calls`` (of the network,
            for the whole batch) where the solver integrates; and what it states of each sample beside `mean`:
            ``chance`` of the problem's outcome, ``summary/<name>``. What it does not state is computed from `mean`.
        band: half the width of the interval around `mean` that was calibrated to hold a share of the values, where
            the solver has one; NaN where it was not calibrated.
    """

    mean: Tensor
    spread: Tensor | None = None
    status: Int[Tensor, " batch"] | None = None
    stats: Mapping[str, Any] = {}  # Any: tensors or numbers
    band: Tensor | None = None


class Support(NamedTuple):
    """Whether two things go together, and why not."""

    ok: bool
    reason: str = ""
