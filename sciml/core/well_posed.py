"""What a statement leaves open: solutions that nothing determines, and numbers that nothing depends on."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import torch

from sciml.core.condition_count import check_count
from sciml.core.derivatives import autograd_derivatives
from sciml.core.domain import IntegralCondition
from sciml.core.errors import UserError

if TYPE_CHECKING:
    from sciml.core.statement import Statement


def check_determined(statement: Statement, observed: Collection[str]) -> None:
    """Refuse a statement that has many solutions, as far as that can be seen without solving it.

    Arguments:
        statement: the equation.
        observed: fields of which values are known somewhere.

    Raises: UserError where an equation stands alone on an axis that is not periodic, and for a judged field to which a
        constant can be added; for unknown numbers that stand nowhere, or that nothing depends on where the exact
        solution holds; and, where nothing is observed, for fewer conditions than derivatives ask for.
    """
    open_axes = [axis.name for axis in statement.domain.axes if not axis.periodic]
    differentiated = any(name in open_axes for _, order in statement.needs for name in order)
    if differentiated and not statement.conditions and not observed:
        raise UserError("nothing determines the solution: there are neither conditions nor observations",
                        got=f"an equation on {', '.join(open_axes)}",
                        fix="Give conditions, such as *dirichlet(field, axis) and *initial(field, value).")  # fmt: skip
    _check_used(statement)
    if statement.has_solution and statement.unknowns:
        _check_identifiable(statement)
    for name in statement.judged or statement.fields:
        if name not in observed and not _is_pinned(statement, name):
            raise UserError(
                f"nothing pins {name}: with it every {name} + constant is a solution",
                got="its derivatives alone, in equations and conditions",
                fix="Give its value somewhere, by a condition or an observation, or name the other fields in "
                "judged=(…) where only its derivatives matter.",
            )
    if not observed:
        check_count(statement)


def _is_pinned(statement: Statement, name: str) -> bool:
    """Whether a field itself, not only its derivatives, stands in an equation or a condition."""
    stands = {field for field, order in statement.needs if not order}
    for index, condition in enumerate(statement.conditions):
        stands |= {field for field, order in statement.condition_pairs(index) if not order}
        if not condition.order and not isinstance(condition, IntegralCondition):
            stands.add(condition.field)
    return name in stands


def _check_used(statement: Statement) -> None:
    """Refuse unknown numbers that stand in no equation and no condition."""
    names = {s.name for equation in statement.plain_equations for s in equation.free_symbols}
    for unknown in statement.unknowns:
        if unknown.name not in names and not any(
            statement.mentions(index, unknown.name) for index in range(len(statement.conditions))
        ):
            raise UserError(f"the unknown number {unknown.name} stands in no equation and no condition",
                            fix="Leave it out, or write it where it belongs.")  # fmt: skip


def _check_identifiable(statement: Statement) -> None:
    """Refuse unknown numbers that nothing depends on where the exact solution holds.

    That is so where a source was made by `forced` with the unknown number in it: the solution is exact whatever it is.

    Raises: UserError that names them.
    """
    generator = torch.Generator().manual_seed(0)
    unit = torch.rand(7, len(statement.names), generator=generator, dtype=torch.float64)
    points = statement.domain.place(unit)
    derivatives = autograd_derivatives(statement.exact, points, statement.fields, statement.names, create_graph=False)
    starts = {u.name: torch.tensor(u.start, dtype=torch.float64) for u in statement.unknowns}
    for unknown in statement.unknowns:
        other = {unknown.name: 2 * starts[unknown.name] + 1}
        rows = [statement.residual(points, derivatives, starts | changed) for changed in ({}, other)]
        in_conditions = any(statement.mentions(i, unknown.name) for i in range(len(statement.conditions)))
        if not in_conditions and float((rows[0] - rows[1]).abs().max()) < 1e-12 * (1 + float(rows[0].abs().max())):
            raise UserError(
                f"the exact solution holds whatever {unknown.name} is, so that it cannot be found",
                got=f"an equation that {unknown.name} drops out of",
                fix=f"Put its true value into the source: forced(equation, solution, {{{unknown.name!r}: …}}).",
            )
