"""Explicit Runge-Kutta methods: one step driven by a tableau."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.ode import _tableau as tableaus
from sciml.ode._method import Field, Method, Step
from sciml.ode._tableau import Tableau
from sciml.ode._weights import blended, constants

DORMAND_PRINCE = "Dormand, Prince, A family of embedded Runge-Kutta formulae, J. Comput. Appl. Math. 6 (1980)"

KUTTA = "Kutta, Beitrag zur näherungsweisen Integration totaler Differentialgleichungen, Z. Math. Phys. 46 (1901)"


@dataclass(frozen=True, kw_only=True)
class Explicit(Method):
    """k_i = f(t + c_i h, y + h Σ_j a_ij k_j), y1 = y + h Σ b_i k_i, the last stage being f(t + h, y1).

    The stiffness estimate (Shampine 1977; Hairer, Wanner, Solving ODEs II, IV.2) compares two stages taken at the same
    time with different arguments: S = ‖k_s - k_i‖ / ‖g_s - g_i‖ with c_i = c_s = 1.
    """

    tableau: Tableau

    @property
    def twin(self) -> int | None:
        """The stage taken at the time of the last one, for the stiffness estimate; None if there is none."""
        twins = [i for i, c in enumerate(self.tableau.c[:-1]) if abs(c - 1) < 1e-12]
        return twins[-1] if twins else None

    @property
    def embeds_slope(self) -> bool:
        """As `Method.embeds_slope`."""
        return self.tableau.error is not None and self.tableau.error[-1] != 0

    def step(
        self,
        f: Field,
        time: Float[Tensor, " row"],
        size: Float[Tensor, " row"],
        state: Float[Tensor, "row dim"],
        slope: Float[Tensor, "row dim"],
        *,
        stiffness: bool = False,
        repeatable: bool = False,
        memory: tuple[Tensor, ...] = (),
    ) -> Step:
        """As `Method.step`."""
        last = self.tableau.stages - 1
        times = torch.addcmul(time, constants(self.tableau.c, state)[:, None], size).unbind(0)
        separate = repeatable or torch.is_grad_enabled()
        stages = _Recorded(slope, size) if separate else _Packed(slope, size, last + 1)
        twin = self.twin if stiffness else None
        new, twin_state, twin_slope = state, state, slope
        for i in range(1, last + 1):
            new = stages.combine(self.tableau.a[i], state)
            slope = f(times[i], new)
            stages.append(slope)
            if i == twin:
                twin_state, twin_slope = new, slope
        error = None if self.tableau.error is None else stages.combine(self.tableau.error, None)
        estimate = None if twin is None else _stiffness(slope - twin_slope, new - twin_state)
        return Step(new, slope, stages.all(), error, estimate, None, last, scaled=not separate)

    def polynomial(self, step: Step, size: Float[Tensor, " row"]) -> Float[Tensor, "power row dim"]:
        """As `Method.polynomial`, from those of the tableau."""
        return blended(self.tableau.dense, step, size)


class _Recorded:
    """Stages as separate tensors, combined one by one: what autograd and the compiler like."""

    def __init__(self, slope: Tensor, size: Tensor) -> None:
        self._stages, self._size = [slope], size[:, None]

    def append(self, stage: Tensor) -> None:
        self._stages.append(stage)

    def all(self) -> Sequence[Tensor]:
        return self._stages

    def combine(self, weights: Sequence[float], state: Tensor | None) -> Tensor:
        """``state + h Σ weights_i k_i``."""
        total: Tensor | None = None
        for weight, stage in zip(weights, self._stages, strict=False):
            if weight:
                total = stage * weight if total is None else torch.add(total, stage, alpha=weight)
        assert total is not None
        return self._size * total if state is None else torch.addcmul(state, self._size, total)


class _Packed:
    """Stages times h in one block of memory, combined by one product: the fastest way without gradients."""

    def __init__(self, slope: Tensor, size: Tensor, count: int) -> None:
        self._block = slope.new_empty((count, *slope.shape))
        self._slots = self._block.unbind(0)
        self._flat = self._block.view(count, -1).t()
        self._size, self._count = size[:, None], 0
        self.append(slope)

    def append(self, stage: Tensor) -> None:
        torch.mul(stage, self._size, out=self._slots[self._count])
        self._count += 1

    def all(self) -> Tensor:
        return self._block

    def combine(self, weights: Sequence[float], state: Tensor | None) -> Tensor:
        """``state + h Σ weights_i k_i``."""
        block, factors = self._flat[:, : len(weights)], constants(tuple(weights), self._block)
        if state is None:
            return torch.mv(block, factors).view(self._block.shape[1:])
        return torch.addmv(state.reshape(-1), block, factors).view(state.shape)


def _stiffness(slopes: Float[Tensor, "row dim"], states: Float[Tensor, "row dim"]) -> Float[Tensor, " row"]:
    """‖slopes‖ / ‖states‖, zero at an equilibrium, where both vanish."""
    top, bottom = slopes.square().sum(1), states.square().sum(1)
    good = (bottom > 0) & (top > 0) & top.isfinite() & bottom.isfinite()
    ratio = torch.where(good, top, 1.0) / torch.where(good, bottom, 1.0)
    return torch.where(good, ratio.sqrt(), 0.0)


METHODS: tuple[Method, ...] = (
    Explicit(name="dopri5", order=5, error_order=5, stability=3.3066, tableau=tableaus.DOPRI5, citation=DORMAND_PRINCE),
    Explicit(
        name="tsit5",
        order=5,
        error_order=5,
        stability=3.5068,
        tableau=tableaus.TSIT5,
        citation="Tsitouras, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption, "
        "Comput. Math. Appl. 62 (2011)",
    ),
    Explicit(
        name="bosh3",
        order=3,
        error_order=3,
        stability=2.5127,
        tableau=tableaus.BOSH3,
        citation="Bogacki, Shampine, A 3(2) pair of Runge-Kutta formulas, Appl. Math. Lett. 2 (1989)",
    ),
    Explicit(
        name="dopri8",
        order=8,
        error_order=8,
        stability=5.1666,
        lands=True,
        tableau=tableaus.DOPRI8,
        citation="Prince, Dormand, High order embedded Runge-Kutta formulae, J. Comput. Appl. Math. 7 (1981)",
    ),
    Explicit(
        name="heun",
        order=2,
        error_order=2,
        stability=2.0,
        tableau=tableaus.HEUN,
        citation="Heun, Neue Methoden zur approximativen Integration der Differentialgleichungen, Z. Math. Phys. 45 "
        "(1900)",
    ),
    Explicit(
        name="fehlberg2",
        order=2,
        error_order=2,
        stability=2.0078,
        tableau=tableaus.FEHLBERG2,
        citation="Fehlberg, Low-order classical Runge-Kutta formulas with step-size control, NASA TR R-315 (1969)",
    ),
    Explicit(name="heun3", order=3, error_order=None, stability=2.5127, tableau=tableaus.HEUN3, citation=KUTTA),
    Explicit(name="rk38", order=4, error_order=None, stability=2.7853, tableau=tableaus.RK38, citation=KUTTA),
    Explicit(
        name="rk4",
        order=4,
        error_order=None,
        stability=2.7853,
        tableau=tableaus.RK4,
        citation=KUTTA,
    ),
    Explicit(
        name="midpoint",
        order=2,
        error_order=None,
        stability=2.0,
        tableau=tableaus.MIDPOINT,
        citation="Runge, Über die numerische Auflösung von Differentialgleichungen, Math. Ann. 46 (1895)",
    ),
    Explicit(
        name="euler",
        order=1,
        error_order=None,
        stability=2.0,
        tableau=tableaus.EULER,
        citation="Euler, Institutionum calculi integralis (1768)",
    ),
)
