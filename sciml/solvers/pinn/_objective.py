"""What a PINN makes small: residuals of equations, faults of soft conditions, misfits of observations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.derivatives import Derivatives
from sciml.core.statement import Statement
from sciml.core.types import Params
from sciml.solvers.pinn._module import PINN
from sciml.train import CollocationBatch

Residual = Callable[[Tensor, Derivatives, Params], Tensor]
"""``(points, derivatives, unknown numbers) -> point row``."""


@dataclass(frozen=True)
class Term:
    """One kind of residual at its points.

    Arguments:
        name: ``equation 1``, ``u at the lower end of x``, ``observations``.
        points: where.
        wanted: the derivatives it needs of any field.
        residual: what is to vanish there.
    """

    name: str
    points: Float[Tensor, "point dim"]
    wanted: tuple[str, ...]
    residual: Residual


def terms(module: PINN, batch: CollocationBatch) -> list[Term]:
    """The terms of one batch: the equations together, each soft condition, the observations."""
    statement, soft = module.statement, module.ansatz.soft
    found = [Term("equation", batch.points, statement.orders, statement.residual)]
    found += [_condition(statement, i, batch.faces[i]) for i in soft]
    if batch.observed is not None:
        found.append(_observations(statement, batch.observed, batch.values))
    return found


def _condition(statement: Statement, index: int, points: Tensor) -> Term:
    condition = statement.conditions[index]

    def residual(points: Tensor, derivatives: Derivatives, params: Params) -> Tensor:
        return statement.fault(index, points, derivatives, params)[:, None]

    return Term(str(condition), points, ("", condition.derivative), residual)


def _observations(statement: Statement, points: Tensor, values: Tensor) -> Term:
    def residual(points: Tensor, derivatives: Derivatives, params: Params) -> Tensor:
        found = torch.stack([derivatives(field, "") for field in statement.observed], dim=1)
        return found - values

    return Term("observations", points, ("",), residual)


def unknowns(module: PINN) -> Mapping[str, Tensor]:
    """The module's values of the unknown numbers."""
    return dict(module.unknown.items())
