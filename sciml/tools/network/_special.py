"""Layers with links of their own kind: Fourier modes, recurrent and state-space layers unfolded in time."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn import SpectralConv
from sciml.nn.ssm import SharedStateSpace
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


def state_space_strengths(layer: SharedStateSpace, steps: int) -> Float[Tensor, "time feature state"]:
    """Node strengths of the states of x_t = Ā x_{t-1} + B̄ u_t, y_t = C x_t + D u_t over time, feature by feature.

    Ā and B̄ are those of the time step of each feature; see `unfolded_strengths`. D passes the states by. A layer that
    is driven by means over steps has half of B̄ from either of two inputs, which is the same strength.
    """
    system, none = layer.system(), torch.zeros(layer.output.shape[2]).to(layer.output)
    parts = zip(system.matrix.detach(), system.drive.detach(), layer.output.detach(), strict=True)
    return torch.stack(
        [unfolded_strengths(drive[:, None], matrix, none, output, steps) for matrix, drive, output in parts], dim=1
    )
