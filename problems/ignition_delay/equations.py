"""The mixture before ignition, and what its delay is."""

from collections.abc import Mapping

EQUATION = """\
m dY_k/dt = V W_k ω_k(T, Y),   dU/dt = 0,   dV/dt = 0        (GRI-Mech 3.0 without nitrogen and argon)
T(0) = T₀,  p(0) = p₀,  mixture: (1 − d) [φ ((1 − h) CH4 + h H2) + (2 (1 − h) + h/2) O2] + d [CO2 + 2 H2O]
τ: first time at which T = T₀ + 400 K,   T_b = T(10 τ)"""

RISE = 400.0
"""K above the start at which a mixture has ignited."""
LATER = 10.0
"""Delays after which the burnt gas is looked at."""


def mixture(equivalence_ratio: float, dilution: float, hydrogen: float) -> Mapping[str, float]:
    """Mole fractions of CH4, H2, O2, CO2 and H2O: fresh gas, and burnt gas of stoichiometric methane."""
    oxygen = 2 * (1 - hydrogen) + 0.5 * hydrogen
    fresh = (1 - dilution) / (equivalence_ratio + oxygen)
    return {
        "CH4": equivalence_ratio * (1 - hydrogen) * fresh,
        "H2": equivalence_ratio * hydrogen * fresh,
        "O2": oxygen * fresh,
        "CO2": dilution / 3,
        "H2O": 2 * dilution / 3,
    }
