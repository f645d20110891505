"""What T steps of a subsampled Gaussian mechanism leak, for neighbours that differ by one sample more or less."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sciml.core.errors import UnsupportedError

ORDERS = (*range(2, 65), *range(66, 257, 4), 320, 512, 1024)
"""Integer orders α of the Rényi divergence, by a finite sum."""
FRACTIONS = tuple(1 + k / 10 for k in range(1, 100) if k % 10)
"""Others, by quadrature: the best order of a weak guarantee lies among them."""


def rdp_epsilon(
    rate: float, sigma: float, steps: int, delta: float, orders: Sequence[float] = (*FRACTIONS, *ORDERS)
) -> float:
    """ε of T steps at δ by Rényi divergences of order α, an upper bound.

        A_α = Σ_k C(α, k) (1 − q)^(α−k) q^k exp((k² − k) / (2σ²)) at integer α,   RDP_α = log A_α / (α − 1)
        ε = min over α of  T RDP_α + log(1 − 1/α) − (log δ + log α) / (α − 1)

    Arguments:
        rate: q, chance of every sample to be in a batch.
        sigma: standard deviation of the noise over the sensitivity.
        steps: T.
        delta: δ.
        orders: α that are tried, all above 1.

    Reference: Mironov, Talwar, Zhang, Rényi differential privacy of the sampled Gaussian mechanism, arXiv:1908.10530;
        conversion: Canonne, Kamath, Steinke, The discrete Gaussian for differential privacy, NeurIPS 2020.
    """
    if not steps:
        return 0.0
    if sigma <= 0:
        return math.inf
    whole = [int(order) for order in orders if order == int(order)]
    others = [order for order in orders if order != int(order)]
    moments = [log_moment(rate, sigma, order) for order in whole]
    moments += log_moments(rate, sigma, others).tolist() if others else []
    alpha = np.array([*whole, *others], dtype=np.float64)
    loss = steps * np.array(moments) / (alpha - 1)
    epsilons = loss + np.log1p(-1 / alpha) - (math.log(delta) + np.log(alpha)) / (alpha - 1)
    return max(0.0, float(epsilons.min()))


def log_moments(rate: float, sigma: float, orders: Sequence[float]) -> np.ndarray:
    """log A_α for any orders:  A_α = E (1 − q + q exp((2z − 1) / (2σ²)))^α  over z from N(0, σ²).

    The trapezoidal rule on an analytic integrand that falls off as a Gaussian is exact to rounding.
    """
    z = np.arange(-14 * sigma, max(orders) + 14 * sigma, sigma / 24)
    base = np.logaddexp(math.log1p(-rate), math.log(rate) + (2 * z - 1) / (2 * sigma**2)) if rate < 1 else (
        (2 * z - 1) / (2 * sigma**2)
    )  # fmt: skip
    weights = -0.5 * (z / sigma) ** 2 - math.log(24 * math.sqrt(2 * math.pi))
    return _log_sum(np.asarray(orders)[:, None] * base + weights)


def log_moment(rate: float, sigma: float, order: int) -> float:
    """log A_α for an integer order."""
    from scipy.special import gammaln

    if rate == 1:
        return (order - 1) * order / (2 * sigma**2)
    k = np.arange(order + 1)
    terms = (
        gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
        + k * math.log(rate) + (order - k) * math.log1p(-rate) + (k * k - k) / (2 * sigma**2)
    )  # fmt: skip
    return float(_log_sum(terms))


def _log_sum(terms: np.ndarray) -> np.ndarray:
    """log Σ exp along the last axis."""
    largest = terms.max(-1, keepdims=True)
    return largest[..., 0] + np.log(np.exp(terms - largest).sum(-1))


def exact_epsilon(sigma: float, steps: int, delta: float) -> float:
    """ε of T full-batch steps at δ, exactly: T Gaussian mechanisms are one with μ = √T/σ.

        δ(ε) = Φ(μ/2 − ε/μ) − e^ε Φ(−μ/2 − ε/μ)

    Reference: Balle, Wang, Improving the Gaussian mechanism for differential privacy, ICML 2018, arXiv:1805.06530.
    """
    from scipy.special import log_ndtr, ndtr

    if not steps:
        return 0.0
    if sigma <= 0:
        return math.inf
    mu = math.sqrt(steps) / sigma

    def excess(epsilon: float) -> float:
        return float(ndtr(mu / 2 - epsilon / mu) - np.exp(epsilon + log_ndtr(-mu / 2 - epsilon / mu))) - delta

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, 1.0
    while excess(high) > 0:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


def pld_epsilon(rate: float, sigma: float, steps: int, delta: float) -> float:
    """The same by privacy loss distributions, the tightest: Google's dp-accounting.

    Raises: UnsupportedError where dp-accounting is not installed.
    """
    if not steps:
        return 0.0
    if sigma <= 0:
        return math.inf
    accounting = _dp_accounting()
    event = accounting.PoissonSampledDpEvent(rate, accounting.GaussianDpEvent(sigma))
    accountant = accounting.pld.PLDAccountant()
    accountant.compose(event, steps)
    return float(accountant.get_epsilon(delta))


def _dp_accounting() -> Any:  # Any: a module that need not be installed
    try:
        import dp_accounting  # pyright: ignore[reportMissingImports]
        import dp_accounting.pld  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UnsupportedError("the accountant 'pld' needs the package dp-accounting",
                               fix="pip install 'sciml[privacy]', or take accountant=rdp.") from None  # fmt: skip
    return dp_accounting
