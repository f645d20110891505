"""The square, the equation and its constants."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "-∇·(a ∇u) = 1 on the unit square,  u = 0 on its edges"
SQUARE = Domain((Coordinate("y", 0.0, 1.0), Coordinate("x", 0.0, 1.0)))
HIGH, LOW = 12.0, 3.0
"""Permeability where the Gaussian field is positive, and where it is not."""
INVERSE_LENGTH, EXPONENT = 3.0, 2.0
"""τ and α of the field N(0, (-Δ + τ²)^(-α)) with zero normal derivative."""
