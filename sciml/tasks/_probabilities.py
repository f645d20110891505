"""Probabilities of classes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def predicted_classes(probabilities: Float[Tensor, "sample class"]) -> Int[Tensor, " sample"]:
    """The most probable class of every sample; -1 where a probability is not finite."""
    return torch.where(probabilities.isfinite().all(1), probabilities.nan_to_num().argmax(1), -1)


def surprise(probabilities: Float[Tensor, "sample class"], labels: Int[Tensor, " sample"]) -> Float[Tensor, " sample"]:
    """-log of the probability of the true class; one that rounds to zero counts as the smallest number of float32."""
    likelihoods = probabilities.double().gather(1, labels[:, None])[:, 0]
    return -likelihoods.clamp_min(torch.finfo(torch.float32).tiny).log()
