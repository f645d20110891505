"""A gated recurrent unit for a state of means and spreads."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sciml.nn._mlp import MLP


class GatedUnit(nn.Module):
    """One update of a state h = (m, s) of means and spreads by an input x, through gates with a hidden layer.

        u = σ(U(h, x)),  r = σ(R(h, x)),  (m', s') = N(r m, r s, x)
        m ← (1 - u) m' + u m,   s ← (1 - u) s' + u s

    U, R and N are perceptrons with one hidden tanh layer. Rows that saw nothing keep their state.

    Arguments:
        size: entries of m and of s.
        channels: of the input.
        width: of the hidden layers.

    Reference:
        Rubanova, Chen, Duvenaud, "Latent Ordinary Differential Equations for Irregularly-Sampled Time Series",
        NeurIPS 2019, arXiv:1907.03907.
    """

    def __init__(self, size: int, channels: int, *, width: int) -> None:
        super().__init__()
        self.size = size
        self.gates = nn.ModuleList(MLP(2 * size + channels, size, width=width) for _ in range(2))
        self.candidate = MLP(2 * size + channels, 2 * size, width=width)

    def start(self, like: Float[Tensor, "batch channel"]) -> Float[Tensor, "batch state"]:
        """The state before anything was seen: zero."""
        return like.new_zeros(len(like), 2 * self.size)

    def forward(
        self, state: Float[Tensor, "batch state"], x: Float[Tensor, "batch channel"], seen: Bool[Tensor, " batch"]
    ) -> Float[Tensor, "batch state"]:
        """The state after the input."""
        both = torch.cat((state, x), dim=1)
        update, reset = (torch.sigmoid(gate(both)).to(state.dtype).repeat(1, 2) for gate in self.gates)
        proposed = self.candidate(torch.cat((state * reset, x), dim=1)).to(state.dtype)
        return torch.where(seen[:, None], torch.lerp(proposed, state, update), state)
