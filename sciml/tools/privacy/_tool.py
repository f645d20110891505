"""The policy `privacy`."""

from __future__ import annotations

import json
import math
import secrets
from dataclasses import replace
from typing import NamedTuple

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from sciml.core import rng
from sciml.core.errors import UnsupportedError
from sciml.core.types import Support
from sciml.metrics import Metric
from sciml.nn.lipschitz import gradient_bounds
from sciml.tools._contract import Findings, FindingsTable, Policy, Subject
from sciml.tools.privacy._certificate import NAME, certify
from sciml.tools.privacy._config import PrivacyConfig
from sciml.tools.privacy._mechanism import Mechanism, PrivateSampler, calibrated
from sciml.tools.privacy._rule import PrivateRule
from sciml.train import AnySolver, Certified, GradientRule, TrainConfig


class PrivacyPolicy(Policy[PrivacyConfig]):
    """Training from fresh weights that hardly depends on any single simulation, with a certificate."""

    key = "privacy"
    title = "Private training"
    citation = (
        "Béthune et al., DP-SGD without clipping: the Lipschitz neural network way, ICLR 2024, arXiv:2305.16202; "
        "clipping: Abadi et al., Deep learning with differential privacy, CCS 2016, arXiv:1607.00133"
    )
    config = PrivacyConfig
    metrics = (
        Metric("privacy/epsilon", "epsilon"),
        Metric("privacy/sigma", "noise over sensitivity", better="none"),
    )

    def supports(self, solver: AnySolver) -> Support:
        """A solver that takes first-order steps along a mean over separate samples."""
        if solver.rule is None or not issubclass(solver.rule, GradientRule):
            return Support(False, "it takes no first-order steps whose gradient noise could be added to")
        if not solver.task.separate:
            return Support(False, "its samples are no separate rows, so what one simulation adds is not known")
        if solver.branches:
            return Support(False, f"the gradients of its samples cannot be clipped one by one: {solver.branches}")
        if solver.pooled or solver.coupled:
            return Support(False, f"a sample's part in its loss is not bounded: {solver.pooled or solver.coupled}")
        return Support(True)

    def training(self, config: PrivacyConfig, recipe: TrainConfig) -> TrainConfig:
        """As the solver is trained, without what would look at gradients before there is noise."""
        steps = config.steps or recipe.steps
        return recipe.model_copy(
            update={
                "steps": steps,
                "batch_size": config.batch_size or recipe.batch_size,
                "learning_rate": config.learning_rate or recipe.learning_rate,
                "evaluate_every": min(recipe.evaluate_every, max(1, steps // 5)),
                "clip": None,
                "polish": 0,
                "accumulate": 1,
                "ema": None,
            }
        )

    def rule(self, subject: Subject, module: nn.Module, train: TrainConfig, config: PrivacyConfig) -> PrivateRule:
        """Noisy steps."""
        certified = _bounded(subject, module, config)
        mechanism = mechanism_of(subject, train, config)
        return PrivateRule(
            module, subject.solver.loss, train, mechanism=mechanism, certified=certified, clip=config.clip,
            loss_clip=config.loss_clip, seed=_seed(subject, config, "noise"),
        )  # fmt: skip

    def sampler(self, subject: Subject, config: PrivacyConfig) -> PrivateSampler:
        """Poisson batches of the same mechanism."""
        mechanism = mechanism_of(subject, self.training(config, subject.recipe.train), config)
        return mechanism.sampler(_seed(subject, config, "batches"))

    def findings(self, subject: Subject, module: nn.Module, train: TrainConfig, config: PrivacyConfig) -> Findings:
        """The certificate."""
        mechanism, certified = mechanism_of(subject, train, config), _bounded(subject, module, config)
        bounds = _bounds(module, certified, config)
        leaks = {} if certified is None else certified.leaks
        document = certify(
            module,
            mechanism,
            method="clip" if certified is None else "lipschitz",
            constant=None if certified is None else certified.loss,
            inputs=None if certified is None or math.isinf(certified.inputs) else certified.inputs,
            bounds=bounds,
            leaks=leaks,
            reproducible=config.reproducible,
        )
        epsilon = mechanism.epsilon
        words = [
            f"One simulation more or less changes the odds of any outcome by at most exp({epsilon:.4g}), but for a "
            f"chance of {mechanism.delta:g}: {mechanism.steps} steps, {mechanism.expected:.4g} of {mechanism.samples} "
            f"samples in a batch on average, sigma {mechanism.sigma:.4g}."
            if math.isfinite(epsilon)
            else "Without noise there is no guarantee.",
            *(f"Not covered: {text}." for text in document["not_covered"].values()),
        ]
        table = FindingsTable("Bound on the gradient of one simulation", ("parameter", "bound"), tuple(bounds.items()),
                              bars="bound")  # fmt: skip
        numbers = {"delta": mechanism.delta, "sigma": mechanism.sigma, "rate": mechanism.rate}
        if math.isfinite(epsilon):
            numbers["epsilon"] = epsilon
        return Findings(
            numbers,
            words=tuple(words),
            tables=(table,),
            files={f"{NAME}.json": json.dumps(document, indent=2, allow_nan=False) + "\n"},
        )


class _Key(NamedTuple):
    samples: int
    steps: int
    batch: int


def mechanism_of(subject: Subject, train: TrainConfig, config: PrivacyConfig) -> Mechanism:
    """The mechanism of a training: the same one for noise, batches and account, since all ask here."""
    samples = len(subject.bench().examples)
    rate = min(1.0, train.batch_size / samples)
    bare = Mechanism(samples, rate, config.sigma or 0.0, train.steps, config.delta, config.noise, config.accountant)
    if config.method == "clip" or (config.method == "auto" and subject.solver.certified(subject.module) is None):
        bare = replace(bare, noise="global")
    return bare if config.sigma is not None else calibrated(config.epsilon, bare)


def _bounded(subject: Subject, module: nn.Module, config: PrivacyConfig) -> Certified | None:
    """What bounds the gradients of a module; None where they are clipped. Refuses what is neither."""
    certified = subject.solver.certified(module)
    if config.method == "clip" or (config.method == "auto" and certified is None):
        refuse_coupled(module)
        return None
    if certified is None:
        raise UnsupportedError(
            f"solver {subject.solver.key!r} has no bounds on its gradients: its loss is a squared error or its layers "
            "have no known Lipschitz constants",
            got="method=lipschitz",
            fix="Train lipschitz_rows, or clip the gradients of samples with method=clip.",
        )
    if config.loss_clip is not None:
        certified = certified._replace(loss=min(certified.loss, config.loss_clip))
    if math.isinf(certified.loss):
        raise UnsupportedError(
            "the loss of this run has no Lipschitz constant in the output of the network, so no sample's gradient is "
            "bounded",
            got="a squared error",
            expected="a Huber or absolute error",
            fix="Run it again with model.loss=huber, clip that slope with loss_clip=…, or take method=clip.",
        )
    gradient_bounds(certified.network, inputs=certified.inputs, loss=certified.loss)
    return certified


def _bounds(module: nn.Module, certified: Certified | None, config: PrivacyConfig) -> dict[str, float]:
    if certified is None:
        return {"all parameters together": config.clip}
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    bounds = gradient_bounds(certified.network, inputs=certified.inputs, loss=certified.loss)
    return {names[id(p)]: bounds[key] for key, p in certified.network.named_parameters()}


def refuse_coupled(module: nn.Module) -> None:
    for name, layer in module.named_modules():
        if isinstance(layer, _BatchNorm):
            raise UnsupportedError(
                f"layer {name!r} couples the samples of a batch, so no sample's gradient is its own",
                got=type(layer).__name__,
                fix="Train a network with another normalisation, or none.",
            )


def _seed(subject: Subject, config: PrivacyConfig, use: str) -> int:
    return rng.derive(subject.seed, "privacy", use) if config.reproducible else secrets.randbits(62)
