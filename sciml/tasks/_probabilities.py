"""Probabilities of classes."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.metrics import Metric

CLASS_METRICS = (
    Metric("accuracy", "accuracy", better="higher", headline=True),
    Metric("majority_accuracy", "accuracy of the most frequent class", better="none"),
    Metric("balanced_accuracy", "mean recall over classes", better="higher"),
    Metric("error", "error rate"),
    Metric("nll", "negative log-likelihood", units="nat", headline=True, signed=True),
    Metric("recall/*", "recall of {0}", better="higher"),
)
"""What answers with classes are judged by."""


def predicted_classes(probabilities: Float[Tensor, "sample class"]) -> Int[Tensor, " sample"]:
    """The most probable class of every sample; -1 where a probability is not finite."""
    return torch.where(probabilities.isfinite().all(1), probabilities.nan_to_num().argmax(1), -1)


def surprise(probabilities: Float[Tensor, "sample class"], labels: Int[Tensor, " sample"]) -> Float[Tensor, " sample"]:
    """-log of the probability of the true class; one that rounds to zero counts as the smallest number of float32."""
    likelihoods = probabilities.double().gather(1, labels[:, None])[:, 0]
    return -likelihoods.clamp_min(torch.finfo(torch.float32).tiny).log()


def class_scores(
    probabilities: Float[Tensor, "sample class"],
    labels: Int[Tensor, " sample"],
    known: Int[Tensor, " train"],
    classes: Sequence[str],
) -> dict[str, float]:
    """Accuracy, what the commonest class alone would reach, recall by class and its mean, error and surprise.

    Recalls are of the classes that occur among `labels`; see `absent_classes` for the others.

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
    }


def absent_classes(
    labels: Int[Tensor, " sample"], known: Int[Tensor, " train"], classes: Sequence[str]
) -> dict[str, str]:
    """Recalls that cannot be measured, or must fail, with the reason; by key of the metric."""
    tested, trained = ({int(i) for i in values.unique()} for values in (labels, known))
    reasons = {
        f"recall/{classes[i]}": "no test sample is of this class" for i in range(len(classes)) if i not in tested
    }
    never = {f"recall/{classes[i]}": "no training sample is of this class" for i in tested - trained}
    return reasons | never
