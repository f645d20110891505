"""Where training starts: the constants that suit the data best among many, found without gradients."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.solvers.pnode._network import PNODE
from sciml.tasks.trajectories import TrajectoryBatch

_WIDEST = 0.98  # of a bound, where tanh is not flat yet
_SHRINK = 0.4
_ENERGIES = (-1.5, -0.75, 0.0, 0.75, 1.5, 2.25, 3.0)  # what is added to the logit of a source's share of its cap

Misfits = Callable[[PNODE, TrajectoryBatch, dict[str, Tensor]], Float[Tensor, " sample"]]


@torch.no_grad()
def calibrate(module: PNODE, batch: TrajectoryBatch, misfits: Misfits) -> float:
    """Set the offsets of all learned closures to the best of a search, and return the misfit there.

    Coefficients, the same for all samples, are tried at Sobol points between their bounds, and round after round in a
    box 0.4 times as wide around the best. Sources will differ from sample to sample, so every point is judged by what
    it makes of each sample with the best of seven energies; the offset of a source is then the one energy that is best
    for all together. The guess is the first of the points, and the search always gives the same answer.

    Arguments:
        module: freshly built; changed in place.
        batch: training samples.
        misfits: of every sample given offsets row by row; infinite where the integration failed.
    """
    c, offsets = module.config.calibration, module.offsets
    sizes = {name: len(offsets[name]) for name in module.coefficients}
    count = sum(sizes.values())
    sobol = torch.quasirandom.SobolEngine(max(count, 1), scramble=True, seed=0)
    energies = batch.states.new_tensor(_ENERGIES if len(module.sources) else (0.0,), dtype=torch.float64)
    best, level, score, width = torch.zeros(count, dtype=torch.float64), 0.0, float("inf"), 1.0
    for _ in range(c.rounds if count else 1):
        points = (best + width * (2 * sobol.draw(c.points, dtype=torch.float64)[:, :count] - 1)).clamp(-1, 1)
        points[0] = best
        costs = _misfits(module, batch, misfits, points if count else points[:1], energies, sizes)
        scores = costs.amin(1).mean(1)
        if scores.min() < score:
            first = scores.argmin()
            score, best, level = float(scores[first]), points[first], float(energies[costs[first].mean(1).argmin()])
        width *= _SHRINK
    for name, value in _coefficients(best, sizes).items():
        offsets[name].copy_(value)
    for name in module.sources:
        offsets[name].fill_(level)
    return score


def _misfits(
    module: PNODE,
    batch: TrajectoryBatch,
    misfits: Misfits,
    points: Float[Tensor, "point dimension"],
    energies: Float[Tensor, " energy"],
    sizes: dict[str, int],
) -> Float[Tensor, "point energy sample"]:
    """All combinations, integrated together."""
    shape = len(points), len(energies), len(batch)
    times = shape[0] * shape[1]
    since = None if batch.since is None else batch.since.repeat(times)
    many = TrajectoryBatch(batch.states.repeat(times, 1, 1), batch.times, batch.parameters.repeat(times, 1), since)
    rows = points.to(energies.device).repeat_interleave(shape[1] * shape[2], 0)
    levels = energies.repeat_interleave(shape[2]).repeat(shape[0])[:, None]
    costs = misfits(module, many, _coefficients(rows, sizes) | dict.fromkeys(module.sources, levels))
    return costs.view(shape).nan_to_num(nan=float("inf"))


def _coefficients(points: Float[Tensor, "*point dimension"], sizes: dict[str, int]) -> dict[str, Tensor]:
    """Offsets ``… number`` of the coefficients at points of the cube [-1, 1]."""
    return dict(zip(sizes, torch.atanh(_WIDEST * points).split(list(sizes.values()), dim=-1), strict=True))
