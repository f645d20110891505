"""Weights of the terms of a loss, and of points by their time."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core import rng
from sciml.solvers.pinn._config import WeighConfig
from sciml.solvers.pinn._engines import Gradient
from sciml.solvers.pinn._jacobian import jacobian
from sciml.solvers.pinn._objective import Term, Weights

_KEEP = 0.9  # of a weight when it changes
_TEMPERATURE, _FORGET, _SAUDADE = 0.1, 0.999, 0.999  # of ReLoBRaLo


class Balance:
    """λ of every term, adapted to the course of the training.

        grad_norm: λ_i ← 0.9 λ_i + 0.1 Σ_j |∇L_j| / |∇L_i|
        ntk:       the same with traces of the tangent kernel, the mean squares of per-point gradients
        relobralo: relative progress since the last time and since a random earlier one, by softmax

    References: S. Wang, S. Sankaran, H. Wang, P. Perdikaris, An expert's guide to training physics-informed neural
    networks, arXiv:2308.08468; R. Bischof, M. Kraus, Multi-objective loss balancing for physics-informed deep learning,
    arXiv:2110.09813.

    Arguments:
        config: which of them.
        terms: how many.
    """

    def __init__(self, config: WeighConfig, terms: int) -> None:
        self.config = config
        self.weights = [1.0] + [config.soft] * (terms - 1)
        self._before: list[float] = []
        self._first: list[float] = []

    def update(self, step: int, gradient: Gradient, terms: Sequence[Term], points: Tensor) -> None:
        """Adapt to the present state of the module, if it is time to."""
        kind = self.config.balance
        if kind == "none" or len(terms) < 2 or step % self.config.balance_every:
            return
        if kind == "relobralo":
            losses, _ = gradient(terms, Weights((1.0,) * len(terms), points))
            self.remember(step, [float(loss) for loss in losses])
            return
        sizes = [_size(kind, gradient, term, points if i == 0 else torch.zeros(0)) for i, term in enumerate(terms)]
        wanted = [sum(sizes) / max(size, 1e-30) for size in sizes]
        self.weights = [
            _KEEP * old + (1 - _KEEP) * new if step else new for old, new in zip(self.weights, wanted, strict=True)
        ]

    def remember(self, step: int, losses: list[float]) -> None:
        """Set the weights by how losses fell since the last time and since the start or, by chance, since before."""
        self._first = self._first or losses
        before = self._before or losses
        self._before = losses
        back = float(torch.rand((), generator=rng.generator(0, "relobralo", step))) < _SAUDADE
        recent, whole = _shares(losses, before), _shares(losses, self._first)
        past = self.weights if back else whole
        self.weights = [_FORGET * p + (1 - _FORGET) * r for p, r in zip(past, recent, strict=True)]

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Weights and losses so far."""
        return {"weights": list(self.weights), "before": list(self._before), "first": list(self._first)}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self.weights, self._before, self._first = (list(state[key]) for key in ("weights", "before", "first"))


def causal_weights(
    residual: Float[Tensor, "point row"],
    times: Float[Tensor, " point"],
    *,
    start: float,
    extent: float,
    chunks: int,
    strictness: float,
) -> Float[Tensor, " point"]:
    """w = exp(-ε Σ_{k before} L_k) of the interval of time a point is in; L_k is the mean square of interval k.

    Reference: S. Wang, S. Sankaran, P. Perdikaris, Respecting causality for training physics-informed neural networks,
    Comput. Methods Appl. Mech. Eng. 421 (2024) 116813, doi:10.1016/j.cma.2024.116813.
    """
    which = ((times - start) / extent * chunks).long().clamp(0, chunks - 1)
    squares = residual.detach().square().sum(1)
    zeros = squares.new_zeros(chunks)
    counts = zeros.index_add(0, which, torch.ones_like(squares)).clamp(min=1)
    means = zeros.index_add(0, which, squares) / counts
    before = torch.cumsum(means, 0) - means
    return torch.exp(-strictness * before)[which]


def _size(kind: str, gradient: Gradient, term: Term, points: Tensor) -> float:
    if kind == "ntk":
        _, (matrix,) = jacobian(gradient.module, [term])
        return float(matrix.square().sum(1).mean())
    return float(gradient([term], Weights((1.0,), points))[1].norm())


def _shares(now: list[float], then: list[float]) -> list[float]:
    ratio = torch.tensor([a / (_TEMPERATURE * b + 1e-30) for a, b in zip(now, then, strict=True)])
    return (len(now) * torch.softmax(ratio - ratio.max(), 0)).tolist()
