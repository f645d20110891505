"""Two-dimensional densities with gaps, thin ridges and several parts, to be learned from samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import HasDensity
from sciml.core.errors import UnknownNameError
from sciml.core.problem import Field

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class Densities(HasDensity):
    """Two moons, eight Gaussians and a pinwheel in the plane.

    What to expect: the entropy is 1.008 nat (moons) and 2.832 nat (eight Gaussians), by quadrature; a single Gaussian
    needs 0.901 and 1.423 nat more, a good flow less than 0.1 nat.
    """

    shapes: tuple[str, ...] = ("moons", "gaussians", "pinwheel")

    def sample(self, shape: str, count: int, generator: torch.Generator) -> Tensor:
        """`count` independent points ``count 2``, float64."""
        return reference.SAMPLERS[self._known(shape)](count, generator)

    def log_density(self, shape: str, points: Tensor) -> Tensor | None:
        """The true log density at points ``point 2``; None for the pinwheel, whose density has no closed form."""
        density = equations.LOG_DENSITIES.get(self._known(shape))
        return None if density is None else density(points)

    def _known(self, shape: str) -> str:
        if shape not in self.shapes:
            raise UnknownNameError("density", shape, self.shapes)
        return shape


PROBLEM = Densities(
    name="densities",
    title="Densities in the plane",
    equation=equations.EQUATION,
    fields=(Field("x", "x", "1", "first coordinate"), Field("y", "y", "1", "second coordinate")),
    boundary={},
    metrics=("nll", "kl", "normalisation", "evaluations"),
    solver="cnf",
    citation="W. Grathwohl, R. T. Q. Chen, J. Bettencourt, I. Sutskever, D. Duvenaud, FFJORD, ICLR (2019), "
    "arXiv:1810.01367; M. Johnson et al., Composing graphical models with neural networks, NeurIPS (2016), "
    "arXiv:1603.06277 (pinwheel)",
)
