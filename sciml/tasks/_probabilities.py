"""Probabilities of classes."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.metrics import Metric

CLASS_METRICS = (
    Metric("accuracy", "accuracy", better="higher", headline=True),
    Metric("majority_accuracy", "accuracy of the most frequent class", better="none"),
    Metric("balanced_accuracy", "mean recall over classes", better="higher"),
    Metric("error", "error rate"),
    Metric("nll", "negative log-likelihood", units="nat", headline=True, signed=True),
    Metric("recall/*", "recall of {0}", better="higher"),
    Metric("auc/*", "area under the curve of {0} against the rest", better="higher"),
)
"""What answers with classes are judged by."""


def predicted_classes(probabilities: Float[Tensor, "sample class"]) -> Int[Tensor, " sample"]:
    """The most probable class of every sample; -1 where a probability is not finite."""
    return torch.where(probabilities.isfinite().all(1), probabilities.nan_to_num().argmax(1), -1)


def surprise(probabilities: Float[Tensor, "sample class"], labels: Int[Tensor, " sample"]) -> Float[Tensor, " sample"]:
    """-log of the probability of the true class; one that rounds to zero counts as the smallest number of float32."""
    likelihoods = probabilities.double().gather(1, labels[:, None])[:, 0]
    return -likelihoods.clamp_min(torch.finfo(torch.float32).tiny).log()


def ranking_area(scores: Float[Tensor, " sample"], members: Bool[Tensor, " sample"]) -> float:
    """The chance that a member has a higher score than another sample, ties counting half: the area under the curve.

    (R - n (n + 1) / 2) / (n m), R the sum of the ranks of the n members among all n + m, equal scores having their mean
    rank. A score that is not finite is ranked on the wrong side. NaN without members, or without others.
    """
    wrong = torch.where(members, -torch.inf, torch.inf).double()
    values, place = torch.where(scores.isfinite(), scores.double(), wrong).unique(return_inverse=True)
    counts = torch.bincount(place, minlength=len(values)).double()
    rank = (counts.cumsum(0) - (counts - 1) / 2)[place]
    inside, outside = int(members.sum()), int((~members).sum())
    area = rank[members].sum() - inside * (inside + 1) / 2
    return float(area / (inside * outside)) if inside and outside else math.nan


def class_scores(
    probabilities: Float[Tensor, "sample class"],
    labels: Int[Tensor, " sample"],
    known: Int[Tensor, " train"],
    classes: Sequence[str],
) -> dict[str, float]:
    """Accuracy, what the commonest class alone would reach, recall by class and its mean, areas, error and surprise.

    Recalls are of the classes that occur among `labels`; see `absent_classes` for the others. The area of a class is
    that of its probability as a score against all other samples (`ranking_area`).

    Arguments:
        probabilities: predicted, of test samples.
        labels: their true classes.
        known: classes of the training samples.
        classes: names.
    """
    chosen, size = predicted_classes(probabilities), len(classes)
    right = (chosen == labels).double()
    totals = torch.bincount(labels, minlength=size)
    hits = torch.bincount(labels, weights=right, minlength=size)
    recalls = {i: float(hits[i] / totals[i]) for i in range(size) if totals[i]}
    commonest = int(torch.bincount(known, minlength=size).argmax())
    accuracy = float(right.mean())
    return {
        "accuracy": accuracy,
        "majority_accuracy": float((labels == commonest).double().mean()),
        "balanced_accuracy": sum(recalls.values()) / max(1, len(recalls)),
        "error": 1 - accuracy,
        "nll": float(surprise(probabilities, labels).mean()),
        **{f"recall/{classes[i]}": value for i, value in recalls.items()},
        **{
            f"auc/{classes[i]}": ranking_area(probabilities[:, i], labels == i)
            for i in recalls
            if totals[i] < len(labels)
        },
    }


def absent_classes(
    labels: Int[Tensor, " sample"], known: Int[Tensor, " train"], classes: Sequence[str]
) -> dict[str, str]:
    """Recalls and areas that cannot be measured, or must fail, with the reason; by key of the metric."""
    tested, trained = ({int(i) for i in values.unique()} for values in (labels, known))
    reasons = {
        f"{what}/{classes[i]}": "no test sample is of this class"
        for what in ("recall", "auc")
        for i in range(len(classes))
        if i not in tested
    }
    if len(tested) == 1:
        reasons[f"auc/{classes[min(tested)]}"] = "every test sample is of this class"
    never = {f"recall/{classes[i]}": "no training sample is of this class" for i in tested - trained}
    return reasons | never
