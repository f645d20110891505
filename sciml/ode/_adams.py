"""Adams methods: steps that use the slopes of the steps before."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.ode._explicit import METHODS as RUNGE_KUTTA
from sciml.ode._method import Field, Method, Step
from sciml.ode._weights import blended, constants

_NODES = (0.5 - 0.15**0.5, 0.5, 0.5 + 0.15**0.5)  # of Gauss on [0, 1], exact for polynomials up to degree five
_SHARES = (5 / 18, 8 / 18, 5 / 18)
_CUBIC = ((1.0, -2.0, 1.0), (0.0, 3.0, -2.0), (0.0, -1.0, 1.0))  # Hermite's from h f0, y1 - y0 and h f1


@dataclass(frozen=True, kw_only=True)
class Adams(Method):
    """y1 = y + h ∫ p(θ) dθ, p being the polynomial in time through the slopes of the last four places (Bashforth).

    A corrector (Moulton) puts the polynomial through the slope at the predicted state too, once, and the next step
    starts with the slope where that leads (PECE). The weights follow from the times of the steps, which need not be
    equal. The first three steps of a solve, or after a jump, are those of the 3/8 rule.

    Rows remember the times and slopes of three steps before and how many there were.

    Arguments:
        corrects: whether there is a corrector.

    Reference: Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, III.1 and III.5.
    """

    corrects: bool

    _BEFORE = 3  # slopes before the present one

    @property
    def remembers(self) -> bool:
        """As `Method.remembers`."""
        return True

    def begin(self, state: Float[Tensor, "row dim"]) -> tuple[Tensor, ...]:
        """As `Method.begin`."""
        rows, device = len(state), state.device
        times = torch.zeros(rows, self._BEFORE, dtype=torch.float64, device=device)
        slopes = torch.zeros(rows, self._BEFORE, state.shape[1], dtype=state.dtype, device=device)
        return times, slopes, torch.zeros(rows, dtype=torch.long, device=device)

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
        times, slopes, count = memory if memory else self.begin(state)
        early = (count < self._BEFORE) | (size == 0)
        spent = 0
        new, end = state, slope
        if not bool(early.all()):
            new, end, spent = self._advance(f, time, size, state, slope, times, slopes, early)
        if bool(early.any()):
            start = _STARTER.step(f, time, size, state, slope, repeatable=True)
            spent += start.evaluations
            new = torch.where(early[:, None], start.state, new)
            end = torch.where(early[:, None], start.slope, end)
        h = size[:, None]
        moved = size != 0  # a step between repeated times says nothing new
        memory = (
            torch.where(moved[:, None], torch.cat([time.double()[:, None], times[:, :-1]], 1), times),
            torch.where(moved[:, None, None], torch.cat([slope[:, None], slopes[:, :-1]], 1), slopes),
            count + moved,
        )
        return Step(new, end, (h * slope, new - state, h * end), None, None, None, spent, scaled=True, memory=memory)

    def polynomial(self, step: Step, size: Float[Tensor, " row"]) -> Float[Tensor, "power row dim"]:
        """As `Method.polynomial`: the cubic through both ends with their slopes."""
        return blended(_CUBIC, step, size)

    def _advance(
        self, f: Field, time: Tensor, size: Tensor, state: Tensor, slope: Tensor, times: Tensor, slopes: Tensor,
        early: Tensor,
    ) -> tuple[Tensor, Tensor, int]:  # fmt: skip
        """State and slope after the step, and the evaluations it took."""
        safe = torch.where(early, 1.0, size.double())
        back = (times - time.double()[:, None]) / safe[:, None]
        default = -torch.arange(1, self._BEFORE + 1, dtype=torch.float64, device=size.device)
        back = torch.where(early[:, None], default, back)  # of rows whose result is not used
        nodes = torch.cat([torch.zeros_like(back[:, :1]), back], dim=1)
        known = torch.cat([slope[:, None], slopes], dim=1)
        h, after = size[:, None], time + size
        new = state + h * _mean(nodes, known)
        end = f(after, new)
        if not self.corrects:
            return new, end, 1
        nodes, known = torch.cat([torch.ones_like(nodes[:, :1]), nodes], 1), torch.cat([end[:, None], known], 1)
        new = state + h * _mean(nodes, known)
        return new, f(after, new), 2


def _mean(nodes: Float[Tensor, "row node"], values: Float[Tensor, "row node dim"]) -> Float[Tensor, "row dim"]:
    """∫₀¹ p(θ) dθ of the polynomial p through values at nodes."""
    count = nodes.shape[1]
    places = constants(_NODES, nodes)
    others: Int[Tensor, "node node"] = torch.eye(count, dtype=torch.bool, device=nodes.device)
    gaps = (nodes[:, :, None] - nodes[:, None, :]).masked_fill(others, 1.0)
    away = (places[:, None] - nodes[:, None, :])[:, :, None, :].masked_fill(others, 1.0)  # row place node node
    basis = away.prod(3) / gaps.prod(2)[:, None]
    weights = torch.einsum("p,rpn->rn", constants(_SHARES, nodes), basis).to(values.dtype)
    return torch.einsum("rn,rnd->rd", weights, values)


_STARTER = next(method for method in RUNGE_KUTTA if method.name == "rk38")
_HAIRER = "Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, III.1 (1993)"

METHODS: tuple[Method, ...] = (
    Adams(name="explicit_adams", order=4, error_order=None, stability=0.3, corrects=False, citation=_HAIRER),
    Adams(name="implicit_adams", order=5, error_order=None, stability=1.2, corrects=True, citation=_HAIRER),
)
