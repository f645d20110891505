"""The Gauss-Newton method with the damping of Levenberg and Marquardt, for networks of up to a few thousand parameters.

With the weighted residuals ρ = (√(λ_t w_i / n_t) r_i) of all terms and J = ∂ρ/∂θ a step solves

    (JᵀJ + μ I) δ = -Jᵀρ,

the gradient in the metric that the equation itself induces (an energy natural gradient). μ follows the ratio of the
decrease to the decrease of the linear model after Nielsen. A step follows the curve that ρ is bent along, to second
order (a geodesic acceleration): with ρ'' the second derivative along δ, by one more evaluation of ρ,

    θ ← θ + δ - ½ (JᵀJ + μ I)⁻¹ Jᵀρ'',

unless that correction is not small against δ.

References: J. Müller, M. Zeinhofer, Achieving high accuracy with PINNs via energy natural gradients, ICML 2023,
arXiv:2302.13163; H. B. Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05, TU Denmark;
M. K. Transtrum, J. P. Sethna, Improvements to the Levenberg-Marquardt algorithm for nonlinear least-squares
minimization, arXiv:1201.5885.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.solvers.pinn._jacobian import jacobian
from sciml.solvers.pinn._module import PINN
from sciml.solvers.pinn._objective import Term, Weights, evaluate, scaled

DENSE = 3000
"""Parameters above which steps are solved by conjugate gradients."""
_TRIES = 12  # steps of growing damping before giving up
_SMALLEST = 1e-14  # damping, relative to its scale
_PROBE = 0.1  # share of a step at which its curvature is measured
_BEND = 0.375  # largest correction for the curvature, relative to the step


class GaussNewton:
    """One damped step at a time.

    Arguments:
        module: what is fitted, in place.
        damping: μ at the start, relative to the mean of diag JᵀJ.
        solve: ``dense``, ``cg`` or ``auto``.
        accelerated: whether steps are bent.
    """

    def __init__(self, module: PINN, *, damping: float = 1.0, solve: str = "auto", accelerated: bool = True) -> None:
        self.module, self.stopped = module, ""
        size = sum(p.numel() for p in module.parameters())
        self._dense = solve == "dense" or (solve == "auto" and size <= DENSE)
        self._start, self._damping, self._growth, self._accelerated = damping, 0.0, 2.0, accelerated

    def step(self, terms: Sequence[Term], weights: Weights) -> Tensor:
        """The loss before the step. Sets `stopped` where no damping lowers it any more."""
        residuals, matrices = jacobian(self.module, terms)
        rho = torch.cat(scaled(residuals, weights))
        matrix = torch.cat([m * s[:, None] for m, s in zip(matrices, _factors(residuals, weights), strict=True)])
        loss = rho @ rho
        if not loss.isfinite():
            return loss
        wide = matrix.shape[0] < matrix.shape[1]
        normal = (matrix @ matrix.T if wide else matrix.T @ matrix) if self._dense else None
        if not self._damping:
            trace = matrix.square().sum() if normal is None else normal.diagonal().sum()
            self._damping = self._start * float(trace) / matrix.shape[1]
        self._search(matrix, normal, rho, lambda: _rows(self.module, terms, weights))
        return loss

    def _search(self, matrix: Tensor, normal: Tensor | None, rho: Tensor, rows: Callable[[], Tensor]) -> None:
        """Move the parameters to where the loss is lower, with as much damping as that takes."""
        parameters = list(self.module.parameters())
        start, loss, gradient = flat(parameters), rho @ rho, matrix.T @ rho
        smallest = _SMALLEST * float(gradient.abs().max() + 1e-300)

        def rows_at(step: Tensor) -> Tensor:
            assign(parameters, start + step)
            return rows()

        for _ in range(_TRIES):
            solve = self._solver(matrix, normal)
            step = -solve(rho)
            image = matrix @ step
            model = -(2 * gradient @ step + image @ image)
            if self._accelerated:
                curve = (rows_at(_PROBE * step) - rho - _PROBE * image) * (2 / _PROBE**2)
                bend = -0.5 * solve(curve)
                if bend.norm() <= _BEND * step.norm():  # not so where anything is not finite
                    step = step + bend
            change = loss - rows_at(step).square().sum().nan_to_num(float("inf"))
            ratio = float(change / model) if model > 0 else -1.0
            if change > 0 and ratio > 0:
                self._damping = max(self._damping * max(0.1, 1 - (2 * min(ratio, 1.5) - 1) ** 3), smallest)
                self._growth = 2.0
                return
            self._damping *= self._growth
            self._growth *= 2
        assign(parameters, start)
        self.stopped = f"no damping lowers the loss below {float(loss):.3g}"

    def _solver(self, matrix: Tensor, normal: Tensor | None) -> Callable[[Tensor], Tensor]:
        """r -> (JᵀJ + μ I)⁻¹ Jᵀ r; with fewer rows than columns as Jᵀ (JJᵀ + μ I)⁻¹ r, which is the same."""
        if normal is None:
            return lambda r: conjugate_gradients(lambda v: matrix.T @ (matrix @ v) + self._damping * v, matrix.T @ r)
        damped = normal.clone()
        damped.diagonal().add_(self._damping)
        factor, fault = torch.linalg.cholesky_ex(damped)
        if int(fault):
            return lambda r: matrix.new_zeros(matrix.shape[1])
        if len(normal) < matrix.shape[1]:
            return lambda r: matrix.T @ torch.cholesky_solve(r[:, None], factor)[:, 0]
        return lambda r: torch.cholesky_solve((matrix.T @ r)[:, None], factor)[:, 0]

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Damping and its growth."""
        return {"damping": self._damping, "growth": self._growth, "stopped": self.stopped}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self._damping, self._growth, self.stopped = state["damping"], state["growth"], state["stopped"]


def flat(parameters: Sequence[Tensor]) -> Float[Tensor, " parameter"]:
    """All parameters as one vector, detached."""
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


@torch.no_grad()
def assign(parameters: Sequence[Tensor], vector: Float[Tensor, " parameter"]) -> None:
    """Put the entries of a vector into the parameters, in place."""
    for parameter, part in zip(parameters, vector.split([p.numel() for p in parameters]), strict=True):
        parameter.copy_(part.view_as(parameter))


def conjugate_gradients(
    apply: Callable[[Tensor], Tensor], right: Float[Tensor, " n"], *, tolerance: float = 1e-6, most: int = 200
) -> Float[Tensor, " n"]:
    """x with A x = right for a positive definite A, to a relative residual of `tolerance` or after `most` products."""
    x, residual = torch.zeros_like(right), right.clone()
    direction, square = residual.clone(), residual @ residual
    wanted = tolerance**2 * square
    for _ in range(most):
        if square <= wanted:
            break
        image = apply(direction)
        length = square / (direction @ image)
        x += length * direction
        residual -= length * image
        before, square = square, residual @ residual
        direction = residual + (square / before) * direction
    return x


@torch.no_grad()
def _rows(module: PINN, terms: Sequence[Term], weights: Weights) -> Float[Tensor, " row"]:
    """ρ for the present parameters."""
    return torch.cat(scaled([evaluate(module, term) for term in terms], weights))


def _factors(residuals: Sequence[Tensor], weights: Weights) -> list[Tensor]:
    """√(λ w / n) for every row of every term, in the order of `jacobian`."""
    return scaled([torch.ones_like(residual) for residual in residuals], weights)
