"""Recurrent and convolutional networks of sequences, with the interface of the state-space networks."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UnknownNameError, UserError
from sciml.models._signals import check_signals, uniform_step
from sciml.nn import Network, Units
from sciml.nn.ssm import TimeScale

_CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentNetwork(Network):
    """A stack of LSTM or GRU layers and an affine head on the state of every time, or of the last one.

    The network reads the values and, as a further channel, the logarithm of the time step in units of that of the
    training. It has no other way to know of another sampling rate.

    Arguments:
        in_channels, out_channels: of signals and of answers.
        cell: kind of the layers, ``lstm`` or ``gru``.
        hidden: size of the state.
        depth: layers.
        pooled: one answer for a whole sequence, from its last state; else one at every time.
        dropout: between layers, in training.
        inputs, outputs: what standardises signals and restores answers; none if left out.

    Raises: UnknownNameError for another cell; UserError for sizes below one.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        cell: str = "lstm",
        hidden: int = 64,
        depth: int = 1,
        pooled: bool = False,
        dropout: float = 0.0,
        inputs: Units | None = None,
        outputs: Units | None = None,
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels, hidden, depth) < 1:
            raise UserError("a recurrent network needs sizes of at least one",
                            got=f"channels {in_channels} and {out_channels}, hidden {hidden}, "
                            f"depth {depth}")  # fmt: skip
        self.inputs, self.outputs = inputs or Units.plain(in_channels), outputs or Units.plain(out_channels)
        self.pooled = pooled
        if cell not in _CELLS:
            raise UnknownNameError("cell of a recurrent network", cell, _CELLS)
        kind = _CELLS[cell]
        self.cells = kind(
            in_channels + 1, hidden, num_layers=depth, batch_first=True, dropout=dropout if depth > 1 else 0.0
        )
        self.head = nn.Linear(hidden, out_channels)

    def forward(self, signal: Float[Tensor, "batch time channel"], dt_scale: TimeScale = 1.0) -> Tensor:
        """Answers to whole signals, ``batch time out``, or ``batch out`` if pooled; `dt_scale` as for `LSSL`."""
        states = self._states(with_time_step(self.inputs, signal, dt_scale))
        return self.outputs.restore(self.head(states[:, -1] if self.pooled else states))

    def _states(self, values: Tensor) -> Float[Tensor, "batch time state"]:
        """What ``self.cells`` returns, by the function behind it: the module cannot be exported without a warning."""
        cells = self.cells
        weights = tuple[Tensor, ...](getattr(cells, name) for name in cells._flat_weights_names)  # packed ones too
        start = values.new_zeros(cells.num_layers, values.shape[0], cells.hidden_size)
        settings = (True, cells.num_layers, cells.dropout, self.training, False, True)  # biases; one way; batch first
        if isinstance(cells, nn.LSTM):
            return torch.lstm(values, (start, start), weights, *settings)[0]
        return torch.gru(values, start, weights, *settings)[0]


class CausalCNN(Network):
    """Dilated causal convolutions with residual connections, z + W σ(conv(z)); the dilation doubles with every layer.

    The answer at a time depends on the (kernel - 1) (2^depth - 1) + 1 values up to it. The time step is read as in
    `RecurrentNetwork`.

    Arguments:
        in_channels, out_channels: of signals and of answers.
        width: features.
        depth: layers.
        kernel: points of a filter.
        pooled: one answer for a whole sequence, from the mean over time; else one at every time.
        dropout: in training.
        inputs, outputs: what standardises signals and restores answers; none if left out.

    Reference:
        Bai, Kolter, Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
        Modeling", arXiv:1803.01271.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int = 32,
        depth: int = 8,
        kernel: int = 5,
        pooled: bool = False,
        dropout: float = 0.0,
        inputs: Units | None = None,
        outputs: Units | None = None,
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels, width, depth, kernel) < 1:
            raise UserError("a convolutional network needs sizes of at least one",
                            got=f"channels {in_channels} and {out_channels}, width {width}, depth {depth}, "
                            f"kernel {kernel}")  # fmt: skip
        self.inputs, self.outputs = inputs or Units.plain(in_channels), outputs or Units.plain(out_channels)
        self.pooled, self.kernel = pooled, kernel
        self.encoder, self.head = nn.Linear(in_channels + 1, width), nn.Linear(width, out_channels)
        self.filters = nn.ModuleList(nn.Conv1d(width, width, kernel, dilation=2**i) for i in range(depth))
        self.mixes = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(depth))
        self.dropout = nn.Dropout(dropout)

    def forward(self, signal: Float[Tensor, "batch time channel"], dt_scale: TimeScale = 1.0) -> Tensor:
        """Answers to whole signals, ``batch time out``, or ``batch out`` if pooled; `dt_scale` as for `LSSL`."""
        z = self.encoder(with_time_step(self.inputs, signal, dt_scale)).transpose(1, 2)
        for i, (convolve, mix) in enumerate(zip(self.filters, self.mixes, strict=True)):
            past = nn.functional.pad(z, ((self.kernel - 1) * 2**i, 0))
            z = z + mix(self.dropout(nn.functional.gelu(convolve(past))))
        return self.outputs.restore(self.head(z.mean(dim=2) if self.pooled else z.transpose(1, 2)))


def with_time_step(inputs: Units, signal: Tensor, dt_scale: TimeScale) -> Float[Tensor, "batch time channel_and_step"]:
    """The standardised signal, ``batch time channel``, with log dt_scale as one more channel.

    Raises: UserError for signals that do not fit the network, a step of each time's own, or one that is not positive.
    """
    check_signals(signal, inputs.field_mean.shape[-1])
    values = inputs.standardise(signal)
    step = torch.full_like(values[..., :1], uniform_step(dt_scale)).log()
    return torch.cat((values, step), dim=-1)
