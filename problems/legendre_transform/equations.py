"""Where the functions live, and the operator in words and symbols."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "J(n) = ∫ Pₙ(x) f(x) dx over [-1, 1],  n = 0, ..., 19"
LINE = Domain((Coordinate("x", -1.0, 1.0),))
NUMBERS = Domain((Coordinate("n", 0.0, 19.0, long_name="number of the polynomial", whole=True),))
LENGTH = 0.4
"""Correlation length of the functions that are trained on: a fifth of the interval, as on [0, 1]."""
