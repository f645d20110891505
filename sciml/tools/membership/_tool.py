"""The probe `membership`: can the loss of a sample say whether it was trained on?"""

from __future__ import annotations

import numpy as np
import pydantic
import torch
import xarray

from sciml.core import rng
from sciml.core.config import Config
from sciml.core.types import Support
from sciml.metrics import Metric
from sciml.tools._contract import Findings, Probe, Subject
from sciml.train import AnySolver


class MembershipConfig(Config):
    """How many samples are asked."""

    samples: int = pydantic.Field(default=500, ge=10)
    """Of either kind, at most."""


class MembershipProbe(Probe[MembershipConfig]):
    """An attack by the loss: the smaller that of a sample, the likelier it was trained on."""

    key = "membership"
    title = "Membership inference"
    citation = "Yeom, Giacomelli, Fredrikson, Jha, Privacy risk in machine learning, CSF 2018, arXiv:1709.01604"
    config = MembershipConfig
    metrics = (
        Metric("membership/auc", "area under the curve of membership inference", better="target", target=0.5),
        Metric("membership/advantage", "advantage of membership inference"),
    )

    def supports(self, solver: AnySolver) -> Support:
        """A trained solver of separate samples."""
        if not solver.task.separate:
            return Support(False, "its samples are no separate rows")
        if solver.rule is None:
            return Support(
                False, "it takes no training steps, and some of these methods keep their samples as they are"
            )
        return Support(True)

    @torch.no_grad()
    def probe(self, subject: Subject, config: MembershipConfig) -> Findings:
        """AUC and advantage, on training samples and on as many test samples."""
        bench, module = subject.bench(), subject.module
        test = bench.test_batch()
        assert test is not None  # a separate task has one
        count = min(config.samples, len(bench.examples), len(test))
        chosen = torch.linspace(0, len(bench.examples) - 1, count).long()
        train = bench.examples.batch(chosen, rng.generator(subject.seed, "membership"))
        losses = [
            np.array([float(subject.solver.loss(module, batch.rows(slice(i, i + 1)))) for i in range(count)])
            for batch in (train, test)
        ]
        auc, most = separation(*losses), advantage(*losses)
        words = (f"A training sample has a smaller loss than another one with probability {auc:.3f} (0.5: nobody can "
                 f"tell), {count} each; the best threshold is right {100 * (1 + most) / 2:.3g} % of the time.",
                 )  # fmt: skip
        arrays = xarray.Dataset({"train": ("sample", losses[0]), "test": ("sample", losses[1])})
        return Findings({"auc": auc, "advantage": most, "samples": float(count)}, arrays, words)


def separation(members: np.ndarray, others: np.ndarray) -> float:
    """Probability that a member has the smaller loss, ties counted half: the area under the ROC curve."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate((members, others)))[: len(members)]
    above = ranks.sum() - len(members) * (len(members) + 1) / 2
    return float(1 - above / (len(members) * len(others)))


def advantage(members: np.ndarray, others: np.ndarray) -> float:
    """Largest difference of true and false positive rate over all thresholds, at least 0."""
    thresholds = np.concatenate((members, others))
    rates = [np.searchsorted(np.sort(values), thresholds, side="right") / len(values) for values in (members, others)]
    return float(max(0.0, (rates[0] - rates[1]).max()))
