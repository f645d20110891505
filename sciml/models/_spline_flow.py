"""A normalising flow of monotone rational-quadratic splines."""

import math
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, softmax, softplus

from sciml.nn import MLP, Activation, Network, Units

_LEAST = 1e-3
"""Smallest share of a bin's width and height, and smallest slope at a knot."""


class _Bins(NamedTuple):
    """The bin that every value lies in: left knot, width, bottom, height, slopes at its ends; shapes of the values."""

    left: Tensor
    width: Tensor
    bottom: Tensor
    height: Tensor
    first: Tensor
    last: Tensor

    @property
    def slope(self) -> Tensor:
        """Of the chord."""
        return self.height / self.width


class SplineCoupling(Network):
    """Components with m = 0 are moved by monotone splines whose knots are a network's answer to the others.

    Between two knots, with θ the position in the bin from 0 to 1, s the slope of its chord, d and e those at its ends:

        y = bottom + height (s θ² + d θ (1 - θ)) / (s + (d + e - 2 s) θ (1 - θ)),

    which rises, is inverted by a square root, and has the slope s² (e θ² + 2 s θ (1 - θ) + d (1 - θ)²) over the square
    of the denominator. Beyond ±B it is the identity. With one component there is nothing to condition on, and the knots
    are learned as they are. It begins as the identity.

    Arguments:
        kept: m, which components stay.
        bins: of a spline.
        reach: B, in standard deviations of the data.
        width, layers: of the hidden layers of the network.
        nonlinearity: between them.
    """

    kept: Tensor

    def __init__(
        self,
        kept: tuple[bool, ...],
        *,
        bins: int,
        reach: float,
        width: int,
        layers: int,
        nonlinearity: Activation,
    ) -> None:
        super().__init__()
        self.register_buffer("kept", torch.tensor(kept, dtype=torch.float32), persistent=False)
        self.bins, self.reach = bins, reach
        self.moved = [i for i, stays in enumerate(kept) if not stays]
        numbers = len(self.moved) * (3 * bins - 1)
        if any(kept):
            self.network = MLP(len(kept), numbers, width=width, layers=layers, nonlinearity=nonlinearity, silent=True)
            self.free = None
        else:
            self.network, self.free = None, nn.Parameter(torch.zeros(numbers))

    def forward(self, x: Float[Tensor, "point dim"]) -> tuple[Float[Tensor, "point dim"], Float[Tensor, " point"]]:
        """z and log |det ∂z/∂x|."""
        values = x[:, self.moved]
        inside = values.abs() < self.reach
        b = self._bins(x, values.clamp(-self.reach, self.reach), along="x")
        t = ((values - b.left) / b.width).clamp(0, 1)
        bulge, total = t * (1 - t), b.first + b.last - 2 * b.slope
        bottom = b.slope + total * bulge
        y = b.bottom + b.height * (b.slope * t.square() + b.first * bulge) / bottom
        rise = b.last * t.square() + 2 * b.slope * bulge + b.first * (1 - t).square()
        log_slope = 2 * b.slope.log() + rise.log() - 2 * bottom.log()
        z = x.clone()
        z[:, self.moved] = torch.where(inside, y, values)
        return z, torch.where(inside, log_slope, 0.0).sum(1)

    def inverse(self, z: Float[Tensor, "point dim"]) -> Float[Tensor, "point dim"]:
        """x, given z."""
        values = z[:, self.moved]
        inside = values.abs() < self.reach
        b = self._bins(z, values.clamp(-self.reach, self.reach), along="y")
        up, total = values.clamp(-self.reach, self.reach) - b.bottom, b.first + b.last - 2 * b.slope
        square = b.height * (b.slope - b.first) + up * total
        linear = b.height * b.first - up * total
        constant = -b.slope * up
        root = (linear.square() - 4 * square * constant).clamp_min(0).sqrt()
        x = z.clone()
        x[:, self.moved] = torch.where(inside, b.left + b.width * 2 * constant / (-linear - root), values)
        return x

    def _bins(self, seen: Tensor, values: Tensor, *, along: str) -> _Bins:
        """The bins of `values`, found by the knots along x or y, for the components of `seen` that stay."""
        raw = self.network(seen * self.kept) if self.network is not None else cast(Tensor, self.free).expand(
            seen.shape[0], -1
        )  # fmt: skip
        raw = raw.to(seen.dtype).view(seen.shape[0], len(self.moved), -1)
        width, height, slope = raw.split((self.bins, self.bins, self.bins - 1), dim=2)
        x, y = self._knots(width), self._knots(height)
        slopes = pad(_LEAST + (1 - _LEAST) * softplus(slope) / math.log(2), (1, 1), value=1.0)
        inner = (x if along == "x" else y)[..., 1:-1]
        place = (values[..., None] >= inner).sum(-1, keepdim=True)  # as searchsorted, which ONNX does not have
        pick = [knots.gather(2, place + shift)[..., 0] for knots in (x, y, slopes) for shift in (0, 1)]
        return _Bins(pick[0], pick[1] - pick[0], pick[2], pick[3] - pick[2], pick[4], pick[5])

    def _knots(self, raw: Tensor) -> Tensor:
        shares = _LEAST + (1 - _LEAST * self.bins) * softmax(raw, dim=2)
        knots = 2 * self.reach * pad(shares.cumsum(2), (1, 0)) - self.reach
        return torch.cat((knots[..., :-1], torch.full_like(knots[..., :1], self.reach)), dim=2)


class SplineFlow(Network):
    """log p(x) = log N(f(x̃); 0, 1) + log |det ∂f/∂x̃| - Σ log σ, with f a chain of spline couplings.

    Arguments:
        dim: components of x, one or more.
        couplings: layers of the chain; every second one moves the components the others keep.
        bins: of every spline.
        reach: where splines end, in standard deviations; points beyond are only scaled.
        width, layers: of the hidden layers of the perceptron in a coupling.
        nonlinearity: between them.
        units: μ and σ, what standardises the points; none if left out.

    Reference:
        Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", NeurIPS 2019, arXiv:1906.04032.
    """

    def __init__(
        self,
        dim: int,
        *,
        couplings: int = 4,
        bins: int = 16,
        reach: float = 5.0,
        width: int = 64,
        layers: int = 2,
        nonlinearity: Activation = "relu",
        units: Units | None = None,
    ) -> None:
        super().__init__()
        self.units = units or Units.plain(dim)
        self.couplings = nn.ModuleList(
            SplineCoupling(
                tuple(dim > 1 and (i + k) % 2 == 1 for i in range(dim)),
                bins=bins,
                reach=reach,
                width=width,
                layers=layers,
                nonlinearity=nonlinearity,
            )
            for k in range(couplings if dim > 1 else 1)
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
            z = cast(SplineCoupling, coupling).inverse(z)
        return self.units.restore(z)
