"""Two humps of points in the plane near the origin; `far_moons` are the same points a long way off."""

from dataclasses import dataclass

import torch

from sciml.core.capabilities import HasDensity
from sciml.core.problem import Field

CENTRES = ((-1.0, 0.5), (1.0, -0.5))
SPREAD = 0.3


@dataclass(frozen=True, kw_only=True)
class Moons(HasDensity):
    """Points x = c_k + 0.3 ε + offset, with either centre equally probable and ε standard normal."""

    offset: float = 0.0
    shapes: tuple[str, ...] = ("moons",)

    def sample(self, shape, count, generator):
        generator = torch.Generator().manual_seed(count)  # the same points wherever they lie
        hump = torch.randint(2, (count,), generator=generator)
        noise = torch.randn(count, 2, generator=generator, dtype=torch.float64)
        return torch.tensor(CENTRES, dtype=torch.float64)[hump] + SPREAD * noise + self.offset

    def log_density(self, shape, points):
        return None


PROBLEM = Moons(
    name="near_moons",
    title="Two humps near the origin",
    equation="p = ½ Σ_k N(c_k, 0.09 I)",
    fields=(Field("x", "x", "m", "first coordinate"), Field("y", "y", "m", "second coordinate")),
    boundary={},
    presets=("tiny",),
    metrics=("nll",),
    citation="none",
)
