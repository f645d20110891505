"""What a PINN makes small: residuals of equations, faults of soft conditions, misfits of observations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.derivatives import Derivatives
from sciml.core.types import Params
from sciml.solvers.pinn._module import PINN
from sciml.tasks.collocation import CollocationBatch

_BENT = 0.01
"""How far an equation is violated, relative to its scale, to follow errors of the data of one standard deviation."""

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
        scale: by which its rows are divided; None for 1.
        gather: what makes the faults of a term of rows at points, where these are not one each: an integral.
    """

    name: str
    points: Float[Tensor, "point dim"]
    wanted: tuple[str, ...]
    residual: Residual
    scale: Tensor | None = None
    gather: Callable[[Tensor], Tensor] | None = None

    def gathered(self, rows: Float[Tensor, "point *column"]) -> Float[Tensor, "fault *column"]:
        """Rows at points, and whatever is linear in them, put together to faults."""
        return rows if self.gather is None else self.gather(rows)

    def rows(self, derivatives: Derivatives, numbers: Params) -> Float[Tensor, "point row"]:
        """The residual in its scale."""
        return self.scaled(self.residual(self.points, derivatives, numbers))

    def scaled(self, rows: Float[Tensor, "point row"]) -> Float[Tensor, "point row"]:
        """Rows of the residual in its scale."""
        return rows if self.scale is None else rows / self.scale.to(rows)


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
    terms = [equation_term(module, batch.points)]
    terms += [_condition(module, i, batch.faces[i]) for i in module.ansatz.soft]
    if batch.observed is not None and batch.values is not None:
        terms.append(_observations(module, batch))
    return terms


def equation_term(module: PINN, points: Float[Tensor, "point dim"]) -> Term:
    """The equations at points."""
    statement = module.statement
    scales = module.scales.of_equations(len(statement.equations))
    weights = module.config.weigh.equations or (1.0,) * len(scales)
    scale = _scale([size / weight**0.5 for size, weight in zip(scales, weights, strict=True)])
    return Term("equation", points, statement.orders, statement.residual, scale)


def evaluate(module: PINN, term: Term) -> Float[Tensor, "point row"]:
    """The residual of a term in Taylor mode."""
    jet = module.jet(term.points, term.wanted)
    fields = module.statement.fields
    return term.gathered(term.rows(lambda name, order: jet[order][:, fields.index(name)], module.numbers()))


def scaled(residuals: Sequence[Tensor], weights: Weights) -> list[Tensor]:
    """√(λ w / n) r of every term, equations after one another; their squares add up to the loss."""
    rooted = []
    for i, (residual, weight) in enumerate(zip(residuals, weights.terms, strict=True)):
        rows = residual * (weight / len(residual)) ** 0.5
        if i == 0 and len(weights.points):
            rows = rows * weights.points.to(rows).sqrt()[:, None]
        rooted.append(rows.T.flatten())
    return rooted


def losses(residuals: Sequence[Tensor], weights: Weights) -> list[Tensor]:
    """Mean square of every term, summed over its rows, points weighted, terms not."""
    plain = Weights((1.0,) * len(residuals), weights.points)
    return [rows.square().sum() for rows in scaled(residuals, plain)]


def _condition(module: PINN, index: int, points: Tensor) -> Term:
    statement = module.statement

    def residual(points: Tensor, derivatives: Derivatives, params: Params) -> Tensor:
        return statement.density(index, points, derivatives, params)[:, None]

    gather = partial(statement.gathered, index) if index in statement.nodes else None
    scale = _scale([module.scales.of_condition(statement, index)])
    return Term(str(statement.conditions[index]), points, statement.condition_orders(index), residual, scale, gather)


def _observations(module: PINN, batch: CollocationBatch) -> Term:
    """Misfits in the scale of their field; in one so large that equations are not bent to follow errors of the data.

    Values of larger standard deviation count less.
    """
    assert batch.observed is not None and batch.values is not None
    names, values = batch.seen or module.statement.observed, batch.values
    missing = values.isnan() if values.isnan().any() else None
    scale = _scale(module.scales.of_fields(names))
    if batch.sigma is not None:
        usual = (batch.sigma**-2).mean(0).rsqrt()
        loose = usual * module.config.weigh.soft**0.5 / _BENT
        size = usual.new_tensor(module.scales.of_fields(names))
        scale = torch.maximum(size, loose) * batch.sigma / usual

    def residual(points: Tensor, derivatives: Derivatives, params: Params) -> Tensor:
        misfit = torch.stack([derivatives(name, "") for name in names], dim=1) - values
        return misfit if missing is None else misfit.masked_fill(missing, 0.0)

    return Term("observations", batch.observed, ("",), residual, scale)


def _scale(values: Sequence[float]) -> Tensor | None:
    """A divisor per column; None for 1."""
    return None if all(value == 1 for value in values) else torch.tensor(values, dtype=torch.float64)
