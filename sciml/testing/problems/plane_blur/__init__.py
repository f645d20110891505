"""A field on a square, blurred: functions and fields on one lattice."""

from dataclasses import dataclass

import torch

from sciml.core.capabilities import AppliesOperator, Images, InputFunction
from sciml.core.domain import Coordinate, Domain
from sciml.core.problem import Field
from sciml.reference import CosineSpace

SQUARE = Domain((Coordinate("y", 0.0, 2.0, units="m"), Coordinate("x", 0.0, 1.0, units="m")))
SPACE = CosineSpace(SQUARE, size=3)


@dataclass(frozen=True, kw_only=True)
class Blur(AppliesOperator):
    """s = B a + 4 a³, where B divides mode number k by 1 + k."""

    inputs: tuple[InputFunction, ...] = (InputFunction("a", "a", "K", "source", SQUARE),)
    domain: Domain = SQUARE
    spaces: tuple[str, ...] = ("cosines",)

    def draw_functions(self, space, count, generator):
        return (SPACE.draw(count, generator),)

    def apply(self, functions, queries):
        damped = functions[0].coefficients / (1 + torch.arange(functions[0].coefficients.shape[1]))
        values = damped @ SPACE.modes(queries).T + 4 * functions[0](queries) ** 3
        return Images(values[..., None], torch.zeros(len(values), dtype=torch.int8))


PROBLEM = Blur(
    name="plane_blur",
    title="A blurred field",
    equation="s = B a + 4 a³",
    fields=(Field("s", "s", "K", "blurred field"),),
    boundary={},
    presets=("tiny",),
    metrics=("relative_l2",),
    solver="deeponet",
    citation="none",
)
