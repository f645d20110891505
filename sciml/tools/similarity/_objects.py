"""Samples and prototypes of one layer as sets of features, and the samples that a prototype would be."""

from dataclasses import fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.errors import UnsupportedError
from sciml.nn import BranchTrunkProduct
from sciml.nn.tversky import TverskyContraction, TverskyProjection, TverskySimilarity
from sciml.tools._contract import Subject
from sciml.tools.similarity._apply import CONVOLUTIONS


class Objects(NamedTuple):
    """What a layer sees of samples, and what it compares them with.

    Fields:
        samples: mean strength of every feature over the inputs of a sample, ``sample feature``.
        prototypes: ``prototype feature``; none of a product of branch and trunk.
        vectors: the inputs of the layer, mean of each sample, ``sample channel``.
        targets: the prototypes themselves, ``prototype channel``.
        data: what the samples are, ``sample *shape``.
    """

    samples: Tensor
    prototypes: Tensor
    vectors: Tensor
    targets: Tensor
    data: Tensor


def objects_of(subject: Subject, layer: nn.Module, count: int) -> Objects:
    """The first training samples as a layer sees them.

    Of a plain linear layer the rows stand for features and prototypes, of a product of branch and trunk the modes.

    Raises: UnsupportedError where inputs of the layer do not belong to single samples.
    """
    examples = subject.bench().examples
    batch = examples.batch(torch.arange(min(count, len(examples))), rng.generator(subject.seed, "prototypes"))
    state = rng.state()
    try:
        inputs = _inputs(subject, subject.module, layer, batch).detach()
    finally:
        rng.restore(state)
    rows, bank, targets = _rows(layer, inputs, len(batch)), _bank(layer), _targets(layer)
    strength = (rows @ bank.T).relu()
    return Objects(
        samples=strength.mean(1),
        prototypes=targets @ bank.T,
        vectors=rows.mean(1),
        targets=targets,
        data=batch_data(batch)[1],
    )


def in_data_space(
    subject: Subject, layer: nn.Module, objects: Objects, nearest: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Samples that a frozen encoder maps close to prototypes, by Adam from the nearest real ones.

    Arguments:
        nearest: number of the sample to start from, by prototype.
        steps: of the search.

    Returns: the samples, ``prototype *shape``, and the distance that is left relative to that of the start.
    """
    examples, state = subject.bench().examples, rng.state()
    batch = examples.batch(nearest, rng.generator(subject.seed, "prototypes"))
    name, start = batch_data(batch)
    spread = objects.data.flatten(1).std(0).mean().clamp(min=1e-12)
    moved = start.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([moved], lr=0.05 * float(spread))
    frozen = [p for p in subject.module.parameters() if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        with torch.enable_grad():
            first = distances = None
            for _ in range(steps + 1):
                inputs = _inputs(subject, subject.module, layer, replace(batch, **{name: moved}))
                rows = _rows(layer, inputs, len(batch)).mean(1)
                distances = (rows - objects.targets).square().sum(1)
                first = distances.detach() if first is None else first
                if not distances.requires_grad:  # what the layer reads does not depend on these data
                    break
                optimiser.zero_grad()
                distances.sum().backward()
                optimiser.step()
    finally:
        rng.restore(state)
        for parameter in frozen:
            parameter.requires_grad_(True)
    left = (
        torch.ones(len(nearest)) if first is None or distances is None else distances.detach() / first.clamp(min=1e-12)
    )
    return moved.detach(), left.sqrt()


def batch_data(batch: Any) -> tuple[str, Tensor]:  # Any: a batch of any task
    """The first field of a batch that numbers samples, with its name: what goes into the network."""
    for entry in fields(batch):
        value = getattr(batch, entry.name)
        if isinstance(value, Tensor) and value.is_floating_point() and len(value) == len(batch):
            return entry.name, value
    raise UnsupportedError("the batches of this task hold no data of single samples", got=type(batch).__name__)


def _inputs(subject: Subject, module: nn.Module, layer: nn.Module, batch: Any) -> Tensor:  # Any: of any task
    """What goes into a layer in the loss of a batch."""
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    training = module.training
    try:
        subject.solver.loss(module.eval(), batch, 1.0)
    finally:
        hook.remove()
        module.train(training)
    if not seen:
        raise UnsupportedError("the loss does not call this layer")
    values = seen[0]
    return values.movedim(1, -1) if isinstance(layer, CONVOLUTIONS) else values


def _rows(layer: nn.Module, inputs: Tensor, count: int) -> Tensor:
    """Inputs by sample: ``sample row channel``."""
    rows = inputs.reshape(-1, inputs.shape[-1])
    if len(rows) % count or not len(rows):
        raise UnsupportedError("the inputs of this layer do not belong to single samples",
                               got=f"{len(rows)} inputs of {count} samples")  # fmt: skip
    return rows.unflatten(0, (count, -1))


def _similarity(layer: nn.Module) -> TverskySimilarity | None:
    return layer.similarity if isinstance(layer, TverskyProjection | TverskyContraction) else None


def _bank(layer: nn.Module) -> Tensor:
    similarity = _similarity(layer)
    if similarity is not None:
        return similarity.bank.weight.detach()
    if isinstance(layer, BranchTrunkProduct):
        raise UnsupportedError("a product of branch and trunk has no features; apply the tool similarity first")
    return torch.as_tensor(layer.weight).detach().flatten(1)


def _targets(layer: nn.Module) -> Tensor:
    if isinstance(layer, TverskyProjection):
        return layer.prototypes.detach()
    bank = _bank(layer)
    return bank[:0] if isinstance(layer, TverskyContraction) else bank
