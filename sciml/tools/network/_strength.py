"""Strengths of nodes and their fluctuation in a layer; unfolded recurrent layers; distances of distributions.

Reference:
    E. La Malfa, G. La Malfa, G. Nicosia, V. Latora, Deep neural networks via complex network theory: a perspective,
    IJCAI 2024, arXiv:2404.11172.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.tools.network._links import Wiring


class NodeLayer(NamedTuple):
    """The vertices behind one layer.

    Fields:
        name: of the layer; ``input of …`` for what a first layer reads.
        strength: s of every vertex.
        normalised: s / √(links in + links out).
    """

    name: str
    strength: Tensor
    normalised: Tensor


def node_strengths(wiring: Wiring, *, bias: bool = True, boundary: bool = True) -> tuple[NodeLayer, ...]:
    """s_k = Σ_i W_ik + b_k + Σ_j W_kj: signed links that end in a vertex, its bias, links that begin there.

    Arguments:
        wiring: of the module.
        bias: whether biases count.
        boundary: whether inputs have one link of weight 1 in, and outputs one of weight 1 out.
    """
    layers = []
    for name in wiring.sources:
        link = wiring.links[name]
        strength = link.outputs + float(boundary)
        layers.append(NodeLayer(f"input of {name}", strength, strength / max(1.0, link.fan_out + boundary) ** 0.5))
    for name, link in wiring.links.items():
        followers = wiring.followers[name]
        last = boundary and not followers
        strength = link.inputs + wiring.onward[name] + float(last) + (link.bias if bias else 0)
        degree = link.fan_in + sum(wiring.links[other].fan_out for other in followers) + last
        layers.append(NodeLayer(name, strength, strength / max(1.0, degree) ** 0.5))
    return tuple(layers)


def fluctuation(values: Float[Tensor, "..."]) -> float:
    """Y = √(Σ_k (s_k - s̄)² / n), the population's standard deviation over the vertices of a layer."""
    return float(values.detach().double().std(unbiased=False))


def unfolded_strengths(
    inputs: Float[Tensor, "unit channel"],
    recurrent: Float[Tensor, "unit unit"],
    bias: Float[Tensor, " unit"],
    outputs: Float[Tensor, "out unit"],
    steps: int,
) -> Float[Tensor, "time unit"]:
    """Node strengths of h_t = φ(U x_t + W h_{t-1} + b), y_t = V h_t, unfolded over `steps` times.

    s_k(t) = Σ_i U_ki + Σ_j W_kj [t > 0] + b_k + Σ_j W_jk [t < T - 1] + Σ_o V_ok: constant between the ends, where no
    state comes in, or goes on.

    Raises: UserError for less than one step.
    """
    if steps < 1:
        raise UserError("a recurrent layer is unfolded over at least one step", got=steps)
    strength = (inputs.sum(1) + bias + outputs.sum(0)).expand(steps, -1).clone()
    strength[1:] += recurrent.sum(1)
    strength[:-1] += recurrent.sum(0)
    return strength


def js_divergence(
    first: Sequence[float] | np.ndarray,
    second: Sequence[float] | np.ndarray,
    *,
    points: int = 1000,
    reject: float | None = None,
) -> float:
    """The Jensen-Shannon divergence of two samples' kernel densities, in nat, from 0 to ln 2.

    ½ ∫ p ln(p/m) + ½ ∫ q ln(q/m), m = (p + q)/2, by the trapezoidal rule on a common grid. Samples without spread
    are as wide as the grid's spacing, so that equal ones have no distance, and others the largest.

    Arguments:
        first, second: the samples, finite.
        points: of the grid.
        reject: drop values further from the mean of their sample than this many standard deviations; None for none.

    Raises: UserError for samples that are empty or not finite.
    """
    a, b = (_kept(np.asarray(values, float).ravel(), reject) for values in (first, second))
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    margin = 0.25 * (high - low) or 1.0
    grid = np.linspace(low - margin, high + margin, points)
    p, q = (_density(values, grid) for values in (a, b))
    middle = 0.5 * (p + q)

    def entropy(density: np.ndarray) -> float:
        ratio = np.divide(density, middle, out=np.ones_like(density), where=(density > 0) & (middle > 0))
        return float(np.trapezoid(density * np.log(ratio, where=ratio > 0, out=np.zeros_like(ratio)), grid))

    return float(np.clip(0.5 * entropy(p) + 0.5 * entropy(q), 0.0, np.log(2)))


def _kept(values: np.ndarray, reject: float | None) -> np.ndarray:
    if not values.size or not np.isfinite(values).all():
        raise UserError("a distribution is made of finite numbers, at least one", got=f"{values.size} values")
    if reject is None or values.std() == 0:
        return values
    return values[np.abs(values - values.mean()) <= reject * values.std()]


def _density(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The density on the grid, with integral 1."""
    spacing = grid[1] - grid[0]
    if values.size < 2 or values.std() < spacing:
        density = np.exp(-0.5 * ((grid - values.mean()) / (2 * spacing)) ** 2)
    else:
        from scipy.stats import gaussian_kde  # takes a second to load

        density = gaussian_kde(values)(grid)
    return density / np.trapezoid(density, grid)
