"""Where the modes and the mean live, and the equation."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "dy = k(t; ω) y dt,  y(0) = 1,  k = Σ ξᵢ φᵢ(t),  ξᵢ ~ N(0, 1):  E y = exp(½ Σ (∫₀ᵗ φᵢ)²)"
CLOCK = Domain((Coordinate("t", 0.0, 1.0, long_name="time"),), time="t")
MODES = 5
"""Karhunen-Loève modes of k that are kept."""
