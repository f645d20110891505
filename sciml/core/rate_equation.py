"""A marked statement as d(fields)/dt = known + hidden, both functions of a table of columns.

The columns are the fields and, for an equation in space, their derivatives, named ``u_x``, ``u_xx``. They are columns
of a table, so one description serves ordinary and partial differential equations.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.derivative_columns import differentiate
from sciml.core.errors import UserError
from sciml.core.expressions import Evaluator, Expression
from sciml.core.marks import marked_terms
from sciml.core.observations import time_first
from sciml.core.statement import Statement
from sciml.core.types import Params


class Column(NamedTuple):
    """Where a column comes from: which field, and how often it is differentiated along which coordinate."""

    channel: int
    order: int = 0
    axis: int = 0


class RateEquation:
    """The known and the hidden part of the rates of all fields.

    Arguments:
        statement: first order in time, each rate alone in one equation; its hidden terms are marked.
        hidden_inputs: the columns that the hidden part may depend on; empty for all of them.
        drivers: the last fields of the statement, which drive the others: columns whose rates are nobody's business.

    Attributes:
        statement: the same.
        inputs: names of all columns: fields, then derivatives.
        hidden_inputs: names of those that the hidden part may depend on.
        columns: where the inputs come from.
        known_terms: the known part per field, a sympy expression in the inputs, the time and the unknown numbers.
        hidden_terms: the hidden part per field; None where nobody knows it.

    Raises: UserError for a statement that is not of this form.
    """

    def __init__(
        self, statement: Statement, hidden_inputs: tuple[str, ...] = (), drivers: tuple[str, ...] = ()
    ) -> None:
        import sympy

        self.statement = statement
        if statement.domain.shape is not None:
            raise UserError("rates are taken on the whole box, and the domain is a shape", got=statement.domain,
                            expected="a Domain without a shape")  # fmt: skip
        order = time_first(statement.domain)
        self._axes = tuple(statement.domain.axes[i] for i in order)
        self.fields = statement.fields[: len(statement.fields) - len(drivers)]
        parts = [_parts(statement, field) for field in self.fields]
        derived = {pair for pair in statement.needs if pair[1] not in ("", statement.domain.time)}
        derived |= {self._pair(name) for name in hidden_inputs if name not in statement.fields}
        pairs = [(field, "") for field in statement.fields]
        pairs += sorted(derived, key=lambda pair: (len(pair[1]), pair[1], statement.fields.index(pair[0])))
        self.inputs = tuple(_name(*pair) for pair in pairs)
        self.columns = tuple(self._column(*pair) for pair in pairs)
        self.hidden_inputs = hidden_inputs or self.inputs
        symbols = {sympy.Symbol(f"{field}∂{letters}"): sympy.Symbol(_name(field, letters)) for field, letters in pairs}
        numbers = {sympy.Symbol(name): sympy.Float(value) for name, value in statement.parameters.items()}
        self.known_terms = tuple(known.xreplace({**symbols, **numbers}) for known, _ in parts)
        unnamed = any(term is None for _, term in parts)
        hidden = [term for _, term in parts if term is not None]
        self.hidden_terms: tuple[Expression, ...] | None = (
            None if unnamed else tuple(term.xreplace({**symbols, **numbers}) for term in hidden)
        )
        self._check(self.known_terms, {*self.inputs, statement.domain.time, *self.unknowns}, "known")
        self._check(self.hidden_terms or (), set(self.hidden_inputs), "hidden")
        self._known = Evaluator([known.xreplace(symbols) for known, _ in parts])
        self._hidden = None if unnamed else Evaluator([term.xreplace(symbols) for term in hidden])

    @property
    def unknowns(self) -> dict[str, float]:
        """Numbers of the known part that must be found too, with first guesses; often none."""
        return {unknown.name: unknown.start for unknown in self.statement.unknowns}

    @property
    def field_columns(self) -> list[int]:
        """The inputs that are the fields themselves."""
        return list(range(len(self.fields)))

    @property
    def hidden_columns(self) -> list[int]:
        """The inputs that the hidden part may depend on."""
        return [self.inputs.index(name) for name in self.hidden_inputs]

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the coordinates: time, then space."""
        return tuple(axis.name for axis in self._axes)

    @property
    def coordinate_units(self) -> dict[str, str]:
        """Units of the coordinates by name."""
        return {axis.name: axis.units for axis in self._axes}

    def known(
        self, time: Float[Tensor, " point"], inputs: Float[Tensor, "point input"], scalars: Params | None = None
    ) -> Float[Tensor, "point channel"]:
        """The known part of the rates; `scalars` holds the unknown numbers, their true values if left out."""
        values = {**self.statement.numbers(scalars), **dict(zip(self.inputs, inputs.unbind(1), strict=True))}
        return self._known({**values, self.statement.domain.time: time}, inputs[:, 0])

    def hidden(self, inputs: Float[Tensor, "point input"]) -> Float[Tensor, "point channel"] | None:
        """The hidden part of the rates, for scoring only; None where nobody knows it."""
        if self._hidden is None:
            return None
        values = {**self.statement.numbers(), **dict(zip(self.inputs, inputs.unbind(1), strict=True))}
        return self._hidden(values, inputs[:, 0])

    def slope(self, time: float, state: list[float]) -> list[float]:
        """Known and hidden part together of an ordinary differential equation, in plain numbers as SciPy likes them."""
        assert self._hidden is not None, "a reference solves an equation that is known"
        values = {**self.statement.numbers(), **dict(zip(self.inputs, state, strict=True))}
        values[self.statement.domain.time] = time
        return [a + b for a, b in zip(self._known.numbers(values), self._hidden.numbers(values), strict=True)]

    def in_domain_order(self, coordinates: Float[Tensor, "point dim"]) -> Float[Tensor, "point dim"]:
        """Coordinates ``(t, *space)`` as the statement's domain has its axes."""
        return coordinates[:, [self.axes.index(name) for name in self.statement.names]]

    def table(
        self, states: Float[Tensor, "batch channel *space"], drivers: Float[Tensor, "batch driver"] | None = None
    ) -> Float[Tensor, "batch *space input"]:
        """The inputs at given states: derivative columns by Fourier series along periodic axes, else by differences.

        States are given at the points of a regular grid, without those on walls (see `HeldOut`); drivers are the same
        everywhere in space.
        """
        if drivers is not None and drivers.shape[1]:
            everywhere = drivers.view(*drivers.shape, *(1 for _ in states.shape[2:]))
            states = torch.cat([states, everywhere.expand(-1, -1, *states.shape[2:])], dim=1)
        return torch.stack([self._derivative(states, column) for column in self.columns], dim=-1)

    def rates(
        self,
        time: Float[Tensor, " batch"],
        states: Float[Tensor, "batch channel *space"],
        hidden: Callable[[Float[Tensor, "point input"]], Float[Tensor, "point channel"]],
        scalars: Mapping[str, Float[Tensor, " batch"]],
        drivers: Float[Tensor, "batch driver"] | None = None,
    ) -> Float[Tensor, "batch channel *space"]:
        """d(states)/dt with some function of the inputs for the hidden part."""
        inputs = self.table(states, drivers)
        flat = inputs.flatten(0, -2)
        points = len(flat) // len(states)
        each = {name: value.repeat_interleave(points) for name, value in scalars.items()}
        rates = self.known(time.repeat_interleave(points), flat, each) + hidden(flat)
        return rates.view(*inputs.shape[:-1], -1).movedim(-1, 1)

    def _derivative(self, states: Tensor, column: Column) -> Tensor:
        values = states[:, column.channel]
        if not column.order:
            return values
        axis, field = self._axes[column.axis], self.statement.fields[column.channel]
        walls = {c.side: c for c in self.statement.face_conditions if c.field == field and c.axis == axis.name}
        return differentiate(values, column.order, column.axis, axis, walls)

    def _pair(self, name: str) -> tuple[str, str]:
        field, _, letters = name.rpartition("_")
        if field not in self.statement.fields:
            raise UserError(f"an input of the hidden part, {name!r}, is neither a field nor a derivative",
                            expected=f"one of: {', '.join(self.statement.fields)}, or a derivative such as "
                            f"{self.statement.fields[0]}_x")  # fmt: skip
        return field, letters

    def _column(self, field: str, letters: str) -> Column:
        if not letters:
            return Column(self.statement.fields.index(field))
        if len(set(letters)) > 1 or len(letters) > 2 or letters[0] not in self.axes[1:]:
            raise UserError(f"discovery has no column {_name(field, letters)!r}",
                            expected="first and second derivatives along one axis of space")  # fmt: skip
        return Column(self.statement.fields.index(field), len(letters), self.axes.index(letters[0]))

    def _check(self, terms: tuple[Expression, ...], allowed: set[str], which: str) -> None:
        strange = sorted({s.name for term in terms for s in term.free_symbols} - allowed)
        if strange:
            raise UserError(f"the {which} part of a rate depends on {', '.join(strange)}",
                            expected=f"some of: {', '.join(sorted(allowed))}")  # fmt: skip


def _name(field: str, letters: str) -> str:
    return f"{field}_{letters}" if letters else field


def _parts(statement: Statement, field: str) -> tuple[Expression, Expression | None]:
    """Known and hidden part of a field's rate in the symbols of `Statement.plain`; None for what nobody knows."""
    import sympy

    rate = sympy.Symbol(f"{field}∂{statement.domain.time}")
    rates = {sympy.Symbol(f"{name}∂{statement.domain.time}") for name in statement.fields}
    candidates = []
    for equation in statement.equations:
        marks = marked_terms(sympy.sympify(equation))
        stand_ins = {mark: sympy.Symbol(f"{field}∂hidden{i}") for i, mark in enumerate(marks)}
        plain, _ = statement.plain(sympy.sympify(equation).xreplace(stand_ins))
        if plain.has(rate):
            candidates.append((plain, stand_ins))
    if (
        len(candidates) != 1
        or (candidates[0][0].free_symbols & rates) != {rate}
        or not candidates[0][0].diff(rate).is_number
    ):
        raise UserError(f"the equation of {field!r} is not of the form d{field}/dt = …",
                        got=f"{len(candidates)} equations with that rate",
                        expected=f"one equation, in which ∂{field}/∂{statement.domain.time} has a number for a factor "
                        "and no other rate stands")  # fmt: skip
    (plain, stand_ins), terms = candidates[0], []
    factor = plain.diff(rate)
    right = -plain.subs(rate, 0) if factor == 1 else -plain.subs(rate, 0) / factor
    for mark, stand_in in stand_ins.items():
        share = right.diff(stand_in)
        if share.has(*stand_ins.values()):
            raise UserError(f"a hidden term in the equation of {field!r} is not added to the known part", got=mark)
        terms.append((share, mark))
    known = right.subs(dict.fromkeys(stand_ins.values(), 0))
    if any(not mark.args for _, mark in terms):
        return known, None
    return known, sympy.Add(*(share * statement.plain(mark.args[0])[0] for share, mark in terms))
