"""Where the source and the field live, and the equation."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "∂s/∂t = D ∂²s/∂x² + k s² + u(x),  s(x, 0) = s(0, t) = s(1, t) = 0,  D = k = 0.01"
X, T = Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0, long_name="time")
LINE, PLANE = Domain((X,)), Domain((T, X), time="t")
DIFFUSIVITY, RATE = 0.01, 0.01
LENGTH = 0.2
"""Correlation length of the sources that are trained on."""
