"""Closures of a reduced model as networks of the parameters, with their bounds built in."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import Uncertain
from sciml.core.types import Params
from sciml.nn import MLP
from sciml.solvers.pnode._config import PNODEConfig

Pieces = tuple[Tensor, ...]
"""Tensors with one row per sample."""


def starts_at_zero(network: MLP) -> MLP:
    """The network with a last layer of zeros."""
    last = network.layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return network


class Coefficient(nn.Module):
    """c(η) = c_ref + b tanh(a + r N(η)): a number per sample within the bound of a reference; that to begin with.

    Arguments:
        uncertain: the closure, with its bound b.
        reference: the problem's guess, ``params -> batch`` (or ``batch, …``).
        config: of the solver.
        features: length of η.
        count: numbers per sample.
    """

    def __init__(
        self, uncertain: Uncertain, reference: Callable[..., Tensor], config: PNODEConfig, *, features: int, count: int
    ) -> None:
        super().__init__()
        self.bound, self.reference, self.reach = uncertain.bound, reference, config.reach
        self.offset = nn.Parameter(torch.zeros(count))
        layers = max(1, config.layers - 1)
        width = max(1, config.width // 2)
        self.network = None if uncertain.name in config.constants else starts_at_zero(
            MLP(features, count, width=width, layers=layers, nonlinearity=config.nonlinearity)
        )  # fmt: skip

    def forward(
        self, params: Params, features: Float[Tensor, "batch feature"], offset: Float[Tensor, "*batch number"] | None
    ) -> Float[Tensor, "batch ..."]:
        """The coefficient of every sample; `offset` stands in for a."""
        guess = self.reference(params)
        argument = self.offset if offset is None else offset
        if self.network is not None:
            argument = argument + self.reach * self.network(features)
        return guess + (self.bound * torch.tanh(argument)).expand(len(features), -1).reshape(guess.shape)


class TimeNetwork(nn.Module):
    """ln(1 + exp N([2τ - 1, η])): concatenation of time and parameters."""

    count = 1

    def __init__(self, config: PNODEConfig, features: int) -> None:
        super().__init__()
        self.network = starts_at_zero(
            MLP(1 + features, 1, width=config.width, layers=config.layers, nonlinearity=config.nonlinearity)
        )

    def prepare(self, features: Float[Tensor, "batch feature"]) -> Pieces:
        """What a sample needs at every time: η itself."""
        return (features,)

    def forward(self, moment: Float[Tensor, " row"], features: Float[Tensor, "row feature"]) -> Float[Tensor, " row"]:
        """The unnormalised shape at τ."""
        return F.softplus(self.network(torch.cat((2 * moment[:, None] - 1, features), dim=1))[:, 0])


class HyperNetwork(nn.Module):
    """ln(1 + exp n(2τ - 1; w(η))): a small network n of time alone, whose weights another one gives."""

    count = 1

    def __init__(self, config: PNODEConfig, features: int) -> None:
        super().__init__()
        h = self.width = config.source.hyper_width
        self.sizes = (h, h, h * h, h, h, 1)
        self.network = starts_at_zero(
            MLP(features, sum(self.sizes), width=config.width, layers=config.layers, nonlinearity=config.nonlinearity)
        )
        last = self.network.layers[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():  # the bias is where n starts: a usual initialisation but for a last layer of zeros
            parts = last.bias.split(self.sizes)
            for part, fan_in in zip(parts[:4], (1, 1, h, h), strict=True):
                part.uniform_(-1, 1).mul_(2 / fan_in**0.5)

    def prepare(self, features: Float[Tensor, "batch feature"]) -> Pieces:
        """The weights of n for every sample."""
        return (self.network(features),)

    def forward(self, moment: Float[Tensor, " row"], weights: Float[Tensor, "row weight"]) -> Float[Tensor, " row"]:
        """The unnormalised shape at τ."""
        w1, b1, w2, b2, w3, b3 = weights.split(self.sizes, dim=1)
        first = torch.tanh((2 * moment[:, None] - 1) * w1 + b1)
        square = w2.unflatten(1, (self.width, self.width))
        second = torch.tanh((square * first[:, None]).sum(2) + b2)
        return F.softplus((w3 * second).sum(1) + b3[:, 0])


class Pulse(nn.Module):
    """1 / (exp(-(τ - c) / r) + exp((τ - c) / l)): a pulse with centre c, rise r and tail l, functions of η."""

    count = 2

    def __init__(self, config: PNODEConfig, features: int) -> None:
        super().__init__()
        self.network = starts_at_zero(
            MLP(features, 3, width=config.width, layers=config.layers, nonlinearity=config.nonlinearity)
        )

    def prepare(self, features: Float[Tensor, "batch feature"]) -> Pieces:
        """Centre in (0, 1); rise and tail in (0.03, 1), 0.17 to begin with."""
        centre, scales = torch.sigmoid(self.network(features)).split((1, 2), dim=1)
        return centre, 0.03 ** (1 - scales)

    def forward(
        self, moment: Float[Tensor, " row"], centre: Float[Tensor, "row 1"], scales: Float[Tensor, "row 2"]
    ) -> Float[Tensor, " row"]:
        """The unnormalised shape at τ."""
        late = moment - centre[:, 0]
        return torch.exp(-torch.logaddexp(-late / scales[:, 0], late / scales[:, 1]))


class Course(nn.Module):
    """The course of the problem's guess."""

    count = 0

    def __init__(self, config: PNODEConfig, features: int) -> None:
        super().__init__()

    def prepare(self, features: Float[Tensor, "batch feature"]) -> Pieces:
        """Nothing."""
        return ()


_FORMS = {"guess": Course, "network": TimeNetwork, "hypernetwork": HyperNetwork, "shape": Pulse}


class Source(nn.Module):
    """Q(t; η) = E(η) w(τ) s(τ; η) / (t₁ - t₀) / ∫₀¹ w s dτ', τ = (t - t₀) / (t₁ - t₀), in the window t₀ … t₁.

        E(η) = cap · sigmoid( logit(E_ref / cap) + a + N(η) ),   w(τ) = (4 τ (1 - τ))²

    So Q >= 0, Q = 0 outside of the window, and its integral is E < cap, whatever the networks say. s is one of three
    forms. Training starts with the energy E_ref of the problem's guess, within 1 % and 99 % of the cap, spread over
    the window as w: not with the guess's own course.

    Arguments:
        uncertain: the closure, with window and cap.
        reference: the problem's guess, ``(time, params) -> batch``.
        config: of the solver.
        features: length of η.
    """

    nodes: Tensor
    weights: Tensor

    def __init__(
        self, uncertain: Uncertain, reference: Callable[..., Tensor], config: PNODEConfig, *, features: int
    ) -> None:
        super().__init__()
        assert uncertain.window is not None and uncertain.cap is not None
        self.window, self.cap, self.reference = uncertain.window, uncertain.cap, reference
        self.shape = _FORMS[config.source.form](config, features)
        self.offset = nn.Parameter(torch.zeros(1))
        width, layers = max(1, config.width // 2), max(1, config.layers - 1)
        self.energy = starts_at_zero(MLP(features, 1, width=width, layers=layers, nonlinearity=config.nonlinearity))
        points, weights = np.polynomial.legendre.leggauss(config.source.nodes)
        self.register_buffer("nodes", torch.from_numpy(points / 2 + 0.5))
        self.register_buffer("weights", torch.from_numpy(weights / 2))

    @property
    def count(self) -> int:
        """Number of the pieces."""
        return 3 + self.shape.count

    def total(
        self,
        params: Params,
        features: Float[Tensor, "batch feature"],
        offset: Float[Tensor, "*batch number"] | None = None,
    ) -> Float[Tensor, " batch"]:
        """E(η), the integral over time; `offset` stands in for a."""
        cap = self.cap(params)
        share = (self._energy(params) / cap).clamp(0.01, 0.99)
        argument = (self.offset if offset is None else offset) + self.energy(features)
        return cap * torch.sigmoid(torch.logit(share) + argument[:, 0])

    @torch.no_grad()
    def _energy(self, params: Params) -> Float[Tensor, " batch"]:
        """Integral of the guess."""
        begin, end = self.window(params)
        times = begin[:, None] + (end - begin)[:, None] * self.nodes
        repeated = {name: value.repeat_interleave(len(self.nodes)) for name, value in params.items()}
        return (self.reference(times.flatten(), repeated).view_as(times) @ self.weights) * (end - begin)

    def prepare(
        self,
        params: Params,
        features: Float[Tensor, "batch feature"],
        offset: Float[Tensor, "*batch number"] | None = None,
    ) -> Pieces:
        """What `forward` needs per sample: height, t₀, 1 / (t₁ - t₀), and what the shape needs."""
        begin, end = self.window(params)
        pieces, count, total = self.shape.prepare(features), len(self.nodes), self.total(params, features, offset)
        if isinstance(self.shape, Course):
            return total / self._energy(params), begin, 1 / (end - begin)
        many = [piece.repeat_interleave(count, 0) for piece in pieces]
        course = self._profile(self.nodes.repeat(len(features)), *many).view(-1, count)
        height = total / ((end - begin) * (course @ self.weights))
        return height, begin, 1 / (end - begin), *pieces

    def forward(
        self,
        time: Float[Tensor, " row"],
        params: Params,
        height: Tensor,
        begin: Tensor,
        rate: Tensor,
        *pieces: Tensor,
    ) -> Float[Tensor, " row"]:
        """Q at a time per row."""
        moment = ((time - begin) * rate).clamp(0.0, 1.0)
        if isinstance(self.shape, Course):
            return height * torch.where((moment > 0) & (moment < 1), self.reference(time, params), 0.0)
        return height * self._profile(moment, *pieces)

    def _profile(self, moment: Float[Tensor, " row"], *pieces: Tensor) -> Float[Tensor, " row"]:
        return (4 * moment * (1 - moment)).square() * self.shape(moment, *pieces)
