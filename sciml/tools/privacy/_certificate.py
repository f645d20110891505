"""The certificate of a private training, as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from torch import nn

import sciml
from sciml.tools.privacy._mechanism import Mechanism

FORMAT = "sciml/privacy/1"
NAME = "certificate"
"""Of its file, without the ending."""


def certify(
    module: nn.Module,
    mechanism: Mechanism,
    *,
    method: str,
    constant: float | None,
    inputs: float | None,
    bounds: Mapping[str, float],
    leaks: Mapping[str, str],
    reproducible: bool,
) -> dict[str, Any]:  # fmt: skip; Any: JSON
    """What is guaranteed of a module, and everything from which it follows.

    Arguments:
        module: trained.
        mechanism: by which.
        method: ``lipschitz`` or ``clip``.
        constant: Lipschitz constant of the loss; None where gradients are clipped.
        inputs: largest norm of a sample; None where it does not matter.
        bounds: on the gradient of one sample, by parameter, at the last weights.
        leaks: what the guarantee does not cover, by name.
        reproducible: whether noise and batches follow from the seed.
    """
    leaks = dict(leaks)
    if reproducible:
        leaks["seed"] = "noise and batches follow from the seed of the run, which must stay secret"
    if mechanism.sigma == 0:
        leaks["noise"] = "there is none, so nothing is guaranteed"
    epsilon = mechanism.epsilon
    return {
        "format": FORMAT,
        "unit": "one simulation: one training sample",
        "neighbours": "one simulation more or less",
        "epsilon": epsilon if epsilon < float("inf") else None,
        "delta": mechanism.delta,
        "mechanism": mechanism.described(),
        "method": method,
        "loss_constant": constant,
        "input_norm": inputs,
        "bounds": dict(bounds),
        "not_covered": {
            "validation": "validation and test samples, whose scores are in the log",
            "standardisation of inputs": "constants that come from data, unless they are those of declared ranges",
            **leaks,
        },
        "weights": weights_digest(module),
        "version": sciml.__version__,
    }


def weights_digest(module: nn.Module) -> str:
    """SHA-256 of all tensors of a module by their names."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
