"""The mechanism of a private training: one object draws batches, sets the noise and says what both leak."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from jaxtyping import Int
from torch import Tensor

from sciml.core.errors import ConfigError
from sciml.tools.privacy._accounting import exact_epsilon, pld_epsilon, rdp_epsilon
from sciml.train import PoissonSampler, Sampler

Accountant = Literal["rdp", "pld"]
Noise = Literal["global", "layer"]
_MOST_NOISE = 1e4
_LEAST_NOISE = 0.1


@dataclass(frozen=True)
class Mechanism:
    """T steps, each of which adds Gaussian noise to the sum of the gradients of a random batch.

        g = (Σ_{i in batch} ∇l_i + N(0, σ² Δ² 1)) / (q N),   every sample in the batch with chance q

    Arguments:
        samples: N, training samples; one is one simulation, the unit that is protected.
        rate: q.
        sigma: σ, noise over sensitivity.
        steps: T.
        delta: δ of the guarantee.
        noise: ``global``: the same noise on all parameters, Δ² = Σ_d Δ_d²; ``layer``: on parameter d with √D Δ_d, which
            leaks as much.
        accountant: ``rdp``, or ``pld`` by dp-accounting. Full batches (q = 1) are accounted exactly.
    """

    samples: int
    rate: float
    sigma: float
    steps: int
    delta: float
    noise: Noise = "global"
    accountant: Accountant = "rdp"

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1 or self.samples < 1 or self.steps < 0 or self.sigma < 0:
            raise ConfigError("no private training is like this",
                              got=f"samples={self.samples}, rate={self.rate:g}, sigma={self.sigma:g}, "
                                  f"steps={self.steps}",
                              expected="samples, a rate in (0, 1], noise and steps that are not negative")  # fmt: skip
        if not 0 < self.delta < 1 / self.samples:
            raise ConfigError("delta must be less than one over the number of samples: publishing one of them has that "
                              "delta", got=f"delta={self.delta:g}, {self.samples} samples",
                              expected=f"less than {1 / self.samples:.2g}")  # fmt: skip

    @property
    def expected(self) -> float:
        """q N, samples of a batch on average; sums are divided by it, never by the size that was drawn."""
        return self.rate * self.samples

    @property
    def epsilon(self) -> float:
        """What all steps leak together."""
        if self.rate == 1:
            return exact_epsilon(self.sigma, self.steps, self.delta)
        account = rdp_epsilon if self.accountant == "rdp" else pld_epsilon
        return account(self.rate, self.sigma, self.steps, self.delta)

    def deviations(self, bounds: Mapping[str, float]) -> dict[str, float]:
        """Standard deviation of the noise on the mean gradient of every parameter.

        Arguments:
            bounds: Δ_d of one sample's gradient, by parameter.
        """
        if self.noise == "global":
            whole = math.sqrt(sum(bound**2 for bound in bounds.values()))
            return dict.fromkeys(bounds, self.sigma * whole / self.expected)
        share = math.sqrt(len(bounds))
        return {name: self.sigma * share * bound / self.expected for name, bound in bounds.items()}

    def sampler(self, seed: int) -> PrivateSampler:
        """Draws the batches that are accounted for."""
        return PrivateSampler(self, seed)

    def described(self) -> dict[str, Any]:  # Any: JSON
        """For a certificate."""
        return {
            "samples": self.samples, "rate": self.rate, "expected_batch": self.expected, "sigma": self.sigma,
            "steps": self.steps, "delta": self.delta, "noise": self.noise, "accountant": self.accountant,
        }  # fmt: skip


class PrivateSampler(Sampler):
    """Poisson batches at the rate of a mechanism, whatever batch size is asked for.

    Arguments:
        mechanism: whose batches they are.
        seed: of the draws.
    """

    def __init__(self, mechanism: Mechanism, seed: int) -> None:
        self.mechanism, self._inner = mechanism, PoissonSampler(seed, mechanism.rate)

    def indices(self, step: int, count: int, batch_size: int) -> Int[Tensor, " sample"]:
        """Those that are drawn. Raises ConfigError for another number of samples than was accounted for."""
        if count != self.mechanism.samples:
            raise ConfigError("the mechanism was accounted for another number of samples", got=count,
                              expected=self.mechanism.samples)  # fmt: skip
        return self._inner.indices(step, count, batch_size)


@lru_cache(maxsize=32)  # a training asks three times
def calibrated(epsilon: float, mechanism: Mechanism) -> Mechanism:
    """The mechanism with the least noise that keeps to ε.

    Raises: ConfigError where no sensible noise does, with what would help.
    """
    if not epsilon > 0:
        raise ConfigError("epsilon must be positive", got=epsilon)
    most = replace(mechanism, sigma=_MOST_NOISE)
    if most.epsilon > epsilon:
        raise ConfigError(
            f"epsilon {epsilon:g} cannot be reached with these steps",
            got=f"{mechanism.steps} steps at a sampling rate of {mechanism.rate:.3g}, which leak {most.epsilon:.3g} "
            f"even with sigma {_MOST_NOISE:g}",
            expected=f"an epsilon of {most.epsilon:.3g} or more, or fewer steps",
            fix="Lower steps or batch_size, or allow a larger epsilon or delta.",
        )
    low, high = math.log(_LEAST_NOISE), math.log(_MOST_NOISE)
    if replace(mechanism, sigma=_LEAST_NOISE).epsilon <= epsilon:
        return replace(mechanism, sigma=_LEAST_NOISE)
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (low, middle) if replace(mechanism, sigma=math.exp(middle)).epsilon <= epsilon else (middle, high)
    return replace(mechanism, sigma=math.exp(high))
