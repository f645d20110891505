"""What merging reports: losses of the runs, of the merged trees and of the mean of outputs, and barriers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import xarray
from torch import Tensor, nn

from sciml.tools._contract import Findings, FindingsTable
from sciml.tools.trees._config import TreesConfig
from sciml.tools.trees._match import Invariances
from sciml.tools.trees._member import Member, joined, with_trees
from sciml.tools.trees._merge import aligned, barrier, find_matching, interpolated

_LEVELS: tuple[Invariances, ...] = ("none", "permutation", "all")
_WORDS = {"none": "nothing", "permutation": "order of the trees", "all": "all symmetries"}
Loss = Callable[[nn.Module], float]
"""Of a module on the test samples."""


def findings_of(members: Sequence[Member], merged: nn.Module, config: TreesConfig, samples: Tensor | None) -> Findings:
    """Losses and barriers on the test samples of the first run.

    Arguments:
        members: the runs as they were.
        merged: what was made of them.
        config: settings.
        samples: what activations are matched on; None where weights are.
    """
    first = members[0].subject
    batch = first.bench().test_batch()
    if batch is None:
        return Findings(words=("The task has no test batch, so no loss was measured.",))

    @torch.no_grad()
    def loss(module: nn.Module) -> float:
        return float(first.solver.loss(module.eval(), batch))

    each = [loss(member.module) for member in members]
    merged_loss, worst, mean = loss(merged), max(each), sum(each) / len(each)
    together = loss(with_trees(members[0], joined([member.trees for member in members])))
    numbers = {
        "runs": float(len(members)),
        "merged_loss": merged_loss,
        "best_loss": min(each),
        "worst_loss": worst,
        "mean_loss": mean,
        "ensemble_loss": together,
        **({"merged_to_worst": merged_loss / worst, "merged_to_mean": merged_loss / mean} if worst > 0 else {}),
    }
    rows = [
        ("merged", merged_loss),
        *((member_name(i), value) for i, value in enumerate(each)),
        ("mean of outputs", together),
    ]
    tables = [FindingsTable("Loss on the test samples", ("network", "loss"), tuple(rows), bars="loss")]
    arrays, words = xarray.Dataset(), [_comparison(merged_loss, each, together)]
    if config.points:
        shares = torch.linspace(0, 1, config.points, dtype=torch.float64)
        curves = _curves(members, config, samples, shares, loss)
        heights = [max(barrier(shares, curve) for curve in of_level) for of_level in curves]
        height = dict(zip(_LEVELS, heights, strict=True))
        numbers |= {"barrier": height[config.invariances], **{f"barrier_{key}": height[key] for key in _LEVELS}}
        tables.append(
            FindingsTable(
                "Barrier of the test loss between the runs",
                ("matched over", "barrier"),
                tuple((_WORDS[key], height[key]) for key in _LEVELS),
                bars="barrier",
            )
        )
        about = {"units": "1", "long_name": "test loss on the line from the first run to another"}
        arrays = xarray.Dataset(
            {"loss": (("invariances", "run", "share"), curves.numpy(), about)},
            {"invariances": list(_LEVELS), "share": shares.numpy()},
        )
        words.append(_barriers(height))
    return Findings(numbers, arrays, tuple(words), tuple(tables))


def member_name(number: int) -> str:
    """How a run is called in tables."""
    return f"run {number + 1}"


def _curves(
    members: Sequence[Member], config: TreesConfig, samples: Tensor | None, shares: Tensor, loss: Loss
) -> Tensor:
    """The loss by level of matching, other run and share of that run."""
    first = members[0]
    curves = torch.zeros(len(_LEVELS), len(members) - 1, len(shares), dtype=torch.float64)
    for i, level in enumerate(_LEVELS):
        for j, other in enumerate(members[1:]):
            match = find_matching(other.trees, first.trees, match=config.match, invariances=level, samples=samples)
            moved = aligned(other.trees, match)
            for k, share in enumerate(shares.tolist()):
                curves[i, j, k] = loss(with_trees(first, interpolated(first.trees, moved, share)))
    return curves


def _comparison(own: float, each: Sequence[float], together: float) -> str:
    best, worst, mean = min(each), max(each), sum(each) / len(each)
    if own < best:
        place = "below that of every run"
    elif own < mean:
        place = "below the mean of the runs"
    else:
        place = "above the mean of the runs" if own <= worst else "above that of every run"
    return (f"The merged trees have a test loss of {own:.4g}, {place} ({best:.4g} to {worst:.4g}); the mean of the "
            f"runs' outputs, at {len(each)} times the cost, has {together:.4g}.")  # fmt: skip


def _barriers(height: dict[Invariances, float]) -> str:
    return (f"The barrier of the loss is {height['none']:.3g} without matching, {height['permutation']:.3g} with the "
            f"trees in order, {height['all']:.3g} over all symmetries.")  # fmt: skip
