"""Points at which a statement's conditions hold: on faces and edges, at points, at the nodes of integrals."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.domain import EdgeCondition, IntegralCondition, PointCondition
from sciml.core.shapes import Draw

if TYPE_CHECKING:
    from sciml.core.statement import Statement

_ROWS = 20_000  # nodes of an integral over all places it is taken at, at most


def condition_points(statement: "Statement", index: int, count: int, draw: Draw) -> Float[Tensor, "point dim"]:
    """At most `count` points at which condition number `index` holds, from a source of points of unit cubes."""
    condition, domain = statement.conditions[index], statement.domain
    dim = len(domain.names)
    if isinstance(condition, IntegralCondition):
        return _nodes(statement, index, condition, count, draw)
    if isinstance(condition, EdgeCondition):
        edges = statement.edges_of(index)
        return torch.cat([domain.edge(name, -(-count // len(edges)), draw) for name in edges])
    if isinstance(condition, PointCondition):
        points = domain.fill(1 if len(condition.at) == dim else count, draw)
        for axis, value in condition.at.items():
            points[:, domain.index(axis)] = value
    else:
        free = draw(count if dim > 1 else 1, max(1, dim - 1))
        column = domain.index(condition.axis)
        unit = torch.cat([free[:, :column], torch.zeros(len(free), 1).to(free), free[:, column:]], dim=1)[:, :dim]
        points = domain.face(unit, condition.axis, condition.side)
    return points if domain.shape is None else points[domain.contains(points)]


def _nodes(statement: "Statement", index: int, condition: IntegralCondition, count: int, draw: Draw) -> Tensor:
    """All nodes of an integral, after one another for each of a few places in the other axes."""
    domain, (nodes, _) = statement.domain, statement.nodes[index]
    over = [domain.index(name) for name in domain.names if name in statement.integrated(condition)]
    others = [column for column in range(len(domain.names)) if column not in over]
    few = max(1, min(count, _ROWS // len(nodes))) if others else 1
    places = domain.fill(few, draw) if others else domain.place(torch.zeros(1, len(over)).double())
    points = places.repeat_interleave(len(nodes), dim=0)
    points[:, over] = nodes.to(points).repeat(len(places), 1)
    return points
