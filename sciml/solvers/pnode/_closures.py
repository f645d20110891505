"""Closures of a reduced model as networks of the parameters, with their bounds built in."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import Uncertain
from sciml.core.types import Params
from sciml.models import HyperNetwork, Pulse, TimeNetwork
from sciml.nn import MLP
from sciml.solvers.pnode._config import PNODEConfig

Pieces = tuple[Tensor, ...]
"""Tensors with one row per sample."""


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
        self.network = None if uncertain.name in config.constants else MLP(
            features, count, width=width, layers=layers, nonlinearity=config.nonlinearity, silent=True
        )  # fmt: skip

    def forward(
        self, params: Params, features: Float[Tensor, "batch feature"], offset: Float[Tensor, "*batch number"] | None
    ) -> Float[Tensor, "batch ..."]:
        """The coefficient of every sample; `offset` stands in for a."""
        guess = self.reference(params)
        argument = self.offset if offset is None else offset
        if self.network is not None:
            argument = argument + self.reach * self.network(features)
        return guess + (self.bound * torch.tanh(argument)).expand(features.shape[0], -1).reshape(guess.shape)


class Course(nn.Module):
    """The course of the problem's guess."""

    count = 0

    def prepare(self, features: Float[Tensor, "batch feature"]) -> Pieces:
        """Nothing."""
        return ()


def _shape(config: PNODEConfig, features: int) -> Course | TimeNetwork | HyperNetwork | Pulse:
    width, layers, nonlinearity = config.width, config.layers, config.nonlinearity
    match config.source.form:
        case "guess":
            return Course()
        case "network":
            return TimeNetwork(features, width=width, layers=layers, nonlinearity=nonlinearity)
        case "hypernetwork":
            return HyperNetwork(
                features,
                width=width,
                layers=layers,
                nonlinearity=nonlinearity,
                hyper_width=config.source.hyper_width,
            )
        case "shape":
            return Pulse(features, width=width, layers=layers, nonlinearity=nonlinearity)


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
        self.shape = _shape(config, features)
        self.offset = nn.Parameter(torch.zeros(1))
        width, layers = max(1, config.width // 2), max(1, config.layers - 1)
        self.energy = MLP(features, 1, width=width, layers=layers, nonlinearity=config.nonlinearity, silent=True)
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
        course = self._profile(self.nodes.repeat(features.shape[0]), *many).view(-1, count)
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
