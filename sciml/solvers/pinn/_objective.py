"""What a PINN makes small: residuals of equations, faults of soft conditions, misfits of observations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.derivatives import Derivatives
from sciml.core.statement import Statement
from sciml.core.types import Params
from sciml.solvers.pinn._module import PINN
from sciml.tasks.collocation import CollocationBatch

Residual = Callable[[Tensor, Derivatives, Params], Tensor]
"""``(points, derivatives, unknown numbers) -> point row``."""


@dataclass(frozen=True)
class Term:
    """One kind of residual at its points.

    Arguments:
        name: ``equation``, ``u at the lower end of x``, ``observations``.
        points: where.
        wanted: the derivatives it needs of any field.
        residual: what is to vanish there.
    """

    name: str
    points: Float[Tensor, "point dim"]
    wanted: tuple[str, ...]
    residual: Residual


@dataclass(frozen=True)
class Weights:
    """What counts how much.

    Arguments:
        terms: λ of every term.
        points: w of every point of the first term, the equations; empty for 1.
    """

    terms: tuple[float, ...]
    points: Tensor = field(default_factory=lambda: torch.zeros(0))


def terms_of(module: PINN, batch: CollocationBatch) -> list[Term]:
    """The terms of one batch: the equations together, each soft condition, the observations."""
    statement = module.statement
    found = [Term("equation", batch.points, statement.orders, statement.residual)]
    found += [_condition(statement, i, batch.faces[i]) for i in module.ansatz.soft]
    if batch.observed is not None and batch.values is not None:
        found.append(_observations(statement, batch.observed, batch.values))
    return found


def evaluate(module: PINN, term: Term) -> Float[Tensor, "point row"]:
    """The residual of a term in Taylor mode."""
    jet = module.jet(term.points, term.wanted)
    fields = module.statement.fields
    return term.residual(term.points, lambda name, order: jet[order][:, fields.index(name)], dict(module.unknown))


def scaled(residuals: Sequence[Tensor], weights: Weights) -> list[Tensor]:
    """√(λ w / n) r of every term, equations after one another; their squares add up to the loss."""
    found = []
    for i, (residual, weight) in enumerate(zip(residuals, weights.terms, strict=True)):
        rows = residual * (weight / len(residual)) ** 0.5
        if i == 0 and len(weights.points):
            rows = rows * weights.points.to(rows).sqrt()[:, None]
        found.append(rows.T.flatten())
    return found


def losses(residuals: Sequence[Tensor], weights: Weights) -> list[Tensor]:
    """Mean square of every term, summed over its rows, points weighted, terms not."""
    plain = Weights((1.0,) * len(residuals), weights.points)
    return [rows.square().sum() for rows in scaled(residuals, plain)]


def _condition(statement: Statement, index: int, points: Tensor) -> Term:
    condition = statement.conditions[index]

    def residual(points: Tensor, derivatives: Derivatives, params: Params) -> Tensor:
        return statement.fault(index, points, derivatives, params)[:, None]

    return Term(str(condition), points, (condition.derivative,), residual)


def _observations(statement: Statement, points: Tensor, values: Tensor) -> Term:
    def residual(points: Tensor, derivatives: Derivatives, params: Params) -> Tensor:
        return torch.stack([derivatives(name, "") for name in statement.observed], dim=1) - values

    return Term("observations", points, ("",), residual)
