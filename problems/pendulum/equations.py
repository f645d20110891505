"""Where the torque acts, and the equation."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "s₁″(t) = -k sin s₁(t) + u(t),  s₁(0) = s₁′(0) = 0,  k = 1"
LINE = Domain((Coordinate("t", 0.0, 1.0, long_name="time"),), time="t")
LENGTH = 0.2
"""Correlation length of the torques that are trained on."""
STIFFNESS = 1.0
"""k."""
STEP = 5e-3
"""Largest step of the reference."""
