"""Flow of water through a borehole that joins two aquifers, by three hydraulic resistances in series."""

import math

import torch
from torch import Tensor

from sciml.core.types import Params

EQUATION = """\
Q = (H_u − H_l) / (R_u + R_b + R_l)
R_u = ln(r/r_w) / (2π T_u)        radial flow to the well in the upper aquifer (Thiem)
R_b = L / (π r_w² K_w)            along the borehole (Darcy)
R_l = ln(r/r_w) / (2π T_l)        radial flow from the well in the lower aquifer
v = Q / (π r_w²)"""


def flow(params: Params) -> Tensor:
    """Q in m³/yr; NaN where a radius, a transmissivity, a length or a conductivity is not positive, or r <= r_w."""
    well, radius, length = params["well_radius"], params["influence_radius"], params["length"]
    upper, lower = params["upper_transmissivity"], params["lower_transmissivity"]
    conductivity = params["conductivity"]
    spread = torch.log(radius / well)
    resistance = (
        spread / (2 * math.pi * upper) + length / (math.pi * well**2 * conductivity) + spread / (2 * math.pi * lower)
    )
    positive = torch.stack([well, radius - well, length, upper, lower, conductivity]).amin(0) > 0
    return torch.where(positive, (params["upper_head"] - params["lower_head"]) / resistance, torch.nan)


def velocity(params: Params) -> Tensor:
    """Q / (π r_w²) in m/yr, the Darcy velocity along the borehole."""
    return flow(params) / (math.pi * params["well_radius"] ** 2)
