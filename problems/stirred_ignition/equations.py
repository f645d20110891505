"""One stirred reactor lit by a pulse of heat: units, fill, horizon, outcome and what the fields must obey."""

from collections.abc import Mapping

import torch
from torch import Tensor

from sciml.core.problem import Field
from sciml.metrics import first_crossing

EQUATION = """\
d(m Y_k)/dt = ṁ₀ Y_k,in − ṁ Y_k + V W_k ω_k(T, Y)        (GRI-Mech 3.0 without nitrogen and argon)
d(m u)/dt   = ṁ₀ h_in − ṁ h + Q(t),   p V = m R T/W
ṁ = ṁ₀ (p/p₀) sqrt(T₀ W/(T W₀)) G(γ)/G(γ₀),   G = sqrt(γ (2/(γ+1))^{(γ+1)/(γ−1)})
t = s (6 τ + 5 δ)"""

VOLUME = 5e-8
"""Of the reactor, m³."""
SPECIES = ("CH4", "O2", "CO2", "H2O", "CO", "H2", "OH")
"""Those that are seen; the others (radicals, C2) hold a few hundredths of the mass while it burns."""
WEIGHTS = (16.043, 31.998, 44.009, 18.015, 28.010, 2.016, 17.007)
"""kg/kmol, in the order of `SPECIES`."""
_ATOMS = {
    "C": (12.011, (1, 0, 1, 0, 1, 0, 0)),
    "H": (1.008, (4, 0, 0, 2, 0, 2, 1)),
    "O": (15.999, (0, 2, 2, 1, 1, 0, 1)),
}
TURNOVERS, PULSES = 6.0, 5.0
"""The last time, in residence times and pulse lengths."""
PEAK = 2.5
"""Time of the pulse's peak in full widths at half maximum."""
IGNITED = 1500.0
"""T [K] at the end that tells the outcomes apart."""
_WIDTH = 150.0
BURNT = 0.2
"""Share of the carbon in CO and CO2 above which the kernel burns: a pulse that only heats leaves 93 % unburnt."""
DERIVED_QUANTITIES = (
    Field(
        "ignition_time",
        "s_ign",
        "1",
        "time at which T passes 1500 K with a fifth of the fuel burnt, share of the horizon",
    ),
    Field("peak_temperature", "T_max", "K", "highest temperature"),
    Field("peak_pressure", "p_max", "Pa", "highest pressure"),
    Field("final_temperature", "T_end", "K", "temperature at the end"),
)
"""The mixture fraction is none of them, since the reactor keeps that of its feed."""


def horizon(params: Mapping[str, Tensor]) -> Tensor:
    """Seconds of physical time in one unit of the problem's time."""
    return TURNOVERS * params["residence_time"] + PULSES * params["duration"]


def mixture(params: Mapping[str, Tensor]) -> Tensor:
    """Mass fractions of `SPECIES` in the feed: φ moles of CH4 to two of O2."""
    phi = params["equivalence_ratio"]
    fuel, oxygen = phi * WEIGHTS[0], torch.full_like(phi, 2 * WEIGHTS[1])
    none = torch.zeros_like(phi)
    return torch.stack([fuel / (fuel + oxygen), oxygen / (fuel + oxygen), *[none] * (len(SPECIES) - 2)], -1)


def fill(params: Mapping[str, Tensor]) -> Tensor:
    """The fields at the start, ``… 9``: T, p and the feed's mass fractions."""
    return torch.cat([torch.stack([params["feed_temperature"], params["feed_pressure"]], -1), mixture(params)], -1)


def burnt(states: Tensor) -> Tensor:
    """Share of the carbon of CH4, CO2 and CO that is in the latter two, of fields ``… 9``; 0 where there is none."""
    moles = states[..., [2, 4, 6]].clamp_min(0.0) / states.new_tensor([WEIGHTS[0], WEIGHTS[2], WEIGHTS[4]])
    return moles[..., 1:].sum(-1) / moles.sum(-1).clamp_min(1e-30)


def chance(states: Tensor) -> Tensor:
    """``sigmoid((T_end − 1500 K)/150 K) sigmoid((c_end − 0.2)/0.02)`` with the burnt share c: hot, and by burning."""
    hot = torch.sigmoid((states[:, -1, 0] - IGNITED) / _WIDTH)
    return hot * torch.sigmoid((burnt(states[:, -1]) - BURNT) / (0.1 * BURNT))


def derived_values(times: Tensor, states: Tensor) -> dict[str, Tensor]:
    """`DERIVED_QUANTITIES` of states ``batch time 9``.

    The ignition time is when T exceeds 1500 K and the burnt share 0.2, first from below; NaN for a kernel that never
    ignites (one that a pulse only heats to 1500 K does not) or that burns from the start.
    """
    temperature, pressure = states[..., 0], states[..., 1]
    signal = torch.minimum(temperature / IGNITED, burnt(states) / BURNT)
    return {
        "ignition_time": first_crossing(times.to(states), signal, 1.0, from_below=True),
        "peak_temperature": temperature.amax(1),
        "peak_pressure": pressure.amax(1),
        "final_temperature": temperature[:, -1],
    }


def violations(states: Tensor, params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """How far each constraint is missed, ``batch time``, in float64.

    ``shares``: what Σ Y of the species seen has above one. ``positivity``: how far the smallest Y is below zero.
    ``C``, ``H``, ``O``: what the species seen hold of an element above what the feed holds of it, as a share of that:
    feed and reactor have the same atoms at all times. ``state``: how far T or p, in units of the feed's, is below zero.
    """
    shares = states.double()[..., 2:]
    scale = torch.stack([params["feed_temperature"], params["feed_pressure"]], -1)[:, None].to(shares)
    excess = {
        "shares": (shares.sum(-1) - 1).clamp_min(0.0),
        "positivity": (-shares).amax(-1).clamp_min(0.0),
        "state": (-states.double()[..., :2] / scale).amax(-1).clamp_min(0.0),
    }
    feed = mixture({name: value.to(shares) for name, value in params.items()})
    for element, (mass, atoms) in _ATOMS.items():
        held = shares.new_tensor([n * mass / weight for n, weight in zip(atoms, WEIGHTS, strict=True)])
        excess[element] = ((shares @ held) / (feed @ held)[:, None] - 1).clamp_min(0.0)
    return excess
