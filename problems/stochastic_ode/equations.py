"""Where the modes and the paths live, and the equation."""

from sciml.core.domain import Coordinate, Domain

EQUATION = "dy = k(t; ω) y dt,  y(0) = 1,  k = Σ ξᵢ φᵢ(t),  i = 1, ..., 5,  ξᵢ ~ N(0, 1)"
CLOCK = Domain((Coordinate("t", 0.0, 1.0, long_name="time"),), time="t")
MODES = 5
"""Karhunen-Loève modes of k that are kept."""
REACH = 4.0
"""Largest |ξ| that is asked for; the normal distribution is cut there."""
PATHS = Domain(
    (
        *(Coordinate(name, -REACH, REACH, long_name=f"random number ξ{i + 1}") for i, name in enumerate("abcde")),
        *CLOCK.axes,
    ),
    time="t",
)
