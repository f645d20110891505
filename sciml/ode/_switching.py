"""A method for equations that may be stiff: every row takes the explicit or the implicit step that suits it."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.ode._bound import of_rows
from sciml.ode._explicit import METHODS as EXPLICIT
from sciml.ode._method import Field, Method, Step, block_of
from sciml.ode._rosenbrock import METHODS as ROSENBROCK

_STIFF, _EASY = 0.8, 0.3
"""Shares of the explicit method's reach: h S beyond the first is stiff, h S below the second is not."""
_PATIENCE = 6
"""Steps in a row that have to say so."""
_POWERS = 4
"""Powers of the dense output; that of the implicit method is of lower degree."""


def _named(methods: tuple[Method, ...], name: str) -> Method:
    return next(method for method in methods if method.name == name)


@dataclass(frozen=True, kw_only=True)
class Switching(Method):
    """An explicit method, and an implicit one for rows whose step is bounded by stability and not by their error.

    Rows start with the explicit one. After six accepted steps whose h S is near the end of its stability region (S is
    its estimate of the largest eigenvalue) they go on with the implicit one, and back after six steps whose h ρ(∂f/∂y)
    the explicit one could have taken with ease. Rows remember which of the two they take and how many steps in a row
    spoke for the other.

    `Step.stages` holds the polynomial of the dense output. Evaluations are counted as if every row took both steps
    where both are taken in the batch.

    Arguments:
        explicit, implicit: what is switched between; both adaptive, with dense output of their own.

    Reference: Petzold, SIAM J. Sci. Stat. Comput. 4 (1983); Hairer, Wanner, Solving ODEs II, IV.2.
    """

    explicit: Method = field(default_factory=lambda: _named(EXPLICIT, "dopri5"))
    implicit: Method = field(default_factory=lambda: _named(ROSENBROCK, "rodas4"))

    @property
    def remembers(self) -> bool:
        """As `Method.remembers`."""
        return True

    def begin(self, state: Float[Tensor, "row dim"]) -> tuple[Tensor, ...]:
        """As `Method.begin`."""
        stiff = torch.zeros(len(state), dtype=torch.bool, device=state.device)
        return stiff, torch.zeros(len(state), dtype=torch.long, device=state.device)

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
        stiff, streak = memory if memory else self.begin(state)
        parts = [
            (method, rows)
            for method, rows in (
                (self.explicit, (~stiff).nonzero().flatten()),
                (self.implicit, stiff.nonzero().flatten()),
            )
            if len(rows)
        ]
        steps = [
            self._some(method, of_rows(f, rows), time[rows], size[rows], state[rows], slope[rows])
            for method, rows in parts
        ]
        order = torch.cat([rows for _, rows in parts]).argsort()
        joined = {
            name: torch.cat([getattr(step, name) for step in steps])[order]
            for name in ("state", "slope", "error", "stiffness")
        }
        powers = torch.cat([block_of(step) for step in steps], dim=1)[:, order]
        reach = size.detach().abs() * joined["stiffness"].detach()
        limit = self.explicit.stability
        other = torch.where(stiff, reach < _EASY * limit, reach > _STIFF * limit)
        streak = torch.where(other, streak + 1, 0)
        turned = streak >= _PATIENCE
        return Step(
            joined["state"],
            joined["slope"],
            powers,
            joined["error"],
            joined["stiffness"] if stiffness else None,
            None,
            sum(step.evaluations for step in steps),
            scaled=True,
            memory=(stiff ^ turned, torch.where(turned, 0, streak)),
        )

    def _some(self, method: Method, f: Field, time: Tensor, size: Tensor, state: Tensor, slope: Tensor) -> Step:
        """A step of one of the methods, with its dense output as `stages`."""
        step = method.step(f, time, size, state, slope, stiffness=True, repeatable=True)
        powers = method.polynomial(step, size)
        if len(powers) < _POWERS:
            powers = torch.cat([powers, powers.new_zeros(_POWERS - len(powers), *powers.shape[1:])])
        return step._replace(stages=powers)

    def polynomial(self, step: Step, size: Float[Tensor, " row"]) -> Float[Tensor, "power row dim"]:
        """As `Method.polynomial`."""
        return block_of(step)


METHODS: tuple[Method, ...] = (
    Switching(
        name="auto",
        order=4,
        error_order=4,
        stability=math.inf,
        citation="Petzold, Automatic selection of methods for solving stiff and nonstiff systems of ordinary "
        "differential equations, SIAM J. Sci. Stat. Comput. 4 (1983)",
    ),
)
