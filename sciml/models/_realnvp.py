"""A normalising flow of affine couplings."""

import math
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn import MLP, Activation, Network, Units

_STRONGEST = 3.0  # largest |s| of one coupling, which so never stretches more than about twentyfold


class Coupling(Network):
    """Components with m = 0 are scaled and shifted by what the others say.

        z = m x + (1 - m) (x exp(s(m x)) + t(m x))

    log |det ∂z/∂x| = Σ (1 - m) s, and the inverse is as cheap. It begins as the identity.

    Arguments:
        kept: m, which components stay, as zeros and ones.
        width, layers: of the hidden layers of the perceptron that gives s and t.
        nonlinearity: between them.
    """

    kept: Tensor

    def __init__(self, kept: Float[Tensor, " dim"], *, width: int, layers: int, nonlinearity: Activation) -> None:
        super().__init__()
        self.register_buffer("kept", kept, persistent=False)
        size = len(kept)
        self.network = MLP(size, 2 * size, width=width, layers=layers, nonlinearity=nonlinearity, silent=True)

    def forward(self, x: Float[Tensor, "point dim"]) -> tuple[Float[Tensor, "point dim"], Float[Tensor, " point"]]:
        """z and log |det ∂z/∂x|."""
        s, t = self._scale_and_shift(x)
        return x * s.exp() + t, s.sum(1)

    def inverse(self, z: Float[Tensor, "point dim"]) -> Float[Tensor, "point dim"]:
        """x, given z."""
        s, t = self._scale_and_shift(z)
        return (z - t) * (-s).exp()

    def _scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.network(x * self.kept).to(x.dtype).chunk(2, dim=1)
        moved = 1 - self.kept
        return _STRONGEST * torch.tanh(raw / _STRONGEST) * moved, shift * moved


class RealNVP(Network):
    """log p(x) = log N(f(x̃); 0, 1) + log |det ∂f/∂x̃| - Σ log σ, with f a chain of couplings.

    Arguments:
        dim: components of x.
        couplings: layers of the chain; every second one moves the components the others keep.
        width, layers: of the hidden layers of the perceptron in a coupling.
        nonlinearity: between them.
        units: μ and σ, what standardises the points; none if left out.

    Reference:
        Dinh, Sohl-Dickstein, Bengio, "Density estimation using Real NVP", ICLR 2017, arXiv:1605.08803.
    """

    def __init__(
        self,
        dim: int,
        *,
        couplings: int = 8,
        width: int = 64,
        layers: int = 2,
        nonlinearity: Activation = "relu",
        units: Units | None = None,
    ) -> None:
        super().__init__()
        self.units = units or Units.plain(dim)
        places = torch.arange(dim)
        self.couplings = nn.ModuleList(
            Coupling(((places + k) % 2).float(), width=width, layers=layers, nonlinearity=nonlinearity)
            for k in range(couplings)
        )

    def forward(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, " point"]:
        """log p of points in physical units."""
        z, log_det = self.flow(points)
        normal = -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
        return normal + log_det - self.units.log_volume()

    def flow(self, points: Float[Tensor, "point dim"]) -> tuple[Float[Tensor, "point dim"], Float[Tensor, " point"]]:
        """z = f(x̃) and log |det ∂z/∂x̃|."""
        z = self.units.standardise(points)
        log_det = z.new_zeros(z.shape[0])
        for coupling in self.couplings:
            z, change = coupling(z)
            log_det = log_det + change
        return z, log_det

    def inverse(self, z: Float[Tensor, "point dim"]) -> Float[Tensor, "point dim"]:
        """The points in physical units that `flow` takes to z."""
        for coupling in reversed(self.couplings):
            z = cast(Coupling, coupling).inverse(z)
        return self.units.restore(z)
