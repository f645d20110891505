"""Ways to take derivatives by the coordinates, and the gradient of the loss by the parameters.

``autograd``: repeated reverse mode, always works, the oracle. ``taylor``: jets through the layers. ``laplacian``: jets
whose second derivatives are summed up, where the equation has them as a Laplacian only. ``traced``: the whole step
(Taylor mode, loss and its gradient) as one graph, which can be compiled; for points that stay.

The fastest depends on network, points and machine, so `choose` times them on the terms at hand; whatever disagrees with
the oracle is left out.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.derivatives import autograd_derivatives
from sciml.core.errors import UnsupportedError, UserError
from sciml.solvers.pinn._module import PINN
from sciml.solvers.pinn._objective import Term, Weights, evaluate, losses

ENGINES = ("autograd", "taylor", "laplacian", "traced")
_AGREE = 1e-5  # largest difference of gradients, relative to the largest entry of the oracle's
_TIMED = 3


class Gradient:
    """Losses of all terms and the gradient of their weighted sum.

    Arguments:
        module: whose parameters.
        engine: one of `ENGINES`.
        compile: whether a traced step is compiled.

    Raises: UnsupportedError where the engine does not apply.
    """

    def __init__(self, module: PINN, engine: str, *, compile: bool = False) -> None:
        self.module, self.engine, self._compile = module, engine, compile
        self._parameters = list(module.parameters())
        if engine == "laplacian" and not module.statement.has_laplacian:
            raise UnsupportedError("the equation has second derivatives beside those of a Laplacian",
                                   fix="Take the engine 'taylor'.")  # fmt: skip
        self._graph: Callable[..., Any] | None = None
        self._traced_for: tuple[int, ...] = ()

    def __call__(self, terms: Sequence[Term], weights: Weights) -> tuple[list[Tensor], Float[Tensor, " parameter"]]:
        """Loss of every term without its weight, and the gradient of the weighted sum."""
        if self.engine == "traced":
            return self._from_graph(terms, weights)
        unweighted = losses(self.residuals(terms), weights)
        total = torch.stack([weight * loss for weight, loss in zip(weights.terms, unweighted, strict=True)]).sum()
        slopes = torch.autograd.grad(total, self._parameters, allow_unused=True)
        return [loss.detach() for loss in unweighted], _flat(slopes, self._parameters)

    def residuals(self, terms: Sequence[Term]) -> list[Tensor]:
        """The residual of every term, with gradients."""
        return [residual_by(self.engine, self.module, term) for term in terms]

    def _from_graph(self, terms: Sequence[Term], weights: Weights) -> tuple[list[Tensor], Tensor]:
        key = tuple(id(term.points) for term in terms)
        like = self._parameters[0].detach()
        scale = torch.tensor(weights.terms, dtype=like.dtype, device=like.device)
        per_point = weights.points.to(like) if len(weights.points) else like.new_ones(len(terms[0].points))
        values = [parameter.detach() for parameter in self._parameters]
        graph = self._graph
        if graph is None or key != self._traced_for:
            graph = self._trace(terms, values, scale, per_point)
            self._graph, self._traced_for = graph, key
        unweighted, *slopes = graph(values, scale, per_point)
        return list(unweighted.unbind()), _flat(slopes, self._parameters)

    def _trace(self, terms: Sequence[Term], values: list[Tensor], scale: Tensor, per_point: Tensor) -> Any:
        from torch.fx.experimental.proxy_tensor import make_fx

        for term in terms:  # the ansatz at the points is computed outside of the graph
            evaluate(self.module, term)
        names = [name for name, _ in self.module.named_parameters()]
        holder = _Residuals(self.module, list(terms))

        def weighted(values: list[Tensor], scale: Tensor, per_point: Tensor) -> tuple[Tensor, Tensor]:
            state = {f"module.{name}": value for name, value in zip(names, values, strict=True)}
            residuals = torch.func.functional_call(holder, state, ())
            unweighted = torch.stack(losses(residuals, Weights((1.0,) * len(terms), per_point)))
            return (scale * unweighted).sum(), unweighted

        def step(values: list[Tensor], scale: Tensor, per_point: Tensor) -> tuple[Tensor, ...]:
            slopes, (_, unweighted) = torch.func.grad_and_value(weighted, has_aux=True)(values, scale, per_point)
            return unweighted, *slopes

        graph = make_fx(step)(values, scale, per_point)
        return torch.compile(graph) if self._compile else graph


class _Residuals(nn.Module):
    def __init__(self, module: PINN, terms: list[Term]) -> None:
        super().__init__()
        self.module, self.terms = module, terms

    def forward(self) -> list[Tensor]:
        """Residuals in Taylor mode."""
        return [evaluate(self.module, term) for term in self.terms]


def residual_by(engine: str, module: PINN, term: Term) -> Float[Tensor, "point row"]:
    """The residual of a term with an eager engine."""
    statement = module.statement
    if engine == "autograd":
        derivatives = autograd_derivatives(module, term.points, statement.fields, statement.names)
        return term.gathered(term.rows(derivatives, module.numbers()))
    if engine == "laplacian" and term.name == "equation":
        jet = module.jet(term.points, statement.collapsed_orders)
        fields = statement.fields
        return term.scaled(
            statement.collapsed_residual(
                term.points, lambda name, order: jet[order][:, fields.index(name)], module.numbers()
            )
        )
    return evaluate(module, term)


def choose(
    module: PINN, terms: Sequence[Term], weights: Weights, *, candidates: Sequence[str] = ENGINES[:3]
) -> tuple[str, dict[str, float]]:
    """The fastest engine whose gradient agrees with autograd's, and the seconds per gradient of all that do."""
    oracle = Gradient(module, "autograd")
    expected = oracle(terms, weights)[1]
    seconds = {"autograd": _seconds(oracle, terms, weights)}
    for engine in candidates:
        if engine == "autograd":
            continue
        try:
            gradient = Gradient(module, engine)
            slopes = gradient(terms, weights)[1]
        except UserError:
            continue
        if float((slopes - expected).abs().max()) <= _AGREE * float(expected.abs().max()):
            seconds[engine] = _seconds(gradient, terms, weights)
    return min(seconds, key=lambda name: seconds[name]), seconds


def _seconds(gradient: Gradient, terms: Sequence[Term], weights: Weights) -> float:
    taken = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        gradient(terms, weights)
        taken.append(time.perf_counter() - started)
    return min(taken)


def _flat(slopes: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> Tensor:
    return torch.cat(
        [(torch.zeros_like(p) if s is None else s).flatten() for s, p in zip(slopes, parameters, strict=True)]
    )
