"""Where the modes and the solutions live, and the equation."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "-(exp(b(x; ω)) s′)′ = 10,  s(0) = s(1) = 0,  b = Σ ξᵢ φᵢ(x),  i = 1, ..., 8,  ξᵢ ~ N(0, 1)"
LINE = Domain((Coordinate("x", 0.0, 1.0),))
SOURCE = 10.0
MODES = 8
"""Karhunen-Loève modes of b that are kept."""
REACH = 4.0
"""Largest |ξ| that is asked for; the normal distribution is cut there."""
SAMPLES = Domain(
    (
        *(Coordinate(name, -REACH, REACH, long_name=f"random number ξ{i + 1}") for i, name in enumerate("abcdefgh")),
        *LINE.axes,
    )
)
