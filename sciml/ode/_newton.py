"""Linear algebra of the implicit methods: Jacobians of all rows at once, their factors, Newton's iteration."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch._functorch.eager_transforms import enable_inplace_requires_grad

from sciml.core.errors import UserError
from sciml.ode._method import Field


class Jacobian(NamedTuple):
    """Derivatives of f at every row.

    Fields:
        by_state: ∂f/∂y, ``row out in``.
        by_time: ∂f/∂t; zeros where f does not look at the time.
    """

    by_state: Float[Tensor, "row dim dim"]
    by_time: Float[Tensor, "row dim"]


def jacobian(f: Field, time: Float[Tensor, " row"], state: Float[Tensor, "row dim"]) -> Jacobian:
    """∂f/∂y and ∂f/∂t of every row: one evaluation of `f` and its products with all unit costates at once.

    Rows do not influence each other, so a unit costate for component i of every row gives row i of every Jacobian.
    Works without gradients enabled; with them, the Jacobians are differentiable themselves.

    Raises: UserError if autograd cannot see how `f` depends on the state.
    """
    differentiable = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        now, here = _own(time, differentiable), _own(state, differentiable)
        slope = f(now, here)
        products = _products(f, slope, now, here, (here, now), create_graph=differentiable)
    return Jacobian(products[0].transpose(0, 1), products[1].t())


def linearised(
    f: Field, time: Float[Tensor, " row"], state: Float[Tensor, "row dim"]
) -> tuple[Float[Tensor, "row dim"], Float[Tensor, "row dim dim"]]:
    """f with its graph and ∂f/∂y without one, from the same evaluation; for use with gradients enabled."""
    here = _own(state, True)
    slope = f(time, here)
    (by_state,) = _products(f, slope, time, here, (here,), retain_graph=True)
    return slope, by_state.transpose(0, 1)


def _products(
    f: Field, slope: Tensor, time: Tensor, state: Tensor, inputs: tuple[Tensor, ...], **graph: bool
) -> list[Tensor]:
    """The gradient of every component of the slopes with respect to the inputs; zeros where there is none."""
    rows, dim = slope.shape
    zeros = [slope.new_zeros(dim, *value.shape) for value in inputs]
    if not slope.requires_grad:
        _check_constant(f, time, state, slope)
        return zeros
    if is_functorch_wrapped_tensor(slope):  # where products cannot be batched
        single = [
            torch.autograd.grad(
                slope,
                inputs,
                torch.zeros_like(slope).index_fill(1, unit, 1.0),
                allow_unused=True,
                retain_graph=True,
                create_graph=graph.get("create_graph", False),
            )
            for unit in torch.arange(dim, device=slope.device)
        ]
        stacked = zip(zeros, zip(*single, strict=True), strict=True)
        return [zero if column[0] is None else torch.stack(column) for zero, column in stacked]
    units = torch.eye(dim, dtype=slope.dtype, device=slope.device)[:, None].expand(dim, rows, dim)
    products = torch.autograd.grad(slope, inputs, units, is_grads_batched=True, allow_unused=True, **graph)
    return [zero if product is None else product for zero, product in zip(zeros, products, strict=True)]


def _own(value: Tensor, differentiable: bool) -> Tensor:
    """The same values as a tensor of their own, so that nothing else the right-hand side uses depends on it."""
    if differentiable and value.requires_grad:
        return value.view_as(value)
    with enable_inplace_requires_grad(True):  # under torch.func transforms too
        return value.detach().clone().requires_grad_()


def _check_constant(f: Field, time: Tensor, state: Tensor, slope: Tensor) -> None:
    """A slope without a graph is fine only if it does not change with the state."""
    with torch.no_grad():
        moved = f(time, state + 1e-2 * (1 + state.abs()))
    if not torch.equal(moved, slope.detach()):
        raise UserError(
            "implicit methods need ∂f/∂y, and autograd cannot follow how this right-hand side depends on the state",
            fix="Write it in torch without detach(), numpy or no_grad (a gradient taken inside it needs "
            "create_graph=True), or take an explicit method such as dopri5.",
        )


def spectral_radius(matrix: Float[Tensor, "row dim dim"]) -> Float[Tensor, " row"]:
    """Largest |eigenvalue| of every matrix, without gradient; inf where an entry is not finite."""
    detached = matrix.detach()
    good = detached.isfinite().flatten(1).all(1)
    radius = torch.linalg.eigvals(torch.where(good[:, None, None], detached, 0.0)).abs().amax(1)
    return torch.where(good, radius, torch.inf)


class Factors(NamedTuple):
    """LU factors of one matrix per row; differentiable like the matrices they came from."""

    lu: Float[Tensor, "*stage row dim dim"]
    pivots: Int[Tensor, "*stage row dim"]

    @classmethod
    def of(cls, derivative: Float[Tensor, "*stage row dim dim"], reach: Float[Tensor, "row 1"]) -> "Factors":
        """Factors of I - reach · derivative; a singular matrix gives solutions that are not finite."""
        matrix = torch.eye(derivative.shape[-1], dtype=derivative.dtype, device=derivative.device)
        lu, pivots, _ = torch.linalg.lu_factor_ex(matrix - reach[..., None] * derivative)
        return cls(lu, pivots)

    def solve(self, right: Float[Tensor, "row dim"]) -> Float[Tensor, "row dim"]:
        """The solutions of every row's system."""
        return torch.linalg.lu_solve(self.lu, self.pivots, right[..., None])[..., 0]

    def solve_transposed(self, right: Float[Tensor, "row dim"]) -> Float[Tensor, "row dim"]:
        """The solutions of every row's transposed system."""
        return torch.linalg.lu_solve(self.lu, self.pivots, right[..., None], adjoint=True)[..., 0]

    def stage(self, index: int) -> "Factors":
        """Those of one stage."""
        return Factors(self.lu[index], self.pivots[index])

    def renewed(self, rows: Bool[Tensor, " row"], new: "Factors") -> "Factors":
        """These factors with those of some rows replaced."""
        return Factors(
            torch.where(rows[:, None, None], new.lu, self.lu), torch.where(rows[:, None], new.pivots, self.pivots)
        )

    def detach(self) -> "Factors":
        """The same factors without their graph."""
        return Factors(self.lu.detach(), self.pivots)


class Solved(NamedTuple):
    """What Newton's iteration found.

    Fields:
        slope: k with k = f(t, base + reach · k).
        failed: rows where it did not get there.
        factors: the factors it used last.
        evaluations: evaluations of f per row, as many as there are components for every new Jacobian.
    """

    slope: Float[Tensor, "row dim"]
    failed: Bool[Tensor, " row"]
    factors: Factors
    evaluations: int


@dataclass(frozen=True)
class Newton:
    """Simplified Newton iteration for k = f(t, base + reach · k), every row on its own.

    (I - reach J) Δ = f(t, base + reach k) - k with a Jacobian from the start of the step, or of an earlier stage; a row
    that would need more than five further iterations with it gets a new one where it is, and starts again from y if its
    increments grow, for then the first guess was astray. A row is done when what is left of the iteration,
    θ/(1 - θ) · |reach Δ| with θ the ratio of its last two increments, is below `tolerance` · |y| in every component (32
    roundings of the largest component at least), or when increments within a hundred times of that do not shrink any
    more. A row failed if increments grow with a new Jacobian too, are not finite, or `iterations` were not enough. A
    row that is done is not touched again: its result does not depend on the others.

    The tolerance is far below that of the step-size control, which is not known here: slopes enter the next step and
    the gradient takes the equation for solved.

    Arguments:
        tolerance: relative; None for 1e-10 in double and 1e-5 in single precision.
        iterations: most per stage.
    """

    tolerance: float | None = None
    iterations: int = 12

    def threshold(self, state: Float[Tensor, "row dim"]) -> Float[Tensor, "row dim"]:
        """The increments that do not matter, component by component."""
        relative = self.tolerance
        if relative is None:
            relative = 1e-5 if state.dtype == torch.float32 else 1e-10
        size = state.abs()
        floor = size.amax(1, keepdim=True) * (32 * torch.finfo(state.dtype).eps)
        return torch.maximum(size * relative, floor).clamp_min(torch.finfo(state.dtype).tiny ** 0.5)

    def solve(
        self,
        f: Field,
        time: Float[Tensor, " row"],
        base: Float[Tensor, "row dim"],
        reach: Float[Tensor, "row 1"],
        guess: Float[Tensor, "row dim"],
        factors: Factors,
        state: Float[Tensor, "row dim"],
    ) -> Solved:
        """Solve one stage.

        Arguments:
            time, base, reach: the stage's time, known part and h γ.
            guess: where to start.
            factors: of I - reach J.
            state: the state the step started with, for the size of its components.
        """
        slope, spent = guess, 0
        done = hopeless = renewed = torch.zeros(len(state), dtype=torch.bool, device=state.device)
        known = ~done  # rows whose last increment came from the same matrix
        weight = before = first = state
        for count in range(1, self.iterations + 1):
            there = torch.addcmul(base, reach, slope)
            move = factors.solve(f(time, there) - slope)
            slope, spent = slope + (move if count < 3 else move.masked_fill(done[:, None], 0.0)), spent + 1
            if count == 1:
                first = move
                continue
            if count == 2:
                weight = reach / self.threshold(torch.maximum(state.abs(), there.abs()))
                before = _largest(first * weight)
            now = _largest(move * weight)
            small = (now.square() <= before - now) | ((before <= 100) & (now <= 100) & (2 * now >= before))
            done = done | (small & known & ~hopeless)
            if count == self.iterations or bool((done | hopeless).all()):
                break
            slow = known & ~done & ~(now * (now / before).pow(5) <= 1)
            hopeless = hopeless | (~done & (~now.isfinite() | (slow & renewed & (now >= before))))
            slow = slow & ~hopeless
            if bool(slow.any()):
                astray = slow & ~renewed & (now >= before)
                slope = torch.where(astray[:, None], (state - base) / reach, slope)
                here = jacobian(f, time, torch.addcmul(base, reach, slope)).by_state
                factors, spent = factors.renewed(slow, Factors.of(here, reach)), spent + state.shape[1]
                renewed = renewed | slow
            known, before = ~slow, now
        return Solved(slope, ~done, factors, spent)


def _largest(values: Float[Tensor, "row dim"]) -> Float[Tensor, " row"]:
    return torch.linalg.vector_norm(values, torch.inf, 1)
