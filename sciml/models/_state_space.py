"""What deep networks of linear state-space layers share: blocks, views, head."""

import copy
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.models._signals import check_signals
from sciml.nn import Network, Units
from sciml.nn.ssm import Carried, StateSpaceLayer, TimeScale

Normalisation = Literal["pre", "post", "none"]
"""Where the features of every time are normalised: before the layer, after the sum, or nowhere. A normalised signal has
lost its amplitude, which a class can do without and a physical response cannot."""


class Streamed(NamedTuple):
    """What a network knows of the past.

    Fields:
        layers: of each of its layers.
        total: sum over time of the features that the head reads; used where these are averaged.
        times: how many so far.
    """

    layers: tuple[Carried, ...]
    total: Float[Tensor, "batch feature"]
    times: int


class StateSpaceBlock(nn.Module):
    """z + W dropout(σ(SSM(norm(z)))), with the norm after the sum instead for ``post``.

    Arguments:
        layer: maps H features to `outputs`.
        features: H.
        outputs: H times the channels of the layer.
        dropout: share of features that are dropped in training.
        norm: where to normalise.
        linear: leave out the nonlinearity σ (GELU).
    """

    def __init__(
        self,
        layer: StateSpaceLayer,
        features: int,
        outputs: int,
        *,
        dropout: float,
        norm: Normalisation,
        linear: bool,
    ) -> None:
        super().__init__()
        self.layer, self.where = layer, norm
        self.norm = nn.Identity() if norm == "none" else nn.LayerNorm(features)
        self.sigma = nn.Identity() if linear else nn.GELU()
        self.dropout, self.mix = nn.Dropout(dropout), nn.Linear(outputs, features)

    def before(self, z: Tensor) -> Tensor:
        """What the layer reads."""
        return self.norm(z) if self.where == "pre" else z

    def after(self, z: Tensor, answer: Tensor) -> Tensor:
        """What the next block reads."""
        z = z + self.mix(self.dropout(self.sigma(answer)))
        return self.norm(z) if self.where == "post" else z

    def forward(
        self, z: Float[Tensor, "batch time feature"], dt_scale: TimeScale = 1.0
    ) -> Float[Tensor, "batch time feature"]:
        """A whole sequence."""
        return self.after(z, self.layer(self.before(z), dt_scale))


class Surroundings(NamedTuple):
    """What stands around the layers of a network.

    Fields:
        pooled: one answer for a whole sequence, from the mean over time; else one at every time.
        dropout, norm, linear: as for `StateSpaceBlock`.
        inputs, outputs: what standardises signals and restores answers; none if left out.
    """

    pooled: bool
    dropout: float
    norm: Normalisation
    linear: bool
    inputs: Units | None
    outputs: Units | None


class StateSpaceNetwork(Network):
    """Encoder, a stack of blocks, and a head on the features of every time or on their mean over time.

    All but the state-space layers acts on each time alone, so that what holds for them holds for the network: it sees
    no future, and `step` and `carry` give what `forward` gives. The mean over time is then the one so far.

    Arguments:
        layer: makes one layer, from `features` to `features` times `channels`.
        in_channels, out_channels: of signals and of answers.
        depth: layers.
        features: H.
        channels: M, outputs of a layer per feature.
        around: what stands around the layers.

    Raises: UserError for a network without channels or layers.
    """

    def __init__(
        self,
        layer: Callable[[], StateSpaceLayer],
        in_channels: int,
        out_channels: int,
        *,
        depth: int,
        features: int,
        channels: int = 1,
        around: Surroundings,
    ) -> None:
        if min(in_channels, out_channels, depth) < 1:
            raise UserError("a network of sequences needs channels and layers",
                            got=f"in_channels {in_channels}, out_channels {out_channels}, depth {depth}")  # fmt: skip
        super().__init__()
        layers = [layer() for _ in range(depth)]
        pooled, dropout, norm, linear, inputs, outputs = around
        self.inputs, self.outputs = inputs or Units.plain(in_channels), outputs or Units.plain(out_channels)
        self.pooled = pooled
        self.encoder, self.head = nn.Linear(in_channels, features), nn.Linear(features, out_channels)
        self.blocks = nn.ModuleList(
            StateSpaceBlock(made, features, features * channels, dropout=dropout, norm=norm, linear=linear)
            for made in layers
        )
        self.norm = nn.LayerNorm(features) if norm == "pre" else nn.Identity()

    def forward(self, signal: Float[Tensor, "batch time channel"], dt_scale: TimeScale = 1.0) -> Tensor:
        """Answers to whole signals, ``batch time out``, or ``batch out`` if pooled.

        Arguments:
            signal: values over time.
            dt_scale: their distance in units of that of the training, 2 for half the sampling rate; if all layers are
                `irregular`, also a distance for every time from the one before.

        Raises: UserError for complex values or other channels, a distance that is not positive, or one each where they
            must be equal.
        """
        check_signals(signal, self.encoder.in_features)
        z = self.encoder(self.inputs.standardise(signal))
        for block in self.blocks:
            z = block(z, dt_scale)
        z = self.norm(z)
        return self.outputs.restore(self.head(z.mean(dim=1) if self.pooled else z))

    def initial(self, batch: int) -> Streamed:
        """Before the first time."""
        zeros = self.encoder.bias.new_zeros(batch, self.encoder.out_features)
        return Streamed(tuple(layer.initial(batch) for layer in self.layers), zeros, 0)

    def step(
        self, signal: Float[Tensor, "batch channel"], past: Streamed, dt_scale: TimeScale = 1.0
    ) -> tuple[Float[Tensor, "batch out"], Streamed]:
        """The answer after one more value: at this time, or for the sequence so far."""
        check_signals(signal, self.encoder.in_features, times=False)
        z, carried = self._through(signal, past, lambda layer, x, state: layer.step(x, state, dt_scale))
        past = Streamed(carried, past.total + z, past.times + 1)
        return self.outputs.restore(self.head(past.total / past.times if self.pooled else z)), past

    def carry(
        self, signal: Float[Tensor, "batch time channel"], past: Streamed, dt_scale: TimeScale = 1.0
    ) -> tuple[Tensor, Streamed]:
        """The answer after one more piece: at its times, or for the sequence so far."""
        check_signals(signal, self.encoder.in_features)
        z, carried = self._through(signal, past, lambda layer, x, state: layer.carry(x, state, dt_scale))
        past = Streamed(carried, past.total + z.sum(dim=1), past.times + z.shape[1])
        return self.outputs.restore(self.head(past.total / past.times if self.pooled else z)), past

    def spectral_radius(self, dt_scale: float = 1.0) -> float:
        """The largest of all layers; one that reaches 1 does not forget, and overflows on a long sequence."""
        with torch.no_grad():
            return max(float(layer.spectral_radius(dt_scale).max()) for layer in self.layers)

    @torch.no_grad()
    def fixed(self, length: int, dt_scale: float = 1.0) -> nn.Module:
        """A copy for signals of one length and step, ``batch time channel`` alone, with kernels made once.

        Plain convolutions, for formats of programs that lack complex numbers or the inverse of a matrix.
        """
        twin = copy.deepcopy(self)
        for block, layer in zip(twin.blocks, self.layers, strict=True):
            block.add_module("layer", layer.fixed(length, dt_scale))
        return twin

    @property
    def irregular(self) -> bool:
        """Whether every time may have a step of its own."""
        return all(layer.irregular for layer in self.layers)

    @property
    def layers(self) -> list[StateSpaceLayer]:
        """The state-space layers, first to last."""
        return [block.layer for block in self._blocks()]

    def _blocks(self) -> list[StateSpaceBlock]:
        return [block for block in self.blocks if isinstance(block, StateSpaceBlock)]

    def _through(
        self,
        signal: Tensor,
        past: Streamed,
        advance: Callable[[StateSpaceLayer, Tensor, Carried], tuple[Tensor, Carried]],
    ) -> tuple[Tensor, tuple[Carried, ...]]:
        z, carried = self.encoder(self.inputs.standardise(signal)), []
        for block, state in zip(self._blocks(), past.layers, strict=True):
            answer, state = advance(block.layer, block.before(z), state)
            z = block.after(z, answer)
            carried.append(state)
        return self.norm(z), tuple(carried)
