"""Diagonally implicit Runge-Kutta methods with an explicit first stage, for stiff systems of few components."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.ode import _implicit_tableau as tableaus
from sciml.ode._method import Field, Method, Step
from sciml.ode._newton import Factors, Newton, jacobian, linearised, spectral_radius
from sciml.ode._tableau import Row, Tableau
from sciml.ode._weights import blended, constants, weighted


@dataclass(frozen=True, kw_only=True)
class DiagonallyImplicit(Method):
    """k_i = f(t + c_i h, y + h Σ_{j<i} a_ij k_j + h γ k_i), y1 = y + h Σ b_i k_i, the first stage being f(t, y).

    All methods here are stiffly accurate (y1 is the last stage, whose slope starts the next step), so that y1 → 0 for
    y' = λ y as λ h → -∞. Stages are solved one after another by Newton's iteration (see `Newton`), starting with the
    Jacobian of the start of the step; a row where that does not converge is reported in `Step.failed`.

    Gradients are those of the equations, not of the iteration: with k solved for, (I - h A⊗J) dk = df with J the
    Jacobians at the stages, one linear system per stage and no graph of the iteration. They can be taken once.

    Evaluations of f are counted per row: one per Newton iteration of the slowest row, and one per component for every
    Jacobian, which is what differences would take; with gradients enabled one more and a Jacobian per stage.

    S_j is the spectral radius of ∂f/∂y at the start of the step, without gradient.

    Arguments:
        tableau: the coefficients; row i of `a` ends with γ but for the first.
        filtered: whether the error estimate is multiplied by (I - h γ J)⁻¹, without which it grows with λ h (Hosea,
            Shampine 1996).
        newton: how stages are solved.
    """

    tableau: Tableau
    filtered: bool = False
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
        taped = torch.is_grad_enabled()
        h, dim = size[:, None], state.shape[1]
        with torch.set_grad_enabled(taped and self.filtered):
            start = jacobian(f, time, state).by_state
            factors = Factors.of(start, h * self.gamma)
        with torch.no_grad():
            solved, failed, spent = self._solve(f, time, size, state.detach(), slope.detach(), factors.detach())
        if taped:
            later = self._attach(f, time, size, state, slope, solved[1:])
            stages = torch.cat([slope[None], later])
            spent += len(later) * (1 + dim)
        else:
            stages = solved
        new = torch.addcmul(state, h, weighted(self.tableau.b, stages))
        error = None
        if self.tableau.error is not None:
            error = h * weighted(self.tableau.error, stages)
            error = factors.solve(error) if self.filtered else error
        radius = spectral_radius(start) if stiffness else None
        return Step(new, stages[-1], stages, error, radius, failed, spent + dim)

    def polynomial(self, step: Step, size: Float[Tensor, " row"]) -> Float[Tensor, "power row dim"]:
        """As `Method.polynomial`, from those of the tableau."""
        return blended(self.tableau.dense, step, size)

    @property
    def gamma(self) -> float:
        """The diagonal of `a`."""
        return self.tableau.a[1][1]

    @cached_property
    def predictors(self) -> tuple[Row, ...]:
        """Weights of the earlier slopes that guess the slope of every stage but the first."""
        nodes = self.tableau.c
        return tuple(_extrapolation(nodes[:i], nodes[i]) for i in range(1, len(nodes)))

    def _solve(
        self, f: Field, time: Tensor, size: Tensor, state: Tensor, slope: Tensor, factors: Factors
    ) -> tuple[Float[Tensor, "stage row dim"], Bool[Tensor, " row"], int]:
        """The slopes of all stages, the rows where one could not be found, and the evaluations it took."""
        h = size[:, None]
        stages = slope.new_empty((self.tableau.stages, *slope.shape))
        stages[0] = slope
        failed, spent = torch.zeros(len(state), dtype=torch.bool, device=state.device), 0
        for i, guess in enumerate(self.predictors, start=1):
            stage = self.newton.solve(
                f,
                time + self.tableau.c[i] * size,
                torch.addcmul(state, h, weighted(self.tableau.a[i][:i], stages[:i])),
                h * self.gamma,
                weighted(guess, stages[:i]),
                factors,
                state,
            )
            stages[i], factors = stage.slope, stage.factors
            failed, spent = failed | stage.failed, spent + stage.evaluations
        return stages, failed, spent

    def _attach(
        self, f: Field, time: Tensor, size: Tensor, state: Tensor, slope: Tensor, solved: Tensor
    ) -> Float[Tensor, "stage row dim"]:
        """The solved slopes with the gradient of the equations they solve, from one evaluation of f for all stages."""
        count, rows = len(solved), len(state)
        a = constants(sum((row + (0.0,) * (count + 1 - len(row)) for row in self.tableau.a[1:]), ()), state)
        a = a.view(count, count + 1)
        broken = ~solved.isfinite().all(2).all(0)
        fixed = torch.tensordot(a[:, 1:], torch.where(broken[:, None], 0.0, solved), 1)
        there = state + torch.where(broken, 0.0, size)[:, None] * (a[:, :1, None] * slope + fixed)
        times = time + constants(self.tableau.c[1:], state)[:, None] * size
        slopes, derivative = linearised(f, times.flatten(), there.flatten(0, 1))
        derivative = derivative.unflatten(0, (count, rows))
        derivative = torch.where(broken[:, None, None], 0.0, derivative)
        return _Solution.apply(solved, slopes.unflatten(0, (count, rows)), derivative, a[:, 1:], size, broken)


class _Solution(torch.autograd.Function):
    """Slopes that solve k_i = f_i(y + h Σ_j a_ij k_j): the values given, with the gradient with respect to f_i.

    (I - h A⊗J) dk = df is triangular in the stages, so its transpose is solved from the last stage to the first.
    """

    @staticmethod
    def forward(
        ctx: Any, solved: Tensor, slopes: Tensor, derivative: Tensor, a: Tensor, size: Tensor, broken: Tensor
    ) -> Tensor:  # Any: torch's context
        """`solved` as it is."""
        factors = Factors.of(derivative, size[:, None] * a[0, 0])
        ctx.save_for_backward(*factors, derivative, a, size, broken)
        return solved.clone()

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] (torch writes *grad_outputs)
        ctx: Any,
        cost: Tensor,  # Any: torch's context
    ) -> tuple[Tensor | None, ...]:
        """The costate of `slopes`; zero for rows that are not finite, which nothing may depend on."""
        if torch.is_grad_enabled():
            raise UserError(
                "second derivatives of a diagonally implicit step are not available (create_graph=True)",
                fix="Take a Rosenbrock method such as rodas4, or an explicit one.",
            )
        lu, pivots, derivative, a, size, broken = ctx.saved_tensors
        factors, h = Factors(lu, pivots), size[:, None]
        costates, passed = torch.empty_like(cost), torch.empty_like(cost)
        for i in reversed(range(len(cost))):
            right = cost[i] if i == len(cost) - 1 else cost[i] + h * torch.tensordot(a[i + 1 :, i], passed[i + 1 :], 1)
            costates[i] = factors.stage(i).solve_transposed(right)
            passed[i] = torch.bmm(costates[i][:, None], derivative[i])[:, 0]
        return None, torch.where(broken[:, None], 0.0, costates), None, None, None, None


def _extrapolation(nodes: Row, node: float) -> Row:
    """Weights of the slopes at `nodes` for the one at `node`: the latest one taken there, or a parabola at most."""
    for j in reversed(range(len(nodes))):
        if abs(nodes[j] - node) < 1e-12:
            return tuple(float(i == j) for i in range(len(nodes)))
    used = range(min(3, len(nodes)))
    factors = [[(node - nodes[k]) / (nodes[j] - nodes[k]) for k in used if k != j] for j in used]
    return (*(math.prod(row, start=1.0) for row in factors), *(0.0,) * (len(nodes) - len(factors)))


_KVAERNO = "Kværnø, Singly diagonally implicit Runge-Kutta methods with an explicit first stage, BIT 44 (2004)"

METHODS: tuple[Method, ...] = (
    DiagonallyImplicit(
        name="kvaerno3", order=3, error_order=3, stability=math.inf, tableau=tableaus.KVAERNO3, citation=_KVAERNO
    ),
    DiagonallyImplicit(
        name="kvaerno5", order=5, error_order=5, stability=math.inf, tableau=tableaus.KVAERNO5, citation=_KVAERNO
    ),
    DiagonallyImplicit(
        name="trbdf2",
        order=2,
        error_order=3,
        stability=math.inf,
        filtered=True,
        tableau=tableaus.TRBDF2,
        citation="Hosea, Shampine, Analysis and implementation of TR-BDF2, Appl. Numer. Math. 20 (1996)",
    ),
)
