"""Curves through noisy values as Gaussian processes: value, slope, and the noise the values themselves speak of.

    y_i = m + g(t_i) + e_i,   g ~ GP(0, a² k(|t − t'| / l)),   e_i ~ N(0, s_i²)

The length l and the amplitude a are those of the largest evidence, and so is the noise where nobody says it. All
trajectories of a field share them, so that few points on each still tell them. k is the squared exponential or the
Matérn function of order 5/2, whichever has more evidence: the first for smooth curves, the second for sudden turns.

Reference: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press 2006, chapters 2, 5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

BLOCK = 80
"""Consecutive points that are looked at together while length and noise are chosen; they say all about both."""
BLOCKS = 12
"""Such blocks that are looked at, spread over all of them."""
_SHARES = np.geomspace(1e-2, 1e12, 57)  # a² / s² on the coarse grid
NOISE_WEIGHT = 3.0
"""Power of the noise in its prior. Where curves have peaks that no process of one length has, the evidence is nearly
flat from the true noise down to none; where it is not, this changes the noise by a per cent."""
_EXACT = 1e-6  # least noise as a share of the spread: what rounding leaves of a matrix that is inverted

Kernel = Callable[[np.ndarray, int], np.ndarray]


def squared_exponential(r: np.ndarray, order: int) -> np.ndarray:
    """exp(−r²/2) of signed distances in lengths, or its derivative."""
    value = np.exp(-0.5 * r * r)
    return value if order == 0 else -r * value if order == 1 else (r * r - 1) * value


def matern(r: np.ndarray, order: int) -> np.ndarray:
    """(1 + z + z²/3) exp(−z), z = √5 |r|, of signed distances in lengths, or its derivative."""
    z = np.sqrt(5) * np.abs(r)
    decay = np.exp(-z)
    if order == 0:
        return (1 + z + z * z / 3) * decay
    if order == 1:
        return -5 / 3 * r * (1 + z) * decay
    return -5 / 3 * (1 + z - z * z) * decay


KERNELS: tuple[Kernel, ...] = (squared_exponential, matern)


@dataclass(frozen=True)
class Series:
    """Values of one field on one trajectory.

    Arguments:
        times: increasing.
        values: at them.
        share: standard deviation of each, known up to a factor that all series share, or in the units of the values.
    """

    times: Float[np.ndarray, " point"]
    values: Float[np.ndarray, " point"]
    share: Float[np.ndarray, " point"]


@dataclass(frozen=True)
class GaussianCurve:
    """The mean of one trajectory's process given its values; ``curve(t, order)`` for order 0, 1 or 2."""

    times: Float[np.ndarray, " point"]
    weights: Float[np.ndarray, " point"]
    mean: float
    length: float
    kernel: Kernel

    def __call__(self, t: Float[np.ndarray, " time"], order: int = 0) -> Float[np.ndarray, " time"]:
        """Value or derivative at times."""
        distance = (np.asarray(t)[:, None] - self.times[None]) / self.length
        value = self.kernel(distance, order) @ self.weights / self.length**order
        return value + self.mean if order == 0 else value


@dataclass(frozen=True)
class Smooth:
    """The curves of one field.

    Arguments:
        curves: one per trajectory.
        noise: factor of the shares; 1 where they were given in the units of the values.
        length: over which values are alike, in the units of time.
    """

    curves: tuple[GaussianCurve, ...]
    noise: float
    length: float


def smooth_series(series: Sequence[Series], known: bool) -> Smooth:
    """Smooth one field on all its trajectories.

    Arguments:
        series: its values.
        known: whether their shares are standard deviations; else the noise follows from the values.
    """
    means = [float(np.average(s.values, weights=1 / s.share**2)) for s in series]
    blocks = _blocks(series, means)
    spread = float(np.sqrt(np.mean(np.concatenate([z for _, z, _ in blocks]) ** 2))) or 1.0
    spacing = float(np.median(np.concatenate([np.diff(s.times) for s in series])))
    longest = 3 * max(float(np.ptp(s.times)) for s in series)
    lengths = np.geomspace(0.7 * spacing, max(longest, 2 * spacing), 24)
    best: tuple[float, float, float, float, Kernel] | None = None
    for kernel in KERNELS:
        for sweep in range(2):
            if sweep:
                assert best is not None
                lengths = best[1] * np.geomspace(0.8, 1.25, 7)
                if best[4] is not kernel:
                    continue
            for length in lengths:
                evidence, ratio, noise = _evidence(blocks, kernel, length, known)
                if best is None or evidence > best[0]:
                    best = (evidence, float(length), ratio, noise, kernel)
        lengths = np.geomspace(0.7 * spacing, max(longest, 2 * spacing), 24)
    assert best is not None
    _, length, ratio, noise, kernel = best
    if not known:
        noise = max(noise, _EXACT * spread)
    curves = []
    for one, mean in zip(series, means, strict=True):
        gram = kernel((one.times[:, None] - one.times[None]) / length, 0)
        matrix = ratio * gram + np.diag(one.share**2)
        weights = ratio * np.linalg.solve(matrix, one.values - mean)
        curves.append(GaussianCurve(one.times, weights, mean, length, kernel))
    return Smooth(tuple(curves), noise, length)


def _blocks(series: Sequence[Series], means: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Times, centred values and shares of the stretches that choose length and noise."""
    blocks = []
    for one, mean in zip(series, means, strict=True):
        for begin in range(0, max(1, len(one.times) - BLOCK // 2), BLOCK):
            rows = slice(begin, begin + BLOCK)
            blocks.append((one.times[rows], one.values[rows] - mean, one.share[rows]))
    chosen = np.unique(np.linspace(0, len(blocks) - 1, min(BLOCKS, len(blocks))).round().astype(int))
    return [blocks[i] for i in chosen]


def _evidence(
    blocks: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], kernel: Kernel, length: float, known: bool
) -> tuple[float, float, float]:
    """Largest evidence over the amplitude for one length: itself, a²/s², and s (1 where it is known)."""
    values, squares, logs, count = [], [], 0.0, 0
    for times, centred, share in blocks:
        gram = kernel((times[:, None] - times[None]) / length, 0) / share / share[:, None]
        eigen, vectors = np.linalg.eigh(gram)
        values.append(np.maximum(eigen, 0.0))
        squares.append((vectors.T @ (centred / share)) ** 2)
        logs += 2 * float(np.log(share).sum())
        count += len(times)
    spectrum, power = np.concatenate(values), np.concatenate(squares)

    def of(ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scale = 1 + ratios[:, None] * spectrum
        mean = (power / scale).mean(1)
        safe = np.maximum(mean, 1e-300)
        price = count * mean if known else count * (1 + np.log(safe)) - NOISE_WEIGHT * np.log(safe)
        return -0.5 * (price + np.log(scale).sum(1) + logs), mean

    unit = float(np.mean(power)) if known else 1.0
    ratios = _SHARES * unit
    at = int(np.argmax(of(ratios)[0]))
    ratios = float(ratios[at]) * np.geomspace(0.6, 1.7, 9)
    evidence, mean = of(ratios)
    at = int(np.argmax(evidence))
    return float(evidence[at]), float(ratios[at]), 1.0 if known else float(np.sqrt(mean[at]))
