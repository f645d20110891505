"""A problem: what a folder under ``problems/`` exports.

A `Problem` is frozen data about an equation. What can be done with it is said by the capability classes it inherits
(see `sciml.core.capabilities`): a problem that can be simulated is an `Evolves`, one with a differential equation a
`HasResidual`, and one class may be several. Solvers look at the capabilities, never at the name.
"""

import math
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.paths import check_name
from sciml.core.types import Grid, Params

SHELL = (0.1, 0.2)
"""How far outside of their ranges parameters are drawn to examine extrapolation, in shares of the range."""


RESERVED = frozenset({
    "sample", "time", "channel", "field", "case", "cases", "metric", "status", "trajectory", "active", "relative_l2",
    "vrmse", "covered", "band", "chance", "evaluations", "forcing_time", "class", "label", "predicted", "probability",
    "log_density", "grid_log_density", "path", "draw", "query", "query_number", "run", "point", "seed",
})  # fmt: skip
"""What files of data, inputs and predictions call variables and dimensions of their own."""
DERIVED = ("sigma", "low", "high", "observed", "summary", "signal", "drawn", "grid")
"""Prefixes of variables that files derive from others: ``sigma_h`` is the error stated for ``h``."""


@dataclass(frozen=True)
class Field:
    """One unknown of the equation: ``Field("h", "h", "m", "layer thickness")``.

    Arguments:
        name, symbol, units, long_name: key, Unicode symbol, physical units (``1`` for none), words.
        odd: axes in whose walls' mirror the field changes its sign, ``("x",)`` for a velocity along x; the empty tuple
            for a field that keeps it at every wall, such as a density. None where that is not known.
        least, most: what is physically possible; None where nothing is in the way.
        open: which of these ends are impossible themselves: ``("least",)`` for a temperature, which is above 0 K.
        share_of: a whole that fields with the same word add up to, as mass fractions do to one; empty for none.
        rest: whether something that is no field holds what these shares leave of the whole.
    """

    name: str
    symbol: str
    units: str
    long_name: str
    odd: tuple[str, ...] | None = None
    least: float | None = None
    most: float | None = None
    open: tuple[str, ...] = ()
    share_of: str = ""
    rest: bool = False

    def __post_init__(self) -> None:
        _check_ends("field", self.name, self.least, self.most, self.open)

    @property
    def possible(self) -> tuple[float, float]:
        """What is physically possible, infinite where nothing is in the way."""
        return _ends(self.least, self.most)


@dataclass(frozen=True)
class Parameter:
    """One physical parameter, drawn per trajectory.

    Arguments:
        name, symbol, units, long_name: as for `Field`.
        low, high: the range it is drawn from.
        scale: ``linear`` for a uniform draw, ``log`` for a uniform draw of its logarithm.
        least, most: what is physically possible, where that is an end of the world near the range (a wall); None where
            nothing is in the way.
        open: which of these two are impossible themselves, as for a `Field`.
    """

    name: str
    symbol: str
    units: str
    long_name: str
    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    least: float | None = None
    most: float | None = None
    open: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_ends("parameter", self.name, self.least, self.most, self.open)
        if not (math.isfinite(self.low) and self.low <= self.high < math.inf) or (
            self.scale == "log" and self.low <= 0
        ):
            raise UserError(
                f"parameter {self.name!r} has an impossible range",
                got=f"[{self.low}, {self.high}] ({self.scale})",
                expected="finite low <= high, and low > 0 for a log scale",
            )
        if self.possible[0] > self.low or self.possible[1] < self.high:
            raise UserError(
                f"parameter {self.name!r} has a range with impossible values",
                got=f"[{self.low}, {self.high}]",
                expected="values from {} to {}".format(*self.possible),
            )

    @property
    def possible(self) -> tuple[float, float]:
        """What is physically possible, infinite where nothing is in the way."""
        return _ends(self.least, self.most)

    def draw(self, generator: torch.Generator) -> Float[Tensor, ""]:
        """One float64 value from the range."""
        return self.at(torch.rand((), generator=generator, dtype=torch.float64))

    def at(self, unit: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The value at a place of the range on its scale: `low` at 0, `high` at 1, outside beyond them."""
        if self.scale == "log":
            return torch.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
        return self.low + unit * (self.high - self.low)


@dataclass(frozen=True)
class Published:
    """A number that others published for a like problem, for orientation: their data, their networks, their budget.

    Arguments:
        method: as they call it.
        data: on what.
        metric: which number, in words.
        value: of it; as they print it, so that digits are theirs.
        source: where it is printed.
    """

    method: str
    data: str
    metric: str
    value: str
    source: str


@dataclass(frozen=True)
class Invariant:
    """A quantity the exact dynamics conserves (or nearly), watched in data and predictions.

    Arguments:
        name, long_name: key in records and its words.
        compute: ``(states, params, grid) -> values``; states ``batch time channel *space`` to values ``batch time``.
        tolerance: largest relative drift accepted in reference data as stored (float32).
    """

    name: str
    long_name: str
    compute: Callable[[Tensor, Params, Grid], Tensor]
    tolerance: float


@dataclass(frozen=True, kw_only=True)
class Problem(ABC):
    """Frozen description of an equation and its setting.

    Arguments:
        name: registry key, lower snake case, equal to the folder's name.
        title: a short human name.
        equation: the equations in Unicode, one per line.
        fields: the unknowns, in channel order.
        parameters: what varies between trajectories and is constant along each.
        forcings: known numbers that vary along a trajectory, the same at all points: an inflow, a heating power.
        time_step: name of the parameter that is the time between frames, where that differs between trajectories.
        boundary: kind per spatial axis, for example ``{"y": "periodic", "x": "periodic"}``.
        presets: names of the presets its dataset card offers.
        invariants: conserved quantities.
        metrics: keys of the headline metrics, first one first.
        citation: where the problem comes from.
        solver: key of the solver that `sciml run` takes when none is named.
        published: numbers of others for orientation, shown on pages as theirs.
        version: raised whenever the reference solver's output changes, so that cached data is generated again.
    """

    name: str
    title: str
    equation: str
    fields: tuple[Field, ...]
    parameters: tuple[Parameter, ...] = ()
    forcings: tuple[Parameter, ...] = ()
    time_step: str | None = None
    boundary: Mapping[str, str]
    presets: tuple[str, ...] = ("tiny", "small", "paper")
    invariants: tuple[Invariant, ...] = ()
    metrics: tuple[str, ...] = ("one_step/relative_l2", "rollout/relative_l2")
    citation: str
    solver: str = "sinenet"
    published: tuple[Published, ...] = ()
    version: int = 1

    def __post_init__(self) -> None:
        check_name(self.name, "problem")
        names = [entry.name for entry in (*self.fields, *self.parameters, *self.forcings)]
        if not self.fields or len(set(names)) != len(names):
            raise UserError(
                f"problem {self.name!r} needs at least one field and distinct names of fields and parameters",
                got=names,
            )
        _refuse_taken(self.name, names, tuple(self.boundary))
        for entry in self.fields:
            if astray := [axis for axis in entry.odd or () if self.boundary.get(axis) != "wall"]:
                raise UserError(
                    f"field {entry.name!r} of problem {self.name!r} cannot be odd along {astray[0]!r}",
                    got=self.boundary.get(astray[0], "no such axis"),
                    expected=f"an axis with walls, of {dict(self.boundary)}",
                    fix="Fields have a parity in the mirror of a wall and nowhere else.",
                )
        if self.time_step is not None and self.time_step not in [entry.name for entry in self.parameters]:
            raise UserError(f"the time step of problem {self.name!r} is none of its parameters", got=self.time_step)

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:  # Any: of the pickle protocol
        """A folder's problem is pickled as its place, as a module is by its name: a folder may hold anything."""
        from sciml.core import registry  # it loads problems, so it imports this module

        return registry.by_place(self) or super().__reduce_ex__(protocol)

    def draw(self, generator: torch.Generator) -> dict[str, Float[Tensor, ""]]:
        """One value of every parameter, in declaration order."""
        return {parameter.name: parameter.draw(generator) for parameter in self.parameters}

    def draw_beyond(self, generator: torch.Generator) -> dict[str, Float[Tensor, ""]]:
        """One value of every parameter, in the shell around the box of ranges that extrapolation is examined in.

        Uniform where every parameter is at most 20 % of its range outside of it and one at least is 10 % or more
        (`SHELL`), on the parameter's own scale; then cut to what is physically possible.

        Raises: UserError for a problem without a parameter that varies.
        """
        if all(entry.low == entry.high for entry in self.parameters):
            raise UserError(
                f"problem {self.name!r} has no parameter that varies, so there is nothing beyond its ranges"
            )
        near, far = SHELL
        varies = torch.tensor([entry.low < entry.high for entry in self.parameters])
        while True:
            units = (1 + 2 * far) * torch.rand(len(self.parameters), generator=generator, dtype=torch.float64) - far
            if bool((((units < -near) | (units > 1 + near)) & varies).any()):
                break
        pairs = zip(self.parameters, units, strict=True)
        return {entry.name: entry.at(unit).clamp(*entry.possible) for entry, unit in pairs}


def _refuse_taken(problem: str, names: Sequence[str], axes: Sequence[str]) -> None:
    """Refuse names of fields, parameters and forcings that files use for something else."""
    meanings = dict.fromkeys(RESERVED, "is a name that files of data and predictions use themselves")
    meanings |= dict.fromkeys(axes, "is the name of an axis")
    meanings |= {f"{prefix}_{name}": f"is what files call something derived from {name!r}"
                 for name in names for prefix in DERIVED}  # fmt: skip
    if taken := [name for name in names if name in meanings]:
        raise UserError(
            f"problem {problem!r} cannot call a field or parameter {taken[0]!r}: it {meanings[taken[0]]}",
            got=", ".join(taken),
            fix="Call it something else: it would overwrite, or be overwritten by, the variable of that name.",
        )


def _ends(least: float | None, most: float | None) -> tuple[float, float]:
    return -math.inf if least is None else least, math.inf if most is None else most


def _check_ends(kind: str, name: str, least: float | None, most: float | None, ends: Sequence[str]) -> None:
    """Refuse bounds that leave nothing, and open ends that are not there."""
    low, high = _ends(least, most)
    missing = [end for end in ends if {"least": least, "most": most}.get(end) is None]
    if not low < high or missing:
        raise UserError(
            f"{kind} {name!r} has impossible bounds",
            got=f"least={least}, most={most}, open={tuple(ends)}",
            expected="least < most, and open one or both of 'least' and 'most' that are given",
        )


def is_possible(entry: Field | Parameter, values: Float[Tensor, "..."], slack: float = 0.0) -> Bool[Tensor, "..."]:
    """Whether values are physically possible; those that are not finite are not asked.

    Bounds are those of single precision, in which values are stored; closed ones may be missed by `slack`, in units of
    the values: a mass fraction of -1e-18 is rounding.
    """
    values = values.float()
    low, high = values.new_tensor(entry.possible)
    above = values > low if "least" in entry.open else values >= low - slack
    below = values < high if "most" in entry.open else values <= high + slack
    return (above & below) | ~values.isfinite()


def possible_words(entry: Field | Parameter) -> str:
    """The interval of what is possible, ``(0, inf) K``."""
    low, high = entry.possible
    left, right = "(" if "least" in entry.open or low == -math.inf else "[", ")" if "most" in entry.open else "]"
    units = "" if entry.units == "1" else f" {entry.units}"
    return f"{left}{low:g}, {high:g}{')' if high == math.inf else right}{units}"
