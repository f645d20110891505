"""What naming a hidden term gives: the identifiability report, formulas with their intervals, a trial."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sympy as sp
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.capabilities import HeldOut
from sciml.discovery._confirm import Constant
from sciml.discovery._dimensions import UnitsVerdict
from sciml.discovery._equivalence import Match
from sciml.discovery._front import SymbolicFront, format_expr
from sciml.discovery._identify import Identifiability


class MeasuredTerm(NamedTuple):
    """A hidden term as some method measured it along trajectories, trajectory after trajectory.

    Fields:
        trajectory: to which each row belongs.
        inputs: of the known part, from the method's own idea of the state; the first row of a trajectory is its start.
        hidden: the hidden term there.
        spread: standard deviation of it over independent fits; None from a single one.
        times: of the rows, increasing along a trajectory; with them formulas are compared with what was observed by
            their integrals over time (see `WeakForm`), and without by the values of `hidden` alone.
    """

    trajectory: Int[Tensor, " row"]
    inputs: Float[Tensor, "row input"]
    hidden: Float[Tensor, "row channel"]
    spread: Float[Tensor, "row channel"] | None = None
    times: Float[Tensor, " row"] | None = None


@dataclass(frozen=True)
class Component:
    """The hidden part of one field's equation.

    Arguments:
        field: whose rate it belongs to.
        front: formulas by complexity and error.
        expr: the chosen one.
        sigma: error of the values it was fitted to, as estimated, root mean square over places.
        match: comparison with the truth, where that is known.
        misfit: mean squared misfit of the observations by the whole equation, in units of the noise where known.
        constants: the numbers of `expr` with their intervals, in the order of their text.
        nice: `expr` with shorter numbers, if the observations allow all of them at once.
        units: whether the formula fits the units of its inputs, where the problem has any.
        explained: share of what is hidden that the favourite of the front explains; None where noise is left.
        rivals: other formulas that the observations allow as well, and by how much of its size each differs from `expr`
            on a box twice as wide as what was observed.
        is_approximate: whether the residuals of the field follow each other along time, or are far above the noise: the
            formula is close to the law where it was observed, and another one.
    """

    field: str
    front: SymbolicFront
    expr: sp.Expr
    sigma: float | None
    match: Match | None
    misfit: float | None = None
    constants: tuple[Constant, ...] = ()
    nice: sp.Expr | None = None
    units: UnitsVerdict | None = None
    explained: float | None = None
    rivals: tuple[tuple[sp.Expr, float], ...] = ()
    is_approximate: bool = False


@dataclass(frozen=True)
class Trial:
    """The equation that was found, from the held-out initial condition.

    Arguments:
        held: the truth.
        states: the simulation, ``time channel *space``.
        error: relative L2; infinite if the simulation broke down.
        ok: whether it reached the end.
    """

    held: HeldOut
    states: Tensor
    error: float
    ok: bool


@dataclass(frozen=True)
class Named:
    """What naming found.

    Arguments:
        identifiability: the report that precedes any formula.
        components: formulas; empty if none may be looked for.
        trial: of the equation with those formulas, where there is an initial condition to try.
        scalars: unknown scalars of the known part, fitted to the observations where there are formulas.
        intervals: of those, then.
        seconds: wall time by stage.
        advice: whether a surrogate that knows the equation would find more than smooth curves do.
    """

    identifiability: Identifiability
    components: tuple[Component, ...] = ()
    trial: Trial | None = None
    scalars: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Constant] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    advice: str = ""

    @property
    def is_approximate(self) -> bool:
        """Whether some formula is an approximation within the range of the observations."""
        return any(component.is_approximate for component in self.components)

    @property
    def formulas(self) -> tuple[sp.Expr, ...]:
        """The chosen formula of every field; empty if none may be looked for."""
        return tuple(component.expr for component in self.components)

    def equations(self, digits: int = 4) -> dict[str, str]:
        """The hidden part of every field as text."""
        return {component.field: format_expr(component.expr, digits) for component in self.components}

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """Plain data for JSON."""
        return {
            "identifiability": self.identifiability.to_dict(),
            "equations": self.equations(),
            "components": {
                c.field: {
                    "front": c.front.to_dict(),
                    "chosen": format_expr(c.expr, 6),
                    "sigma": c.sigma,
                    "misfit": c.misfit,
                    "match": None if c.match is None else vars(c.match),
                    "constants": [vars(number) for number in c.constants],
                    "nice": None if c.nice is None else format_expr(c.nice),
                    "units": None if c.units is None else vars(c.units),
                    "rivals": [{"text": format_expr(expr), "apart": apart} for expr, apart in c.rivals],
                    "is_approximate": c.is_approximate,
                }
                for c in self.components
            },
            "forecast": None if self.trial is None else {"relative_l2": self.trial.error, "ok": self.trial.ok},
            "scalars": dict(self.scalars),
            "intervals": {name: vars(number) for name, number in self.intervals.items()},
            "seconds": dict(self.seconds),
            "advice": self.advice,
        }
