"""What a statement refuses: names given twice, symbols that nothing explains, conditions that cannot hold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import TYPE_CHECKING

import torch

from sciml.core.domain import AnyCondition, Condition, EdgeCondition, IntegralCondition, PointCondition
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.expressions import Expression
from sciml.core.plain_equations import field_symbol
from sciml.core.quadrature import quadrature

if TYPE_CHECKING:
    from sciml.core.statement import Statement


def check_names(statement: Statement) -> None:
    """Refuse names given twice, and scales, parameters and starts that are no finite numbers."""
    unknowns = statement.unknowns
    for name, value in {**statement.scales, **{u.name: u.scale for u in unknowns if u.scale is not None}}.items():
        if not isinstance(value, Real) or not 0 < value < math.inf:
            raise UserError(f"the scale of {name!r} is not a positive number", got=repr(value))
    names = [*statement.names, *statement.fields, *statement.parameters, *(u.name for u in unknowns), *statement.inputs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(
            "axes, fields, parameters, unknown numbers and input functions need distinct names", got=listed(twice)
        )
    for name, value in {**statement.parameters, **{u.name: u.start for u in unknowns}}.items():
        if not isinstance(value, Real) or not math.isfinite(value):
            raise UserError(f"the value of {name!r} is not a finite number", got=repr(value))


def check_fields(statement: Statement) -> None:
    """Refuse names of fields that do not exist where fields are observed, judged, solved or scaled."""
    for name in (*statement.observed, *statement.judged, *statement.solution, *statement.scales):
        if name not in statement.fields:
            raise UnknownNameError("field", name, statement.fields)


def check_symbols(
    statement: Statement, expression: Expression, where: str, allowed: set[str], *, inputs: bool = True
) -> None:
    """Refuse symbols that are neither axis nor number nor, unless `inputs` is off, input function."""
    import sympy

    known = {*statement.names, *statement.parameters, *(u.name for u in statement.unknowns), *allowed}
    known |= set(statement.inputs) if inputs else set()
    foreign = sorted({s.name for s in sympy.sympify(expression).free_symbols} - known)
    if foreign:
        raise UserError(
            f"{where} names what is neither axis nor parameter",
            got=listed(foreign),
            expected=listed(sorted(known - allowed)),
        )


def checked_value(statement: Statement, condition: AnyCondition) -> Expression:
    """What a condition prescribes, in plain symbols (see `sciml.core.plain_equations`), if it can hold."""
    if condition.field not in statement.fields:
        raise UnknownNameError("field of a condition", condition.field, statement.fields)
    if isinstance(condition, Condition):
        return _on_face(statement, condition)
    if isinstance(condition, IntegralCondition):
        return _integral(statement, condition)
    return _inside(statement, condition) if isinstance(condition, PointCondition) else _on_edge(statement, condition)


def _inside(statement: Statement, condition: PointCondition) -> Expression:
    domain = statement.domain
    for axis in (*condition.at, *condition.derivative):
        domain.axis(axis)
    ordered = "".join(sorted(condition.derivative, key=domain.names.index))
    if condition.derivative != ordered:
        raise UserError(f"the derivative in the condition on {condition} is not in the order of the axes",
                        got=condition.derivative, expected=ordered)  # fmt: skip
    for axis, value in condition.at.items():
        if not domain.axis(axis).lower <= value <= domain.axis(axis).upper:
            raise UserError(f"the condition on {condition} lies outside of the domain", expected=str(domain))
    if domain.shape is not None and set(domain.shape.axes) <= set(condition.at):
        place = [[condition.at.get(axis.name, axis.lower) for axis in domain.axes]]
        if not bool(domain.contains(torch.tensor(place, dtype=torch.float64)).all()):
            raise UserError(f"the condition on {condition} lies outside of the domain", expected=str(domain))
    same = [c for c in statement.conditions if isinstance(c, PointCondition)]
    if sum((c.field, c.at, c.derivative) == (condition.field, condition.at, condition.derivative) for c in same) > 1:
        raise UserError(f"there are two conditions on {condition}", fix="Keep one of them.")
    value, symbols = _plain_value(statement, condition)
    if field_symbol(condition.field, condition.derivative) in symbols:
        raise UserError(f"the condition on {condition} holds on both sides what it prescribes", got=condition.value,
                        fix="Solve it for what it is about.")  # fmt: skip
    return value


def _integral(statement: Statement, condition: IntegralCondition) -> Expression:
    """The integrand minus the mean that its integral prescribes: what the quadrature averages to zero."""
    import sympy

    domain = statement.domain
    over = statement.integrated(condition)
    for axis in over:
        domain.axis(axis)
    shape = domain.shape.axes if domain.shape is not None else ()
    if not over or set(shape) & set(over) not in (set(), set(shape)):
        raise UserError(
            f"the condition on {condition} is over a part of the shape's axes",
            got=listed(over) or "none",
            expected=f"all of {listed(shape)}, or none of them" if shape else "at least one axis",
        )
    function = sympy.Function(condition.field)(*(sympy.Symbol(name) for name in statement.names))
    integrand, symbols = statement.plain(
        function if condition.integrand is None else condition.integrand, f"the condition on {condition}"
    )
    check_symbols(statement, integrand, f"the condition on {condition}", symbols)
    if not symbols:
        raise UserError(f"the condition on {condition} holds no unknown function", got=condition.integrand)
    value, held = statement.plain(condition.value, f"the condition on {condition}")
    check_symbols(statement, value, f"the condition on {condition}", held)
    if held or {s.name for s in value.free_symbols} & set(over):
        raise UserError(f"the value of the condition on {condition} is no number there", got=condition.value,
                        expected="an expression of the other axes and of numbers")  # fmt: skip
    if sum(c == condition for c in statement.conditions) > 1:
        raise UserError(f"there are two conditions on {condition}", fix="Keep one of them.")
    measure = float(quadrature(domain, over)[1].sum())
    return integrand - value / sympy.Float(measure, 17)


def _on_edge(statement: Statement, condition: EdgeCondition) -> Expression:
    index = statement.conditions.index(condition)
    shape = statement.shape_of(index)
    if condition.edge:
        shape.edge(condition.edge)
    elif not statement.edges_of(index):
        raise UserError(f"the condition on {condition} holds nowhere",
                        got="every edge is named by another condition on that field")  # fmt: skip
    same = [c for c in statement.conditions if isinstance(c, EdgeCondition)]
    if sum((c.field, c.edge) == (condition.field, condition.edge) for c in same) > 1:
        raise UserError(f"there are two conditions on {condition}", fix="Keep one of them.")
    value, symbols = _plain_value(statement, condition)
    if not condition.order and field_symbol(condition.field, "") in symbols:
        raise UserError(f"the condition on {condition} holds on both sides what it prescribes", got=condition.value,
                        fix="Solve it for the field, or for its normal derivative.")  # fmt: skip
    return value


def _on_face(statement: Statement, condition: Condition) -> Expression:
    domain = statement.domain
    if condition.axis in (domain.shape.axes if domain.shape else ()):
        raise UserError(f"there is a condition on {condition}, which is no face: the shape is in that axis",
                        expected="an EdgeCondition on its boundary")  # fmt: skip
    if domain.axis(condition.axis).periodic:
        raise UserError(f"there is a condition on {condition}, but that axis is periodic",
                        fix="Drop the condition, or the periodicity.")  # fmt: skip
    same = [c for c in statement.face_conditions if _place(c) == _place(condition)]
    if len(same) > 1:
        raise UserError(f"there are two conditions on {condition}", got=listed(str(c.value) for c in same))
    value, symbols = _plain_value(statement, condition)
    if condition.axis in {s.name for s in value.free_symbols}:
        raise UserError(f"the condition on {condition} depends on {condition.axis} itself", got=condition.value)
    if field_symbol(condition.field, condition.derivative) in symbols:
        raise UserError(f"the condition on {condition} holds on both sides what it prescribes", got=condition.value,
                        fix="Solve it for the derivative it is about.")  # fmt: skip
    return value


def _plain_value(statement: Statement, condition: AnyCondition) -> tuple[Expression, set[str]]:
    value, symbols = statement.plain(condition.value, f"the condition on {condition}")
    check_symbols(statement, value, f"the condition on {condition}", symbols)
    return value, symbols


def _place(condition: Condition) -> tuple[str, str, str, int]:
    return condition.field, condition.axis, condition.side, condition.order


def listed(names: Iterable[str]) -> str:
    """Names in words."""
    return ", ".join(names) or "(none)"
