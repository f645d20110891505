"""Two functions with sensors of their own, two fields, queries of each function's own."""

from dataclasses import dataclass

import torch

from sciml.core.capabilities import AppliesOperator, Images, InputFunction
from sciml.core.domain import Coordinate, Domain
from sciml.core.problem import Field
from sciml.reference import ChebyshevSpace

LINE = Domain((Coordinate("x", 0.0, 2.0, units="m"),))
CLOCK = Domain((Coordinate("t", 1.0, 3.0, units="s"),))
PLANE = Domain((Coordinate("x", 0.0, 2.0, units="m"), Coordinate("t", 1.0, 3.0, units="s")), time="t")
SOURCES, PULSES = ChebyshevSpace(LINE, size=3), ChebyshevSpace(CLOCK, size=2)


@dataclass(frozen=True, kw_only=True)
class TwoSources(AppliesOperator):
    """v(x, t) = u(x) ∫ p, w = u(x)²; sensors of u are not evenly spaced."""

    inputs: tuple[InputFunction, ...] = (
        InputFunction("u", "u", "kg", "shape", LINE),
        InputFunction("p", "p", "W", "pulse", CLOCK),
    )
    domain: Domain = PLANE
    spaces: tuple[str, ...] = ("chebyshev", "constants")

    def draw_functions(self, space, count, generator):
        drawn = SOURCES.draw(count, generator), PULSES.draw(count, generator)
        if space == "constants":
            for functions in drawn:
                functions.coefficients[:, 1:] = 0
        return drawn

    def apply(self, functions, queries):
        u = functions[0](queries[:, :1])
        values = torch.stack((u * functions[1].integral(queries[:, 1:]), u**2 + 0.1), dim=2)
        return Images(values, torch.zeros(len(values), dtype=torch.int8))

    def sensors(self, name, size):
        lattice = super().sensors(name, size)
        return 2 * (lattice / 2) ** 1.5 if name == "u" else lattice


PROBLEM = TwoSources(
    name="two_sources",
    title="A shape and a pulse",
    equation="v = u ∫ p dt,  w = u² + 0.1",
    fields=(Field("v", "v", "J", "energy"), Field("w", "w", "1", "square")),
    boundary={},
    presets=("tiny",),
    metrics=("relative_l2",),
    solver="mionet",
    citation="none",
)
