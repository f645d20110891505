"""What an operator is judged by."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import AppliesOperator, MapsFunctions
from sciml.core.problem import Problem
from sciml.metrics import Metric
from sciml.tasks._cost import COSTS
from sciml.tasks._metric_names import field_names

WORST = 1e-3
"""Share of the values that the trimmed error leaves out, the worst ones."""


FINER, SHIFTED = "lattice/finer", "sensors/shifted"
"""On new functions, where `OperatorConfig.finer` asks for it."""


def _spaces(problem: Problem) -> tuple[str, ...]:
    return problem.spaces if isinstance(problem, AppliesOperator) else ()


METRICS = (
    Metric("relative_l2", "relative L2 error", headline=True, blind="zero"),
    Metric("mse", "mean squared error", units="", headline=True),
    Metric("mse/trimmed", "mean squared error without the worst 0.1 %", units=""),
    Metric("relative_l2/median", "relative L2 error, median"),
    Metric("relative_l2/worst", "relative L2 error, worst function"),
    Metric("field/*", "relative L2 error of {0}", names=field_names),
    Metric("train/relative_l2", "relative L2 error, training functions"),
    Metric("train/mse", "mean squared error, training functions", units=""),
    Metric("gap", "test over training mean squared error", better="none"),
    Metric("space/*", "relative L2 error on functions of {0}", names=_spaces),
    Metric(FINER, "relative L2 error on a lattice twice as fine"),
    Metric(SHIFTED, "relative L2 error, functions known half a cell beside the sensors"),
    Metric("covered/*", "share of {0} within two stated standard deviations", better="target", target=0.954,
           names=field_names),
    *COSTS,
)  # fmt: skip


def pair_errors(
    predicted: Float[Tensor, "row query field"], true: Float[Tensor, "row query field"], *, aligned: bool
) -> dict[str, float]:
    """``relative_l2`` and ``mse`` of values, with median and worst function where all functions share the queries.

    The relative error of a function is the norm of the error over all queries and fields by that of the truth; their
    mean is reported, over the functions whose image is not zero, and not a number where there are none. With a few
    queries per function such ratios say little, and the norms are over all rows instead.
    """
    error, truth = (predicted.double() - true.double()), true.double()
    squares = error.square().flatten()
    scores = {"mse": float(squares.mean()), "mse/trimmed": float(_trimmed(squares))}
    if not aligned:
        size = truth.norm()
        return {"relative_l2": float(error.norm() / size) if size > 0 else math.nan} | scores
    relative = relative_errors(predicted, true)[truth.flatten(1).norm(dim=1) > 0]
    if not len(relative):
        return {"relative_l2": math.nan, **scores, "relative_l2/median": math.nan, "relative_l2/worst": math.nan}
    return {
        "relative_l2": float(relative.mean()),
        **scores,
        "relative_l2/median": float(relative.median()),
        "relative_l2/worst": float(relative.max()),
    }


def coverage(
    problem: MapsFunctions,
    predicted: Float[Tensor, "row query field"],
    spread: Float[Tensor, "row query field"],
    true: Float[Tensor, "row query field"],
) -> dict[str, float]:
    """``covered/<field>``: the share of values that are within two stated standard deviations."""
    within = ((predicted.double() - true).abs() <= 2 * spread.double()).double().flatten(0, 1).mean(0)
    return {f"covered/{field.name}": float(share) for field, share in zip(problem.fields, within, strict=True)}


def relative_errors(
    predicted: Float[Tensor, "row query field"], true: Float[Tensor, "row query field"]
) -> Float[Tensor, " row"]:
    """‖error‖₂ / ‖truth‖₂ of every row, float64; not a number where the truth is zero, of which nothing is a share."""
    truth = true.double()
    size = truth.flatten(1).norm(dim=1)
    return (predicted.double() - truth).flatten(1).norm(dim=1) / torch.where(size > 0, size, math.nan)


def _trimmed(squares: Float[Tensor, " value"]) -> Float[Tensor, ""]:
    kept = max(1, len(squares) - int(WORST * len(squares)))
    return squares.sort().values[:kept].mean()
