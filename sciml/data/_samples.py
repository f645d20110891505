"""Data without trajectories: labelled samples and draws from densities, made in memory from a card, never stored."""

import hashlib
import json
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.capabilities import Classifies, HasDensity
from sciml.core.errors import ConfigError, UserError
from sciml.core.problem import Problem
from sciml.core.recorded import Imported
from sciml.core.registry import card_path
from sciml.core.rng import generator
from sciml.data._card import CardTable, SamplesCard
from sciml.data._layout import FORMAT, SPLITS
from sciml.data._statistics import Statistics, assemble, moments_of


class LabelledSplit(NamedTuple):
    """Samples with their classes.

    Fields:
        features: float32, ``sample *shape``.
        labels: index of the class, int64.
    """

    features: Float[Tensor, "sample *shape"]
    labels: Int[Tensor, " sample"]


def labelled_splits(problem: Classifies, card: SamplesCard) -> dict[str, LabelledSplit]:
    """The splits of a problem that `Classifies`, disjoint, every class in each in the proportion of the whole.

    Within every class the samples are shuffled and given the ranks (k + 1/2) / n; all samples are then sorted by rank,
    so that any stretch of them has n_c / n of class c to within one sample, and cut.

    Raises: ConfigError if the card asks for more than there are; UserError for samples that are not in order.
    """
    features, labels = checked_samples(problem)
    wanted = {name: getattr(card.samples, name) for name in SPLITS}
    if sum(wanted.values()) > len(labels):
        raise ConfigError(
            f"{card_path(problem)} asks for more samples than problem {problem.name!r} has",
            got=f"{sum(wanted.values())} ({', '.join(f'{count} {name}' for name, count in wanted.items())})",
            expected=f"at most {len(labels)}",
        )
    randomness = generator(card.seed, problem.name, "split")
    rank = torch.zeros(len(labels), dtype=torch.float64)
    for label in range(len(problem.classes)):
        members = (labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=randomness)
        rank[members[order]] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / max(1, len(members))
    # classes in random order among equal ranks, else the last classes of a balanced set would always come last
    shuffled = torch.randperm(len(labels), generator=randomness)
    order = shuffled[rank[shuffled].argsort(stable=True)]
    splits, first = {}, 0
    for name, count in wanted.items():
        rows = order[first : first + count].sort().values
        splits[name] = LabelledSplit(features[rows], labels[rows])
        first += count
    return splits


def density_splits(problem: HasDensity, shape: str, card: SamplesCard) -> dict[str, Float[Tensor, "sample dim"]]:
    """Independent draws, float64, of a problem that `HasDensity`, a split's from a generator of its own.

    Raises: UnknownNameError for an unknown density; UserError for draws that are not one column per field.
    """
    splits = {}
    for name in SPLITS:
        count = getattr(card.samples, name)
        drawn = problem.sample(shape, count, generator(card.seed, problem.name, shape, name)).double()
        if drawn.shape != (count, len(problem.fields)) or not drawn.isfinite().all():
            raise UserError(
                f"problem {problem.name!r} draws wrong samples from its density {shape!r}",
                got=f"shape {tuple(drawn.shape)}" + ("" if drawn.isfinite().all() else ", values that are not finite"),
                expected=f"{count} finite rows with one column per field ({len(problem.fields)})",
            )
        splits[name] = drawn
    return splits


def checked_samples(problem: Classifies) -> LabelledSplit:
    """All samples of a problem that `Classifies`, float32 and int64. Raises UserError if they are not in order."""
    features, labels = problem.samples()
    features, labels, classes = features.float(), labels.long(), len(problem.classes)
    fault = ""
    if len(features) != len(labels) or not len(labels):
        fault = f"{len(features)} samples and {len(labels)} labels"
    elif not features.isfinite().all():
        fault = "features that are not finite"
    elif int(labels.min()) < 0 or int(labels.max()) >= classes:
        fault = f"labels from {int(labels.min())} to {int(labels.max())}"
    if fault:
        raise UserError(
            f"the samples of problem {problem.name!r} are not in order",
            got=fault,
            expected=f"as many labels as samples, finite features, labels from 0 to {classes - 1}",
        )
    as_channels(problem, features)
    return LabelledSplit(features, labels)


def as_channels(problem: Problem, features: Float[Tensor, "sample *shape"]) -> Float[Tensor, "sample channel *space"]:
    """Features with one channel per field of the problem: as they are, or as the values of its only field.

    Raises: UserError if the features can be neither.
    """
    fields = len(problem.fields)
    if features.ndim > 1 and features.shape[1] == fields:
        return features
    if fields == 1:
        return features[:, None]
    raise UserError(
        f"the samples of problem {problem.name!r} do not fit its fields",
        got=f"samples of shape {tuple(features.shape[1:])}, {fields} fields",
        expected="one channel per field as the first axis of a sample, or a single field",
    )


def sample_statistics(channels: Float[Tensor, "sample channel *space"]) -> Statistics:
    """Mean and standard deviation of every channel, over samples and points; there are no parameters."""
    return assemble([moments_of(channel) for channel in channels.unbind(1)], [])


def field_statistics(problem: Problem, statistics: Statistics) -> dict[str, dict[str, Any]]:  # Any: JSON
    """Units, mean and standard deviation of every field, as plain data."""
    return {
        field.name: {"units": field.units, "mean": float(mean), "std": float(std)}
        for field, mean, std in zip(problem.fields, statistics.field_mean, statistics.field_std, strict=True)
    }


def samples_digest(problem: Problem, card: CardTable, **more: str) -> str:
    """Hash of all that determines the data, and of what `more` adds (such as the name of a density)."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "problem": problem.name,
        "version": problem.version,
        "fields": [(field.name, field.units) for field in problem.fields],
        "parameters": [(entry.name, entry.units, entry.low, entry.high, entry.scale) for entry in problem.parameters],
        "card": card.content(),
    } | more
    if isinstance(problem, Imported):  # the numbers are those of the files, whatever they are called here
        content["problem"], content["content"] = "", problem.recording.content
    if isinstance(problem, Classifies):
        samples = checked_samples(problem)
        content["samples"] = hashlib.sha256(b"".join(t.contiguous().numpy().tobytes() for t in samples)).hexdigest()
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
