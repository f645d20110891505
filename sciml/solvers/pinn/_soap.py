"""SOAP: Adam in the eigenbasis of Shampoo's preconditioners.

For a weight matrix with gradient G the averages L ← β L + (1-β) G Gᵀ and R ← β R + (1-β) Gᵀ G have eigenvectors Q_L and
Q_R, followed by one power iteration and a QR decomposition every few steps. Adam's moments are those of Q_Lᵀ G Q_R, and
its step is turned back. Vectors and numbers get Adam itself.

Reference: N. Vyas et al., SOAP: Improving and stabilizing Shampoo using Adam, arXiv:2409.11321; S. Wang et al.,
Gradient alignment in physics-informed neural networks, arXiv:2502.00604.
"""

from typing import Any

import torch
from torch import Tensor


class SOAP(torch.optim.Optimizer):
    """See above.

    Arguments:
        params: what is optimised.
        lr: learning rate.
        betas: decay of the first and second moment.
        shampoo_beta: decay of L and R.
        eps: added to the root of the second moment.
        every: steps between two turns of the basis.
    """

    def __init__(
        self,
        params: Any,  # Any: as torch's optimisers take them, parameters or groups
        *,
        lr: float = 3e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        shampoo_beta: float = 0.95,
        eps: float = 1e-8,
        every: int = 10,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "shampoo_beta": shampoo_beta, "eps": eps, "every": every})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] (takes none)
        """One step from the gradients in place."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._one(parameter, parameter.grad, group)

    def _one(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        matrix = parameter.ndim == 2 and min(parameter.shape) > 1
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
            if matrix:
                left, right = gradient @ gradient.T, gradient.T @ gradient
                state |= {"left": left, "right": right}
                state |= {"q_left": _eigenvectors(left), "q_right": _eigenvectors(right)}
        if matrix:
            state["left"].lerp_(gradient @ gradient.T, 1 - group["shampoo_beta"])
            state["right"].lerp_(gradient.T @ gradient, 1 - group["shampoo_beta"])
        state["step"] += 1
        turned = _turn(gradient, state) if matrix else gradient
        first, second = group["betas"]
        state["mean"].lerp_(gradient, 1 - first)  # kept in the old basis, which stays when the new one turns
        state["square"].lerp_(turned.square(), 1 - second)
        mean = _turn(state["mean"], state) if matrix else state["mean"]
        correction = (1 - second ** state["step"]) ** 0.5 / (1 - first ** state["step"])
        move = mean / (state["square"].sqrt() + group["eps"])
        if matrix:
            move = state["q_left"] @ move @ state["q_right"].T
        parameter.add_(move, alpha=-group["lr"] * correction)
        if matrix and state["step"] % group["every"] == 0:
            for side in ("left", "right"):
                state[f"q_{side}"] = torch.linalg.qr(state[side] @ state[f"q_{side}"]).Q


def _turn(gradient: Tensor, state: dict[str, Any]) -> Tensor:
    return state["q_left"].T @ gradient @ state["q_right"]


def _eigenvectors(matrix: Tensor) -> Tensor:
    """Orthonormal, those of large eigenvalues first."""
    return torch.linalg.eigh(matrix).eigenvectors.flip(1)
