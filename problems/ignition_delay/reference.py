"""A closed adiabatic volume in Cantera."""

import math
from typing import Any

import torch
from torch import Tensor

from sciml.core.types import Params
from sciml.reference import methane_oxygen

from .equations import LATER, RISE, mixture

RELATIVE, ABSOLUTE = 1e-8, 1e-14
"""Tolerances of CVODE; a hundred times larger ones move lg τ by less than 1e-5."""
_LONGEST = 100.0  # s; a mixture that has not ignited by then does not


def delays(params: Params) -> Tensor:
    """lg τ and burnt temperature [K], ``sample 2``; NaN where parameters mean nothing or nothing ignites."""
    names = ("temperature", "pressure", "equivalence_ratio", "dilution", "hydrogen")
    columns = [params[name].double().tolist() for name in names]
    gas = methane_oxygen()
    return torch.tensor([_delay(gas, *row) for row in zip(*columns, strict=True)], dtype=torch.float64).reshape(-1, 2)


def _delay(  # Any: Cantera is imported where it is used
    gas: Any, temperature: float, pressure: float, equivalence_ratio: float, dilution: float, hydrogen: float
) -> tuple[float, float]:
    import cantera as ct

    positive = min(temperature, pressure, equivalence_ratio) > 0 and 0 <= dilution < 1 and 0 <= hydrogen <= 1
    if not positive or not all(map(math.isfinite, (temperature, pressure, equivalence_ratio))):
        return math.nan, math.nan
    gas.TPX = temperature, pressure, dict(mixture(equivalence_ratio, dilution, hydrogen))
    reactor = ct.IdealGasReactor(gas, clone=True)
    network = ct.ReactorNet([reactor])
    network.rtol, network.atol = RELATIVE, ABSOLUTE
    threshold, before, reached = temperature + RISE, 0.0, temperature
    try:
        while threshold > reactor.T:
            before, reached = network.time, reactor.T
            if network.step() > _LONGEST:
                return math.nan, math.nan
        share = (threshold - reached) / (reactor.T - reached)
        delay = before + share * (network.time - before)
        network.advance(max(network.time, LATER * delay))
    except ct.CanteraError:
        return math.nan, math.nan
    return math.log10(delay), reactor.T
