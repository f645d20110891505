"""A Transformer of sequences, with the interface of the state-space networks."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.models._sequence_nets import with_time_step
from sciml.models._signals import uniform_step
from sciml.nn import Network, Units
from sciml.nn.ssm import TimeScale


class TransformerBlock(nn.Module):
    """z + attend(norm(z)), then z + W σ(V norm(z)); a time attends to itself and to those before it.

    Arguments:
        width: features.
        heads: of the attention; divides `width`.
        dropout: in training, of both branches.
    """

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.queries, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, z: Float[Tensor, "batch time feature"]) -> Float[Tensor, "batch time feature"]:
        """A whole sequence, in memory linear in its length."""
        first, second = self.norms
        split = self.queries(first(z)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        answer = nn.functional.scaled_dot_product_attention(*split.unbind(), is_causal=True)
        z = z + self.dropout(self.joined(answer.transpose(1, 2).flatten(2)))
        return z + self.dropout(self.narrow(nn.functional.gelu(self.wide(second(z)))))


class SequenceTransformer(Network):
    """Encoder, blocks of causal attention, and an affine head on every time or on the mean over time.

    Times are told by sines and cosines of the time since the first value, in steps of the training, so that another
    sampling rate means the same times. The logarithm of the time step is one more channel, as in `RecurrentNetwork`.
    Work grows with the square of the length.

    Arguments:
        in_channels, out_channels: of signals and of answers.
        head_size, heads: features of a head, and how many there are; the network is their product wide.
        depth: blocks.
        longest: longest period of the sines, in steps of the training.
        pooled: one answer for a whole sequence, from the mean over time; else one at every time.
        dropout: in training.
        inputs, outputs: what standardises signals and restores answers; none if left out.

    Reference:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762; the norm before each branch after
        Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020, arXiv:2002.04745.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        head_size: int = 16,
        heads: int = 4,
        depth: int = 2,
        longest: float = 10_000.0,
        pooled: bool = False,
        dropout: float = 0.0,
        inputs: Units | None = None,
        outputs: Units | None = None,
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels, head_size, heads, depth) < 1 or longest <= 1:
            raise UserError("a Transformer needs sizes of at least one",
                            got=f"channels {in_channels} and {out_channels}, {heads} heads of {head_size}, "
                            f"depth {depth}, longest period {longest}")  # fmt: skip
        width = head_size * heads
        self.inputs, self.outputs = inputs or Units.plain(in_channels), outputs or Units.plain(out_channels)
        self.pooled, self.longest = pooled, longest
        self.encoder, self.head = nn.Linear(in_channels + 1, width), nn.Linear(width, out_channels)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads=heads, dropout=dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, signal: Float[Tensor, "batch time channel"], dt_scale: TimeScale = 1.0) -> Tensor:
        """Answers to whole signals, ``batch time out``, or ``batch out`` if pooled; `dt_scale` as for `LSSL`."""
        z = self.encoder(with_time_step(self.inputs, signal, dt_scale))
        z = z + self._positions(z, uniform_step(dt_scale))
        for block in self.blocks:
            z = block(z)
        z = self.norm(z)
        return self.outputs.restore(self.head(z.mean(dim=1) if self.pooled else z))

    def _positions(self, z: Tensor, dt_scale: float) -> Float[Tensor, "time feature"]:
        """Periods from 2π steps to `longest`, a sine and a cosine of each."""
        times = dt_scale * torch.arange(z.shape[1], dtype=z.dtype, device=z.device)
        half = -(-z.shape[2] // 2)
        share = torch.arange(half, dtype=z.dtype, device=z.device) / max(1, half - 1)
        angle = times[:, None] * torch.exp(-math.log(self.longest / (2 * math.pi)) * share)
        return torch.cat((angle.sin(), angle.cos()), dim=1)[:, : z.shape[2]]
