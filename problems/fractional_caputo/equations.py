"""Where the functions live, and the operator in words and symbols."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "s(y, α) = 1/Γ(1 - α) ∫₀ʸ (y - τ)^(-α) u′(τ) dτ,  0 ≤ y ≤ 1,  0.1 ≤ α ≤ 0.9"
LINE = Domain((Coordinate("x", 0.0, 1.0),))
PLANE = Domain((Coordinate("y", 0.0, 1.0), Coordinate("a", 0.1, 0.9, long_name="order α")))
FRACTION = 0.9
"""μ of the poly-fractonomials; not below any order, or their derivatives would be infinite at y = 0."""
LENGTH = 0.2
"""Correlation length of the Gaussian field."""
