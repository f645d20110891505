"""Scores of predicted trajectories that end in one of two ways or must obey constraints."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.problem import HasConstraints, HasOutcome, Problem
from sciml.core.types import Params


def named_parameters(problem: Problem, parameters: Float[Tensor, "sample parameter"]) -> Params:
    """Float64 columns by name."""
    names = [entry.name for entry in problem.parameters]
    return dict(zip(names, parameters.double().unbind(1), strict=True))


def outcome_scores(
    problem: Problem,
    predicted: Float[Tensor, "sample time channel"],
    true: Float[Tensor, "sample time channel"],
    params: Params,
) -> dict[str, float]:
    """``outcome/accuracy`` and, where both outcomes occur, ``outcome/auc``; empty if the problem has no outcome.

    A prediction that is not finite says neither: it is wrong, and ranks as undecided.
    """
    if not isinstance(problem, HasOutcome):
        return {}
    happened = problem.chance(true.double(), params) > 0.5
    chance = problem.chance(predicted.double(), params)
    right = ((chance > 0.5) == happened) & chance.isfinite()
    scores = {"outcome/accuracy": float(right.double().mean())}
    area = area_under_curve(chance.nan_to_num(nan=0.5), happened)
    return scores if area is None else scores | {"outcome/auc": area}


def area_under_curve(scores: Float[Tensor, " sample"], positive: Bool[Tensor, " sample"]) -> float | None:
    """Share of pairs (positive, negative) with the higher score on the positive side, ties half; None without pairs."""
    high, low = scores[positive], scores[~positive]
    if not len(high) or not len(low):
        return None
    return float(((high[:, None] > low) + 0.5 * (high[:, None] == low)).double().mean())


def constraint_scores(
    problem: Problem, predicted: Float[Tensor, "sample time channel"], params: Params
) -> dict[str, float]:
    """``constraint/<name>``: the largest violation, NaN if a prediction is not finite; empty without constraints."""
    if not isinstance(problem, HasConstraints):
        return {}
    found = problem.violations(predicted.double(), params)
    return {f"constraint/{name}": float(torch.amax(values)) for name, values in found.items()}
