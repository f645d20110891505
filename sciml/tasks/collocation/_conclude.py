"""What follows from a solution of an inverse problem: the unknown numbers with their uncertainty, and what is met.

A network that is weighed between data and equation can follow the data and break the equation; then its unknown numbers
mean nothing, however small the loss. So data, equations and conditions are each judged for themselves.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml.draw import format_number
from sciml.tasks.collocation._observed import Observed
from sciml.train import Conclusion

_FOLLOWED = 0.05
"""Largest misfit, relative to the spread of the values, of data that are met where nobody knows their errors."""
_BALANCED, _IGNORED = 0.1, 0.3
"""Largest residual, relative to the largest term of its equation, of an equation that is met, and one from which on it
played no part. Measured where numbers were found: 1e-7 to 8e-5 for exact data, up to 0.08 for noisy ones that are
followed too closely; where the data alone were followed: 1."""
_HELD = 0.02
"""Largest residual of a condition that is met, relative to the magnitude of what it prescribes."""
_VAGUE = 3
"""Largest standard deviation of a number that is determined, relative to itself or to a change of it that matters."""


class Check(NamedTuple):
    """One part of an inverse problem, and whether the solution meets it.

    Fields:
        what: ``data``, ``equation``, ``conditions``.
        value, most: how far it is missed, and by how much it may be.
        words: what `value` measures.
    """

    what: str
    value: float
    most: float
    words: str

    @property
    def met(self) -> bool:
        """Whether it is missed by no more than it may be."""
        return self.value <= self.most


class Found(NamedTuple):
    """An unknown number.

    Fields:
        value: what was found.
        sigma: its standard deviation from the errors of the data; None where that cannot be said.
    """

    value: float
    sigma: float | None

    def __str__(self) -> str:
        if self.sigma is None or not self.sigma > 0:
            return format_number(self.value, 5)
        if not math.isfinite(self.sigma):
            return f"{format_number(self.value, 5)} (not determined by the data)"
        digits = 2 + math.ceil(math.log10(max(abs(self.value), self.sigma) / self.sigma))
        return f"{format_number(self.value, min(digits, 9))} ± {format_number(self.sigma, 2)}"


def check_data(
    misfit: Float[Tensor, "observation field"],
    values: Float[Tensor, "observation field"],
    sigma: Float[Tensor, "observation field"] | None,
) -> Check:
    """Whether observations are followed to within their errors; NaN is no observation."""
    present = ~misfit.isnan()
    if sigma is not None:
        value = float((misfit / sigma)[present].square().mean().sqrt())
        most = max(1.25, 1 + 3 / math.sqrt(2 * int(present.sum())))  # the RMS of n errors spreads by 1/√(2n)
        return Check("data", value, most, "standard deviations")
    shares = []
    for i in range(values.shape[1]):
        seen, missed = values[present[:, i], i], misfit[present[:, i], i]
        spread = (seen - seen.mean()).norm()
        size = next((float(s) for s in (spread, seen.norm()) if s > 0), 1.0)
        shares.append(float(missed.norm()) / size)
    return Check("data", max(shares), _FOLLOWED, "of their spread")


def check_equation(
    residual: Float[Tensor, "point equation"],
    terms: Sequence[Float[Tensor, "point _"]],
    typical: Sequence[float] = (),
) -> Check:
    """Whether the terms of every equation cancel each other.

    Arguments:
        residual, terms: of each equation.
        typical: magnitudes of the equations, with which those of a single term, as u'' = 0, are compared.
    """
    shares = []
    for i, parts in enumerate(terms):
        size = float(parts.norm(dim=0).max())
        if parts.shape[1] == 1 and typical:
            size = max(size, typical[i] * math.sqrt(len(parts)))
        shares.append(float(residual[:, i].norm()) / max(size, 1e-300))
    return Check("equation", max(shares), _BALANCED, "of its largest term")


def check_conditions(faults: Sequence[Tensor], sizes: Sequence[float]) -> Check | None:
    """Whether conditions hold, relative to the magnitude of what they prescribe; None where there are none."""
    shares = [float(fault.square().mean().sqrt()) / size for fault, size in zip(faults, sizes, strict=True)]
    return Check("conditions", max(shares), _HELD, "of what they prescribe") if shares else None


def deviations(
    seen: Observed, misfit: Float[Tensor, "observation field"], unknowns: int
) -> Float[Tensor, "observation field"] | None:
    """Standard deviations of the observations; where nobody knows them, those that explain their misfit.

    Arguments:
        seen: the observations.
        misfit: how far the solution is from them.
        unknowns: how many numbers were fitted to them. None is returned where these leave nothing over.
    """
    if seen.sigma is not None:
        return seen.sigma
    counts = seen.present.sum(0)
    if int(counts.sum()) <= unknowns:
        return None
    excess = (counts.sum() / (counts.sum() - unknowns)).sqrt()
    spread = misfit.nan_to_num(0.0).norm(dim=0) / counts.sqrt() * excess
    rounding = 1e-12 * seen.values.nan_to_num(0.0).abs().amax(0).clamp(min=1e-300)
    return torch.maximum(spread, rounding).expand_as(misfit).clone()


def conclude(
    numbers: Mapping[str, float],
    covariance: Float[Tensor, "unknown unknown"] | None,
    checks: Sequence[Check],
    *,
    is_sigma_known: bool,
    scales: Mapping[str, float],
    is_observed: bool = True,
    advice: str = "",
    caution: str = "",
) -> Conclusion:
    """Numbers and verdict in words, as metrics, and as plain data.

    Arguments:
        numbers: the unknown numbers.
        covariance: of them, in their order; None where it cannot be said, or something is not met.
        checks: of data, equation and conditions, as far as there are any.
        is_sigma_known: whether the errors of the data were given.
        scales: changes of the numbers that matter; what is known no better than that is not determined.
        is_observed: whether there are observations at all.
        advice: what may help where not all is met, and nothing is observed.
        caution: what to mind in any case.
    """
    sigmas = [None] * len(numbers) if covariance is None else covariance.diagonal().sqrt().tolist()
    numbered = {name: Found(value, sigma) for (name, value), sigma in zip(numbers.items(), sigmas, strict=True)}
    metrics = {f"found/{name}": entry.value for name, entry in numbered.items()}
    metrics |= {f"found_sigma/{name}": entry.sigma for name, entry in numbered.items() if entry.sigma is not None}
    metrics |= {_KEYS[check.what]: check.value for check in checks}
    vague = [
        name
        for name, entry in numbered.items()
        if entry.sigma is not None and not entry.sigma <= _VAGUE * max(abs(entry.value), scales.get(name, 1.0))
    ]
    trusted = all(check.met for check in checks) and (is_observed or not numbers) and not vague
    verdict = verdict_words(checks, has_numbers=bool(numbers), advice="" if is_observed else advice)
    if numbers and not is_observed:
        verdict += " Nothing was observed: whether the conditions alone determine the numbers was not examined."
    if vague:
        verdict += f" The data do not determine {', '.join(vague)}."
    verdict = f"{verdict} {caution}".strip()
    source = "" if covariance is None else _SOURCES[is_sigma_known]
    details: dict[str, Any] = {  # Any: JSON
        "numbers": {name: {"value": f.value, "sigma": f.sigma, "words": str(f)} for name, f in numbered.items()},
        "covariance": None if covariance is None else covariance.tolist(),
        "errors": source,
        "checks": [{**check._asdict(), "met": check.met} for check in checks],
        "trusted": trusted,
        "verdict": verdict,
    }
    lines = [f"{name} = {entry}" + (f" ({source})" if source else "") for name, entry in numbered.items()]
    return Conclusion(metrics, details, xarray.Dataset(), (*lines, *([verdict] if verdict else [])))


_KEYS = {"data": "data/misfit", "equation": "residual/relative", "conditions": "condition/relative"}
_SOURCES = {
    True: "standard deviation from the errors of the data",
    False: "standard deviation with errors of the data estimated from their misfit",
}


def verdict_words(checks: Sequence[Check], *, has_numbers: bool, advice: str = "") -> str:
    """What is met and what is not, what follows for the unknown numbers or the solution, and what may help."""
    if not checks:
        return ""
    met, missed = [c for c in checks if c.met], [c for c in checks if not c.met]
    if not missed:
        return "Met: " + "; ".join(map(_said, met)) + "."
    words = "Not met: " + "; ".join(map(_said, missed)) + "."
    if met:
        words += " Met: " + "; ".join(map(_said, met)) + "."
    by_data_alone = any(c.what == "data" for c in met) and any(c.what == "equation" for c in missed)
    if by_data_alone:
        is_ignored = any(c.value > _IGNORED for c in missed if c.what == "equation")
        words += f" The data are followed {'without' if is_ignored else 'at the cost of'} the equation"
        judged = "not found" if is_ignored else "not to be trusted"
        words += f", so the numbers above are {judged}." if has_numbers else "."
        return words + " Train longer, lower model.weigh.soft, or doubt the equation."
    subject = "numbers above are" if has_numbers else "solution is"
    return words + f" The {subject} not to be trusted." + (f" {advice}" if advice else "")


def _said(check: Check) -> str:
    share = format_number(check.value, 2)
    if check.what == "data":
        return f"the data (misfit {share} {check.words})"
    if check.what == "equation":
        return f"the equation (residual {share} {check.words})"
    return f"the conditions (missed by {share} {check.words})"
