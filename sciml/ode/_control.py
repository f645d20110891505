"""Step-size control: the error measured against the tolerance, the first step, and the step after."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import ConfigError
from sciml.ode._method import Field


@dataclass(frozen=True)
class Tolerance:
    """atol + rtol · |y|, component by component.

    Arguments:
        relative, absolute: rtol and atol.
        measure: the size of scaled components, ``row dim -> row``; None for their root mean square.
    """

    relative: float
    absolute: float | Float[Tensor, " dim"]
    measure: Callable[[Tensor], Tensor] | None = None

    def ratio(
        self, error: Float[Tensor, "row dim"], before: Float[Tensor, "row dim"], after: Float[Tensor, "row dim"]
    ) -> Float[Tensor, " row"]:
        """E = RMS over components of error / (atol + rtol max(|y0|, |y1|)), one number per row; E <= 1 is accepted."""
        scale = torch.maximum(before.abs(), after.abs()).mul(self.relative).add(self.absolute)
        return (self.measure or rms)(self._scaled(error, scale))

    def norm(self, values: Float[Tensor, "row dim"], state: Float[Tensor, "row dim"]) -> Float[Tensor, " row"]:
        """RMS over components of values / (atol + rtol |y|)."""
        return (self.measure or rms)(self._scaled(values, state.abs() * self.relative + self.absolute))

    def _scaled(self, values: Tensor, scale: Tensor) -> Tensor:
        """Their ratio; zero where both vanish, as they may without an absolute tolerance."""
        if not isinstance(self.absolute, Tensor) and self.absolute > 0:
            return values / scale
        return torch.where(values == 0, 0.0, values / torch.where(scale == 0, torch.finfo(scale.dtype).tiny, scale))


def rms(values: Float[Tensor, "row dim"]) -> Float[Tensor, " row"]:
    """Root mean square over components; its gradient is zero, not NaN, where all of them vanish."""
    return torch.linalg.vector_norm(values, dim=1) / math.sqrt(values.shape[1])


@dataclass(frozen=True)
class PID:
    """The next step from the errors of the last three, h · safety · e_n^(β1/k) e_{n-1}^(β2/k) e_{n-2}^(β3/k), e = 1/E.

    With (p, i, d) the exponents are β1 = p + i + d, β2 = -(p + 2d), β3 = d, and k is the order of the local error. The
    default rejects a third fewer steps than the plain controller (p = 0, i = 1) at no more evaluations in all.

    Arguments:
        p, i, d: proportional, integral and derivative coefficient.
        safety: share of the predicted step that is taken.
        shrink, grow: smallest and largest change from one step to the next.
        first: the step to begin with; None estimates one for every sample.
        shortest: steps no longer than this are taken whatever their error, so E_j may exceed 1.
        longest: no step is longer.

    Reference: Gustafsson, ACM Trans. Math. Softw. 17 (1991); Söderlind, ACM Trans. Math. Softw. 29 (2003).
    """

    p: float = 0.2
    i: float = 0.7
    d: float = 0.0
    safety: float = 0.9
    shrink: float = 0.2
    grow: float = 10.0
    first: float | int | None = None
    shortest: float | int = 0.0
    longest: float | int = math.inf

    def __post_init__(self) -> None:
        if not (0 < self.shrink < 1 < self.grow and 0 < self.safety <= 1 and self.i > 0):
            raise ConfigError(
                "the step controller cannot work with these settings",
                got=self,
                expected="0 < shrink < 1 < grow, 0 < safety <= 1, i > 0",
            )
        if not (0 <= self.shortest < self.longest and (self.first is None or self.first > 0)):
            raise ConfigError(
                "the bounds of the step size do not fit together",
                got=f"first={self.first}, shortest={self.shortest}, longest={self.longest}",
                expected="0 <= shortest < longest, first > 0",
            )

    @property
    def bounded(self) -> bool:
        """Whether steps have bounds."""
        return self.shortest > 0 or self.longest < math.inf

    def bound(self, size: Float[Tensor, " row"]) -> Float[Tensor, " row"]:
        """Step sizes within the bounds."""
        return size.clamp(self.shortest, self.longest) if self.bounded else size

    @property
    def memory(self) -> int:
        """How many earlier errors it looks at."""
        return 2 if self.d else 1 if self.p else 0

    def factor(
        self, error: Float[Tensor, " row"], earlier: tuple[Float[Tensor, " row"], ...], order: int
    ) -> Float[Tensor, " row"]:
        """The factor on the step size after an attempt with this error; an error that is not a number shrinks it."""
        first = error.nan_to_num(nan=math.inf).clamp_min(1e-10)
        factor = first.pow(-(self.p + self.i + self.d) / order)
        for past, beta in zip(earlier, (-(self.p + 2 * self.d), self.d), strict=False):
            factor = factor * past.pow(-beta / order)
        return (factor * self.safety).clamp(self.shrink, self.grow)


def first_step(
    f: Field,
    time: Float[Tensor, " row"],
    state: Float[Tensor, "row dim"],
    slope: Float[Tensor, "row dim"],
    tolerance: Tolerance,
    order: int,
    longest: Float[Tensor, " row"],
) -> Float[Tensor, " row"]:
    """A first step of every row, from the sizes of y, y' and an estimate of y'' (one evaluation of `f`).

    Reference: Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, II.4.
    """
    d0, d1 = tolerance.norm(state, state), tolerance.norm(slope, state)
    small = (d0 < 1e-5) | (d1 < 1e-5)
    trial = torch.where(small, 1e-6, 0.01 * d0 / torch.where(small, 1.0, d1)).nan_to_num(nan=1e-6)
    trial = torch.minimum(trial, longest.to(trial.dtype)).clamp_min(torch.finfo(trial.dtype).tiny)
    ahead = f(time + trial, torch.addcmul(state, trial[:, None], slope))
    d2 = tolerance.norm(ahead - slope, state) / trial
    largest = torch.maximum(d1, d2)
    flat = largest <= 1e-15
    guess = torch.where(flat, (trial * 1e-3).clamp_min(1e-6), (0.01 / torch.where(flat, 1.0, largest)) ** (1 / order))
    step = torch.minimum(100 * trial, guess).nan_to_num(nan=1e-6)
    return torch.minimum(step.double(), longest).clamp_min(1e-300)
