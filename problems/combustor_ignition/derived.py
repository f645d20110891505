"""Derived quantities of a trajectory: ignition delay, peak temperature and pressure, final state."""

import torch
from torch import Tensor

from sciml.core.problem import Field
from sciml.metrics import first_crossing

from .equations import BURNT, FIRING, IGNITED, burnt, mechanism

QUANTITIES = (
    Field("ignition_delay", "t_ign", "s", "time from firing until T passes 1000 K with a fifth of the fuel burnt"),
    Field("peak_temperature", "T_max", "K", "highest mean temperature"),
    Field("peak_pressure", "p_max", "Pa", "highest mean pressure"),
    Field("final_temperature", "T_end", "K", "mean temperature at the end"),
    Field("mixture_fraction", "Z", "1", "mixture fraction of the chamber at the end"),
)


def derived_values(times: Tensor, states: Tensor) -> dict[str, Tensor]:
    """`QUANTITIES` of states ``batch time 7`` at `times`.

    The delay is when T exceeds 1000 K and the burnt share 0.2, first from below; NaN for a chamber that never ignites,
    that burns from the start, or that ignites before the laser fires.
    """
    temperature, pressure = states[..., 0], states[..., 1]
    signal = torch.minimum(temperature / IGNITED, burnt(states) / BURNT)
    delay = first_crossing(times.to(states), signal, 1.0, from_below=True) - FIRING
    return {
        "ignition_delay": torch.where(delay >= 0, delay, torch.nan),
        "peak_temperature": temperature.amax(1),
        "peak_pressure": pressure.amax(1),
        "final_temperature": temperature[:, -1],
        "mixture_fraction": mixture_fraction(states[:, -1, 3:]),
    }


def mixture_fraction(shares: Tensor) -> Tensor:
    """Share of the mass that came with the fuel, of shares ``… 4`` (CH4, O2, CO2, H2O): 0 in oxygen, 1 in methane.

        Z = (β − β_O2)/(β_CH4 − β_O2),   β = 2 Z_C/W_C + Z_H/(2 W_H) − Z_O/W_O

    with the mass fractions Z_C, Z_H, Z_O of the elements. In moles per mass n_k = Y_k/W_k, carbon is n_CH4 + n_CO2,
    hydrogen 4 n_CH4 + 2 n_H2O and oxygen 2 n_O2 + 2 n_CO2 + n_H2O, so that β = 4 n_CH4 − 2 n_O2: burning does not
    change it, only the feed and what leaves do.

    Reference: Bilger, Stårner, Kee, On reduced mechanisms for methane-air combustion in nonpremixed flames, Combustion
    and Flame 80 (1990) 135-149.
    """
    weights = mechanism().weights.to(shares)
    moles = shares / weights
    fuel, oxygen = 4 / weights[0], -2 / weights[1]
    return (4 * moles[..., 0] - 2 * moles[..., 1] - oxygen) / (fuel - oxygen)
