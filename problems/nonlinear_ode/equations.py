"""Where the functions live, and the equation."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "s′(x) = -s(x)² + u(x),  s(0) = 0"
LINE = Domain((Coordinate("x", 0.0, 1.0),))
LENGTH = 0.2
"""Correlation length of the functions that are trained on."""
BOUND = 1e3
"""A solution beyond this has blown up."""
STEP = 2e-3
"""Largest step of the reference."""
