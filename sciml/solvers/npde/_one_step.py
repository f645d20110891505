"""What coefficients would be without some of the windows: one step of Gauss and Newton from the fit to all of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.models.npde import trainable_numbers
from sciml.solvers.npde._trajectory_fit import TrajectoryFit, assign_flat

_NUDGE = 1e-6
_ITERATIONS = 12  # of conjugate gradients; what a first frame does to later ones is well conditioned
_CLOSE = 1e-4  # relative gradient at which they stop
_AT_ONCE = 2**21  # numbers in the frames whose rollouts are in memory at once


@dataclass(frozen=True)
class Information:
    """What every window says of the weights, its own first frame being fitted whatever they are.

    Arguments:
        curvature: of half the loss of a window, after Gauss and Newton.
        slope: its gradient; the sum over windows is next to nothing where the fit has converged.
        rise: change of every number with every weight.
    """

    curvature: Float[Tensor, "window weight weight"]
    slope: Float[Tensor, "window weight"]
    rise: Float[Tensor, "number weight"]

    def change(self, kept: Tensor) -> Float[Tensor, " number"]:
        """What the numbers would change by if the windows `kept` were all there are."""
        curvature, slope = self.curvature[kept].sum(0), self.slope[kept].sum(0)
        size = curvature.diagonal().clamp_min(0).sqrt()
        scale = torch.where(size > 1e-12 * size.max(), 1 / size, 0.0)  # a weight at a bound moves nothing
        inverse = torch.linalg.pinv(scale[:, None] * curvature * scale, hermitian=True, rtol=1e-12)
        return -self.rise @ (scale * (inverse @ (scale * slope)))


@torch.no_grad()
def information(fit: TrajectoryFit) -> Information | None:
    """The `Information` at the present coefficients; None where numbers are not weights, or a rollout is not finite.

    A window misses r(θ, s), s its first frame. What r changes by with a weight, less what a change of s makes up for,
    is P_k = min over d of ‖∂r/∂θ_k + ∂r/∂s d‖, found for all windows and weights at once by conjugate gradients.
    The curvature of the loss, s being fitted, is then P Pᵀ and its gradient P r.
    """
    network = fit.network
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    origin = torch.cat([weight.detach().flatten() for weight in weights])
    if len(origin) != len(trainable_numbers(network)):
        return None
    if fit.free_start:
        fit = fit.without(torch.arange(len(fit.frames)))
        fit.offsets = fit.offsets + _closest(fit, _parts(fit), len(fit.frames))[1]
        network = fit.network
        weights = [weight for weight in network.parameters() if weight.requires_grad]
    missed, first = _parts(fit)
    columns, rise = [], []
    numbers = _numbers(fit)
    for i in range(len(origin)):
        step = _NUDGE * max(1.0, float(origin[i].abs()))
        moved = origin.clone()
        moved[i] += step
        assign_flat(weights, moved)
        columns.append((_parts(fit)[0] - missed) / step)
        rise.append((_numbers(fit) - numbers) / step)
    assign_flat(weights, origin)
    if fit.free_start:
        columns = _projected(fit, columns)
    else:
        columns = [torch.cat((column, torch.zeros_like(first)), 1) for column in columns]
    table = torch.stack(columns, 1)
    gathered = Information(table @ table.mT, table @ torch.cat((missed, first), 1)[..., None], torch.stack(rise, 1))
    if not all(bool(part.isfinite().all()) for part in (gathered.curvature, gathered.slope, gathered.rise)):
        return None
    return Information(gathered.curvature, gathered.slope[..., 0], gathered.rise)


def _numbers(fit: TrajectoryFit) -> Tensor:
    values = fit.network.values.numbers()
    return torch.stack([values[name] for name in trainable_numbers(fit.network)])


def _parts(fit: TrajectoryFit) -> tuple[Float[Tensor, "window value"], Float[Tensor, "window cell"]]:
    """What the rollouts miss and what the first frames do, a window per row."""
    missed, first = fit.residuals()
    return missed.flatten(1), first.flatten(1)


def _projected(fit: TrajectoryFit, columns: list[Tensor]) -> list[Tensor]:
    """The columns less what first frames make up for; several at once, as copies of the windows."""
    windows, projections = len(fit.frames), list[Tensor]()
    many = max(1, _AT_ONCE // fit.frames.numel())
    for start in range(0, len(columns), many):
        part = columns[start : start + many]
        copies = fit.without(torch.arange(windows).repeat(len(part)))
        share = len(part) ** 0.5  # the loss is a mean over all windows, and there are so many more of them
        rows = torch.cat(part) / share
        nothing = rows.new_zeros(len(rows), fit.offsets[0].numel())
        left = _closest(copies, (rows, nothing), len(rows))[0]
        projections += list((left * share).split(windows))
    return projections


def _closest(fit: TrajectoryFit, right: tuple[Tensor, Tensor], windows: int) -> tuple[Tensor, Tensor]:
    """min over d of ‖right + J d‖ for every window, J what first frames do to the residuals: what is left, and d."""
    base, (missed, first) = fit.offsets.clone(), _parts(fit)
    left = -torch.cat(right, 1)
    with torch.enable_grad():
        fit.offsets = base.clone().requires_grad_()
        graph = torch.cat(_parts(fit), 1)

    def back(rows: Tensor) -> Tensor:
        return torch.autograd.grad(graph, fit.offsets, rows, retain_graph=True)[0].flatten(1)

    def forward(rows: Tensor) -> Tensor:
        nudge = _NUDGE / rows.square().mean(1, keepdim=True).sqrt().clamp_min(1e-300)
        offsets, fit.offsets = fit.offsets, base + (nudge * rows).view_as(base)
        moved = torch.cat(_parts(fit), 1)
        fit.offsets = offsets
        return (moved - torch.cat((missed, first), 1)) / nudge

    nearest = left.new_zeros(windows, base[0].numel())
    slope = back(left)
    path, size = slope, slope.square().sum(1, keepdim=True)
    begun = size.clone()
    for _ in range(_ITERATIONS):
        if bool((size <= _CLOSE**2 * begun).all()):
            break
        image = forward(path)
        along = size / image.square().sum(1, keepdim=True).clamp_min(1e-300)
        nearest, left = nearest + along * path, left - along * image
        slope = back(left)
        size, before = slope.square().sum(1, keepdim=True), size
        path = slope + size / before.clamp_min(1e-300) * path
    fit.offsets = base
    return -left, nearest.view_as(base)
