"""Test signals as another sampling would give them: every n-th time, or with some times lost."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import Sequences
from sciml.tasks.sequences._data import Signals
from sciml.tasks.sequences._module import SequenceModel


class Resampled(NamedTuple):
    """What a solver is asked, and what of its answers is compared with what.

    Fields:
        inputs: signals with their times.
        rows: the answers that count where signals are answered with signals, as indices into the times of `inputs`.
        targets: what these, or the answers for whole sequences, should be.
    """

    inputs: Signals
    rows: Int[Tensor, " kept"]
    targets: Tensor


def strided(split: Sequences, times: Float[Tensor, " time"], stride: int, *, signal: bool, told: bool) -> Resampled:
    """Every `stride`-th time, the first ones dropped that do not fit.

    The last time is always among them, so that a signal that ends in what matters keeps it.

    Arguments:
        signal: whether signals are answered with signals.
        told: whether the solver sees the times as they are, else as if they followed each other as in training.
    """
    first = (len(times) - 1) % stride
    kept = torch.arange(first, len(times), stride)
    inputs = Signals(split.signals[:, kept], times[kept] if told else times[: len(kept)])
    return Resampled(inputs, torch.arange(len(kept)), split.targets[:, kept] if signal else split.targets)


def with_losses(
    split: Sequences, times: Float[Tensor, " time"], share: float, *, signal: bool, irregular: bool
) -> Resampled:
    """A share of the times is lost, the same for all signals; the first and the last are not.

    A solver of irregular times sees what is left. Others see all times, with straight lines over the gaps.
    """
    inner = torch.randperm(len(times) - 2, generator=rng.generator(0, "losses", f"{share}", f"{len(times)}")) + 1
    lost = inner[: round(share * len(inner))]
    present = torch.ones(len(times), dtype=torch.bool)
    present[lost] = False
    kept = present.nonzero()[:, 0]
    targets = split.targets[:, kept] if signal else split.targets
    if irregular:
        return Resampled(Signals(split.signals[:, kept], times[kept]), torch.arange(len(kept)), targets)
    return Resampled(Signals(_bridged(split.signals, times, kept), times), kept, targets)


def reads_irregular(module: nn.Module) -> bool:
    """Whether a solver's module is a network with a step of its own for every time."""
    return isinstance(module, SequenceModel) and module.irregular


def _bridged(signals: Tensor, times: Tensor, kept: Tensor) -> Tensor:
    """Signals at all times, linear between those at the times kept."""
    after = torch.searchsorted(times[kept], times).clamp(1, len(kept) - 1)
    left, right = kept[after - 1], kept[after]
    weight = ((times - times[left]) / (times[right] - times[left])).to(signals.dtype)[:, None]
    return torch.lerp(signals[:, left], signals[:, right], weight)
