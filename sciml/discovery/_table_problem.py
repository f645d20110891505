"""The problem of finding what is hidden in the equations of a user's own table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sympy as sp
import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, HeldOut, HiddenSpec, Levels, ObservationPlan, Observations
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import UserError
from sciml.core.marks import hidden
from sciml.core.statement import Statement, Unknown
from sciml.discovery._signal import Signal

if TYPE_CHECKING:
    from sciml.discovery._table import TableData


@dataclass(frozen=True, kw_only=True)
class TableProblem(HasHiddenTerm):
    """Trajectories from a file, with a known part from a formula.

    Unknown scalars of the known part must multiply functions of the columns. The hidden term could absorb such
    products, so they are left to it while measuring, and read off the formula afterwards (see `split_scalars`). Those
    of equations that are complete, and those with a value per trajectory, are guessed and fitted.
    """

    hidden: HiddenSpec
    source: TableData
    tables: tuple[Observations, ...] = ()
    spare: Observations | None = None
    signals: tuple[Signal, ...] = ()
    known_terms: tuple[sp.Expr, ...] = ()
    multipliers: Mapping[str, tuple[sp.Expr, ...]] = field(default_factory=dict)
    guesses: Mapping[str, float] = field(default_factory=dict)
    own: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def hidden_statement(self, trajectory: int = 0) -> Statement:
        """The known formulas without the terms of absorbed scalars; the hidden terms and the starts are not known.

        Inputs are further functions of time, of whose rates nothing is asked.
        """
        driving = [entry.symbol for entry in self.hidden.drivers]
        names = [entry.symbol for entry in self.fields]
        time, space = sp.Symbol("t"), [sp.Symbol(axis) for axis in self.source.space]
        functions = {sp.Symbol(name): sp.Function(name)(time, *space) for name in (*names, *driving)}
        slopes = {
            sp.Symbol(name): functions[sp.Symbol(field)].diff(sp.Symbol(letters[0]), len(letters))
            for name, (field, letters) in self.source.derivatives.items()
        }
        known = [term.xreplace({**functions, **slopes}) for term in self.known_terms]
        places = torch.cat([table.coordinates for table in self.tables])
        lower, upper = places.amin(0).tolist(), places.amax(0).tolist()
        units = (self.source.time_units, *("1" for _ in space))
        rates = [sp.Eq(functions[sp.Symbol(name)].diff(time), term if name in self.hidden.complete else term + hidden())
                 for name, term in zip(names, known, strict=True)]  # fmt: skip
        means = {name: sum(values) / len(values) for name, values in self.own.items()}
        return Statement(
            domain=Domain(
                tuple(
                    Coordinate(name, a, b, units=unit)
                    for name, a, b, unit in zip(("t", *self.source.space), lower, upper, units, strict=True)
                ),
                time="t",
            ),
            fields=(*names, *driving),
            equations=(*rates, *(sp.Eq(functions[sp.Symbol(name)].diff(time), hidden()) for name in driving)),
            unknowns=tuple(Unknown(name, value) for name, value in {**self.guesses, **means}.items()),
        )

    @property
    def levels(self) -> Levels:
        """Mean and standard deviation of every field over the observations."""
        every = torch.cat([table.values for table in self.tables])
        offset = every.nanmean(0)
        spread = (every - offset).square().nanmean(0).sqrt()
        return Levels(offset, torch.where(spread > 0, spread, 1.0))

    def drivers(self, trajectory: int, times: Tensor) -> Tensor:
        """The inputs of the table, smooth between their times."""
        return self.drivers_at(torch.full((len(times),), trajectory), times)

    def drivers_at(self, trajectory: Tensor, times: Tensor) -> Tensor:
        """`drivers` of all trajectories at once."""
        signals = [signal.at(trajectory, times) for signal in self.signals]
        return torch.stack(signals, dim=1) if signals else times.new_zeros((len(times), 0), dtype=torch.float64)

    def scalar_guesses(self, trajectory: Tensor) -> dict[str, Tensor]:
        """One value per trajectory of those that have their own."""
        shared = {name: torch.full(trajectory.shape, value).double() for name, value in self.guesses.items()}
        return shared | {name: torch.tensor(values).double()[trajectory] for name, values in self.own.items()}

    def observations(self, plan: ObservationPlan, generator: torch.Generator) -> tuple[Observations, ...]:
        """The rows of the file. Raises UserError for more trajectories than it has, or for other points or noise."""
        if plan.trajectories > len(self.tables):
            raise UserError("the table has fewer trajectories", got=plan.trajectories, expected=len(self.tables))
        if (plan.points, plan.noise) != (self.hidden.plan.points, self.hidden.plan.noise):
            raise UserError("a table has the points and the noise it was measured with",
                            got=f"{plan.points} points, noise {plan.noise:g}",
                            fix="Leave out task.points and task.noise.")  # fmt: skip
        return self.tables[: plan.trajectories]

    def held_out(self) -> HeldOut | None:
        """The last trajectory from its first complete row on, if there are enough trajectories."""
        if self.spare is None or self.source.space:
            return None
        whole = self.spare.seen.all(1).nonzero()[:, 0]
        if not len(whole) or int(whole[0]) > len(self.spare.values) - 2:
            return None
        first = int(whole[0])
        return HeldOut(self.spare.coordinates[first:, 0], self.spare.values[first:])

    def split_scalars(self, formulas: Sequence[sp.Expr]) -> tuple[dict[str, float | None], tuple[sp.Expr, ...]]:
        """The unknown scalars, and the formulas without them.

        A scalar is the coefficient of what it multiplies in the known part, in the first equation it stands in, on the
        assumption that the hidden part has no such term; None where the formula has no such term either.
        """
        rest, scalars = [sp.expand(expr) for expr in formulas], {}
        for name, shapes in self.multipliers.items():
            value = None
            for i, shape in enumerate(shapes):
                if shape != 0 and value is None:
                    number, core = shape.as_coeff_Mul()
                    parts = (term.as_coeff_Mul() for term in sp.Add.make_args(rest[i]))
                    value = next((float(c / number) for c, rest_of in parts if rest_of == core), None)
            scalars[name] = value
            if value is not None:
                rest = [_without_zeros(sp.expand(e - value * s), abs(value)) for e, s in zip(rest, shapes, strict=True)]
        return scalars, tuple(rest)


def _without_zeros(expr: sp.Expr, size: float) -> sp.Expr:
    """Terms that cancelled but for rounding are dropped, `size` being that of what was taken away."""
    terms = [(term.as_coeff_Mul()[0], term) for term in sp.Add.make_args(expr)]
    return sp.Add(*(term for number, term in terms if not number.is_Float or abs(number) > 1e-12 * size))
