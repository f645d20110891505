"""Fully implicit Runge-Kutta methods: all stages of a step solved together, for stiff systems of few components."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.ode import _coupled_tableau as tableaus
from sciml.ode._coupled_tableau import CoupledTableau
from sciml.ode._method import Field, Method, Step
from sciml.ode._newton import Factors, Newton, jacobian, linearised, spectral_radius
from sciml.ode._weights import blended, constants, weighted

_MOST = 30  # iterations, with Jacobians of their own at every stage once one of the start has failed


@dataclass(frozen=True, kw_only=True)
class Coupled(Method):
    """k_i = f(t + c_i h, y + h Σ_j a_ij k_j) for all stages at once, y1 = y + h Σ b_i k_i.

    Newton's iteration starts from k_i = f(t, y) with the Jacobian J of the start, (I - h A⊗J) Δ = f(...) - k, one
    evaluation of f for all stages; rows whose increments do not shrink fast go on with Jacobians of every stage. A row
    that does not get there is reported in `Step.failed`.

    The error estimate of Radau IIA(5) is that of its authors, (γ₀ + h J)-filtered so that it stays bounded for stiff
    components. Gradients are those of the equations, as in `DiagonallyImplicit`; they can be taken once.

    `Step.stages` holds the slope at the start, those of the stages and the one at the end. Evaluations of f are counted
    per row: one per stage and iteration, and one per component for every Jacobian.

    Arguments:
        tableau: the coefficients.
        newton: says what increments do not matter.
    """

    tableau: CoupledTableau
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
        """As `Method.step`; the same bits come out either way."""
        taped, table, dim = torch.is_grad_enabled(), self.tableau, state.shape[1]
        with torch.no_grad():
            start = jacobian(f, time, state.detach()).by_state
            solved, failed, spent = self._solve(f, time, size, state.detach(), slope.detach(), start)
        spent += dim
        if taped:
            solved = self._attach(f, time, size, state, solved)
            spent += table.stages * (1 + dim)
        new = state + size[:, None] * weighted(table.b, solved)
        end = solved[-1] if table.closed else f(time + size, new)
        error = None
        if table.error is not None:
            error = self._error(size, slope, solved, start)
        radius = spectral_radius(start) if stiffness else None
        stages = torch.cat([slope[None], solved, end[None]])
        return Step(new, end, stages, error, radius, failed, spent + (not table.closed))

    def polynomial(self, step: Step, size: Float[Tensor, " row"]) -> Float[Tensor, "power row dim"]:
        """As `Method.polynomial`, from those of the tableau."""
        return blended(self.tableau.dense, step, size)

    def _error(self, size: Tensor, slope: Tensor, solved: Tensor, start: Tensor) -> Float[Tensor, "row dim"]:
        """(I - γ h J)⁻¹ h (γ f(t, y) + Σ e_i k_i)."""
        gamma, weights = self.tableau.gamma, self.tableau.error
        assert weights is not None
        h = size[:, None]
        raw = h * (gamma * slope + weighted(weights, solved))
        return Factors.of(start, h * gamma).solve(raw)

    def _solve(
        self, f: Field, time: Tensor, size: Tensor, state: Tensor, slope: Tensor, start: Tensor
    ) -> tuple[Float[Tensor, "stage row dim"], Bool[Tensor, " row"], int]:
        """The slopes of all stages, the rows where they were not found, and the evaluations it took."""
        table = self.tableau
        count, h = table.stages, size[:, None]
        a = constants(sum(table.a, ()), state).view(count, count)
        times = (time + constants(table.c, state)[:, None] * size).flatten()
        slopes = slope.expand(count, *slope.shape).clone()
        weight = (h.abs() / self.newton.threshold(state))[None]
        factors = self._factors(start.expand(count, *start.shape), size, a)
        done = torch.zeros(len(state), dtype=torch.bool, device=state.device)
        hopeless, renewed = done.clone(), done.clone()
        before, spent = torch.full_like(size, torch.inf), 0
        for _ in range(_MOST):
            there = state + h * torch.tensordot(a, slopes, 1)
            rest = f(times, there.flatten(0, 1)).unflatten(0, (count, len(state))) - slopes
            move = factors.solve(rest.transpose(0, 1).flatten(1)).unflatten(1, (count, -1)).transpose(0, 1)
            slopes = torch.where(done[:, None], slopes, slopes + move)
            spent += count
            now = (move * weight).abs().amax((0, 2))
            known = before.isfinite()
            small = (now.square() <= before - now) | ((before <= 100) & (now <= 100) & (2 * now >= before))
            small = (small & known) | (now == 0)
            done = done | (small & ~hopeless)
            hopeless = hopeless | (~done & ~now.isfinite())
            slow = known & ~done & ~hopeless & ~(now * (now / before).pow(4) <= 1)
            hopeless = hopeless | (slow & renewed & (now >= 2 * before))
            if bool((done | hopeless).all()):
                break
            slow = slow & ~hopeless
            if bool(slow.any()):
                points = (state + h * torch.tensordot(a, slopes, 1)).flatten(0, 1)
                here = jacobian(f, times, points).by_state.unflatten(0, (count, len(state)))
                factors, spent = factors.renewed(slow, self._factors(here, size, a)), spent + count * state.shape[1]
                renewed = renewed | slow
            before = torch.where(slow, torch.inf, now)
        return slopes, ~done, spent

    @staticmethod
    def _matrix(derivative: Tensor, size: Tensor, a: Tensor) -> Float[Tensor, "row all all"]:
        """I - h A⊗J, the Jacobian of stage i in block row i."""
        count, rows, dim, _ = derivative.shape
        blocks = torch.einsum("ij,irab->riajb", a, derivative) * size[:, None, None, None, None]
        return torch.eye(count * dim, dtype=a.dtype, device=a.device) - blocks.reshape(rows, count * dim, count * dim)

    def _factors(self, derivative: Tensor, size: Tensor, a: Tensor) -> Factors:
        lu, pivots, _ = torch.linalg.lu_factor_ex(self._matrix(derivative, size, a))
        return Factors(lu, pivots)

    def _attach(
        self, f: Field, time: Tensor, size: Tensor, state: Tensor, solved: Tensor
    ) -> Float[Tensor, "stage row dim"]:
        """The solved slopes with the gradient of the equations they solve, from one evaluation of f for all stages."""
        table, count, rows = self.tableau, len(solved), len(state)
        a = constants(sum(table.a, ()), state).view(count, count)
        broken = ~solved.isfinite().all(2).all(0)
        fixed = torch.tensordot(a, torch.where(broken[:, None], 0.0, solved), 1)
        there = state + torch.where(broken, 0.0, size)[:, None] * fixed
        times = time + constants(table.c, state)[:, None] * size
        slopes, derivative = linearised(f, times.flatten(), there.flatten(0, 1))
        derivative = torch.where(broken[:, None, None], 0.0, derivative.unflatten(0, (count, rows)))
        matrix = self._matrix(derivative, torch.where(broken, 0.0, size), a)
        return _Solution.apply(solved, slopes.unflatten(0, (count, rows)), matrix, broken)


class _Solution(torch.autograd.Function):
    """Slopes that solve k = f(y + h A k): the values given, with the gradient with respect to f."""

    @staticmethod
    def forward(
        ctx: Any, solved: Tensor, slopes: Tensor, matrix: Tensor, broken: Tensor
    ) -> Tensor:  # Any: torch's context
        """`solved` as it is."""
        lu, pivots, _ = torch.linalg.lu_factor_ex(matrix)
        ctx.save_for_backward(lu, pivots, broken)
        return solved.clone()

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] (torch writes *grad_outputs)
        ctx: Any,  # Any: torch's context
        cost: Tensor,
    ) -> tuple[Tensor | None, ...]:
        """The costate of `slopes`; zero for rows that are not finite, which nothing may depend on."""
        if torch.is_grad_enabled():
            raise UserError(
                "second derivatives of a fully implicit step are not available (create_graph=True)",
                fix="Take a Rosenbrock method such as rodas4, or an explicit one.",
            )
        lu, pivots, broken = ctx.saved_tensors
        flat = torch.where(broken[:, None], 0.0, cost).transpose(0, 1).flatten(1)
        passed = Factors(lu, pivots).solve_transposed(flat)
        return None, passed.unflatten(1, (len(cost), -1)).transpose(0, 1), None, None


_BUTCHER = "Butcher, Implicit Runge-Kutta processes, Math. Comp. 18 (1964)"
_HAIRER = "Hairer, Wanner, Solving Ordinary Differential Equations II, IV.5 and IV.8 (1996)"
_ALEXANDER = "Alexander, Diagonally implicit Runge-Kutta methods for stiff ODEs, SIAM J. Numer. Anal. 14 (1977)"

METHODS: tuple[Method, ...] = (
    Coupled(name="radauIIA5", order=5, error_order=4, stability=math.inf, tableau=tableaus.RADAU5, citation=_HAIRER),
    Coupled(name="radauIIA3", order=3, error_order=None, stability=math.inf, tableau=tableaus.RADAU3, citation=_HAIRER),
    Coupled(
        name="implicit_euler",
        order=1,
        error_order=None,
        stability=math.inf,
        tableau=tableaus.IMPLICIT_EULER,
        citation="Euler, Institutionum calculi integralis (1768)",
    ),
    Coupled(
        name="implicit_midpoint",
        order=2,
        error_order=None,
        stability=math.inf,
        tableau=tableaus.IMPLICIT_MIDPOINT,
        citation=_BUTCHER,
    ),
    Coupled(
        name="trapezoid",
        order=2,
        error_order=None,
        stability=math.inf,
        tableau=tableaus.TRAPEZOID,
        citation="Crank, Nicolson, Math. Proc. Camb. Phil. Soc. 43 (1947)",
    ),
    Coupled(name="gl4", order=4, error_order=None, stability=math.inf, tableau=tableaus.GAUSS4, citation=_BUTCHER),
    Coupled(name="gl6", order=6, error_order=None, stability=math.inf, tableau=tableaus.GAUSS6, citation=_BUTCHER),
    Coupled(name="sdirk2", order=2, error_order=None, stability=math.inf, tableau=tableaus.SDIRK2, citation=_ALEXANDER),
)
