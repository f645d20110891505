"""Random media by their Karhunen-Loève modes, and the solution by spectral integration."""

import torch
from torch import Tensor

from sciml.core.functions import Functions
from sciml.reference import RandomProcess, gauss, legendre, legendre_integrals, truncated_normal

from .equations import LINE, MODES, REACH, SOURCE

NODES = 64
"""Of the integration; twice as many change the solution by less than 1e-8 (tested)."""
_ENTRIES = 2**24
"""Most values of the coefficient that are held at a time."""

SPACES = {
    "rbf": RandomProcess(LINE, "rbf", 0.2, 2.0, MODES),
    "rbf_short": RandomProcess(LINE, "rbf", 0.2, 0.4, MODES),
    "exponential": RandomProcess(LINE, "exponential", 0.5, 2.0, MODES),
}
"""Covariance exp(-|x - x'|² / 2 l²) with l in [0.2, 2], the short ones of them, and rough media."""


def solutions(*modes: Functions, queries: Tensor, nodes: int = NODES) -> Tensor:
    """s(x; ξ) at queries (ξ₁, ..., ξ₈, x), ``function query``.

        s = A ∫₀ˣ e^(-b) - f ∫₀ˣ x' e^(-b) dx',   A = f ∫₀¹ x e^(-b) / ∫₀¹ e^(-b)

    The integrals are those of the polynomial through e^(-b) at Gauss's nodes.
    """
    numbers, x = queries[:, :MODES], queries[:, MODES]
    z, weights = gauss(nodes)
    points = (z + 1) / 2
    degree = torch.arange(nodes, dtype=torch.float64) + 0.5
    series = weights[:, None] * legendre(z, nodes) * degree  # node mode: from values to coefficients
    upto = legendre_integrals(2 * x - 1, nodes) @ series.T / 2  # query node: ∫₀ˣ of values at nodes
    at_nodes = torch.stack([mode(points[:, None]) for mode in modes], dim=1)
    result = torch.empty(len(at_nodes), len(queries), dtype=torch.float64)
    for rows in torch.arange(len(at_nodes)).split(max(1, _ENTRIES // (len(queries) * nodes))):
        resistance = torch.exp(-torch.einsum("qk,fkn->fqn", numbers, at_nodes[rows]))
        whole, moment = resistance @ weights / 2, resistance @ (weights * points) / 2
        slope = (SOURCE * moment / whole)[..., None] - SOURCE * points
        result[rows] = torch.einsum("fqn,fqn,qn->fq", slope, resistance, upto)
    return result


def random_samples(count: int, generator: torch.Generator) -> Tensor:
    """Independent standard normal numbers, cut at `REACH`, and uniform points."""
    numbers = truncated_normal((count, MODES), REACH, generator)
    return torch.cat((numbers, torch.rand(count, 1, generator=generator, dtype=torch.float64)), dim=1)
