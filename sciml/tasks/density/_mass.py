"""The integral of a density in the plane, by a grid where that resolves it, else by draws."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

_AGREE = 0.05
"""Share by which the sums over two halves of a grid may differ where it resolves the density."""
_CENTRES, _DRAWS, _NEIGHBOUR = 1000, 8000, 5
_SCALES = (0.5, 1.0, 3.0)


def resolves(density: Float[Tensor, "y x"]) -> bool:
    """Whether the two colours of a chessboard have the same share of the mass, to a twentieth, and there is some."""
    rows, columns = (torch.arange(size) for size in density.shape)
    even = ((rows[:, None] + columns) % 2 == 0).to(density)
    share = float((density * even).sum() / density.sum()) if float(density.sum()) > 0 else math.nan
    return abs(share - 0.5) <= _AGREE / 2


def drawn_mass(
    log_density: Callable[[Float[Tensor, "point dim"]], Float[Tensor, " point"]],
    points: Float[Tensor, "sample dim"],
    generator: torch.Generator,
) -> float:
    """∫ p = E_q[p / q], with draws from Gaussians around known points, as wide as their neighbours are apart.

    Finds the mass of densities of any scale near the points; what lies far from all of them is not found.

    Arguments:
        log_density: log p.
        points: of the data, about as densely as p.
        generator: of the draws.
    """
    centres = points[torch.linspace(0, len(points) - 1, min(len(points), _CENTRES)).long()].double()
    apart = torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist")
    near = apart.kthvalue(min(_NEIGHBOUR + 1, len(centres)), dim=1).values
    width = near.clamp_min(float(near[near > 0].min()) if (near > 0).any() else 1.0)
    chosen = torch.randint(len(centres), (_DRAWS,), generator=generator)
    scale = torch.tensor(_SCALES, dtype=torch.float64)[torch.randint(len(_SCALES), (_DRAWS,), generator=generator)]
    noise = torch.randn(_DRAWS, centres.shape[1], generator=generator, dtype=torch.float64)
    drawn = (centres[chosen] + (scale * width[chosen])[:, None] * noise).to(points.dtype)
    return float((log_density(drawn).double() - _log_mixture(drawn.double(), centres, width)).exp().mean())


def _log_mixture(drawn: Tensor, centres: Tensor, width: Tensor) -> Tensor:
    """log q of what was drawn."""
    blocks = []
    for block in drawn.split(1000):
        squares = torch.cdist(block, centres, compute_mode="donot_use_mm_for_euclid_dist").square()
        logs = [
            torch.logsumexp(squares / (-2 * (s * width) ** 2) - centres.shape[1] * (s * width).log(), dim=1)
            for s in _SCALES
        ]
        blocks.append(torch.logsumexp(torch.stack(logs), dim=0))
    constant = math.log(len(centres) * len(_SCALES)) + 0.5 * centres.shape[1] * math.log(2 * math.pi)
    return torch.cat(blocks) - constant
