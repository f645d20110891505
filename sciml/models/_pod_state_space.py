"""Fields stepped on a few of their modes, with state-space layers along time."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.models._state_space_nets import LSSL
from sciml.nn import FieldNetwork


class PODStateSpace(FieldNetwork):
    """a_s = Φ u_s for the frames of the history, u_next = u_last + Φᵀ σ LSSL(a / σ, c).

    Φ are the leading modes of the training frames (proper orthogonal decomposition) and σ the spread of their
    coefficients, both set by `fit_modes`. What the modes do not span is held, and so is all before training.

    Arguments:
        size: points per axis.
        fields: channels of a frame.
        history: frames seen.
        modes: rows of Φ; at most one per number of a frame.
        features, state, depth: of the LSSL.
        condition_channels: scalars, given to every time.

    Reference:
        G. Berkooz, P. Holmes, J. L. Lumley, "The Proper Orthogonal Decomposition in the Analysis of Turbulent Flows",
        Annual Review of Fluid Mechanics 25 (1993); the network is `LSSL`.
    """

    basis: Tensor
    scale: Tensor

    def __init__(
        self,
        size: Sequence[int],
        *,
        fields: int,
        history: int,
        modes: int = 16,
        features: int = 32,
        state: int = 16,
        depth: int = 2,
        condition_channels: int = 0,
    ) -> None:
        super().__init__(
            dims=len(size),
            in_channels=history * fields,
            out_channels=fields,
            condition_channels=condition_channels,
        )
        numbers = fields * math.prod(size)
        if modes < 1 or history < 1:
            raise UserError("there are no modes, or no frames, to step", got=f"modes {modes}, history {history}")
        self.size, self.history, modes = tuple(size), history, min(modes, numbers)
        self.register_buffer("basis", torch.zeros(modes, numbers))
        self.register_buffer("scale", torch.ones(modes))
        self.courses = LSSL(
            modes + condition_channels,
            modes,
            features=features,
            state=state,
            depth=depth,
            learn="dt",
            dt_range=(1 / max(2, history), 10 / max(2, history)),
        )
        nn.init.zeros_(self.courses.head.weight)
        nn.init.zeros_(self.courses.head.bias)

    @torch.no_grad()
    def fit_modes(self, frames: Float[Tensor, "frame number"]) -> None:
        """Φ and σ from standardised frames; modes beyond their rank stay zero."""
        _, values, rows = torch.linalg.svd(frames.double(), full_matrices=False)
        rank = min(len(self.basis), int((values > 1e-6 * values[0]).sum()))
        rows = rows[:rank] * torch.where(rows[:rank].sum(1, keepdim=True) < 0, -1.0, 1.0)  # a sign that is always same
        self.basis.zero_()
        self.basis[:rank] = rows.to(self.basis)
        self.scale.fill_(1.0)
        self.scale[:rank] = (values[:rank] / len(frames) ** 0.5).to(self.scale)

    def forward(
        self, x: Float[Tensor, "batch feature *space"], condition: Float[Tensor, "batch scalar"] | None = None
    ) -> Float[Tensor, "batch channel *space"]:
        """The next frame. Raises UserError for another grid than that of the modes."""
        self.check(x, condition)
        if tuple(x.shape[2:]) != self.size:
            raise UserError("the modes belong to another grid", got=tuple(x.shape[2:]), expected=self.size)
        coefficients = x.unflatten(1, (self.history, self.out_channels)).flatten(2) @ self.basis.T
        signal = coefficients / self.scale
        if condition is not None:
            signal = torch.cat((signal, condition[:, None].expand(-1, self.history, -1)), dim=2)
        change = (self.scale * self.courses(signal)[:, -1]) @ self.basis
        return x[:, -self.out_channels :] + change.unflatten(1, (self.out_channels, *self.size))
