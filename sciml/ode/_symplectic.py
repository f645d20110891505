"""Symplectic methods: positions and momenta advanced in turn, so that energy does not drift."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.ode._adams import _CUBIC
from sciml.ode._method import Field, Method, Step
from sciml.ode._weights import blended


@dataclass(frozen=True, kw_only=True)
class Symplectic(Method):
    """Compositions of kicks and drifts for q' = a(t, p), p' = b(t, q), the state being (q, p) in two halves:

        p ← p + γ_i h/2 b(q),  q ← q + γ_i h a(p),  p ← p + γ_i h/2 b(q)   for every γ_i, Σ γ_i = 1.

    Slopes that do not part in this way, such as friction on p, are refused: the step would be of lower order.

    Arguments:
        gammas: γ_i.

    Reference: Verlet, Phys. Rev. 159 (1967); Yoshida, Phys. Lett. A 150 (1990).
    """

    gammas: tuple[float, ...]

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
        """As `Method.step`; there is no estimate of stiffness."""
        half = state.shape[1] // 2
        if 2 * half != state.shape[1]:
            raise UserError(
                f"{self.name} needs positions and momenta, as many of each",
                got=f"{state.shape[1]} components",
                expected="an even number, positions first",
            )
        q, p = state[:, :half], state[:, half:]
        kick, now, spent = slope[:, half:], time, 0
        for gamma in self.gammas:
            h = (gamma * size)[:, None]
            p = p + 0.5 * h * kick
            q = q + h * f(now + 0.5 * gamma * size, torch.cat([q, p], 1))[:, :half]
            now = now + gamma * size
            kick = f(now, torch.cat([q, p], 1))[:, half:]
            p = p + 0.5 * h * kick
            spent += 2
        new = torch.cat([q, p], 1)
        end = f(time + size, new)
        self._check(kick, end[:, half:], p)
        h = size[:, None]
        return Step(new, end, (h * slope, new - state, h * end), None, None, None, spent + 1, scaled=True)

    def polynomial(self, step: Step, size: Float[Tensor, " row"]) -> Float[Tensor, "power row dim"]:
        """As `Method.polynomial`: the cubic through both ends with their slopes."""
        return blended(_CUBIC, step, size)

    def _check(self, kick: Tensor, again: Tensor, p: Tensor) -> None:
        """UserError if p' changed with p alone."""
        gap = (kick.detach() - again.detach()).abs()
        allowed = 1e4 * torch.finfo(p.dtype).eps * (again.detach().abs() + kick.detach().abs()).amax(1, keepdim=True)
        if bool((gap > allowed.nan_to_num(nan=torch.inf)).any()):
            raise UserError(
                f"{self.name} is for q' = a(t, p), p' = b(t, q), and here p' depends on p",
                got=f"a slope of p that differs by {float(gap.amax()):.2g} at the same q",
                expected="the state as positions first, then momenta or velocities, without friction",
                fix="Order the state (q, p), or take another method: rk4, dopri5.",
            )


_CUBE = 2 ** (1 / 3)
_OUTER = 1 / (2 - _CUBE)

METHODS: tuple[Method, ...] = (
    Symplectic(
        name="leapfrog",
        order=2,
        error_order=None,
        stability=0.0,
        gammas=(1.0,),
        citation="Verlet, Computer experiments on classical fluids, Phys. Rev. 159 (1967)",
    ),
    Symplectic(
        name="yoshida4",
        order=4,
        error_order=None,
        stability=0.0,
        gammas=(_OUTER, -_CUBE * _OUTER, _OUTER),
        citation="Yoshida, Construction of higher order symplectic integrators, Phys. Lett. A 150 (1990)",
    ),
)
