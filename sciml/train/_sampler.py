"""Which samples make up the batch of a step."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from sciml.core import rng
from sciml.core.errors import ConfigError


@runtime_checkable
class Sampler(Protocol):
    """Draws the batches: a pure function of its seed and the step, so that a resumed run draws the same ones."""

    def indices(self, step: int, count: int, batch_size: int) -> Int[Tensor, " sample"]:
        """Numbers of the samples of one step.

        Arguments:
            step: from 0.
            count: samples there are.
            batch_size: samples that are asked for.
        """
        ...


class ShuffleSampler(Sampler):
    """Consecutive pieces of one shuffle per epoch: every sample once per epoch, every batch of the same size.

    A batch of all samples has them in their order: shuffled, they would make the same step.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._drawn: tuple[int, int, Tensor] | None = None

    def indices(self, step: int, count: int, batch_size: int) -> Int[Tensor, " sample"]:
        """The next piece; it may end one epoch and begin another. All samples at once come in their own order."""
        if batch_size == count:
            return torch.arange(count)
        start, stop = step * batch_size, (step + 1) * batch_size
        pieces = []
        for epoch in range(start // count, (stop - 1) // count + 1):
            begun = epoch * count
            pieces.append(self._order(epoch, count)[max(0, start - begun) : min(count, stop - begun)])
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _order(self, epoch: int, count: int) -> Tensor:
        """The shuffle of an epoch; the last one is kept, since its batches are asked for one after the other."""
        if self._drawn is None or self._drawn[:2] != (epoch, count):
            self._drawn = epoch, count, torch.randperm(count, generator=rng.generator(self.seed, "order", epoch))
        return self._drawn[2]


class PoissonSampler(Sampler):
    """Every sample independently with the same probability: sizes vary, and a batch can be empty.

    The accountants of differentially private training assume this kind of batch.

    Arguments:
        seed: of the draws.
        rate: the probability; None for the one with which `batch_size` samples are expected.
    """

    def __init__(self, seed: int, rate: float | None = None) -> None:
        if rate is not None and not 0 < rate <= 1:
            raise ConfigError("the sampling rate must be a probability", got=rate, expected="more than 0 and at most 1")
        self.seed, self.rate = seed, rate

    def indices(self, step: int, count: int, batch_size: int) -> Int[Tensor, " sample"]:
        """Those that are drawn, in order."""
        rate = min(1.0, batch_size / count) if self.rate is None else self.rate
        drawn = torch.rand(count, generator=rng.generator(self.seed, "poisson sampling", step), dtype=torch.float64)
        return (drawn < rate).nonzero().flatten()
