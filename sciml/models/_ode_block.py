"""The layer that networks with an equation in them are made of: a learned field, integrated."""

from typing import Generic, Literal, TypeVar

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sciml import ode
from sciml.core.config import Config
from sciml.core.errors import UnsupportedError
from sciml.models._integrals import WithIntegral, random_signs
from sciml.models._local import local_error
from sciml.models._regularise import Policy, RegulariseConfig, jittered_times, steps_penalty
from sciml.nn import Network, full_precision

F = TypeVar("F", bound=nn.Module)
"""The learned field."""
_SHARE = 0.5
"""Longest step between two times at which something begins or ends, as a share of their distance."""


class IntegrateConfig(Config):
    """How a learned field is integrated."""

    method: str = "tsit5"
    """Key of the integration method."""
    rtol: float = pydantic.Field(default=1e-4, ge=0)
    """Relative tolerance."""
    atol: float = pydantic.Field(default=1e-4, ge=0)
    """Absolute tolerance."""
    step: float | None = pydantic.Field(default=None, gt=0)
    """Longest fixed step; None chooses steps by their error."""
    gradient: Literal["discrete", "checkpointed", "adjoint"] = "discrete"
    """Backpropagation through the steps, the same with checkpoints, or the continuous adjoint equation."""
    max_steps: int = pydantic.Field(default=2000, ge=1)
    """Attempted steps per sample before it is given up."""

    @property
    def mode(self) -> ode.Discrete | ode.Checkpointed | ode.Adjoint:
        """The engine's gradient mode."""
        return {"discrete": ode.Discrete, "checkpointed": ode.Checkpointed, "adjoint": ode.Adjoint}[self.gradient]()


class ODEBlock(Network, Generic[F]):
    """z(t_i) for dz/dt = f_θ(t, z), z(t_0) given; in training also the penalty of a regularisation.

    The penalty waits in `policy` until the loss takes it (``block.policy.add_to(loss, along)``). Evaluations of f are
    counted over all solves in `solves`, `calls` and `evaluations`.

    Arguments:
        field: f, a module ``(time: row, state: row *shape, *args) -> row *shape``.
        integrate: how it is integrated; by its defaults if left out.
        regularise: what is penalised in training; nothing if left out.
        watched: leading components of the flattened state that the integrals of rnode and taynode look at; all if None.

    Raises:
        UnsupportedError: the regularisation needs what the integration does not give.
        UnknownNameError: there is no such method.
    """

    field: F

    def __init__(
        self,
        field: F,
        *,
        integrate: IntegrateConfig | None = None,
        regularise: RegulariseConfig | None = None,
        watched: int | None = None,
    ) -> None:
        super().__init__()
        self.field, self.integrate, self.watched = field, integrate or IntegrateConfig(), watched
        self.policy = Policy(regularise or RegulariseConfig())
        self.method = ode.find_method(self.integrate.method)
        _check(self.policy.config, self.integrate, self.method)
        self.solves, self.calls, self.evaluations = 0, 0, 0.0

    def forward(
        self,
        y0: Float[Tensor, "batch ..."],
        times: Float[Tensor, "*batch time"],
        args: tuple[Tensor, ...] = (),
        *,
        tolerance: float | None = None,
        breaks: Float[Tensor, "batch break"] | None = None,
    ) -> tuple[Float[Tensor, "batch time ..."], ode.Solution]:
        """States at `times` and everything else the solve says.

        Arguments:
            y0: states at the first time.
            times: strictly monotone, common to all samples or one row each.
            args: what f needs per sample.
            tolerance: replaces both tolerances.
            breaks: times that no step crosses, as of `ode.solve_forced`, without penalties.

        Equations are solved in float32 at least, also where the rest of a network runs in half precision.
        """
        with full_precision(y0):
            if breaks is not None:
                solution = self._forced(at_least_single(y0), times, args, tolerance, breaks)
                return solution.states, solution
            return self._integrate(at_least_single(y0), times, args, tolerance)

    def _integrate(
        self, y0: Tensor, times: Tensor, args: tuple[Tensor, ...], tolerance: float | None
    ) -> tuple[Tensor, ode.Solution]:
        config = self.policy.config
        if not self.training or config.kind == "none":
            solution = self.solve(self.field, y0, times, args, tolerance)
            return solution.states, solution
        times = jittered_times(times, config.jitter) if config.steers else times
        if config.integral:
            return self._with_integral(y0, times, args, tolerance)
        if config.local:
            return self._with_local(y0, times, args, tolerance)
        solution = self.solve(self.field, y0, times, args, tolerance, record=config.heuristic is not None)
        if solution.steps is not None:
            self.policy.penalty = steps_penalty(config, solution.steps, self.method.stability)
        return solution.states, solution

    def _with_integral(
        self, y0: Tensor, times: Tensor, args: tuple[Tensor, ...], tolerance: float | None
    ) -> tuple[Tensor, ode.Solution]:
        config, flat = self.policy.config, y0.flatten(1)
        watched = flat.shape[1] if self.watched is None else self.watched
        field = WithIntegral(
            self.field,
            y0.shape[1:],
            kind="rnode" if config.kind == "rnode" else "taynode",
            watched=watched,
            jacobian=config.jacobian,
        )
        packed = torch.cat((flat, flat.new_zeros(len(flat), 1)), dim=1)
        signs = random_signs(flat.detach(), watched).to(torch.int8)
        solution = self.solve(field, packed, times, (signs, *args), tolerance)
        backward = times[..., -1] < times[..., 0]
        total = solution.states[:, -1, -1]
        self.policy.penalty = torch.where(backward, -total, total).mean()
        return solution.states[..., :-1].unflatten(2, y0.shape[1:]), solution

    def _with_local(
        self, y0: Tensor, times: Tensor, args: tuple[Tensor, ...], tolerance: float | None
    ) -> tuple[Tensor, ode.Solution]:
        config = self.policy.config
        rows = times.detach().double().expand(len(y0), -1)
        first, last = rows[:, 0], rows[:, -1]
        share = torch.rand(len(y0), dtype=torch.float64, device=y0.device)
        record = config.kind == "local_biased" or config.length == "taken"
        if config.kind == "local":
            moment = torch.lerp(first, last, share)
            states, there, solution = self._through(moment, y0, times, args, tolerance, record=record)
            chosen = None if solution.steps is None else _step_at(solution.steps, moment)
        else:
            solution = self.solve(self.field, y0, times, args, tolerance, record=record)
            assert solution.steps is not None
            chosen = (share * solution.steps.taken.sum(1)).long().clamp_max(solution.steps.time.shape[1] - 1)
            moment = solution.steps.time.gather(1, chosen[:, None])[:, 0].double()
            states, there = solution.states, self._revisit(moment, y0, first, last, args, tolerance)
        length = None
        if self.integrate.step is not None:
            length = torch.full_like(moment, self.integrate.step)
        elif config.length == "taken":
            assert solution.steps is not None and chosen is not None
            length = solution.steps.size.gather(1, chosen[:, None])[:, 0].abs().double()
        relative, absolute = self._tolerances(tolerance)
        errors = local_error(
            self.field, moment, there, last, length, args,
            method=self.method, tolerance=ode.Tolerance(relative, absolute),
        )  # fmt: skip
        self.policy.penalty = errors.mean()
        return states, solution

    def _through(
        self,
        moment: Tensor,
        y0: Tensor,
        times: Tensor,
        args: tuple[Tensor, ...],
        tolerance: float | None,
        *,
        record: bool,
    ) -> tuple[Tensor, Tensor, ode.Solution]:
        """One solve that also gives the states at one more time of every sample."""
        rows = times.double().expand(len(y0), -1)
        order = torch.cat((rows.detach(), moment[:, None]), dim=1).argsort(dim=1, stable=True)
        if bool(rows[0, -1] < rows[0, 0]):
            order = order.flip(1)
        merged = torch.cat((rows, moment[:, None]), dim=1).gather(1, order)
        solution = self.solve(self.field, y0, merged, args, tolerance, record=record)
        back = order.argsort(dim=1)
        index = back.view(*back.shape, *[1] * (solution.states.ndim - 2)).expand(-1, -1, *solution.states.shape[2:])
        states = solution.states.gather(1, index)
        return states[:, :-1], states[:, -1].detach(), solution

    @torch.no_grad()
    def _revisit(
        self,
        moment: Tensor,
        y0: Tensor,
        first: Tensor,
        last: Tensor,
        args: tuple[Tensor, ...],
        tolerance: float | None,
    ) -> Tensor:
        """The states at the times where chosen steps of a solve started, found by a second solve."""
        later = torch.where(moment == first, torch.lerp(first, last, 0.5), moment)
        states = self.solve(self.field, y0, torch.stack((first, later), 1), args, tolerance).states
        keep = (moment == first).view(-1, *[1] * (y0.ndim - 1))
        return torch.where(keep, y0, states[:, 1])

    def _tolerances(self, tolerance: float | None) -> tuple[float, float]:
        return (self.integrate.rtol, self.integrate.atol) if tolerance is None else (tolerance, tolerance)

    def solve(
        self,
        field: nn.Module,
        y0: Float[Tensor, "batch ..."],
        times: Float[Tensor, "*batch time"],
        args: tuple[Tensor, ...] = (),
        tolerance: float | None = None,
        *,
        record: bool = False,
    ) -> ode.Solution:
        """A plain solve with this block's settings, of its own field or of another."""
        relative, absolute = self._tolerances(tolerance)
        solution = ode.solve(
            field,
            y0,
            times,
            args=args,
            method=self.method,
            rtol=relative,
            atol=absolute,
            step=self.integrate.step,
            gradient=self.integrate.mode,
            max_steps=self.integrate.max_steps,
            record=record,
        )
        return self._counted(solution)

    def _forced(
        self, y0: Tensor, times: Tensor, args: tuple[Tensor, ...], tolerance: float | None, breaks: Tensor
    ) -> ode.Solution:
        check_unpenalised(self.policy.config)
        relative, absolute = self._tolerances(tolerance)
        step = self.integrate.step
        longest = float((times[..., -1] - times[..., 0]).detach().max())
        return self._counted(
            ode.solve_forced(
                self.field, y0, times, breaks, share=_SHARE, args=args, method=self.method, rtol=relative,
                atol=absolute, step=None if step is None else min(_SHARE, step / longest),
                gradient=self.integrate.mode,
                max_steps=self.integrate.max_steps,
            )
        )  # fmt: skip

    def _counted(self, solution: ode.Solution) -> ode.Solution:
        self.solves += 1
        self.calls += solution.stats.calls
        self.evaluations += float(solution.stats.evaluations.double().mean())
        return solution


def check_unpenalised(config: RegulariseConfig) -> None:
    """Refuse penalties on the steps of an equation that is forced at known times: breaks, not errors, bound these."""
    if config.kind != "none":
        raise UnsupportedError(
            "an equation that is forced at known times is integrated from one of them to the next, without penalties",
            got=f"regularise.kind={config.kind}",
            fix="Set model.regularise.kind=none, or model.clock=false.",
        )


def at_least_single(values: Tensor) -> Tensor:
    """The values in float32 if they come in less."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _step_at(steps: ode.Steps, moment: Float[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Index of the accepted step that each moment lies in."""
    passed = (moment[:, None] - steps.time) * steps.size.sign() >= 0
    return ((passed & steps.taken).sum(1) - 1).clamp_min(0)


def _check(config: RegulariseConfig, integrate: IntegrateConfig, method: ode.Method) -> None:
    """Refuse a regularisation that cannot work with the integration, with the reason."""
    if config.heuristic is not None and integrate.gradient == "adjoint":
        raise UnsupportedError(
            f"regularisation {config.kind!r} cannot be used with the continuous adjoint: errors and stiffness belong "
            "to the solver's steps, which the adjoint equation knows nothing of, so their gradient would be lost",
            got=f"regularise.kind={config.kind}, integrate.gradient=adjoint",
            expected="gradients through the steps (discrete or checkpointed), or a penalty that does without them",
            fix="Set integrate.gradient=discrete, or regularise.kind=local, which works with every gradient.",
        )
    errors = config.local or config.heuristic in ("er", "er2", "er_sr")
    if errors and not method.adaptive:
        raise UnsupportedError(
            f"the regularisation {config.kind!r} penalises the error estimate, and method {method.name} has none",
            fix="Choose integrate.method=tsit5 or dopri5.",
        )
    if config.heuristic in ("sr", "er_sr") and not _estimates_stiffness(method):
        raise UnsupportedError(
            f"the regularisation {config.kind!r} penalises the stiffness estimate, and method {method.name} has none",
            fix="Choose integrate.method=tsit5 or dopri5.",
        )


def _estimates_stiffness(method: ode.Method) -> bool:
    """Whether a step of the method says how stiff the equation is, by trying one."""
    one = torch.ones(1, dtype=torch.float64, device="cpu")
    step = method.step(lambda time, state: -state, one, 0.1 * one, one[:, None], -one[:, None], stiffness=True)
    return step.stiffness is not None
