"""Conditions that contradict each other where faces and edges meet, or themselves where a periodic axis closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.domain import AnyCondition, Condition, Side
from sciml.core.errors import UserError
from sciml.core.expressions import Evaluator, Expression, columns
from sciml.core.shapes import uniform

if TYPE_CHECKING:
    from sciml.core.statement import Statement

_AGREE = 1e-9  # how far two conditions may differ where they meet, relative to 1 + their size


def check_agreement(statement: Statement, first: int, second: int) -> None:
    """Refuse two conditions, by their numbers, that prescribe different values where they meet.

    ∂₁ᵃ of what the second prescribes must be ∂₂ᵇ of what the first does. Two edges are not compared.

    Raises: UserError with both values.
    """
    one, other = statement.conditions[first], statement.conditions[second]
    if one.field != other.field:
        return
    if isinstance(one, Condition) and isinstance(other, Condition):
        if one.axis != other.axis:
            _check_faces(statement, one, other)
    elif isinstance(other, Condition):
        _check_rim(statement, first, other)
    elif isinstance(one, Condition):
        _check_rim(statement, second, one)


def check_periodicity(statement: Statement, index: int) -> None:
    """Refuse a condition whose value jumps where a periodic axis closes.

    Raises: UserError with the values at both ends.
    """
    for axis in statement.domain.axes:
        if axis.periodic and (ends := _ends(statement, index, axis.name, 0)) is not None:
            condition = statement.conditions[index]
            raise UserError(
                f"the condition on {condition} is not periodic along {axis.name}, which is a periodic axis",
                got=f"{ends[0]:.6g} at {axis.name} = {axis.lower:g}, {ends[1]:.6g} at {axis.upper:g}",
                expected="equal values",
                fix=f"Mend it, or leave out periodic=True and state what holds at both ends of {axis.name}; "
                "singular_corners=True says that the jump is meant.",
            )


def is_seamless(statement: Statement, index: int) -> bool:
    """Whether what a condition prescribes goes on smoothly, up to second derivatives, where periodic axes close."""
    periodic = [axis.name for axis in statement.domain.axes if axis.periodic]
    return all(_ends(statement, index, name, order) is None for name in periodic for order in (0, 1, 2))


def _ends(statement: Statement, index: int, axis: str, order: int) -> tuple[float, float] | None:
    """A derivative of what a condition prescribes at both ends of an axis, where they differ; None where they agree."""
    coordinate, condition = statement.domain.axis(axis), statement.conditions[index]
    sides: tuple[Side, Side] = ("lower", "upper")
    prescribed = [_restricted(statement, condition.value, Condition(condition.field, axis, s, 0, order)) for s in sides]
    line = torch.linspace(0.13, 0.91, 5, dtype=torch.float64)
    points = statement.domain.place(line[:, None].repeat(1, len(statement.names)))
    values = Evaluator(prescribed)({**columns(points, statement.names), **statement.numbers()}, points[:, 0])
    gap = (values[:, 0] - values[:, 1]).abs()
    size = 1 + values.abs().amax(1)
    if bool((gap * coordinate.extent**order > _AGREE * size * max(1.0, coordinate.extent**order)).any()):
        worst = int(gap.argmax())
        return float(values[worst, 0]), float(values[worst, 1])
    return None


def _check_faces(statement: Statement, first: Condition, second: Condition) -> None:
    """Where two faces of the box meet."""
    pairs = ((first, second), (second, first))
    restricted = [_restricted(statement, of.value, at) for of, at in pairs]
    line = torch.linspace(0.13, 0.91, 5, dtype=torch.float64)
    _compare(
        statement, first, second, restricted, statement.domain.place(line[:, None].repeat(1, len(statement.names)))
    )


def _check_rim(statement: Statement, on_edge: int, face: Condition) -> None:
    """Where an edge of the shape meets a face, such as the start."""
    edge = statement.conditions[on_edge]
    if edge.order:
        return
    points = statement.place_of(on_edge, 20, uniform(torch.Generator().manual_seed(0)))
    points[:, statement.domain.index(face.axis)] = statement.domain.axis(face.axis).end(face.side)
    _compare(statement, edge, face, [_restricted(statement, edge.value, face), face.value], points)


def _compare(
    statement: Statement,
    first: AnyCondition,
    second: AnyCondition,
    prescribed: list[Expression],
    points: Float[Tensor, "point dim"],
) -> None:
    values = Evaluator(prescribed)({**columns(points, statement.names), **statement.numbers()}, points[:, 0])
    gap = (values[:, 0] - values[:, 1]).abs()
    if (gap > _AGREE * (1 + values.abs().amax(1))).any():
        worst = int(gap.argmax())
        raise UserError(
            f"the conditions on {first} and on {second} contradict each other where they meet",
            got=f"{float(values[worst, 0]):.6g} from the first, {float(values[worst, 1]):.6g} from the second",
            expected="equal values",
            fix="Mend one, or say singular_corners=True if the jump is meant; such conditions cannot be exact.",
        )


def _restricted(statement: Statement, value: Expression, at: Condition) -> Expression:
    """∂^order value / ∂axis^order on the face of another condition."""
    import sympy

    value = sympy.sympify(value)
    symbol = next((s for s in value.free_symbols if s.name == at.axis), None)
    if symbol is None:
        return value if at.order == 0 else sympy.Integer(0)
    face = sympy.sympify(statement.domain.axis(at.axis).end(at.side))
    return value.diff(symbol, at.order).subs(symbol, face)
