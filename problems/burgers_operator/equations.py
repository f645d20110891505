"""Where the velocity lives, and the equation."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "∂u/∂t + u ∂u/∂x = ν ∂²u/∂x²,  periodic in x,  ν = 0.01:  u(x, 0) ↦ u(x, 1)"
CIRCLE = Domain((Coordinate("x", 0.0, 1.0, periodic=True),))
VISCOSITY, TIME = 0.01, 1.0
INVERSE_LENGTH, EXPONENT, AMPLITUDE = 5.0, 2.0, 25.0
"""τ, α, σ of the initial field N(0, σ² (-Δ + τ²)^(-α))."""
