"""Covariance of the unknown numbers of an equation from the errors of the data.

With residuals of data r_d/σ, of equations and of conditions, linear in the weights w and the numbers p around the
solution, the information on p is what no change of the weights can undo,

    F = min over W of ‖A_p + A_w W‖² = A_pᵀ (1 - P_w) A_p,   cov p = F⁻¹,

where P_w projects on the range of A_w. Equations and conditions are constraints, so they count with an error that is
small enough to bind the weights: then A_w W is the sensitivity ∂u/∂p that the linearised equation has, and F is that of
Gauss and Newton, Σ (∂u/∂p)²/σ².
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.least_squares import least_squares
from sciml.core.scales import Scales
from sciml.solvers.pinn._gauss_newton import DENSE
from sciml.solvers.pinn._jacobian import jacobian, uncovered
from sciml.solvers.pinn._module import PINN
from sciml.solvers.pinn._objective import terms_of
from sciml.tasks.collocation import CollocationBatch

_BINDING = 0.03
"""Error of equations, as a share of σ/√n of the data: a violation this large changes what n data say by a thousandth,
and sensitivities that a network has wrong by a percent still count as right."""
_RANK = 1e-11  # singular values of A_w, relative to the largest, that are rounding


def covariance(module: PINN, evidence: CollocationBatch, typical: Scales) -> Float[Tensor, "unknown unknown"] | None:
    """Covariance of the unknown numbers in the order of the statement; infinite where data do not determine them.

    None for a network with too many parameters for the whole Jacobian, or with some that it does not cover.

    Arguments:
        module: at the solution.
        evidence: points at which the equations bind, faces, and observations with their standard deviations.
        typical: magnitudes of fields and equations.
    """
    size = sum(parameter.numel() for parameter in module.parameters())
    sigma, values = evidence.sigma, evidence.values
    if size > DENSE or uncovered(module) or sigma is None or values is None:
        return None
    terms = terms_of(module, evidence)
    residuals, matrices = jacobian(module, terms)
    names = evidence.seen or module.statement.observed
    magnitudes = sigma.new_tensor(typical.of_fields(names))
    count = int((~values.isnan()).sum())
    error = _BINDING * float((sigma / magnitudes).min()) / math.sqrt(count)
    weighted = []
    for i, (term, residual, matrix) in enumerate(zip(terms, residuals, matrices, strict=True)):
        trained = 1.0 if term.scale is None else term.scale.to(matrix)  # what the rows are divided by already
        if term.name == "observations":
            wanted = sigma
        elif i == 0:
            wanted = matrix.new_tensor(typical.of_equations(residual.shape[1])) * error * math.sqrt(len(residual))
        else:
            index = module.ansatz.soft[i - 1]
            wanted = matrix.new_tensor([typical.of_condition(module.statement, index)])
            wanted = wanted * error * math.sqrt(len(residual))
        weighted.append(matrix * (trained / wanted).expand_as(residual).T.reshape(-1, 1))
    whole = torch.cat(weighted)
    of_numbers = {id(parameter) for parameter in module.unknown.values()}
    is_number = torch.cat([torch.full((p.numel(),), id(p) in of_numbers) for p in module.parameters()])
    order = list(module.unknown)
    steps = torch.tensor([module.step_of(name) for name in order], dtype=torch.float64)
    information = _information(whole[:, ~is_number].cpu(), whole[:, is_number].cpu())
    scaled = _inverse(information) * steps * steps[:, None]
    wanted_order = [order.index(unknown.name) for unknown in module.statement.unknowns]
    return scaled[wanted_order][:, wanted_order]


def _information(
    weights: Float[Tensor, "row weight"], numbers: Float[Tensor, "row unknown"]
) -> Float[Tensor, "unknown unknown"]:
    """A_pᵀ (1 - P_w) A_p."""
    scale = weights.norm(dim=0)
    used = weights[:, scale > 0] / scale[scale > 0]
    solved = least_squares(used, numbers, _RANK)
    rest = numbers - used @ solved
    return rest.T @ rest


def _inverse(information: Float[Tensor, "unknown unknown"]) -> Float[Tensor, "unknown unknown"]:
    """F⁻¹ in units in which its diagonal is 1; infinite where it has none."""
    size = information.diagonal().sqrt()
    factor, fault = torch.linalg.cholesky_ex(information / size / size[:, None])
    if int(fault) or not information.isfinite().all() or bool((size == 0).any()):
        return torch.full_like(information, math.inf)
    return torch.cholesky_inverse(factor) / size / size[:, None]
