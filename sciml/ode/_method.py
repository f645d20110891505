"""What a one-step method is: one step of every row, its error, its dense output."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Field = Callable[[Tensor, Tensor], Tensor]
"""The right-hand side as methods see it: ``(time: row, state: row dim) -> row dim``; any number of rows."""


class Step(NamedTuple):
    """One attempted step of every row.

    Fields:
        state: y1.
        slope: f(t + h, y1), the first stage of the next step.
        stages: what the dense output needs, the stage slopes k_1, k_2, ...
        error: embedded error estimate y1 - ŷ1, unscaled; None for a method without one.
        stiffness: S_j, an estimate of the largest |eigenvalue| of ∂f/∂y; None if it was not asked for or cannot be had.
        failed: rows whose inner iteration did not converge, to be tried again with a smaller step; None if none can.
        evaluations: evaluations of f this step took per row, beyond `slope` of the step before.
        scaled: whether `stages` are multiplied by h already.
        memory: what the rows remember if they accept the step, for methods that look back.
    """

    state: Float[Tensor, "row dim"]
    slope: Float[Tensor, "row dim"]
    stages: Float[Tensor, "stage row dim"] | Sequence[Float[Tensor, "row dim"]]
    error: Float[Tensor, "row dim"] | None
    stiffness: Float[Tensor, " row"] | None
    failed: Bool[Tensor, " row"] | None
    evaluations: int
    scaled: bool = False
    memory: tuple[Tensor, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """A one-step method; a leaf is a family (explicit, diagonally implicit, Rosenbrock), its instances are data.

    Arguments:
        name: how users ask for it.
        order: of the solution it advances.
        error_order: order of the embedded solution plus one, so the local error is O(h^error_order); None without one.
        stability: reach of the stability region on the negative real axis; inf for an L-stable method.
        lands: whether it steps exactly onto requested times because its dense output is not good enough.
        citation: where the coefficients come from.
    """

    name: str
    order: int
    error_order: int | None
    stability: float
    lands: bool = False
    citation: str

    @property
    def adaptive(self) -> bool:
        """Whether it estimates its own error."""
        return self.error_order is not None

    @property
    def embeds_slope(self) -> bool:
        """Whether the error estimate contains the slope at the new state, and so is not finite where that is not."""
        return False

    @property
    def remembers(self) -> bool:
        """Whether a step looks at earlier ones, so that it cannot be repeated by itself."""
        return False

    @property
    def twice(self) -> bool:
        """Whether a step has second derivatives, which the transforms of `torch.func` ask for."""
        return True

    def begin(self, state: Float[Tensor, "row dim"]) -> tuple[Tensor, ...]:
        """What the rows remember at the start: tensors with one entry per row."""
        return ()

    @abstractmethod
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
        """Advance every row by its own (signed) step size.

        Arguments:
            f: the right-hand side.
            time, size, state: t, h and y, all of the dtype of the state.
            slope: f(t, y).
            stiffness: whether to estimate S_j.
            repeatable: whether the same bits must come out with gradients enabled and without, because a step will be
                repeated; otherwise a faster order of summation may be chosen without gradients.
            memory: what the rows remember, from `begin` or the `Step` before.

        Differentiable with respect to `state`, `slope` and whatever `f` closes over, when gradients are enabled.
        """

    @abstractmethod
    def polynomial(self, step: Step, size: Float[Tensor, " row"]) -> Float[Tensor, "power row dim"]:
        """The dense output: coefficients of θ, θ², ... in y(t + θh) - y(t)."""

    def interpolate(
        self,
        step: Step,
        state: Float[Tensor, "row dim"],
        size: Float[Tensor, " row"],
        along: Float[Tensor, " row"],
    ) -> Float[Tensor, "row dim"]:
        """The dense output y(t + along · h), along in [0, 1]; `state` and `size` are those the step started with."""
        return evaluate(self.polynomial(step, size), state, step.state, along)

    def interpolate_at(
        self,
        step: Step,
        state: Float[Tensor, "row dim"],
        size: Float[Tensor, " row"],
        position: Int[Tensor, " output"],
        along: Float[Tensor, " output"],
    ) -> Float[Tensor, "output dim"]:
        """The same at any number of places, `position` being the row of each; polynomials first if that is less."""
        if len(position) > len(state):
            polynomial = self.polynomial(step, size).index_select(1, position)
            return evaluate(polynomial, state[position], step.state[position], along)
        return self.interpolate(pick(step, position), state[position], size[position], along)


def pick(step: Step, rows: Int[Tensor, " kept"]) -> Step:
    """Some rows of a step, as far as the dense output needs them."""
    return step._replace(state=step.state[rows], slope=step.slope[rows], stages=block_of(step).index_select(1, rows))


def block_of(step: Step) -> Float[Tensor, "stage row dim"]:
    """The stages as one tensor."""
    return step.stages if isinstance(step.stages, Tensor) else torch.stack(list(step.stages))


def evaluate(
    polynomial: Float[Tensor, "power row dim"],
    before: Float[Tensor, "row dim"],
    after: Float[Tensor, "row dim"],
    along: Float[Tensor, " row"],
) -> Float[Tensor, "row dim"]:
    """``before + c_1 θ + c_2 θ² + ...`` by Horner's rule; exactly `after` at the end of the step."""
    theta = along.to(before.dtype)[:, None]
    *lower, total = polynomial.unbind(0)
    for coefficient in reversed(lower):
        total = torch.addcmul(coefficient, theta, total)
    return torch.where(theta == 1, after, torch.addcmul(before, theta, total))
