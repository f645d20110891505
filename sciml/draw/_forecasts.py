"""States over time as arrays: the reference, and what each method predicted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sciml.core.types import Grid
from sciml.draw._words import format_number


@dataclass(frozen=True)
class FieldView:
    """A field as the page names it."""

    name: str
    symbol: str
    units: str
    long_name: str

    @property
    def label(self) -> str:
        """``layer thickness h [m]``; the bracket is left out for a field without units."""
        words = self.long_name if self.symbol in ("", self.long_name) else f"{self.long_name} {self.symbol}"
        return words if self.units in ("", "1") else f"{words} [{self.units}]"


@dataclass(frozen=True)
class Rollout:
    """What one method predicted.

    Arguments:
        key, title: which method, in files and in words.
        states: predicted frames, ``sample time channel *space``.
        relative_l2: error per step, ``sample time``.
        vrmse: error per step and field, ``sample time channel``; None if not stored.
        evaluations: of the right-hand side, per sample; None if not stored.
    """

    key: str
    title: str
    states: np.ndarray
    relative_l2: np.ndarray
    vrmse: np.ndarray | None
    evaluations: np.ndarray | None

    @property
    def diverged(self) -> int:
        """Samples whose error is not finite at some step."""
        return int((~np.isfinite(self.relative_l2)).any(1).sum())

    @cached_property
    def scores(self) -> np.ndarray:
        """Rollout error per sample, the mean over steps; inf where it diverged."""
        with np.errstate(invalid="ignore", over="ignore"):
            mean = self.relative_l2.astype(np.float64).mean(1)
        return np.where(np.isfinite(mean), mean, np.inf)


@dataclass(frozen=True)
class Forecasts:
    """Reference trajectories of test samples, and every method's rollout of them.

    Arguments:
        fields: in channel order.
        truth: ``sample time channel *space``.
        times: physical time of the frames of `truth`.
        samples: index in the test split of each sample.
        parameters: physical parameters by name, one value per sample.
        history: context frames; predictions begin at this frame.
        rollouts: what was predicted, the method that the page is about first.
        grid: the grid of the fields, when the problem can tell.
        observed: what the methods saw, ``sample time channel``, NaN where nothing; None if it was whole frames.
    """

    fields: tuple[FieldView, ...]
    truth: np.ndarray
    times: np.ndarray
    samples: np.ndarray
    parameters: Mapping[str, np.ndarray]
    history: int
    rollouts: tuple[Rollout, ...]
    grid: Grid | None
    observed: np.ndarray | None = None

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return self.truth.ndim - 3


def typical_sample(rollout: Rollout) -> int:
    """The median sample by error."""
    order = np.argsort(rollout.scores, kind="stable")
    return int(order[(len(order) - 1) // 2])


def sample_words(forecasts: Forecasts, rollout: Rollout, sample: int) -> str:
    """Which sample it is, its error and its parameters."""
    score, kind = rollout.scores[sample], "rollout error" if forecasts.history else "error"
    error = f"{kind} {format_number(float(score))}" if math.isfinite(score) else "diverged"
    values = [
        f"{name.replace('_', ' ')} {format_number(float(values[sample]))}"
        for name, values in forecasts.parameters.items()
    ]
    return ", ".join([f"test sample {forecasts.samples[sample]}", error, *values])
