"""Rosenbrock methods: implicit in the linear part only, one Jacobian and one factorisation per step, no iteration."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.ode import _implicit_tableau as tableaus
from sciml.ode._implicit_tableau import LinearTableau
from sciml.ode._method import Field, Method, Step
from sciml.ode._newton import Factors, jacobian, spectral_radius
from sciml.ode._weights import blended, weighted


@dataclass(frozen=True, kw_only=True)
class Rosenbrock(Method):
    """(I - h γ J) u_i = γ (h f(t + α_i h, y + Σ a_ij u_j) + Σ c_ij u_j + γ_i h² ∂f/∂t), y1 = y + Σ b_i u_i.

    J = ∂f/∂y and ∂f/∂t belong to the method and are exact, for its order rests on them; the gradient of a step includes
    how they change. Evaluations of f are counted per row: one per stage, one for the slope at the new state if no stage
    has it, and as many as there are components for the Jacobian, which is what differences would take.

    The dense output is the method's own: one through the slope at the end would multiply the error of stiff components,
    where y1 is not exactly on the slow solution, by λ h. `Step.stages` holds u_i. S_j is the spectral radius of J at
    the start of the step, without gradient.
    """

    tableau: LinearTableau

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
        table, h = self.tableau, size[:, None]
        start = jacobian(f, time, state)
        factors = Factors.of(start.by_state, h * table.gamma)
        field, solved = slope, []
        stages = slope.new_empty((0, *slope.shape))
        for i, (node, slant) in enumerate(zip(table.nodes, table.slants, strict=True)):
            if i:
                field = f(time + node * size, state + weighted(table.a[i], stages))
            right = h * (table.gamma * field)
            if slant:
                right = torch.addcmul(right, h.square(), start.by_time, value=table.gamma * slant)
            if i:
                right = right + table.gamma * weighted(table.c[i], stages)
            solved.append(factors.solve(right))
            stages = torch.stack(solved)
        new = state + weighted(table.b, stages)
        end = field if table.closed else f(time + size, new)
        spent = len(solved) - table.closed + state.shape[1]
        radius = spectral_radius(start.by_state) if stiffness else None
        return Step(new, end, stages, weighted(table.error, stages), radius, None, spent, scaled=True)

    def polynomial(self, step: Step, size: Float[Tensor, " row"]) -> Float[Tensor, "power row dim"]:
        """As `Method.polynomial`, from those of the tableau."""
        return blended(self.tableau.dense, step, size)


METHODS: tuple[Method, ...] = (
    Rosenbrock(
        name="rosenbrock23",
        order=2,
        error_order=3,
        stability=math.inf,
        tableau=tableaus.ROSENBROCK23,
        citation="Shampine, Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18 (1997)",
    ),
    Rosenbrock(
        name="rodas4",
        order=4,
        error_order=4,
        stability=math.inf,
        tableau=tableaus.RODAS4,
        citation="Hairer, Wanner, Solving Ordinary Differential Equations II, IV.7 (1996)",
    ),
    Rosenbrock(
        name="rodas5p",
        order=5,
        error_order=5,
        stability=math.inf,
        tableau=tableaus.RODAS5P,
        citation="Steinebach, Construction of Rosenbrock-Wanner method Rodas5P and numerical benchmarks within the "
        "Julia Differential Equations package, BIT 63 (2023)",
    ),
)
