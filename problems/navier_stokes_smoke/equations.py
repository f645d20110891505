"""Buoyant smoke in a closed box, for people and for the solver."""

import torch
from torch import Tensor

from sciml.core.types import Grid, Params
from sciml.reference import StaggeredBox

EQUATION = """\
∂s/∂t = −∇·(s u)
∂u/∂t = −∇·(u u) − ∇p + ν ∇²u + b s ŷ
∇·u = 0,  u = 0 on the walls"""

EXTENT = 32.0
"""Side of the box."""


def split(state: Tensor) -> tuple[Tensor, Tensor]:
    """Smoke and flow of a state ``batch 3 y x``."""
    return state[:, 0], state[:, 1:]


def tendency(state: Tensor, params: Params, box: StaggeredBox) -> Tensor:
    """∂/∂t of smoke at centres and velocity on faces, without divergence."""
    smoke, flow = split(state)
    force = box.acceleration(flow, params["viscosity"])
    lift = params["buoyancy"].to(smoke)[:, None, None] * box.on_upper_faces(smoke)
    force = torch.stack([force[:, 0], force[:, 1] + lift], dim=1)
    return torch.cat([box.transport(smoke, flow)[:, None], box.project(force)], dim=1)


def mass(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """⟨s⟩, the mean of the smoke; conserved exactly, since none crosses the walls."""
    return states[:, :, 0].mean(dim=(-2, -1))
