"""Water flow through a borehole: eight parameters, two numbers, a closed formula."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import HasFormula
from sciml.core.problem import Field, Parameter
from sciml.core.types import Params

from . import equations


@dataclass(frozen=True, kw_only=True)
class Borehole(HasFormula):
    """The flow between two aquifers at different heads through a borehole, and its velocity there.

    The radius of the well matters most, the heads and the length next; the radius of influence and the transmissivities
    hardly at all. Flows lie between 10 and 300 m³/yr.
    """

    def evaluate(self, params: Params) -> Tensor:
        """Flow and velocity."""
        return torch.stack([equations.flow(params), equations.velocity(params)], dim=-1)


def _positive(name: str, symbol: str, units: str, long_name: str, low: float, high: float) -> Parameter:
    return Parameter(name, symbol, units, long_name, low, high, least=0.0)


PROBLEM = Borehole(
    name="borehole",
    title="Water flow through a borehole",
    equation=equations.EQUATION,
    fields=(
        Field("flow", "Q", "m3 yr-1", "flow of water"),
        Field("velocity", "v", "m yr-1", "velocity in the borehole"),
    ),
    parameters=(
        _positive("well_radius", "r_w", "m", "radius of the borehole", 0.05, 0.15),
        _positive("influence_radius", "r", "m", "radius of influence", 100.0, 50_000.0),
        _positive("upper_transmissivity", "T_u", "m2 yr-1", "transmissivity of the upper aquifer", 63_070.0, 115_600.0),
        Parameter("upper_head", "H_u", "m", "potentiometric head of the upper aquifer", 990.0, 1110.0),
        _positive("lower_transmissivity", "T_l", "m2 yr-1", "transmissivity of the lower aquifer", 63.1, 116.0),
        Parameter("lower_head", "H_l", "m", "potentiometric head of the lower aquifer", 700.0, 820.0),
        _positive("length", "L", "m", "length of the borehole", 1120.0, 1680.0),
        _positive("conductivity", "K_w", "m yr-1", "hydraulic conductivity of the borehole", 9855.0, 12_045.0),
    ),
    boundary={},
    metrics=("rmse_share", "mae/flow"),
    solver="gaussian_process_rows",
    citation="Harper, Gupta, Sensitivity/uncertainty analysis of a borehole scenario comparing Latin hypercube "
    "sampling and deterministic sensitivity approaches, BMI/ONWI-516 (1983)",
)
