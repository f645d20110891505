"""Collocation points that follow the residual: RAD, RAR-G and RAR-D.

Candidates are drawn evenly; with r the root of the sum of squares of the equations' residuals, each scaled by its own
root mean square, their probability is

    p ∝ |r|^k / mean |r|^k + c.

RAD draws all points anew with it, RAR-D adds some drawn with it, RAR-G adds those of largest residual.

Reference: C. Wu, M. Zhu, Q. Tan, Y. Kartha, L. Lu, A comprehensive study of non-adaptive and residual-based adaptive
sampling for physics-informed neural networks, Comput. Methods Appl. Mech. Eng. 403 (2023) 115671,
doi:10.1016/j.cma.2022.115671.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.shapes import uniform
from sciml.solvers.pinn._config import AdaptConfig
from sciml.solvers.pinn._module import PINN
from sciml.solvers.pinn._objective import equation_term, evaluate


def adapted(
    module: PINN, points: Float[Tensor, "point dim"], config: AdaptConfig, generator: torch.Generator
) -> Float[Tensor, "more dim"]:
    """New points for the present state of the module, in the domain of its statement."""
    statement = module.statement
    candidates = statement.domain.fill(config.pool, uniform(generator)).to(points)
    with torch.no_grad():
        residual = evaluate(module, equation_term(module, candidates))
    if config.kind == "rar_g":
        chosen = size_of(residual).topk(min(config.add, len(candidates))).indices
        return torch.cat([points, candidates[chosen]])
    chances = density(residual, config.power, config.floor).cpu()
    count = len(points) if config.kind == "rad" else config.add
    chosen = torch.multinomial(chances, min(count, len(candidates)), generator=generator)
    drawn = candidates[chosen.to(candidates.device)]
    return drawn if config.kind == "rad" else torch.cat([points, drawn])


def density(residual: Float[Tensor, "point row"], power: float, floor: float) -> Float[Tensor, " point"]:
    """p of every candidate; they add up to 1."""
    size = size_of(residual) ** power
    chances = size / size.mean().clamp(min=1e-300) + floor
    return chances / chances.sum()


def size_of(residual: Float[Tensor, "point row"]) -> Float[Tensor, " point"]:
    """Size of the residual over all equations, each in its own root mean square."""
    scale = residual.square().mean(0).sqrt().clamp(min=1e-300)
    return (residual / scale).norm(dim=1)
