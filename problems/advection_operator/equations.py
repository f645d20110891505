"""Where the function and the fields live, and the four settings."""

from sciml.core.domain import Coordinate, Domain

EQUATION = """\
∂s/∂t + a(x) ∂s/∂x = 0 on [0, 1]²
s₁: a = 1, s(x, 0) = v(sin² πx), periodic
s₂: a = 1, s(x, 0) = x v(x), s(0, t) = 0
s₃: a = 1 + v(x)/10, s(x, 0) = x², s(0, t) = sin πt
s₄: a = 1 + (v(x) + v(1 - x))/20, s(x, 0) = sin 2πx, periodic"""
LINE = Domain((Coordinate("x", 0.0, 1.0),))
PLANE = Domain((Coordinate("t", 0.0, 1.0, long_name="time"), Coordinate("x", 0.0, 1.0)), time="t")
LENGTH = 0.2
"""Correlation length of v."""
