"""The probe `certificate`: what a certificate says, derived again from the saved model alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import pydantic
from torch import nn

from sciml.core.config import Config, parse, read_json
from sciml.core.errors import DataError
from sciml.core.types import Support
from sciml.nn.lipschitz import gradient_bounds
from sciml.tools._contract import Findings, FindingsTable, Probe, Subject
from sciml.tools.privacy._certificate import FORMAT, NAME, weights_digest
from sciml.tools.privacy._mechanism import Accountant, Mechanism, Noise
from sciml.train import AnySolver, Certified


class MechanismEntry(Config):
    """What `Mechanism.described` writes."""

    samples: int = pydantic.Field(ge=1)
    rate: float = pydantic.Field(gt=0, le=1)
    expected_batch: float
    sigma: float = pydantic.Field(ge=0)
    steps: int = pydantic.Field(ge=0)
    delta: float = pydantic.Field(gt=0, lt=1)
    noise: Noise
    accountant: Accountant

    def mechanism(self) -> Mechanism:
        """The mechanism."""
        return Mechanism(self.samples, self.rate, self.sigma, self.steps, self.delta, self.noise, self.accountant)


class Certificate(Config):
    """What `certify` writes."""

    format: Literal["sciml/privacy/1"]
    unit: str
    neighbours: str
    epsilon: float | None
    delta: float
    mechanism: MechanismEntry
    method: Literal["lipschitz", "clip"]
    loss_constant: float | None
    input_norm: float | None
    bounds: dict[str, float]
    not_covered: dict[str, str]
    weights: str
    version: str


class CertificateConfig(Config):
    """What is looked at."""

    data: bool = False
    """Whether the number of training samples is checked too, which makes or opens the data."""


class CertificateProbe(Probe[CertificateConfig]):
    """Derives epsilon and all bounds of a private run again, and refuses a certificate that says something else."""

    key = "certificate"
    title = "Check of a privacy certificate"
    citation = "as for privacy"
    config = CertificateConfig

    def supports(self, solver: AnySolver) -> Support:
        """A solver of separate samples, as `privacy`."""
        if solver.rule is None or not solver.task.separate:
            return Support(False, "it cannot be trained privately, so it has no certificate")
        return Support(True)

    def probe(self, subject: Subject, config: CertificateConfig) -> Findings:
        """Raises DataError, naming the entry, for a certificate that does not belong to the model or is not true."""
        path = subject.folder / f"{NAME}.json"
        try:
            read = read_json(path)
        except (FileNotFoundError, NotADirectoryError):
            return Findings({"certified": 0.0}, words=("The run has no certificate: it was not trained privately.",))
        stated = parse(Certificate, read, str(path))
        epsilon = verify(subject.module, subject.solver.certified(subject.module), stated.model_dump())
        if subject.recipe.train.steps != stated.mechanism.steps:
            raise _wrong("mechanism.steps", stated.mechanism.steps, subject.recipe.train.steps)
        if config.data and len(subject.bench().examples) != stated.mechanism.samples:
            raise _wrong("mechanism.samples", stated.mechanism.samples, len(subject.bench().examples))
        table = FindingsTable(
            "Bounds derived again", ("parameter", "bound"), tuple(stated.bounds.items()), bars="bound"
        )
        words = (
            f"The certificate holds: epsilon {epsilon:.4g} at delta {stated.delta:g}, derived from the saved model.",
            *(f"Not covered: {text}." for text in stated.not_covered.values()),
        )
        return Findings({"certified": 1.0, "epsilon": epsilon, "delta": stated.delta}, words=words, tables=(table,))


def verify(module: nn.Module, certified: Certified | None, document: Mapping[str, Any]) -> float:  # Any: JSON
    """The epsilon of a certificate, derived again.

    Arguments:
        module: the saved model.
        certified: what its bounds follow from, as its solver says; None where there are none.
        document: the certificate.

    Raises: DataError naming the first entry that is wrong.
    """
    stated = parse(Certificate, dict(document), "the certificate")
    assert stated.format == FORMAT
    if (digest := weights_digest(module)) != stated.weights:
        raise _wrong("weights", stated.weights[:12] + "…", digest[:12] + "…")
    mechanism = stated.mechanism.mechanism()
    if not math.isclose(stated.mechanism.expected_batch, mechanism.expected, rel_tol=1e-9):
        raise _wrong("mechanism.expected_batch", stated.mechanism.expected_batch, mechanism.expected)
    if stated.delta != mechanism.delta:
        raise _wrong("delta", stated.delta, mechanism.delta)
    epsilon = mechanism.epsilon
    if stated.epsilon is None or not math.isclose(stated.epsilon, epsilon, rel_tol=1e-6, abs_tol=1e-9):
        raise _wrong("epsilon", stated.epsilon, epsilon)
    if stated.method == "lipschitz":
        _check_bounds(module, certified, stated)
    return epsilon


def _check_bounds(module: nn.Module, certified: Certified | None, stated: Certificate) -> None:
    if certified is None or stated.loss_constant is None or stated.loss_constant > certified.loss:
        raise _wrong("loss_constant", stated.loss_constant, None if certified is None else certified.loss)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    bounds = gradient_bounds(certified.network, inputs=certified.inputs, loss=stated.loss_constant)
    derived = {names[id(p)]: bounds[key] for key, p in certified.network.named_parameters()}
    if derived.keys() != stated.bounds.keys():
        raise _wrong("bounds", ", ".join(stated.bounds), ", ".join(derived))
    for name, bound in derived.items():
        if not math.isclose(bound, stated.bounds[name], rel_tol=1e-6):
            raise _wrong(f"bounds.{name}", stated.bounds[name], bound)


def _wrong(entry: str, stated: object, derived: object) -> DataError:
    return DataError(f"the certificate is wrong in {entry!r}", got=stated, expected=f"{derived}, as the model says",
                     fix="It was changed, or belongs to another model; train privately again.")  # fmt: skip
