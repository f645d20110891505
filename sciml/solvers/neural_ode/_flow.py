"""Continuous normalising flows: a density carried by a learned velocity."""

import math
from itertools import pairwise
from typing import Literal

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml import ode
from sciml.core import rng
from sciml.core.config import Config
from sciml.data import Statistics
from sciml.nn import MLP, Activation, ConcatSquash, TimeMLP
from sciml.solvers.neural_ode._block import IntegrateConfig, ODEBlock
from sciml.solvers.neural_ode._regularise import RegulariseConfig

EXACT = 10
"""Dimensions up to which the trace is always computed exactly when a density is asked for after training."""


class FlowConfig(Config):
    """A velocity field and how its divergence is found."""

    kind: Literal["squash", "planar"] = "squash"
    """``squash``: layers gated by the time; ``planar``: a sum of planar fields whose coefficients a network makes of
    the time."""
    width: int = pydantic.Field(32, ge=1)
    """Neurons of a hidden layer, or number of planar fields."""
    layers: int = pydantic.Field(2, ge=1)
    """Hidden layers (squash)."""
    hidden: int = pydantic.Field(32, ge=1)
    """Neurons of the two hidden layers that make the coefficients (planar)."""
    nonlinearity: Activation = "tanh"
    """Between the layers."""
    trace: Literal["exact", "hutchinson"] = "exact"
    """In training: the exact divergence, or an unbiased estimate with one product instead of one per dimension."""
    noise: Literal["rademacher", "gaussian"] = "rademacher"
    """What the estimate is drawn with, once per solve."""
    span: float = pydantic.Field(1.0, gt=0)
    """Time T from the base density to the data."""
    integrate: IntegrateConfig = IntegrateConfig(rtol=1e-5, atol=1e-5)
    """How it is integrated."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the negative log-likelihood."""


class PlanarVelocity(nn.Module):
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


class FlowField(nn.Module):
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


class Flow(nn.Module):
    """The density at t = T of what starts normally distributed at t = 0 and moves with a learned velocity.

        log p(x) = log N(z(0)) - ∫_0^T ∇·v(t, z(t)) dt - Σ log σ,   z(T) = (x - μ) / σ

    Arguments:
        config: hyper-parameters.
        statistics: μ and σ of the data, one per dimension.

    References:
        Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018, arXiv:1806.07366. Grathwohl, Chen, Bettencourt, Sutskever,
        Duvenaud, "FFJORD", ICLR 2019, arXiv:1810.01367 (the estimate, the layers).
    """

    mean: Tensor
    std: Tensor
    times: Tensor

    def __init__(self, config: FlowConfig, statistics: Statistics) -> None:
        super().__init__()
        self.dim, self.trace, self.noise = len(statistics.field_mean), config.trace, config.noise
        self.register_buffer("mean", statistics.field_mean.clone())
        self.register_buffer("std", statistics.field_std.clone())
        self.register_buffer("times", torch.tensor([0.0, config.span]), persistent=False)
        if config.kind == "planar":
            velocity: nn.Module = PlanarVelocity(self.dim, width=config.width, hidden=config.hidden)
        else:
            sizes = [self.dim, *[config.width] * config.layers, self.dim]
            layers = [ConcatSquash(a, b) for a, b in pairwise(sizes)]
            velocity = TimeMLP(layers, nonlinearity=config.nonlinearity)
        self.block = ODEBlock(
            FlowField(velocity), integrate=config.integrate, regularise=config.regularise, watched=self.dim
        )

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
        field = self.block.field
        assert isinstance(field, FlowField)
        solution = self.block.solve(field.velocity, base, self.times, tolerance=tolerance)
        return solution.states[:, -1] * self.std + self.mean

    def _noise(self, z: Tensor) -> tuple[Tensor, ...]:
        """The noise of one solve: in training from torch's global generator, else always the same."""
        if self.training and self.trace == "exact":
            return ()
        if not self.training and (self.trace == "exact" or self.dim <= EXACT):
            return ()
        generator = None if self.training else rng.generator(0, "hutchinson", device=z.device)
        if self.noise == "gaussian":
            return (torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype),)
        signs = 2 * torch.randint(0, 2, z.shape, generator=generator, device=z.device) - 1
        return (signs.to(torch.int8),)
