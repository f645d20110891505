"""One-step methods for Itô equations with diagonal noise, dy_i = f_i(t, y) dt + g_i(t, y) dW_i."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.ode._brownian import Increment
from sciml.ode._explicit import _stiffness as secant
from sciml.ode._sri_tableau import SOSRI, SOSRI2, SRIW1, SRIW2, SRITableau
from sciml.ode._weights import constants

Part = Callable[[float, Tensor], Tensor]
"""Drift or diffusion as methods see it: ``(time, state: row dim) -> row dim``, one time for all rows."""

ROSSLER = (
    "Rößler, Runge-Kutta methods for the strong approximation of solutions of stochastic differential equations, "
    "SIAM J. Numer. Anal. 48 (2010)"
)
RACKAUCKAS = (
    "Rackauckas, Nie, Stability-optimized high order methods and stiffness detection for pathwise stiff stochastic "
    "differential equations, arXiv:1804.04344"
)


class StochasticStep(NamedTuple):
    """One attempted step.

    Fields:
        state: y1.
        error: δ|E1| + |E2|, unscaled; None if it was not asked for or the method has none.
        stiffness: S_j per row; None if it was not asked for or the method has none.
    """

    state: Float[Tensor, "row dim"]
    error: Float[Tensor, "row dim"] | None
    stiffness: Float[Tensor, " row"] | None


@dataclass(frozen=True, kw_only=True)
class StochasticMethod(ABC):
    """A one-step method for stochastic equations; a leaf is a family, its instances are data.

    The strong orders hold when component i of the diffusion depends on component i of the state only. A diffusion that
    mixes components while each keeps its own noise still converges, with strong order 1/2.

    Arguments:
        name: how users ask for it.
        order: strong order, E|y_n - y(t_n)| = O(h^order).
        stability: reach of the stability region of its drift part on the negative real axis.
        adaptive: whether it may choose its own steps.
        calculus: ``ito`` or ``stratonovich``: what its drift is meant in.
        general: whether it takes matrices of noise ``row dim motion``.
        citation: where it comes from.
    """

    name: str
    order: float
    stability: float
    adaptive: bool = False
    calculus: Literal["ito", "stratonovich"] = "ito"
    general: bool = False
    citation: str

    @abstractmethod
    def step(
        self,
        drift: Part,
        diffusion: Part,
        time: float,
        state: Float[Tensor, "row dim"],
        noise: Increment,
        *,
        error: bool = False,
        stiffness: bool = False,
    ) -> StochasticStep:
        """Advance every row by the size of the increment, with gradients if they are enabled."""


@dataclass(frozen=True, kw_only=True)
class EulerMaruyama(StochasticMethod):
    """y1 = y + h f + g ΔW."""

    def step(
        self,
        drift: Part,
        diffusion: Part,
        time: float,
        state: Float[Tensor, "row dim"],
        noise: Increment,
        *,
        error: bool = False,
        stiffness: bool = False,
    ) -> StochasticStep:
        """As `StochasticMethod.step`; it has neither error nor stiffness."""
        moved = torch.add(state, drift(time, state), alpha=noise.size)
        return StochasticStep(moved + _kick(diffusion(time, state), noise.w), None, None)


@dataclass(frozen=True, kw_only=True)
class StochasticHeun(StochasticMethod):
    """y1 = y + h (f + f̃) / 2 + (g + g̃) ΔW / 2 with f̃, g̃ at (t + h, y + h f + g ΔW), for Stratonovich equations.

    Strong order 1 where the columns of the noise commute (diagonal and additive noise, or one motion), else 1/2.
    """

    def step(
        self,
        drift: Part,
        diffusion: Part,
        time: float,
        state: Float[Tensor, "row dim"],
        noise: Increment,
        *,
        error: bool = False,
        stiffness: bool = False,
    ) -> StochasticStep:
        """As `StochasticMethod.step`; it has neither error nor stiffness."""
        h, later = noise.size, time + noise.size
        f, kick = drift(time, state), _kick(diffusion(time, state), noise.w)
        ahead = torch.add(state, f, alpha=h) + kick
        again = _kick(diffusion(later, ahead), noise.w)
        moved = torch.add(state, f + drift(later, ahead), alpha=h / 2)
        return StochasticStep(torch.add(moved, kick + again, alpha=0.5), None, None)


@dataclass(frozen=True, kw_only=True)
class Milstein(StochasticMethod):
    """y1 = y + h f + g ΔW + (g(t, y + h f + √h g) - g) (ΔW² - h) / (2√h).

    The difference stands for g g' (ΔW² - h) / 2: one more diffusion instead of its derivative, so it works for any
    callable, with or without gradients, and trains with first derivatives only.
    """

    def step(
        self,
        drift: Part,
        diffusion: Part,
        time: float,
        state: Float[Tensor, "row dim"],
        noise: Increment,
        *,
        error: bool = False,
        stiffness: bool = False,
    ) -> StochasticStep:
        """As `StochasticMethod.step`; it has neither error nor stiffness."""
        h, root = noise.size, math.sqrt(noise.size)
        moved = torch.add(state, drift(time, state), alpha=h)
        g = diffusion(time, state)
        ahead = diffusion(time, torch.add(moved, g, alpha=root))
        moved = torch.addcmul(moved, g, noise.w)
        return StochasticStep(torch.addcmul(moved, ahead - g, (noise.w.square() - h) / (2 * root)), None, None)


@dataclass(frozen=True, kw_only=True)
class SRI(StochasticMethod):
    """Stochastic Runge-Kutta method of strong order 1.5 with an embedded error.

        H0_i = y + h Σ a0_ij f(t + c0_j h, H0_j) + χ2 Σ b0_ij g(t + c1_j h, H1_j)
        H1_i = y + h Σ a1_ij f(t + c0_j h, H0_j) + √h Σ b1_ij g(t + c1_j h, H1_j)
        y1   = y + h Σ α_i f_i + Σ (β1_i ΔW + β2_i χ1 + β3_i χ2 + β4_i χ3) g_i
        χ1 = (ΔW² - h) / (2√h),  χ2 = U/h = (ΔW + ΔZ/√3)/2,  χ3 = (ΔW³ - 3hΔW) / (6h)

    The embedded error is δ|E1| + |E2| with E1 = h Σ f_i over the stages whose drift is evaluated and E2 = Σ (β3_i χ2 +
    β4_i χ3) g_i, as in the authors' released code. E2 is the difference to a method of strong order 1, O(h^1.5); E1 is
    the drift's increment times the number of its stages, O(h), no difference of two methods. Where the drift rules, the
    step is therefore about tolerance / (δ · stages · |f|), and the error that results far below the tolerance.

    The stiffness estimate is ‖f(t_i, H0_i) - f(t_i, H0_j)‖ / ‖H0_i - H0_j‖ with the two stages of the tableau that
    are compared. Where they are not taken at the same time (only ``sosri2`` has such a pair) stage j is the first one,
    H0_j = y, and its drift is evaluated once more at t_i.

    Arguments:
        tableau: the coefficients.
        delta: δ, the weight of the drift in the error.
    """

    tableau: SRITableau
    delta: float

    def step(
        self,
        drift: Part,
        diffusion: Part,
        time: float,
        state: Float[Tensor, "row dim"],
        noise: Increment,
        *,
        error: bool = False,
        stiffness: bool = False,
    ) -> StochasticStep:
        """As `StochasticMethod.step`."""
        table, h, root = self.tableau, noise.size, math.sqrt(noise.size)
        chi2 = noise.u / h
        arguments: list[Tensor] = []
        f: list[Tensor | None] = []
        g: list[Tensor] = []
        for i in range(len(table.alpha)):
            first = _moved(state, h, _sum(table.a0[i], f), chi2, _sum(table.b0[i], g))
            second = _moved(state, h, _sum(table.a1[i], f), root, _sum(table.b1[i], g))
            arguments.append(first)
            f.append(drift(time + table.c0[i] * h, first) if i in table.drifts else None)
            g.append(diffusion(time + table.c1[i] * h, second))
        weights = self._weights(noise, chi2, h, root)
        new = _moved(state, h, _sum(table.alpha, f), 0.0, None)
        for weight, value in zip(weights[: len(g)], g, strict=True):
            new = torch.addcmul(new, weight, value)
        estimate = None
        if error:
            rest = weights[len(g)] * g[0]
            for weight, value in zip(weights[len(g) + 1 :], g[1:], strict=True):
                rest = torch.addcmul(rest, weight, value)
            whole = _sum((1.0,) * len(f), f)
            assert whole is not None
            estimate = torch.add(rest.abs(), whole.abs(), alpha=self.delta * h)
        return StochasticStep(new, estimate, self._stiffness(drift, time, h, arguments, f) if stiffness else None)

    def _weights(self, noise: Increment, chi2: Tensor, h: float, root: float) -> Tensor:
        """What multiplies g_i in the step, and below it what multiplies g_i in E2, ``2·stage row dim``."""
        w = noise.w
        square = w.square()
        integrals = torch.stack([w, (square - h) / (2 * root), chi2, (square - 3 * h) * w / (6 * h)])
        table = constants(self.tableau.weights, w).view(-1, 4)
        return (table @ integrals.flatten(1)).view(-1, *w.shape)

    def _stiffness(
        self, drift: Part, time: float, h: float, arguments: Sequence[Tensor], f: Sequence[Tensor | None]
    ) -> Float[Tensor, " row"]:
        i, j = self.tableau.compared
        c = self.tableau.c0
        here, there = f[i], f[j]
        if abs(c[i] - c[j]) > 1e-12:
            there = drift(time + c[i] * h, arguments[j])
        assert here is not None and there is not None
        return secant(here - there, arguments[i] - arguments[j])


def _kick(g: Tensor, w: Float[Tensor, "row motion"]) -> Float[Tensor, "row dim"]:
    """g ΔW of a diagonal or a matrix."""
    return g * w if g.ndim == 2 else torch.einsum("rdm,rm->rd", g, w)


def _sum(weights: Sequence[float], stages: Sequence[Tensor | None]) -> Tensor | None:
    """``Σ weights_i stages_i``; None if nothing is added."""
    total: Tensor | None = None
    for weight, stage in zip(weights, stages, strict=False):
        if weight and stage is not None:
            total = stage * weight if total is None else torch.add(total, stage, alpha=weight)
    return total


def _moved(state: Tensor, h: float, slopes: Tensor | None, noise: Tensor | float, kicks: Tensor | None) -> Tensor:
    """``state + h slopes + noise kicks``, whichever there are."""
    if slopes is not None:
        state = torch.add(state, slopes, alpha=h)
    if kicks is None:
        return state
    return torch.addcmul(state, noise, kicks) if isinstance(noise, Tensor) else torch.add(state, kicks, alpha=noise)


METHODS: tuple[StochasticMethod, ...] = (
    SRI(name="sosri", order=1.5, stability=9.839, adaptive=True, tableau=SOSRI, delta=1.0, citation=RACKAUCKAS),
    SRI(name="sosri2", order=1.5, stability=10.453, adaptive=True, tableau=SOSRI2, delta=1.0, citation=RACKAUCKAS),
    SRI(name="sriw1", order=1.5, stability=2.0, adaptive=True, tableau=SRIW1, delta=1 / 6, citation=ROSSLER),
    SRI(name="srk", order=1.5, stability=2.5127, tableau=SRIW2, delta=1.0, citation=ROSSLER),
    Milstein(
        name="milstein",
        order=1.0,
        stability=2.0,
        citation="Kloeden, Platen, Numerical Solution of SDE (1992), section 11.1",
    ),
    EulerMaruyama(
        name="euler", order=0.5, stability=2.0, general=True, citation="Maruyama, Rend. Circ. Mat. Palermo 4 (1955)"
    ),
    StochasticHeun(
        name="heun",
        order=1.0,
        stability=2.0,
        calculus="stratonovich",
        general=True,
        citation="Rümelin, Numerical treatment of stochastic differential equations, SIAM J. Numer. Anal. 19 (1982)",
    ),
)
