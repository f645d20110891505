"""Continuous normalising flows: a density carried by a learned velocity."""

import math
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml import ode
from sciml.models._ode_block import IntegrateConfig, ODEBlock
from sciml.models._regularise import RegulariseConfig
from sciml.nn import MLP, Activation, ConcatSquash, Network, TimeMLP


class PlanarVelocity(Network):
    """dz/dt = (1 / n) Σ_k u_k(t) tanh(w_k(t)ᵀ z + b_k(t)), u_k gated; all coefficients from one network of the time.

    Arguments:
        dim: components of z.
        width: n.
        hidden: neurons of the two hidden layers of the network.
    """

    def __init__(self, dim: int, *, width: int, hidden: int) -> None:
        super().__init__()
        self.dim, self.width = dim, width
        self.coefficients = MLP(1, 3 * width * dim + width, width=hidden, layers=2)

    def forward(self, time: Float[Tensor, " row"], z: Float[Tensor, "row dim"]) -> Float[Tensor, "row dim"]:
        """The velocity."""
        size = self.width * self.dim
        w, u, gate, b = self.coefficients(time[:, None].to(z.dtype)).split((size, size, size, self.width), dim=1)
        w, u = (v.view(-1, self.width, self.dim) for v in (w, u * torch.sigmoid(gate)))
        wave = torch.tanh((w * z[:, None]).sum(2) + b)
        return (wave[:, :, None] * u).mean(1)


class FlowField(Network):
    """d/dt (z, l) = (v(t, z), -∇·v): the state and the change of its log-density.

    Without noise the divergence is exact, one vector-Jacobian product per dimension; with noise ε it is εᵀ (∂v/∂z) ε.

    Arguments:
        velocity: v, ``(time: row, z: row dim) -> row dim``.
    """

    def __init__(self, velocity: nn.Module) -> None:
        super().__init__()
        self.velocity = velocity

    def forward(
        self, time: Float[Tensor, " row"], state: Float[Tensor, "row entry"], *noise: Tensor
    ) -> Float[Tensor, "row entry"]:
        """The slope of (z, l)."""
        wanted = torch.is_grad_enabled()
        with torch.enable_grad():
            z = state[:, :-1]
            z = z if z.requires_grad else z.detach().requires_grad_()
            v = self.velocity(time, z)
            divergence = _estimate(v, z, noise[0].to(v.dtype), wanted) if noise else _exact(v, z, wanted)
        slope = torch.cat((v, -divergence[:, None]), dim=1)
        return slope if wanted else slope.detach()


def _exact(v: Tensor, z: Tensor, wanted: bool) -> Float[Tensor, " row"]:
    total = torch.zeros_like(v[:, 0])
    for i in range(v.shape[1]):
        (row,) = torch.autograd.grad(v[:, i].sum(), z, create_graph=wanted, retain_graph=True)
        total = total + row[:, i]
    return total


def _estimate(v: Tensor, z: Tensor, noise: Tensor, wanted: bool) -> Float[Tensor, " row"]:
    (product,) = torch.autograd.grad(v, z, noise, create_graph=wanted)
    return (product * noise).sum(1)


class Flow(Network):
    """The density at t = T of what starts normally distributed at t = 0 and moves with a learned velocity.

        log p(x) = log N(z(0)) - ∫_0^T ∇·v(t, z(t)) dt - Σ log σ,   z(T) = (x - μ) / σ

    Arguments:
        dim: components of x.
        kind: ``squash``, layers gated by the time; or ``planar``, a sum of planar fields whose coefficients a network
            makes of the time.
        width: neurons of a hidden layer (squash), or number of planar fields.
        layers: hidden layers (squash).
        hidden: neurons of the two hidden layers that make the coefficients (planar).
        nonlinearity: between the layers.
        trace: the divergence in training, exact or estimated with one product instead of one per dimension. After
            training it is exact, so that the density at a point does not depend on noise or on the other points.
        noise: what the estimate is drawn with, once per solve.
        span: T.
        mean, std: μ and σ, one per component; 0 and 1 if left out.
        integrate: how it is integrated; the tolerances are 1e-5 if left out.
        regularise: what is penalised in training; the penalty waits in ``block.policy``.

    References:
        Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018, arXiv:1806.07366. Grathwohl, Chen, Bettencourt, Sutskever,
        Duvenaud, "FFJORD", ICLR 2019, arXiv:1810.01367 (the estimate, the layers).
    """

    mean: Tensor
    std: Tensor
    times: Tensor

    def __init__(
        self,
        dim: int,
        *,
        kind: Literal["squash", "planar"] = "squash",
        width: int = 32,
        layers: int = 2,
        hidden: int = 32,
        nonlinearity: Activation = "tanh",
        trace: Literal["exact", "hutchinson"] = "exact",
        noise: Literal["rademacher", "gaussian"] = "rademacher",
        span: float = 1.0,
        mean: Float[Tensor, " dim"] | None = None,
        std: Float[Tensor, " dim"] | None = None,
        integrate: IntegrateConfig | None = None,
        regularise: RegulariseConfig | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.trace, self.noise = dim, trace, noise
        self.register_buffer("mean", torch.zeros(dim) if mean is None else mean.clone())
        self.register_buffer("std", torch.ones(dim) if std is None else std.clone())
        self.register_buffer("times", torch.tensor([0.0, span]), persistent=False)
        if kind == "planar":
            velocity: nn.Module = PlanarVelocity(dim, width=width, hidden=hidden)
        else:
            sizes = [dim, *[width] * layers, dim]
            squashed: list[nn.Module] = [ConcatSquash(a, b) for a, b in pairwise(sizes)]
            velocity = TimeMLP(squashed, nonlinearity=nonlinearity)
        integrate = integrate or IntegrateConfig(rtol=1e-5, atol=1e-5)
        self.block = ODEBlock(FlowField(velocity), integrate=integrate, regularise=regularise, watched=dim)

    def forward(
        self, points: Float[Tensor, "batch dim"], *, tolerance: float | None = None
    ) -> tuple[Float[Tensor, " batch"], ode.Solution]:
        """log p at points in the units of the data, and what the solve says."""
        z = (points - self.mean) / self.std
        packed = torch.cat((z, z.new_zeros(len(z), 1)), dim=1)
        states, solution = self.block(packed, self.times.flip(0), self._noise(z), tolerance=tolerance)
        base, change = states[:, -1, :-1], states[:, -1, -1]
        log_base = -0.5 * base.square().sum(1) - 0.5 * self.dim * math.log(2 * math.pi)
        return log_base - change - self.std.log().sum(), solution

    @torch.no_grad()
    def sample(
        self, count: int, generator: torch.Generator, *, tolerance: float | None = None
    ) -> Float[Tensor, "sample dim"]:
        """Draws from the density, in the units of the data."""
        start = torch.randn(count, self.dim, generator=generator, device=generator.device).to(self.mean)
        return self.push(start, tolerance=tolerance)

    @torch.no_grad()
    def push(self, base: Float[Tensor, "batch dim"], *, tolerance: float | None = None) -> Float[Tensor, "batch dim"]:
        """Where points of the base density end up, in the units of the data."""
        solution = self.block.solve(self.block.field.velocity, base, self.times, tolerance=tolerance)
        return solution.states[:, -1] * self.std + self.mean

    def _noise(self, z: Tensor) -> tuple[Tensor, ...]:
        """The noise of one solve in training, from torch's global generator; none for the exact trace."""
        if not self.training or self.trace == "exact":
            return ()
        if self.noise == "gaussian":
            return (torch.randn(z.shape, device=z.device, dtype=z.dtype),)
        signs = 2 * torch.randint(0, 2, z.shape, device=z.device) - 1
        return (signs.to(torch.int8),)
