"""The best linear operator on fixed bases, in closed form, and the mean: what needs no network."""

import math

import numpy as np
import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import MapsFunctions
from sciml.core.config import Config
from sciml.core.least_squares import least_squares
from sciml.tasks.operator import (
    FreeOperator,
    OperatorConfig,
    OperatorContext,
    OperatorScales,
    OperatorSolver,
    PairBatch,
    squared_error,
)
from sciml.train import Examples, Recipe, TrainConfig, recipe_of

_TERMS = {1: 16, 2: 10, 3: 6}
"""Basis functions per axis of queries, by their number; more axes have three each."""
_FULL = 4
"""Most axes whose basis functions are multiplied in all ways; of more, products up to the degree of one axis are kept:
3^9 terms would be a matrix of 20,000 rows, and 55 are not."""
_ROWS_PER_UNKNOWN = 3
_CHUNK = 4096
_CUT = 1e-10
"""Principal components with less than this share of the largest singular value are rounding."""


class BasisOperator(nn.Module):
    """G(u)(y) = Σ_{j≤r} Σ_k c_jk a_j(u) ψ_k(y), a_0 = 1, a_j principal components of u, ψ_k Legendre polynomials.

    Periodic axes have waves instead of polynomials. It is affine in u: a DeepONet with a linear branch and a fixed
    trunk, fitted by least squares. With r = 0 it is the mean.

    Arguments:
        sensors: values in.
        periodic: of every axis of the queries.
        fields: that come out.
        rank: r.
        terms: basis functions per axis.
    """

    components: Tensor
    centre: Tensor
    weights: Tensor

    def __init__(
        self, *, sensors: int, periodic: tuple[bool, ...], fields: int, rank: int, terms: int | None = None
    ) -> None:
        super().__init__()
        self.periodic = periodic
        self.terms = terms or _TERMS.get(len(periodic), 3)
        rank = min(rank, sensors)
        self.register_buffer("centre", torch.zeros(sensors))
        self.register_buffer("components", torch.zeros(sensors, rank))
        self._kept = _kept_products(len(periodic), self.terms)
        width = len(self._kept[-1]) if self._kept else self.terms ** len(periodic)
        self.register_buffer("weights", torch.zeros(1 + rank, width, fields))

    def scores(self, functions: Float[Tensor, "batch sensor"]) -> Float[Tensor, "batch component"]:
        """1 and the principal components, of unit variance."""
        values = (functions - self.centre) @ self.components
        return torch.cat((torch.ones_like(values[:, :1] if values.shape[1] else functions[:, :1]), values), dim=1)

    def basis(self, queries: Float[Tensor, "*point dim"]) -> Float[Tensor, "*point term"]:
        """ψ_k at queries in the unit box: products over the axes."""
        product = torch.ones_like(queries[..., :1])
        for axis, (flag, column) in enumerate(zip(self.periodic, queries.unbind(-1), strict=True)):
            values = _waves(column, self.terms) if flag else _legendre(2 * column - 1, self.terms)
            product = (product[..., :, None] * values[..., None, :]).flatten(-2)
            if self._kept:
                product = product[..., self._kept[axis]]
        return product

    def forward(
        self,
        functions: Float[Tensor, "batch sensor"],
        queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"],
    ) -> Float[Tensor, "batch query field"]:
        """The fields."""
        coefficients = torch.einsum("bj,jkf->bkf", self.scores(functions), self.weights)
        pattern = "bkf,qk->bqf" if queries.ndim == 2 else "bkf,bqk->bqf"
        return torch.einsum(pattern, coefficients, self.basis(queries))

    @torch.no_grad()
    def fit(
        self,
        functions: Float[Tensor, "batch sensor"],
        queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"],
        fields: Float[Tensor, "batch query field"],
    ) -> None:
        """Least squares in float64, components and terms cut to what the number of pairs can bear."""
        kept = self._set_components(functions)
        scores = self.scores(functions).double()[:, : 1 + kept]
        if queries.ndim == 2:
            basis = self.basis(queries.double())
            by_term = least_squares(basis, fields.double().transpose(0, 1).flatten(1))
            by_function = by_term.view(-1, *fields.shape[::2]).transpose(0, 1).flatten(1)  # batch, term field
            solution = least_squares(scores, by_function)
            solution = solution.view(1 + kept, -1, fields.shape[2])
        else:
            solution = self._pointwise(scores, queries.double(), fields.double())
        self.weights.zero_()
        self.weights[: len(solution)] = solution.to(self.weights)

    def _set_components(self, functions: Tensor) -> int:
        """Principal components of the training functions; how many are kept."""
        self.centre.copy_(functions.double().mean(0))
        self.components.zero_()
        _, values, vectors = torch.linalg.svd(functions.double() - self.centre.double(), full_matrices=False)
        good = int((values > _CUT * values[:1]).sum())
        kept = min(self.components.shape[1], good, max(0, len(functions) // _ROWS_PER_UNKNOWN - 1))
        scale = math.sqrt(len(functions)) / values[:kept]
        self.components[:, :kept] = (vectors[:kept].T * scale).to(self.components)
        return kept

    def _pointwise(self, scores: Tensor, queries: Tensor, fields: Tensor) -> Float[Tensor, "component term field"]:
        """Normal equations over all values, each function with queries of its own."""
        terms, size = self.weights.shape[1], scores.shape[1]
        values = fields.shape[0] * fields.shape[1]
        size = max(1, min(size, values // (_ROWS_PER_UNKNOWN * terms)))
        gram = scores.new_zeros(size * terms, size * terms)
        moment = scores.new_zeros(size * terms, fields.shape[2])
        for rows in torch.arange(len(scores)).split(max(1, _CHUNK // fields.shape[1])):
            design = (
                torch.einsum("bj,bqk->bqjk", scores[rows, :size], self.basis(queries[rows])).flatten(2).flatten(0, 1)
            )
            gram += design.T @ design
            moment += design.T @ fields[rows].flatten(0, 1)
        gram += 1e-9 * gram.diag().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        return torch.linalg.solve(gram, moment).view(size, terms, -1)


def _kept_products(axes: int, terms: int) -> list[list[int]]:
    """After every axis, which products of kept ones and its basis functions are of a degree below `terms`."""
    if axes <= _FULL:
        return []
    kept, degrees = [], [0]
    for _ in range(axes):
        products = [degree + more for degree in degrees for more in range(terms)]
        kept.append([i for i, degree in enumerate(products) if degree < terms])
        degrees = [products[i] for i in kept[-1]]
    return kept


def _legendre(z: Float[Tensor, "*point"], terms: int) -> Float[Tensor, "*point term"]:
    values = [torch.ones_like(z), z]
    for k in range(1, terms - 1):
        values.append(((2 * k + 1) * z * values[-1] - k * values[-2]) / (k + 1))
    return torch.stack(values[:terms], dim=-1)


def _waves(x: Float[Tensor, "*point"], terms: int) -> Float[Tensor, "*point term"]:
    """1, cos 2πx, sin 2πx, cos 4πx, ..."""
    turns = 2 * np.pi * torch.arange(1, terms // 2 + 1, dtype=x.dtype, device=x.device) * x[..., None]
    pairs = torch.stack((turns.cos(), turns.sin()), dim=-1).flatten(-2)
    return torch.cat((torch.ones_like(x)[..., None], pairs), dim=-1)[..., :terms]


class LinearMapConfig(Config):
    """Sizes of the bases."""

    rank: int = pydantic.Field(default=24, ge=0)
    """Principal components of the functions."""
    terms: int | None = pydantic.Field(default=None, ge=2)
    """Polynomials or waves per axis of the queries; None for 16 on one axis, 10 on two, 6 on three."""


class LinearMapSolver(OperatorSolver[LinearMapConfig, FreeOperator[BasisOperator]]):
    """The best linear operator: how much of the problem is not non-linear."""

    key = "linear_map"
    title = "Linear operator"
    citation = "least squares on principal components of the functions and polynomials of the queries"
    claim = ""
    rule = None

    def recipe(self, preset: str) -> Recipe[LinearMapConfig, OperatorConfig]:
        """24 components."""
        return recipe_of(_recipes(24), preset)

    def build(
        self, problem: MapsFunctions, model: LinearMapConfig, context: OperatorContext
    ) -> FreeOperator[BasisOperator]:
        """Bases without weights."""
        return basis_operator(problem, model, context)

    def loss(self, module: FreeOperator[BasisOperator], batch: PairBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of standardised fields, which the fit minimises."""
        return squared_error(module, batch)

    def solve_closed_form(self, module: FreeOperator[BasisOperator], examples: Examples[PairBatch]) -> bool:
        """Least squares over all training pairs."""
        fit_basis(module, examples)
        return True


class MeanMapSolver(OperatorSolver[LinearMapConfig, FreeOperator[BasisOperator]]):
    """The mean of the training outputs, whatever the function: no skill."""

    key = "mean_map"
    title = "Mean field"
    citation = "least squares on polynomials of the queries"
    claim = ""
    rule = None
    unread = {"functions": "the mean is the same for all of them"}

    def recipe(self, preset: str) -> Recipe[LinearMapConfig, OperatorConfig]:
        """No components."""
        return recipe_of(_recipes(0), preset)

    def build(
        self, problem: MapsFunctions, model: LinearMapConfig, context: OperatorContext
    ) -> FreeOperator[BasisOperator]:
        """A basis without weights."""
        return basis_operator(problem, model.model_copy(update={"rank": 0}), context)

    def loss(self, module: FreeOperator[BasisOperator], batch: PairBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of standardised fields, which the fit minimises."""
        return squared_error(module, batch)

    def solve_closed_form(self, module: FreeOperator[BasisOperator], examples: Examples[PairBatch]) -> bool:
        """Least squares over all training pairs."""
        fit_basis(module, examples)
        return True


def basis_operator(
    problem: MapsFunctions, model: LinearMapConfig, context: OperatorContext
) -> FreeOperator[BasisOperator]:
    """A module without weights, for the problem's functions, queries and fields."""
    network = BasisOperator(
        sensors=sum(context.sizes),
        periodic=tuple(axis.periodic for axis in problem.domain.axes),
        fields=len(problem.fields),
        rank=model.rank,
        terms=model.terms,
    )
    return FreeOperator(network, OperatorScales(context, problem.domain))


def fit_basis(module: FreeOperator[BasisOperator], examples: Examples[PairBatch]) -> None:
    """Fit to all training pairs."""
    batch = examples.batch(torch.arange(len(examples)), rng.generator(0)).to(module.scales.lower.device)
    scales = module.scales
    module.network.fit(scales.standardise(batch.functions), scales.unit(batch.queries), scales.scale(batch.targets))


def _recipes(rank: int) -> dict[str, Recipe[LinearMapConfig, OperatorConfig]]:
    recipe = Recipe[LinearMapConfig, OperatorConfig](
        model=LinearMapConfig(rank=rank), task=OperatorConfig(), train=TrainConfig(steps=0)
    )
    return dict.fromkeys(("tiny", "small", "paper"), recipe)
