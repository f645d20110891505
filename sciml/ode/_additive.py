"""Additive Runge-Kutta methods (IMEX): the stiff part of an equation implicitly, the rest explicitly."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import ConfigError
from sciml.ode._bound import Bound
from sciml.ode._graph import first_order
from sciml.ode._method import Field, Method, Step
from sciml.ode._newton import Factors, Newton, jacobian, linearised, spectral_radius
from sciml.ode._tableau import Row, Tableau, hermite
from sciml.ode._weights import blended, weighted


@dataclass(frozen=True, kw_only=True)
class Additive(Method):
    """dy/dt = s(t, y) + r(t, y), s by the implicit tableau and r by the explicit one, which share nodes and weights:

        y_i = y + h Σ_{j<i} (a_ij s_j + â_ij r_j) + h γ s_i,   y1 = y + h Σ b_i (s_i + r_i).

    The right-hand side is an `ode.Split`. Stages are solved by Newton's iteration with the Jacobian of s; gradients are
    those of the equations, and can be taken once. Evaluations count both parts as one.

    Arguments:
        implicit, explicit: the tableaus; the implicit one starts with an explicit stage.
        newton: how stages are solved.
    """

    implicit: Tableau
    explicit: tuple[Row, ...]
    newton: Newton = field(default_factory=Newton)

    @property
    def twice(self) -> bool:
        """As `Method.twice`."""
        return False

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
        """As `Method.step`; S_j is the spectral radius of the Jacobian of the stiff part."""
        if not isinstance(f, Bound):
            raise ConfigError(f"{self.name} needs a right-hand side in two parts", fix="Take ode.solve.")
        stiff, rest = f.parts()
        table, h, dim = self.implicit, size[:, None], state.shape[1]
        reach = h * table.a[1][1]
        with torch.no_grad():
            start = jacobian(stiff, time, state.detach()).by_state
            factors = Factors.of(start, reach)
        first = stiff(time, state)
        slow, fast = [first], [slope - first]
        failed, spent, new = torch.zeros(len(state), dtype=torch.bool, device=state.device), dim + 1, state
        for i in range(1, table.stages):
            moment = time + table.c[i] * size
            base = state + h * (
                weighted(table.a[i][:i], torch.stack(slow)) + weighted(self.explicit[i], torch.stack(fast))
            )
            with torch.no_grad():
                guess = slow[-1].detach()
                solved = self.newton.solve(stiff, moment, base.detach(), reach, guess, factors, state.detach())
            failed, factors, spent = failed | solved.failed, solved.factors, spent + solved.evaluations + 1
            k = solved.slope
            if torch.is_grad_enabled():
                k = _attach(stiff, moment, base, reach, k)
                spent += dim + 1
            new = base + reach * k
            slow.append(k)
            fast.append(rest(moment, new))
        total = torch.stack(slow) + torch.stack(fast)
        new = state + h * weighted(table.b, total)
        end = f(time + size, new)
        assert table.error is not None
        error = h * weighted(
            table.error, total
        )  # filtered, it would be small where components are stiff, and the error is not
        radius = spectral_radius(start) if stiffness else None
        stages = torch.cat([total, end[None]])
        return Step(new, end, stages, error, radius, failed, spent + 1)

    def polynomial(self, step: Step, size: Float[Tensor, " row"]) -> Float[Tensor, "power row dim"]:
        """As `Method.polynomial`, from those of the tableau."""
        return blended(self.implicit.dense, step, size)


def _attach(stiff: Field, time: Tensor, base: Tensor, reach: Tensor, solved: Tensor) -> Tensor:
    """The slope that solves k = s(t, base + reach k), with the gradient of that equation."""
    broken = ~solved.isfinite().all(1)
    kept = torch.where(broken[:, None], 0.0, solved)
    slope, derivative = linearised(stiff, time, base + reach * kept)
    derivative = torch.where(broken[:, None, None], 0.0, derivative)
    return _Solution.apply(solved, slope, *Factors.of(derivative, reach), broken)


class _Solution(torch.autograd.Function):
    """The value given, with the gradient (I - reach J)⁻¹ of the slope."""

    @staticmethod
    def forward(
        ctx: Any, solved: Tensor, slope: Tensor, lu: Tensor, pivots: Tensor, broken: Tensor
    ) -> Tensor:  # Any: torch's context
        """`solved` as it is."""
        ctx.save_for_backward(slope, lu, pivots, broken)
        return solved.clone()

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor) -> Any:  # Any: torch's context
        """The costate of `slope`; zero for rows that are not finite."""
        _, lu, pivots, broken = ctx.saved_tensors
        cost = torch.where(broken[:, None], 0.0, grads[0])
        return None, Factors(lu, pivots).solve_transposed(cost), None, None, None


_GAMMA = 1767732205903 / 4055673282236
_B = (1471266399579 / 7840856788654, -4482444167858 / 7529755066697, 11266239266428 / 11593286722821, _GAMMA)
_EMBEDDED = (
    2756255671327 / 12835298489170,
    -10771552573575 / 22201958757719,
    9247589265047 / 10645013368117,
    2193209047091 / 5459859503100,
)

METHODS: tuple[Method, ...] = (
    Additive(
        name="imex_ark3",
        order=3,
        error_order=3,
        stability=math.inf,
        implicit=Tableau(
            a=((), (_GAMMA, _GAMMA), (2746238789719 / 10658868560708, -640167445237 / 6845629431997, _GAMMA), _B),
            b=_B,
            error=tuple(b - other for b, other in zip(_B, _EMBEDDED, strict=True)),
            dense=hermite((*_B, 0.0)),
        ),
        explicit=(
            (),
            (1767732205903 / 2027836641118,),
            (5535828885825 / 10492691773637, 788022342437 / 10882634858940),
            (6485989280629 / 16251701735622, -4246266847089 / 9704473918619, 10755448449292 / 10357097424841),
        ),
        citation="Kennedy, Carpenter, Additive Runge-Kutta schemes for convection-diffusion-reaction equations, Appl. "
        "Numer. Math. 44 (2003)",
    ),
)
