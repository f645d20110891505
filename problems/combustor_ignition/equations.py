"""The combustor as one stirred volume: geometry, feed, the reduced model and what its fields must obey."""

import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from sciml.core.capabilities import Uncertain
from sciml.core.types import Params
from sciml.reference import GAS_CONSTANT, Inflow, Mechanism, Nozzle, StirredReactor

EQUATION = """\
in every zone:  dm_k/dt = Σ_in ṁ Y_k − Σ_out ṁ Y_k + V W_k ω_k
                d(m u)/dt = Σ_in ṁ h − Σ_out ṁ h + Q(t; laser)
CH4 + 2 O2 → CO2 + 2 H2O,  ω = A exp(−E/(R T)) [CH4] [O2]^½
seen:           p = Σ V p/Σ V,  ρ = m/V,  Y_k = m_k/m,  T = p W/(ρ R)"""

MECHANISM = Path(__file__).with_name("methane_1s.yaml")
SPECIES = ("CH4", "O2", "CO2", "H2O")
VOLUME = 2e-4
"""Of the chamber, m³."""
THROAT = 3e-5
"""Area of the nozzle's throat, m²."""
DISCHARGE = 0.98
OUTSIDE = 3e4
"""Pressure behind the nozzle, Pa: low enough that it is always choked."""
COLD = 300.0
"""Temperature of the feed and of the fill, K."""
FIRING = 1e-3
"""Time at which the laser fires, s."""
PULSE = 4.0
"""The pulse is a Gaussian in time cut off this many full widths at half maximum after firing, its peak halfway."""

BOUND_LN_A = 12.0
"""Largest change of ln A. Wide, for what burns in the chamber is mixed first: the rate of the means of the network of
zones follows E/R of about 3000 K where the mechanism has 10 000 K, and a smaller E takes a much smaller A."""
ACTIVATION = 8.368e7
"""Of the one step, J/kmol: 20 kcal/mol, as in the mechanism's file."""
BOUND_ACTIVATION = 0.9
"""Largest change of the activation energy, as a share of it."""
CAP = 25.0
"""Largest effective heat, in units of the deposited energy. Lighting the stirred whole takes a pulse of 87 J at 1.5 bar
and of 140 J at 2.5 bar, and the smallest deposited energy is 10 J."""
SPREAD = 4e-3
"""Time after the pulse during which the growth of the kernel may act as a source, s."""

IGNITED = 1000.0
"""T [K] at the end that tells the two outcomes apart; no trajectory of the calibration ends within 500 K of it."""
_WIDTH = 100.0
BURNT = 0.2
"""Share of the carbon in CO2 above which the chamber burns: a laser or a hot fill that heats without burning stays
below, and where burning alone heats the mean to 1000 K it is 0.3."""


@cache
def mechanism() -> Mechanism:
    """The one-step mechanism. Raises UserError where its file is missing or damaged."""
    return Mechanism.load(MECHANISM)


@cache
def reactor() -> StirredReactor:
    """The chamber as one stirred volume, fed by fuel and oxygen, behind the network's nozzle."""
    pure = torch.eye(len(SPECIES), dtype=torch.float64)
    inflows = (Inflow(1.0, COLD, pure[0]), Inflow(1.0, COLD, pure[1]))
    return StirredReactor(mechanism(), VOLUME, inflows, Nozzle(THROAT, DISCHARGE, OUTSIDE))


def mixture(params: Params) -> Tensor:
    """Mass fractions of the feed, ``batch 4``: φ moles of CH4 to two of O2."""
    phi = params["equivalence_ratio"].double()
    none = torch.zeros_like(phi)
    masses = torch.stack([phi, none + 2, none, none], -1) * mechanism().weights.to(phi)
    return masses / masses.sum(-1, keepdim=True)


def fill(params: Params) -> Tensor:
    """The fields at the start, ``batch 7``: the feed's mixture at rest, cold, at the chamber pressure."""
    shares, pressure = mixture(params), params["chamber_pressure"].double()
    cold = torch.full_like(pressure, COLD)
    return join(cold, pressure, shares)


def join(temperature: Tensor, pressure: Tensor, shares: Tensor) -> Tensor:
    """The fields (T, p, ρ, Y): ρ = p/(R T Σ Y_k/W_k)."""
    density = pressure / (GAS_CONSTANT * temperature * (shares / mechanism().weights.to(shares)).sum(-1))
    return torch.cat([torch.stack([temperature, pressure, density], -1), shares], -1)


def feed(params: Params) -> Tensor:
    """Mass flows of CH4 and O2, kg/s, ``batch 2``: what the nozzle lets out of the fill: the cold state rests."""
    shares = mixture(params)
    chamber, start = reactor(), fill(params)
    return chamber.mass_flow_out(chamber.encode(start[..., 0], start[..., 1], shares))[..., None] * shares[..., :2]


def encode(fields: Tensor, params: Params) -> Tensor:
    """Masses [kg] of the species and T [K], ``… 5``, from T, p and Y; ρ follows from them and is not looked at."""
    return reactor().encode(fields[..., 0], fields[..., 1], fields[..., 3:])


def decode(state: Tensor, params: Params) -> Tensor:
    """The fields ``… 7`` of states ``… 5``: they obey Σ Y = 1, Y >= 0 and the gas law whatever the state is."""
    return join(*reactor().decode(state))


# --- closures --------------------------------------------------------------------------------------------------------


def pulse(time: Tensor, params: Params) -> Tensor:
    """Power of the laser [W] in the whole chamber: a Gaussian whose integral is the deposited energy exactly."""
    width = params["duration"] / (2 * math.sqrt(2 * math.log(2)))
    late = (time - FIRING) / width
    half = PULSE / 2 * 2 * math.sqrt(2 * math.log(2))
    kept = math.erf(half / math.sqrt(2))
    inside = (late >= 0) & (late <= 2 * half)
    shape = torch.exp(-0.5 * (late - half) ** 2) / (width * math.sqrt(2 * math.pi) * kept)
    return torch.where(inside, params["energy"] * shape, 0.0)


def forcing_times(params: Params) -> Tensor:
    """When the laser fires, peaks and is over, and halfway in between, ``batch 5``."""
    shares = PULSE * torch.linspace(0, 1, 5).to(params["duration"])
    return FIRING + params["duration"][:, None] * shares


def _pre_exponential(params: Params) -> Tensor:
    return mechanism().ln_a.to(params["energy"]).expand(params["energy"].shape[0])


def _activation(params: Params) -> Tensor:
    return mechanism().activation.to(params["energy"]).expand(params["energy"].shape[0])


CLOSURES: dict[str, Callable[..., Tensor]] = {
    "heat": pulse,
    "pre_exponential": _pre_exponential,
    "activation": _activation,
}
"""``heat(time, params)`` in W; ``pre_exponential(params)``, ln A (kmol, m, s); ``activation(params)``, E in J/kmol."""


def uncertain() -> tuple[Uncertain, ...]:
    """The three closures to be learned."""
    return (
        Uncertain(name="heat", kind="source", window=_window, cap=lambda params: CAP * params["energy"]),
        Uncertain(name="pre_exponential", kind="coefficient", bound=BOUND_LN_A),
        Uncertain(name="activation", kind="coefficient", bound=BOUND_ACTIVATION * ACTIVATION),
    )


def _window(params: Params) -> tuple[Tensor, Tensor]:
    start = torch.full_like(params["duration"], FIRING)
    return start, start + PULSE * params["duration"] + SPREAD


def rate(time: Tensor, state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]) -> Tensor:
    """d(m_k, T)/dt of the stirred volume, ``batch 5``."""
    return reactor().slope(
        time,
        state,
        closures["heat"](time, params),
        closures["pre_exponential"](params).reshape(-1, 1),
        closures["activation"](params).reshape(-1, 1),
        feed(params),
    )


# --- what the fields obey --------------------------------------------------------------------------------------------


def burnt(states: Tensor) -> Tensor:
    """Share of the carbon that is in CO2, of fields ``… 7``; 0 where there is none, NaN where a share is."""
    moles = states[..., [3, 5]].clamp_min(0.0) / mechanism().weights.to(states)[[0, 2]]
    return moles[..., 1] / moles.sum(-1).clamp_min(1e-30)


def chance(states: Tensor) -> Tensor:
    """``sigmoid((T_end − 1000 K)/100 K) sigmoid((c_end − 0.2)/0.02)`` with the burnt share c: hot, and by burning."""
    hot = torch.sigmoid((states[:, -1, 0] - IGNITED) / _WIDTH)
    return hot * torch.sigmoid((burnt(states[:, -1]) - BURNT) / (0.1 * BURNT))


def violations(states: Tensor) -> dict[str, Tensor]:
    """How far each constraint is missed, ``batch time``, computed in float64.

    ``shares``: |Σ Y − 1|. ``positivity``: how far the smallest Y is below zero. ``gas_law``: |p W/(ρ R T) − 1|.
    ``products``: |Y_H2O/W_H2O − 2 Y_CO2/W_CO2| in units of all moles, since one reaction makes both.
    ``state``: how far T [300 K] or p or ρ [relative to the first] is below zero.
    """
    temperature, pressure, density = states.double()[..., :3].unbind(-1)
    shares = states.double()[..., 3:]
    moles = shares / mechanism().weights.to(shares)
    law = pressure / (density * GAS_CONSTANT * temperature * moles.sum(-1)) - 1
    below = torch.stack([temperature / COLD, pressure / pressure[:, :1], density / density[:, :1]], -1)
    return {
        "shares": (shares.sum(-1) - 1).abs(),
        "positivity": (-shares).amax(-1).clamp_min(0.0),
        "gas_law": law.abs(),
        "products": ((moles[..., 3] - 2 * moles[..., 2]) / moles.sum(-1)).abs(),
        "state": (-below).amax(-1).clamp_min(0.0),
    }
