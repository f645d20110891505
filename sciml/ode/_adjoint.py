"""The continuous adjoint: gradients from a second differential equation, solved backward, without storing the steps."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import ConfigError, NumericsError
from sciml.core.status import Status
from sciml.ode._control import PID, Tolerance
from sciml.ode._dirk import DiagonallyImplicit
from sciml.ode._explicit import Explicit
from sciml.ode._forward import Trail, forward
from sciml.ode._graph import complain_if_missed, first_order
from sciml.ode._method import Method, pick
from sciml.ode._plan import Plan
from sciml.ode._solution import Stats
from sciml.ode._walk import Move, Walk
from sciml.ode._weights import constants

DRIFT = 1000.0
"""How far the state may be off before the gradient is doubted, in units of the tolerance."""

FIXED = Tolerance(1e-5, 1e-5)
"""The tolerance that the drift is measured by where steps are fixed and have none."""


class AdjointDriftWarning(UserWarning):
    """The state integrated backward is not the one the forward solve had: the gradient belongs to another curve."""


class Backsolve(NamedTuple):
    """What a backward integration did.

    Fields:
        stats: its counters; an evaluation is one of f with one product with its Jacobian, at the stages of the steps
            and, where parameters or arguments need a gradient, once more at the nodes of the quadrature.
        drift: per sample, the largest distance between the state integrated backward and the stored one, in units of
            atol + rtol |y| (RMS over components); of 1e-5 (1 + |y|) where the forward steps are fixed.
    """

    stats: Stats
    drift: Float[Tensor, " batch"]


@dataclass(frozen=True, kw_only=True)
class Adjoint:
    """The adjoint equation of the exact flow, integrated backward per sample:

        dy/dt = f(t, y),  da/dt = -aᵀ ∂f/∂y,  dL/dθ = ∫ aᵀ ∂f/∂θ dt,  a = dL/dy.

    Between requested times y and a are integrated backward together, by the method of the forward solve and its
    tolerances; at every requested time y is set to what the forward solve had and a takes up what the loss says there.
    The integral is not part of that state (Kidger's semi-norm): it is summed after each accepted step, with the weights
    of the method at its stages, or by Gauss-Legendre on the dense output for methods without stages at nodes. Since a
    enters linearly it is integrated at unit size, so tolerances mean the same whatever the scale of the loss.

    Memory does not grow with the number of steps. The price: the gradient is that of the exact flow, equal to the one
    of the steps taken up to about the tolerance; where f contracts, y is not recovered backward and the gradient is
    wrong. E_j and S_j are properties of the steps, which this forgets: ``record=True`` returns them without gradient.
    Events are found first and then solved to.

    Arguments:
        rtol, atol: of the backward solve; None takes those of the forward one.
        method: of the backward solve; None takes that of the forward one.
        step: longest fixed step of the backward solve; ``same`` as the forward one, or None for steps by their error.
        controller: of the steps of the backward solve; None takes that of the forward one.
        parameters: tensors whose gradient is wanted; None finds all those that `f` uses.
        warn: warn when the state is off by more than a thousand times the tolerance.
        report: called with a `Backsolve` after every backward pass.
        measure: the size of scaled components of (y, a), ``row dim -> row``; None for the root mean square, or for the
            larger of what the tolerance of the forward solve measures of y and of a.
        watch: called with every `Move` of the backward solve.

    Raises: NumericsError from ``backward()`` when the backward integration of a sample fails.

    Reference: Chen et al., Neural ordinary differential equations (2018), arXiv:1806.07366; Kidger, Chen, Lyons, "Hey,
    that's not an ODE": faster ODE adjoints via seminorms (2021), arXiv:2009.09457.
    """

    rtol: float | int | None = None
    atol: float | int | Float[Tensor, "..."] | None = None
    method: Method | None = None
    step: float | int | Literal["same"] | None = "same"
    controller: PID | None = None
    parameters: Sequence[Tensor] | None = None
    warn: bool = True
    report: Callable[[Backsolve], None] | None = None
    measure: Callable[[Tensor], Tensor] | None = None
    watch: Callable[[Move], None] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.step, (float, int)) and not self.step > 0:
            raise ConfigError("a fixed step must be positive", got=self.step)

    def run(
        self,
        plan: Plan,
        state: Float[Tensor, "batch dim"],
        leaves: Sequence[Tensor],
        drive: Callable[[Plan, Tensor], Trail] = forward,
    ) -> tuple[Tensor, Tensor, Tensor, Trail]:
        """States at the requested times with the gradient of the adjoint equation; errors and stiffness without one.

        `drive` makes the forward solve.
        """
        wanted = leaves if self.parameters is None else [p for p in self.parameters if p.requires_grad]
        box: list[Trail] = []
        outputs, errors, stiffness = _Continuous.apply(plan, self, drive, box, state, *plan.args, *wanted)
        return outputs, errors, stiffness, box[0]

    def backward_plan(self, plan: Plan, like: Tensor) -> Plan:
        """What stays the same over the backward solve: its times, state and arguments are filled in per interval."""
        relative = plan.tolerance.relative if self.rtol is None else float(self.rtol)
        absolute = plan.tolerance.absolute if self.atol is None else self.atol
        if isinstance(absolute, Tensor):
            absolute = absolute.reshape(-1).to(like).repeat(2)
        chosen = Plan(
            f=_Augmented(plan.f),
            args=(),
            wanted=plan.wanted[:, :2],
            method=self.method or plan.method,
            tolerance=Tolerance(
                relative,
                absolute if isinstance(absolute, Tensor) else float(absolute),
                self.measure or _larger(plan.tolerance.measure),
            ),
            watch=self.watch,
            controller=self.controller or plan.controller,
            step=plan.step if self.step == "same" else None if self.step is None else float(self.step),
            max_steps=plan.max_steps,
            record=False,
            sign=-plan.sign,
        )
        if chosen.step is None and not chosen.method.adaptive:
            raise ConfigError(
                f"{chosen.method.name} has no error estimate to choose the steps of the adjoint by",
                fix="Give Adjoint a fixed step, or an adaptive method such as dopri5.",
            )
        return chosen


def _larger(measure: Callable[[Tensor], Tensor] | None) -> Callable[[Tensor], Tensor] | None:
    """The larger of what is measured of both halves."""
    if measure is None:
        return None
    return lambda both: torch.maximum(*(measure(half) for half in both.chunk(2, 1)))


class _Augmented:
    """The right-hand side of (y, a) with time running backward: -f and (∂f/∂y)ᵀ a."""

    def __init__(self, f: Callable[..., Tensor]) -> None:
        self.f = f

    def __call__(self, time: Tensor, both: Tensor, *args: Tensor) -> Tensor:
        """Slopes of both halves; differentiable where gradients are enabled, for the Jacobians of implicit methods."""
        keep = torch.is_grad_enabled()
        state, costate = (both if keep else both.detach()).chunk(2, 1)
        with torch.enable_grad():
            state = state.contiguous() if state.requires_grad else state.contiguous().requires_grad_()
            slope = self.f(-time, state, *args)
        product = None
        if slope.requires_grad:
            (product,) = torch.autograd.grad(
                slope, state, costate, allow_unused=True, retain_graph=True, create_graph=keep
            )
        product = torch.zeros_like(costate) if product is None else product
        return torch.cat([-slope if keep else slope.detach().neg(), product], dim=1)


class _Continuous(torch.autograd.Function):
    """The solve as one node, whose backward is the adjoint equation."""

    @staticmethod
    def forward(
        ctx: Any, plan: Plan, mode: Adjoint, drive: Callable[[Plan, Tensor], Trail], box: list[Trail], *tensors: Tensor
    ) -> Any:
        """``tensors`` are the initial state, the arguments and the parameters; the trail is left in `box`."""
        plan = replace(plan, args=tuple(t.detach() for t in tensors[1 : 1 + len(plan.args)]))
        backward = mode.backward_plan(plan, tensors[0])
        trail = drive(plan, tensors[0].detach())
        box.append(trail)
        ctx.plan, ctx.mode, ctx.backward_plan = plan, mode, backward
        ctx.save_for_backward(trail.outputs, *tensors)
        ctx.mark_non_differentiable(trail.errors, trail.stiffness)
        return trail.outputs, trail.errors, trail.stiffness

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Gradients of the initial state, the arguments and the parameters."""
        outputs, _, *tensors = ctx.saved_tensors
        needs = ctx.needs_input_grad[5:]
        count = len(ctx.plan.args)
        solve = _Backward(ctx.plan, ctx.mode, ctx.backward_plan, outputs, tensors[count:], needs[:count])
        costate = solve.run(grads[0])
        if ctx.mode.report is not None:
            accepted, rejected, evaluations = solve.counters
            ctx.mode.report(Backsolve(Stats(accepted, rejected, evaluations, solve.calls), solve.drift))
        if ctx.mode.warn:
            solve.warn()
        args = (g if need else None for g, need in zip(solve.args, needs, strict=False))
        return (None, None, None, None, costate, *args, *solve.leaves)


class _Backward:
    """One backward integration over all requested times, and what it adds up."""

    def __init__(
        self,
        plan: Plan,
        mode: Adjoint,
        backward: Plan,
        outputs: Float[Tensor, "batch time dim"],
        leaves: Sequence[Tensor],
        needs: Sequence[bool],
    ) -> None:
        self.plan, self.backward, self.outputs = plan, backward, outputs
        self.every = mode.parameters is None
        self.inputs = list(leaves)
        self.leaves = [torch.zeros_like(p) for p in leaves]
        self.args = [torch.zeros_like(a) for a in plan.args]
        self.needs = [need and a.is_floating_point() for need, a in zip(needs, plan.args, strict=True)]
        zeros = torch.zeros(len(outputs), dtype=torch.long, device=outputs.device)
        self.counters = [zeros.clone() for _ in range(3)]  # accepted, rejected, evaluations
        self.calls = 0
        self.drift = outputs.new_zeros(len(outputs))
        self.size: Tensor | None = None

    def run(self, grads: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch dim"]:
        """The gradient of the initial state, from those of the states at the requested times."""
        reached = self.outputs.isfinite().all(2)
        grads = torch.where(reached[:, :, None], grads, 0.0)  # what was not reached has no gradient
        costate = torch.zeros_like(self.outputs[:, 0])
        for i in range(self.outputs.shape[1] - 1, 0, -1):
            costate = costate + grads[:, i]
            apart = self.plan.wanted[:, i] > self.plan.wanted[:, i - 1]  # a time may be repeated
            rows = ((costate != 0).any(1) & apart).nonzero().flatten()
            if len(rows):
                costate = costate.index_copy(0, rows, self._interval(i, rows, costate[rows]))
        return costate + grads[:, 0]

    def _interval(self, i: int, rows: Int[Tensor, " row"], costate: Float[Tensor, "row dim"]) -> Tensor:
        """The costate of some rows at requested time i - 1 from that at i."""
        scale = costate.abs().amax(1)
        wanted = -self.plan.wanted[rows[:, None], torch.tensor([[i, i - 1]], device=rows.device)]
        plan = replace(
            self.backward,
            args=tuple(a[rows] for a in self.plan.args),
            wanted=wanted,
            first=None if self.size is None or self.backward.step is not None else self._first(rows, wanted),
        )
        both = torch.cat([self.outputs[rows, i], costate / scale[:, None]], dim=1)

        def see(move: Move, left: Walk | None) -> None:
            self._quadrature(plan, move, rows, scale)
            self._note_size(plan, move, rows)

        trail = forward(plan, both, see)
        self.calls += trail.calls
        for counter, more in zip(
            self.counters, (trail.accepted, trail.attempts - trail.accepted, trail.evaluations), strict=True
        ):
            counter.index_add_(0, rows, more)
        if bool((trail.status != Status.OK).any()):
            self._give_up(rows, trail)
        state, after = trail.outputs[:, 1].chunk(2, 1)
        unit = FIXED if self.plan.step is not None else self.plan.tolerance
        off = unit.norm(state - self.outputs[rows, i - 1], self.outputs[rows, i - 1])
        self.drift[rows] = torch.maximum(self.drift[rows], off)
        return after * scale[:, None]

    def _first(self, rows: Tensor, wanted: Tensor) -> Tensor:
        """The step an interval starts with: where the one before left off; a row that is new there starts carefully."""
        assert self.size is not None
        span = wanted[:, 1] - wanted[:, 0]
        known = self.size[rows]
        return torch.where(known > 0, torch.minimum(known, span), span * 1e-3)

    def _note_size(self, plan: Plan, move: Move, rows: Tensor) -> None:
        """The step that rows which are done would have taken next."""
        if plan.step is not None or move.ended is None:
            return
        assert move.error is not None and plan.method.error_order is not None
        if self.size is None:
            self.size = torch.zeros_like(self.plan.wanted[:, 0])
        walk = move.walk
        taken = move.size.double()
        following = taken * plan.controller.factor(move.error, walk.earlier, plan.method.error_order)
        following = torch.where(taken < walk.size, torch.maximum(following, walk.size), following)
        position = move.ended[0]
        self.size[rows[walk.rows[position]]] = following[position]

    def _quadrature(self, plan: Plan, move: Move, rows: Tensor, scale: Tensor) -> None:
        """Add h Σ b_i a_iᵀ ∂f/∂(θ, args) of the accepted steps, all nodes of all rows in one product."""
        wanting = bool(self.inputs) or any(self.needs)
        if not wanting and not self.every:
            return
        kept = move.accept.nonzero().flatten()
        if not len(kept):
            return
        assert move.step is not None
        walk, size = move.walk, move.size[kept]
        along, weights, points = _nodes(plan.method, pick(move.step, kept), walk.state[kept], size)
        if not wanting:  # one node will show whether f uses a parameter after all
            along, weights, points = along[:1], weights[:1], points[:1]
        time = (walk.time[kept] + along[:, None] * size.double()).to(size.dtype)
        mine = walk.rows[kept]
        state, costate = points.flatten(0, 1).chunk(2, 1)
        costate = costate * (weights[:, None] * (size * scale[mine])).flatten()[:, None]
        owners = rows[mine].repeat(len(weights))
        args = [a[owners].requires_grad_(need) for a, need in zip(self.plan.args, self.needs, strict=True)]
        state = state.contiguous().requires_grad_()  # f may differentiate by it; it would make a leaf of its own of it
        with torch.enable_grad():
            slope = self.plan.f(-time.flatten(), state, *args)
        self.calls += 1
        self.counters[2].index_add_(0, owners, torch.ones_like(owners))
        if self.every:
            known, again = [state, *args, *self.inputs], lambda: self.plan.f(-time.flatten(), state, *args)
            complain_if_missed(self.plan.f, slope, known, walk.time[kept], again)
        if not wanting or not slope.requires_grad:
            return
        wanted = [a for a in args if a.requires_grad]
        inputs = [*wanted, *self.inputs]  # the graph stays: a part of it may belong to the caller that made f
        grads = iter(torch.autograd.grad(slope, inputs, costate, allow_unused=True, retain_graph=True))
        for total, arg in zip(self.args, args, strict=True):
            gradient = next(grads) if arg.requires_grad else None
            if gradient is not None:
                total.index_add_(0, owners, gradient)
        for total, gradient in zip(self.leaves, grads, strict=True):
            if gradient is not None:
                total += gradient

    def _give_up(self, rows: Tensor, trail: Trail) -> None:
        failed = (trail.status != Status.OK).nonzero().flatten().tolist()
        sample = int(rows[failed[0]])
        raise NumericsError(
            f"the adjoint equation of {len(failed)} samples cannot be integrated backward; sample {sample}: "
            f"{trail.words.get(failed[0], Status(int(trail.status[failed[0]])).name)}. "
            "The gradient of the steps themselves exists: take gradient=Checkpointed() or Discrete()."
        )

    def warn(self) -> None:
        """Say so if the state was not recovered."""
        bad = ~(self.drift <= DRIFT)
        if not bool(bad.any()):
            return
        worst = int(self.drift.nan_to_num(nan=torch.inf).argmax())
        warnings.warn(
            AdjointDriftWarning(
                f"integrated backward, the state of {int(bad.sum())} of {len(bad)} samples misses the one the forward "
                f"solve had, by {float(self.drift[worst]):.3g} times the tolerance in sample {worst}: the gradient of "
                "the continuous adjoint cannot be trusted there. Take gradient=Checkpointed(), which needs little "
                "memory too, or ask for more times in between, where the state is set right."
            ),
            stacklevel=2,
        )


def _nodes(method: Method, step: Any, state: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes in [0, 1], their weights and the state there, ``node row dim``, for a sum exact to the method's order."""
    if isinstance(method, (Explicit, DiagonallyImplicit)):
        table = method.tableau
        used = [i for i, b in enumerate(table.b) if b]
        count = len(table.a[used[-1]])
        stages = step.stages if isinstance(step.stages, Tensor) else torch.stack(list(step.stages))
        coefficients = tuple(float(v) for i in used for v in (*table.a[i], *(0.0,) * (count - len(table.a[i]))))
        points = state.expand(len(used), *state.shape)
        if count:
            mixed = constants(coefficients, state).view(len(used), count) @ stages[:count].flatten(1)
            mixed = mixed.view(points.shape)
            points = points + (mixed if step.scaled else size[:, None] * mixed)
        nodes, weights = tuple(float(table.c[i]) for i in used), tuple(float(table.b[i]) for i in used)
    else:
        nodes, weights = gauss_legendre((method.order + 1) // 2)
        points = torch.stack([method.interpolate(step, state, size, torch.full_like(size, x)) for x in nodes])
    return constants(nodes, size), constants(weights, size), points


def gauss_legendre(count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nodes and weights of Gauss-Legendre quadrature on [0, 1], exact for polynomials up to degree 2 count - 1.

    From the eigenvectors of the Jacobi matrix. Reference: Golub, Welsch, Math. Comp. 23 (1969).
    """
    k = torch.arange(1, count, dtype=torch.float64)
    beside = k / torch.sqrt(4 * k**2 - 1)
    values, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return tuple(((values + 1) / 2).tolist()), tuple((vectors[0] ** 2).tolist())
