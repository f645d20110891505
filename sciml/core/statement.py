"""One statement of an equation in sympy, from which residuals, conditions and checks are derived."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.agreement import check_agreement, check_periodicity
from sciml.core.derivatives import Derivatives
from sciml.core.domain import AnyCondition, Condition, Domain, EdgeCondition, IntegralCondition, PointCondition
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.expressions import Evaluator, Expression, columns
from sciml.core.jumps import check_jumps
from sciml.core.marks import has_unnamed_term, without_marks
from sciml.core.places import condition_points
from sciml.core.plain_equations import field_and_order, field_symbol, multiplied_out, plain_form
from sciml.core.plain_equations import forced as forced
from sciml.core.quadrature import quadrature
from sciml.core.shapes import Draw, Shape
from sciml.core.statement_checks import check_fields, check_names, check_symbols, checked_value, listed
from sciml.core.types import Params


@dataclass(frozen=True)
class Unknown:
    """A number that is to be found from observations.

    Arguments:
        name: a symbol of the equations.
        start: where the search begins.
        truth: its true value, kept for scoring; None where nobody knows it.
        scale: a change of it that counts as large, the step of the search; None for a guess from the equations.
    """

    name: str
    start: float
    truth: float | None = None
    scale: float | None = None


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A differential equation on a box, or a shape in it, with its conditions, written once.

    The unknown functions are sympy functions of all axes, ``Function("u")(x, t)``; an equation is an expression that
    vanishes, ``u.diff(t) - nu * u.diff(x, 2)``, or a sympy ``Eq`` of two sides. A right-hand side that makes a chosen
    solution exact (a manufactured one) comes from `forced`. Terms that discovery must find are marked,
    ``hidden(u * u.diff(x))`` (see `sciml.core.marks`); everything here reads them as if they were not.

    Arguments:
        domain: the box or shape.
        fields: names of the unknown functions.
        equations: left-hand sides, of the functions, the axes, the parameters and the unknown numbers.
        conditions: on faces of the box, edges of the shape, and at points inside; a periodic axis has no faces.
        parameters: values of the symbols that are known.
        solution: the exact solution by field, where it is known in closed form.
        unknowns: numbers to be found, which equations and conditions may hold.
        inputs: functions that come with every question, such as the source that an operator acts on, by name with the
            coordinates they are taken at, ``{"u": (x,)}``; equations and conditions hold their names as symbols. Their
            values at points are handed to `residual` and `fault` like numbers.
        observed: the fields that are observed at points, for problems with unknown numbers or fields.
        scales: typical magnitudes of fields; of the others they are guessed from observations and conditions.
        judged: the fields compared with the reference; all if empty.
        singular_corners: whether conditions that contradict each other where faces meet are meant (a driven lid).

    Raises: UserError for names that are given twice, parameters that are no finite numbers, fields that no equation
        holds; for symbols, functions or derivatives that do not exist, for conditions that name what does not exist,
        are given twice or on a periodic axis, and for conditions that contradict each other where faces meet.
    """

    domain: Domain
    fields: tuple[str, ...]
    equations: tuple[Expression, ...]
    conditions: tuple[AnyCondition, ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    solution: Mapping[str, Expression] = field(default_factory=dict)
    unknowns: tuple[Unknown, ...] = ()
    inputs: Mapping[str, tuple[Expression, ...]] = field(default_factory=dict)
    observed: tuple[str, ...] = ()
    scales: Mapping[str, float] = field(default_factory=dict)
    judged: tuple[str, ...] = ()
    singular_corners: bool = False

    def __post_init__(self) -> None:
        check_names(self)
        check_fields(self)
        replaced = [
            self._replaced(without_marks(equation), f"equation {i}") for i, equation in enumerate(self.equations, 1)
        ]
        pairs = [field_and_order(symbol.name) for equation in replaced for symbol in equation.free_symbols]
        object.__setattr__(self, "needs", tuple(sorted({pair for pair in pairs if pair})))
        if idle := sorted(set(self.fields) - {name for name, _ in self.needs}):
            raise UserError(f"no equation holds the field {listed(idle)}", got=f"{len(replaced)} equations",
                            fix="Drop the field, or give the equation that determines it.")  # fmt: skip
        unnamed = any(has_unnamed_term(equation) for equation in self.equations)
        object.__setattr__(self, "_residual", None if unnamed else Evaluator(replaced))
        object.__setattr__(self, "plain_equations", tuple(replaced))
        check_jumps(self)
        prescribed = [checked_value(self, condition) for condition in self.conditions]
        object.__setattr__(self, "plain_values", tuple(prescribed))
        object.__setattr__(self, "_values", [Evaluator([value]) for value in prescribed])
        for name, arguments in self.inputs.items():
            for argument in arguments:
                check_symbols(self, argument, f"a coordinate of the input function {name!r}", set(), inputs=False)
        object.__setattr__(self, "_exact", Evaluator([self.solution[name] for name in self.solution]))
        if not self.singular_corners:
            plain = [
                i
                for i, condition in enumerate(self.conditions)
                if not (
                    self.is_mixed(i) or self._is_open(i) or isinstance(condition, PointCondition | IntegralCondition)
                )
            ]
            for index in plain:
                check_periodicity(self, index)
            for first, second in combinations(plain, 2):
                check_agreement(self, first, second)

    needs: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    """The derivatives that the equations name, ``("u", "xx")``."""
    plain_equations: tuple[Expression, ...] = field(init=False, repr=False, compare=False)
    """The equations with a symbol such as ``u∂xx`` in place of every derivative and function."""
    plain_values: tuple[Expression, ...] = field(init=False, repr=False, compare=False)
    """What the conditions prescribe, written in the same way."""
    _residual: Evaluator | None = field(init=False, repr=False, compare=False)
    _values: list[Evaluator] = field(init=False, repr=False, compare=False)
    _exact: Evaluator = field(init=False, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes."""
        return self.domain.names

    @property
    def orders(self) -> tuple[str, ...]:
        """The derivatives that the equations need of any field."""
        return tuple(sorted({name for _, name in self.needs}, key=lambda name: (len(name), name)))

    def residual(
        self, points: Float[Tensor, "point dim"], derivatives: Derivatives, params: Params | None = None
    ) -> Float[Tensor, "point equation"]:
        """The equations' left-hand sides at points.

        Arguments:
            points: where.
            derivatives: of the fields there.
            params: values that replace those of the statement, and of the unknown numbers (else their true ones).

        Raises: UserError for a statement with a hidden term that nobody knows.
        """
        if self._residual is None:
            raise UserError("the statement has a hidden term that nobody knows, so it has no residual")
        return self._evaluate(self._residual, points, derivatives, params)

    def terms(
        self, points: Float[Tensor, "point dim"], derivatives: Derivatives, params: Params | None = None
    ) -> list[Float[Tensor, "point term"]]:
        """The terms that add up to each equation's left-hand side, multiplied out: what its residual is small against.

        Arguments and errors are those of `residual`.
        """
        return [self._evaluate(evaluator, points, derivatives, params) for evaluator in self._terms]

    def _evaluate(
        self, evaluator: Evaluator, points: Tensor, derivatives: Derivatives, params: Params | None
    ) -> Float[Tensor, "point value"]:
        """Expressions of axes, numbers and the fields' derivatives, of which only those that occur are taken."""
        known: dict[str, Any] = {**columns(points, self.names), **self.numbers(params)}
        pairs = {pair for pair in map(field_and_order, evaluator.symbols) if pair}
        for name, order in sorted(pairs):  # in a fixed order, for autograd's bits depend on what was taken before
            known[field_symbol(name, order)] = derivatives(name, order)
        if missing := sorted(evaluator.symbols - set(known)):
            raise UserError("nobody knows the value of " + listed(missing), expected="a value for every unknown number",
                            fix="Give it in `params`, or as the truth of the unknown.")  # fmt: skip
        return evaluator(known, points[:, 0])

    @cached_property
    def _terms(self) -> list[Evaluator]:
        import sympy

        return [Evaluator(sympy.Add.make_args(multiplied_out(equation))) for equation in self.plain_equations]

    @property
    def has_laplacian(self) -> bool:
        """Whether second derivatives enter the equations as Laplacians over all axes only."""
        return self._collapsed is not None

    @property
    def collapsed_orders(self) -> tuple[str, ...]:
        """The derivatives that `collapsed_residual` needs."""
        return self._collapsed[0] if self._collapsed else ()

    def collapsed_residual(
        self, points: Float[Tensor, "point dim"], derivatives: Derivatives, params: Params | None = None
    ) -> Float[Tensor, "point equation"]:
        """As `residual`, with ``derivatives("u", "Δ")`` for the Laplacian; only where `has_laplacian`."""
        assert self._collapsed is not None
        return self._evaluate(self._collapsed[1], points, derivatives, params)

    @cached_property
    def _collapsed(self) -> tuple[tuple[str, ...], Evaluator] | None:
        """The equations in terms of Laplacians, u_yy = Δu - u_xx, if no second derivative is left then."""
        import sympy

        pure = [name * 2 for name in self.names]
        swap = {}
        for name in self.fields:
            rest = [sympy.Symbol(field_symbol(name, order)) for order in pure]
            swap[rest[0]] = sympy.Symbol(field_symbol(name, "Δ")) - sum(rest[1:])
        equations = [multiplied_out(equation.xreplace(swap)) for equation in self.plain_equations]
        orders = {pair[1] for e in equations for s in e.free_symbols if (pair := field_and_order(s.name))}
        if "Δ" not in orders or any(len(order) > 1 for order in orders):
            return None
        return tuple(sorted(orders, key=len)), Evaluator(equations)

    def fault(
        self, index: int, points: Float[Tensor, "point dim"], derivatives: Derivatives, params: Params | None = None
    ) -> Float[Tensor, " point"]:
        """How far condition number `index` is missed at points of its face."""
        condition = self.conditions[index]
        prescribed = self._evaluate(self._values[index], points, derivatives, params)[:, 0]
        if isinstance(condition, IntegralCondition):
            return self.gathered(index, prescribed)
        if not isinstance(condition, EdgeCondition):
            return derivatives(condition.field, condition.derivative) - prescribed
        if not condition.order:
            return derivatives(condition.field, "") - prescribed
        parts = self.normal(index, points)
        along = sum(n * derivatives(condition.field, axis) for axis, n in parts.items())
        return along - prescribed

    def integrated(self, condition: IntegralCondition) -> tuple[str, ...]:
        """The axes that an integral is over."""
        return tuple(condition.over) or tuple(name for name in self.names if name != self.domain.time) or self.names

    def density(
        self, index: int, points: Float[Tensor, "point dim"], derivatives: Derivatives, params: Params | None = None
    ) -> Float[Tensor, " point"]:
        """What `gathered` makes the fault of condition number `index` of: point by point, for integrals too."""
        if isinstance(self.conditions[index], IntegralCondition):
            return self._evaluate(self._values[index], points, derivatives, params)[:, 0]
        return self.fault(index, points, derivatives, params)

    def gathered(self, index: int, rows: Float[Tensor, " *row"]) -> Float[Tensor, " *fault"]:
        """The mean over the nodes of an integral, for each of the places it is taken at; else the rows themselves.

        The mean of condition number `index`, not the integral, so that it has the size of its integrand.
        """
        if index not in self.nodes:
            return rows
        weights = self.nodes[index][1].to(rows)
        return (rows.reshape(-1, len(weights), *rows.shape[1:]) * weights.view(1, -1, *[1] * (rows.ndim - 1))).sum(1)

    @cached_property
    def nodes(self) -> dict[int, tuple[Float[Tensor, "node axis"], Float[Tensor, " node"]]]:
        """By number of a condition that is an integral: its nodes, and weights that add up to 1."""
        rules = {}
        for index, condition in enumerate(self.conditions):
            if isinstance(condition, IntegralCondition):
                nodes, weights = quadrature(self.domain, self.integrated(condition))
                rules[index] = nodes, weights / weights.sum()
        return rules

    def normal(self, index: int, points: Float[Tensor, "point dim"]) -> dict[str, Float[Tensor, " point"]]:
        """The outer normal at points of the edges of condition number `index`, its components by axis."""
        shape, where = self.shape_of(index), columns(points, self.names)
        depths, normals = [], []
        for edge in self.edges_of(index):
            values = self._edges[edge](where, points[:, 0])
            depths.append(values[:, 0].abs())
            normals.append(values[:, 1:])
        nearest = torch.stack(depths).argmin(0)
        chosen = torch.stack(normals)[nearest, torch.arange(len(points), device=points.device)]
        return dict(zip(shape.axes, chosen.unbind(1), strict=True))

    @cached_property
    def _edges(self) -> dict[str, Evaluator]:
        """By edge of the shape: its function and the components of the outer normal."""
        shape = self.domain.shape
        return {e.name: Evaluator([e.level, *shape.normal(e.name)]) for e in shape.edges} if shape else {}

    @property
    def face_conditions(self) -> tuple[Condition, ...]:
        """Those on faces of the box."""
        return tuple(c for c in self.conditions if isinstance(c, Condition))

    def edges_of(self, index: int) -> tuple[str, ...]:
        """The edges of the shape that condition number `index` holds on; none for one on a face of the box."""
        condition = self.conditions[index]
        if not isinstance(condition, EdgeCondition):
            return ()
        if condition.edge:
            return (condition.edge,)
        named = {c.edge for c in self.conditions if isinstance(c, EdgeCondition) and c.field == condition.field}
        return tuple(name for name in self.shape_of(index).names if name not in named)

    def place_of(self, index: int, count: int, draw: Draw) -> Float[Tensor, "point dim"]:
        """At most `count` points at which condition number `index` holds, from a source of points of unit cubes.

        A single one where it holds at a point.
        """
        return condition_points(self, index, count, draw)

    def length_of(self, index: int) -> float:
        """The length along which condition number `index` takes its derivative."""
        condition = self.conditions[index]
        return self.domain.axis(condition.axis).extent if isinstance(condition, Condition) else self.domain.size

    def shape_of(self, index: int) -> Shape:
        """The shape of the domain, on whose edges condition number `index` holds. Raises UserError for a box."""
        if self.domain.shape is None:
            raise UserError(f"the condition on {self.conditions[index]} needs a shape, and the domain is a box",
                            expected="a Condition on a face, such as dirichlet(field, axis)")  # fmt: skip
        return self.domain.shape

    def value(
        self, index: int, points: Float[Tensor, "point dim"], params: Params | None = None
    ) -> Float[Tensor, " point"]:
        """What condition number `index` prescribes at points of its face.

        Raises: UserError for a condition that `is_mixed`, which prescribes no value, and for unknown numbers in it.
        """

        def refused(field: str, order: str) -> Tensor:
            raise UserError(f"the condition on {self.conditions[index]} prescribes no value", got=f"{field} in it")

        return self._evaluate(self._values[index], points, refused, params)[:, 0]

    def arguments(self, name: str, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point coordinate"]:
        """Where the input function `name` is taken at points. Raises UnknownNameError for another name."""
        if name not in self.inputs:
            raise UnknownNameError("input function", name, self.inputs)
        return Evaluator(self.inputs[name])({**columns(points, self.names), **self.numbers()}, points[:, 0])

    def is_mixed(self, index: int) -> bool:
        """Whether condition number `index` relates derivatives to the fields themselves, as Robin's does."""
        return any(field_and_order(symbol) for symbol in self._values[index].symbols)

    def has_unknown(self, index: int) -> bool:
        """Whether condition number `index` holds a number that is to be found, or an input function."""
        return bool(self._values[index].symbols & {*(u.name for u in self.unknowns), *self.inputs})

    def _is_open(self, index: int) -> bool:
        """Whether what a condition prescribes depends on a number whose true value nobody knows, or on an input."""
        return bool(self._values[index].symbols & {*(u.name for u in self.unknowns if u.truth is None), *self.inputs})

    def mentions(self, index: int, name: str) -> bool:
        """Whether what condition number `index` prescribes holds a symbol."""
        return name in self._values[index].symbols

    def condition_pairs(self, index: int) -> set[tuple[str, str]]:
        """The fields and derivatives that what condition number `index` prescribes holds."""
        return {pair for symbol in self._values[index].symbols if (pair := field_and_order(symbol))}

    def condition_orders(self, index: int) -> tuple[str, ...]:
        """The derivatives that condition number `index` needs of any field."""
        pairs = [field_and_order(symbol) for symbol in self._values[index].symbols]
        condition = self.conditions[index]
        if not isinstance(condition, EdgeCondition):
            axes = {condition.derivative}
        else:
            axes = set(self.shape_of(index).axes) if condition.order else {""}
        orders = {pair[1] for pair in pairs if pair} | axes
        return tuple(sorted(orders, key=lambda name: (len(name), name)))

    @property
    def has_solution(self) -> bool:
        """Whether the exact solution is known in closed form."""
        return set(self.solution) == set(self.fields)

    def exact(self, points: Float[Tensor, "point dim"], params: Params | None = None) -> Float[Tensor, "point field"]:
        """The exact solution at points. Raises UserError where it is not known in closed form."""
        if not self.has_solution:
            raise UserError("the statement has no exact solution", got=sorted(self.solution), expected=self.fields)
        known = {**columns(points, self.names), **self.numbers(params)}
        values = self._exact(known, points[:, 0])
        return values[:, [list(self.solution).index(name) for name in self.fields]]

    def numbers(self, params: Params | None = None) -> dict[str, Any]:  # Any: floats or tensors
        """Values of all symbols that are no axes: of the statement, replaced by those of `params`."""
        true = {u.name: u.truth for u in self.unknowns if u.truth is not None}
        return {**self.parameters, **true, **(params or {})}

    def _replaced(self, equation: Expression, where: str) -> Expression:
        replaced, symbols = self.plain(equation, where)
        check_symbols(self, replaced, where, allowed=symbols)
        return replaced

    def plain(self, equation: Expression, where: str = "an equation") -> tuple[Expression, set[str]]:
        """An equation, as one expression, with a symbol such as ``u∂xx`` in place of every derivative and function.

        Returns: the expression, and the names of those symbols.
        """
        return plain_form(equation, self.fields, self.names, where)
