"""Where the functions live, and the operator in words and symbols."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "s′(x) = u(x),  s(0) = 0"
LINE = Domain((Coordinate("x", 0.0, 1.0),))
LENGTH = 0.2
"""Correlation length of the functions that are trained on."""
