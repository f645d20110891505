"""Where the vorticity lives, and the equation."""

from sciml.core.domain import Coordinate, Domain

EQUATION = """\
∂ω/∂t + u ∂ω/∂x + v ∂ω/∂y = ν Δω,  periodic,  ν = 0.002:  ω(x, y, 0) ↦ ω(x, y, 2)
u = ∂ψ/∂y,  v = -∂ψ/∂x,  -Δψ = ω"""
SQUARE = Domain((Coordinate("y", 0.0, 1.0, periodic=True), Coordinate("x", 0.0, 1.0, periodic=True)))
VISCOSITY, TIME = 0.002, 2.0
INVERSE_LENGTH, EXPONENT, AMPLITUDE = 7.0, 2.5, 350.0
"""τ, α, σ of the initial field N(0, σ² (-Δ + τ²)^(-α)); its standard deviation is about three."""
