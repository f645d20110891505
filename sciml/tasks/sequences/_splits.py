"""The sequences of a problem, made in memory from its card."""

import pydantic
import torch
from torch import Tensor

from sciml.core import rng
from sciml.core.capabilities import HasSequences, Sequences
from sciml.core.errors import ConfigError, UserError
from sciml.core.recorded import RecordedSequences
from sciml.data import SamplesCard, Statistics, read_sequences, sample_statistics

SPLITS = ("train", "valid", "test")


class SequencesTable(SamplesCard):
    """Sizes and times of sequences."""

    key = "sequences"

    length: int = pydantic.Field(strict=True, ge=2)
    """Times of a sequence."""
    dt: float = pydantic.Field(gt=0)
    """Distance of the times, in the time units of the card."""


def sequence_times(card: SequencesTable) -> Tensor:
    """The equidistant times of a card, from 0, float64."""
    return card.dt * torch.arange(card.length, dtype=torch.float64)


def times_of(problem: HasSequences, card: SequencesTable) -> Tensor:
    """The times of all sequences: those of imported data, which may be uneven, else those of the card."""
    return read_sequences(problem).times if isinstance(problem, RecordedSequences) else sequence_times(card)


def sequence_splits(problem: HasSequences, card: SequencesTable) -> dict[str, Sequences]:
    """What was imported, or independent draws for every split, each from its own seed; float32 (labels int64).

    Raises: UserError for sequences that are not in order; DataError and ConfigError for those that are not there.
    """
    if isinstance(problem, RecordedSequences):
        return _recorded(problem, card)
    splits, fixed = {}, _cut(problem, card)
    for name in SPLITS:
        count, generator = getattr(card.samples, name), rng.generator(card.seed, problem.name, name)
        drawn = fixed[name] if fixed else problem.sequences(count, sequence_times(card), generator)
        if fault := _fault(problem, drawn, count, card.length):
            raise UserError(f"the sequences of problem {problem.name!r} are not in order", got=fault,
                            expected="finite signals and targets in the shapes of `HasSequences`")  # fmt: skip
        targets = drawn.targets if problem.target == "class" else drawn.targets.float()
        splits[name] = Sequences(drawn.signals.float(), targets)
    return splits


def _cut(problem: HasSequences, card: SequencesTable) -> dict[str, Sequences]:
    """A fixed collection in three disjoint parts; empty where there is none."""
    counts = [getattr(card.samples, name) for name in SPLITS]
    every = problem.collection(sequence_times(card), sum(counts))
    if every is None:
        return {}
    if sum(counts) > len(every.signals):
        raise ConfigError(f"the card of {problem.name!r} asks for more sequences than there are", got=sum(counts),
                          expected=f"at most {len(every.signals)}")  # fmt: skip
    order = torch.randperm(len(every.signals), generator=rng.generator(card.seed, problem.name, "split"))
    parts = order[: sum(counts)].split(counts)
    return {name: Sequences(every.signals[part], every.targets[part]) for name, part in zip(SPLITS, parts, strict=True)}


def _recorded(problem: RecordedSequences, card: SequencesTable) -> dict[str, Sequences]:
    stored = read_sequences(problem)
    wanted = [getattr(card.samples, name) for name in SPLITS]
    there = [len(stored.splits[name].signals) for name in SPLITS]
    if wanted != there or card.length != len(stored.times):
        raise ConfigError(f"the card of {problem.name!r} does not fit what was imported",
                          got=f"{wanted} sequences of {card.length} times",
                          expected=f"{there} of {len(stored.times)}", fix="Import the files again.")  # fmt: skip
    return dict(stored.splits)


def _fault(problem: HasSequences, drawn: Sequences, count: int, length: int) -> str:
    signals, targets = drawn
    wanted = {"signal": (count, length, len(problem.fields)), "value": (count, len(problem.fields)), "class": (count,)}
    if tuple(signals.shape) != (count, length, len(problem.signals)):
        return f"signals of shape {tuple(signals.shape)}, not {(count, length, len(problem.signals))}"
    if tuple(targets.shape) != wanted[problem.target]:
        return f"targets of shape {tuple(targets.shape)}, not {wanted[problem.target]}"
    if not signals.isfinite().all() or (targets.is_floating_point() and not targets.isfinite().all()):
        return "values that are not finite"
    if problem.target != "class":
        return "" if targets.is_floating_point() else f"targets of type {targets.dtype}"
    if targets.dtype != torch.int64 or not (targets.min() >= 0 and targets.max() < len(problem.classes)):
        return f"labels of type {targets.dtype} from {targets.min()} to {targets.max()}"
    return ""


def signal_statistics(sequences: Sequences) -> Statistics:
    """Mean and standard deviation of every signal, over samples and times."""
    return sample_statistics(sequences.signals.transpose(1, 2))


def target_statistics(problem: HasSequences, sequences: Sequences) -> Statistics:
    """Those of every target; of classes 0 and 1, since their logits have no units."""
    if problem.target == "class":
        size, none = len(problem.classes), torch.zeros(0)
        return Statistics(torch.zeros(size), torch.ones(size), none, none)
    targets = sequences.targets
    return sample_statistics(targets.transpose(1, 2) if problem.target == "signal" else targets)
