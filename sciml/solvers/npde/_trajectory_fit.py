"""Coefficients from whole windows: L-BFGS on rollouts, with first frames that are fitted too."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.types import Params
from sciml.models.npde import NPDE, adjoint_rollout, inner, regression_rows, trainable_numbers

Gradient = Literal["autograd", "adjoint"]
_FEW = 256  # weights up to which their curvature is measured
_DEAR = 16  # numbers beyond which it is estimated from one pass over the frames; a rollout for each took minutes
_NUDGE = 1e-6
_FLAT = 1e-8  # relative curvature below which a direction is no stiffer than that


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
        margin: cells that do not count at both ends of axes that are not periodic.

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
        margin: int = 0,
    ) -> None:
        self.network, self.frames, self.parameters = network, frames.double(), parameters
        self._scale = scale.double().view(-1, *[1] * (frames.ndim - 3))
        self.free_start, self._margin = free_start, margin
        self._gradient: Gradient = gradient
        self.offsets = torch.zeros_like(self.frames[:, 0])

    def residuals(self) -> tuple[Tensor, Tensor]:
        """What the rollouts miss at the cells that count and at the first frames, in standard deviations; their squares
        sum to the loss without roughness."""
        start = self.frames[:, 0] + self._scale * self.offsets
        steps = self.frames.shape[1] - 1
        roll = adjoint_rollout if self._gradient == "adjoint" else NPDE.rollout
        missed = (roll(self.network, start, steps, parameters=self.parameters) - self.frames[:, 1:]) / self._scale
        inside = inner(missed, self.network.spec.axes, self._margin)
        share = inside.numel() / missed.numel()
        return inside / (share * self.frames.numel()) ** 0.5, self.offsets / self.frames.numel() ** 0.5

    def loss(self) -> Tensor:
        """The mean square of what the rollouts miss, in standard deviations, and the roughness of fields."""
        missed, first = self.residuals()
        return missed.square().sum() + first.square().sum() + self.network.roughness()

    def round(self, iterations: int) -> Tensor:
        """Some iterations of L-BFGS from where things are; the best of them stays. Returns the loss before them.

        The search goes in coordinates in which the Hessian of Gauss and Newton is near one: without them the first
        frames, of which each weighs one in thousands, would hold up everything. Where the rollout from the present
        coefficients is not finite they are first drawn towards zero: what a pseudo-inverse finds in noisy data may be
        unstable.
        """
        self._calm()
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        origin = torch.cat([weight.detach().flatten() for weight in weights])
        spread = self.whitening(weights, origin)
        stretch = (self.frames.numel() / (2 * self.frames.shape[1])) ** 0.5
        before = self.offsets.clone()
        moved = torch.zeros(spread.shape[1], dtype=torch.float64, device=origin.device, requires_grad=True)
        shifted = torch.zeros_like(before, requires_grad=self.free_start)
        optimiser = torch.optim.LBFGS(
            [moved, shifted] if self.free_start else [moved], max_iter=iterations, history_size=20,
            line_search_fn="strong_wolfe", tolerance_grad=1e-12, tolerance_change=1e-16,
        )  # fmt: skip
        losses: list[float] = []
        best = (torch.inf, origin, before)

        def closure() -> Tensor:
            nonlocal best
            optimiser.zero_grad(set_to_none=True)
            assign_flat(weights, origin + spread @ moved.detach())
            self.offsets = (before + stretch * shifted.detach()).requires_grad_(self.free_start)
            loss = self.loss()
            value = float(loss.detach())
            losses.append(value)
            if not torch.isfinite(loss):  # the line search turns back from what is large, not from what is no number
                moved.grad, shifted.grad = torch.zeros_like(moved), torch.zeros_like(shifted)
                return torch.full_like(loss, 1e30).detach()
            slopes = torch.autograd.grad(loss, [*weights, *([self.offsets] if self.free_start else [])])
            moved.grad = spread.T @ torch.cat([slope.flatten() for slope in slopes[: len(weights)]])
            shifted.grad = stretch * slopes[-1] if self.free_start else torch.zeros_like(shifted)
            if value < best[0]:
                best = (value, origin + spread @ moved.detach(), self.offsets.detach().clone())
            return loss.detach()

        with torch.enable_grad():
            optimiser.step(closure)
        assign_flat(weights, best[1])
        self.offsets = best[2].detach()
        return self.frames.new_tensor(losses[0])

    @torch.no_grad()
    def whitening(self, weights: Sequence[Tensor], origin: Tensor) -> Tensor:
        """Columns that span the weights, each of which changes the residuals by a unit; the unit matrix for many."""
        eye = torch.eye(len(origin), dtype=torch.float64, device=origin.device)
        if len(origin) > _FEW:
            return eye
        if len(origin) > _DEAR and len(origin) == len(trainable_numbers(self.network)):
            return _whitened(self._slopes(weights, origin), eye)
        middle, jacobian = self.residuals()[0].flatten(), []
        for i in range(len(origin)):
            step = _NUDGE * max(1.0, float(origin[i].abs()))
            assign_flat(weights, origin + step * eye[i])
            jacobian.append((self.residuals()[0].flatten() - middle) / step)
        assign_flat(weights, origin)
        return _whitened(torch.stack(jacobian, 1), eye)

    def _slopes(self, weights: Sequence[Tensor], origin: Tensor) -> Tensor:
        """About what `residuals` changes by with every weight, without a rollout for each of them: frame k is moved by
        k dt times the column of a coefficient in the equation at the frames that are given."""
        network, steps = self.network, self.frames.shape[1] - 1
        names = trainable_numbers(network)
        before = torch.stack([network.values.numbers()[name] for name in names])
        assign_flat(weights, origin + _NUDGE)
        rise = (torch.stack([network.values.numbers()[name] for name in names]) - before) / _NUDGE
        assign_flat(weights, origin)
        rows = regression_rows(
            network, self.frames, parameters=self.parameters, weights=1 / self._scale.flatten(), margin=self._margin
        )
        ages = torch.arange(1, steps + 1, dtype=torch.float64) * network.spec.dt
        return rows[:, :-1] * rise * float(ages.square().mean().sqrt()) / len(rows) ** 0.5

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
            free_start=self.free_start, gradient=self._gradient, margin=self._margin,
        )  # fmt: skip
        part.offsets = self.offsets[rows].clone()
        return part


def _whitened(columns: Float[Tensor, "residual weight"], eye: Tensor) -> Float[Tensor, "weight direction"]:
    if not bool(columns.isfinite().all()):
        return eye
    values, vectors = torch.linalg.eigh(2 * columns.T @ columns)
    return vectors / (values.clamp_min(0) + _FLAT * values.max().clamp_min(1e-30)).sqrt()


@torch.no_grad()
def assign_flat(weights: Sequence[Tensor], values: Float[Tensor, " weight"]) -> None:
    """Write all weights from one vector."""
    for weight, part in zip(weights, values.split([weight.numel() for weight in weights]), strict=True):
        weight.copy_(part.view_as(weight))
