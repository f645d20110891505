"""Cubic splines as matrices: a function at any points of a line from its values at some."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError


def spline_matrix(
    nodes: Float[Tensor, " node"], points: Float[Tensor, " point"], *, period: float | None = None
) -> Float[Tensor, "point node"]:
    """The W with f(points) = W f(nodes), f the cubic spline through the nodes; float64.

    The third derivative is continuous at the second node from either end (or everything is periodic). Four nodes or
    more give order 4 in their distance; fewer the polynomial through them.

    Arguments:
        nodes: distinct, in any order.
        points: where; outside of the nodes the end pieces go on.
        period: of a periodic function.

    Raises: UserError for nodes that repeat.
    """
    from scipy.interpolate import CubicSpline

    order = torch.argsort(nodes)
    x, weights = nodes[order].double().numpy(), np.eye(len(nodes))
    if len(x) > 1 and float(np.diff(x).min()) <= 0:
        raise UserError("a spline needs distinct nodes", got=f"{len(nodes)} nodes, of which some repeat")
    where = points.double().numpy()
    if len(x) == 1:
        sorted_weights = np.ones((len(where), 1))
    elif period is None:
        sorted_weights = CubicSpline(x, weights)(where)
    else:
        closed = CubicSpline(np.append(x, x[0] + period), np.vstack((weights, weights[:1])), bc_type="periodic")
        sorted_weights = closed(where)
    matrix = torch.empty(len(where), len(x), dtype=torch.float64)
    matrix[:, order] = torch.from_numpy(sorted_weights)
    return matrix
