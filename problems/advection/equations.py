"""Where the functions live, and the equation."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "∂s/∂t + ∂s/∂x = 0,  periodic in x,  s(x, 0) = v(sin² πx)"
X = Coordinate("x", 0.0, 1.0, periodic=True)
LINE = Domain((Coordinate("z", 0.0, 1.0, long_name="argument of v"),))
PLANE = Domain((Coordinate("t", 0.0, 1.0, long_name="time"), X), time="t")
LENGTH = 0.2
"""Correlation length of v."""
