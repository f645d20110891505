"""Coefficients from whole windows: L-BFGS on rollouts, with first frames that are fitted too."""

from __future__ import annotations

import copy
import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.types import Params
from sciml.models.npde import NPDE, adjoint_rollout

Gradient = Literal["autograd", "adjoint"]


class TrajectoryFit:
    """min over θ and the first frames s of mean ((Φ^k(s; θ) - y_k)/σ)² over all frames k of all windows.

    Noise of the first frame would otherwise be taken for physics, and diffusion suffers first.

    Arguments:
        network: what is fitted, in place.
        frames: windows of equidistant frames, one step apart.
        scale: σ of every field.
        parameters: numbers given with the windows.
        free_start: whether the first frames are fitted.
        gradient: how rollouts are differentiated.

    Attributes:
        offsets: (s - y_0)/σ.
    """

    def __init__(
        self,
        network: NPDE,
        frames: Float[Tensor, "window time channel *space"],
        scale: Float[Tensor, " channel"],
        *,
        parameters: Params | None = None,
        free_start: bool = True,
        gradient: Gradient = "autograd",
    ) -> None:
        self.network, self.frames, self.parameters = network, frames.double(), parameters
        self._scale = scale.double().view(-1, *[1] * (frames.ndim - 3))
        self._free, self._gradient = free_start, gradient
        self.offsets = torch.zeros_like(self.frames[:, 0])

    def loss(self) -> Tensor:
        """The mean square of what the rollouts miss, in standard deviations, and the roughness of fields."""
        start = self.frames[:, 0] + self._scale * self.offsets
        steps = self.frames.shape[1] - 1
        roll = adjoint_rollout if self._gradient == "adjoint" else NPDE.rollout
        missed = (roll(self.network, start, steps, parameters=self.parameters) - self.frames[:, 1:]) / self._scale
        total = missed.square().sum() + self.offsets.square().sum()
        return total / self.frames.numel() + self.network.roughness()

    def round(self, iterations: int) -> Tensor:
        """Some iterations of L-BFGS from where things are; the best of them stays. Returns the loss before them.

        Where the rollout from the present coefficients is not finite they are first drawn towards zero: what a
        pseudo-inverse finds in noisy data may be unstable.
        """
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        self._calm()
        self.offsets.requires_grad_(self._free)
        sought = [*weights, self.offsets] if self._free else weights
        optimiser = torch.optim.LBFGS(
            sought, max_iter=iterations, history_size=20, line_search_fn="strong_wolfe",
            tolerance_grad=1e-14, tolerance_change=1e-18,
        )  # fmt: skip
        first, best, kept = math.nan, math.inf, [value.detach().clone() for value in sought]

        def closure() -> Tensor:
            nonlocal first, best, kept
            optimiser.zero_grad(set_to_none=True)
            loss = self.loss()
            if not bool(loss.isfinite()):  # the line search turns back from what is large, not from what is no number
                for value in sought:
                    value.grad = torch.zeros_like(value)
                return torch.full_like(loss, 1e30).detach()
            loss.backward()
            if math.isnan(first):
                first = float(loss)
            if float(loss) < best:
                best, kept = float(loss), [value.detach().clone() for value in sought]
            return loss

        with torch.enable_grad():
            optimiser.step(closure)
        with torch.no_grad():
            for value, good in zip(sought, kept, strict=True):
                value.copy_(good)
        self.offsets = self.offsets.detach()
        return self.frames.new_tensor(first)

    @torch.no_grad()
    def _calm(self) -> None:
        for _ in range(20):
            if bool(self.loss().isfinite()):
                return
            now = self.network.coefficients()
            self.network.values.assign({name: entry.value / 2 for name, entry in now.items() if name in self._learned})

    @property
    def _learned(self) -> set[str]:
        return set(self.network.values.free)

    def without(self, rows: Tensor) -> TrajectoryFit:
        """The same fit from where it is on a copy of the network, with the windows `rows` alone."""
        parameters = None if self.parameters is None else {n: v[rows] for n, v in self.parameters.items()}
        part = TrajectoryFit(
            copy.deepcopy(self.network), self.frames[rows], self._scale.flatten(), parameters=parameters,
            free_start=self._free, gradient=self._gradient,
        )  # fmt: skip
        part.offsets = self.offsets[rows].clone()
        return part
