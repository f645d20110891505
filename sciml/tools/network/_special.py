"""Layers with links of their own kind: Fourier modes, and recurrent layers unfolded in time."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn import SpectralConv
from sciml.tools.network._strength import unfolded_strengths


def mode_strengths(layer: SpectralConv) -> Float[Tensor, " mode"]:
    """Mean over channels of |R_ij(k)|, the size of the complex links of every mode kept, in the order of the weight."""
    pairs = layer.weight.detach()
    return torch.view_as_complex(pairs.contiguous()).abs().mean((1, 2))


def recurrent_strengths(layer: nn.RNNBase, steps: int) -> Float[Tensor, "time unit"]:
    """Node strengths of the units of a recurrent layer over time, first of its layers, without links onward.

    Links of all gates of a unit end in it; see `unfolded_strengths`.
    """
    size = layer.hidden_size
    inputs, recurrent = (torch.as_tensor(getattr(layer, name)).detach() for name in ("weight_ih_l0", "weight_hh_l0"))
    biases = [torch.as_tensor(getattr(layer, name)).detach() for name in ("bias_ih_l0", "bias_hh_l0") if layer.bias]
    bias = torch.stack(biases).sum(0) if biases else inputs.new_zeros(len(inputs))

    def gates(values: Tensor) -> Tensor:
        return values.unflatten(0, (-1, size)).sum(0)

    return unfolded_strengths(gates(inputs), gates(recurrent), gates(bias), inputs.new_zeros(1, size), steps)
