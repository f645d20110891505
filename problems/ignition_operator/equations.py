"""Where the pulse acts, and the equation."""

from sciml.core.domain import Coordinate, Domain

EQUATION = """\
d(m Y_k)/dt = ṁ₀ Y_k,in − ṁ Y_k + V W_k ω_k(T, Y)        (GRI-Mech 3.0 without nitrogen and argon)
d(m u)/dt   = ṁ₀ h_in − ṁ h + P(t),   p V = m R T/W:   P ↦ T"""
HORIZON = 4e-3
"""Last time, s: two residence times after the last pulse."""
LINE = Domain((Coordinate("t", 0.0, HORIZON, units="s", long_name="time"),), time="t")

VOLUME = 5e-8
"""Of the reactor, m³."""
TEMPERATURE, PRESSURE, COMPOSITION = 300.0, 2e5, "CH4:1, O2:2"
"""Of feed and fill: K, Pa, moles."""
RESIDENCE = 1e-3
"""Mass of the fill over the feed's rate, s."""

PULSES, WIDTH = 8, 2e-3 / 9
"""Pulses that a shot is made of, and the distance of one from the next, s; each is as long as two of these."""
ENERGY = (0.17, 0.42)
"""Range of the energy of a shot, J: few shapes ignite the reactor at the lower end, most do at the upper one."""
UNEVEN = 1.5
"""Standard deviation of the logarithm of the energy of one pulse over another's, times √½."""
IGNITED = 1500.0
"""T [K] at the end that tells burning reactors from cold ones."""
