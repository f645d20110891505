"""SciPy's `solve_ivp` as a second backend: for single small systems, where a step of ours costs ten of its."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UnknownNameError, UnsupportedError
from sciml.core.status import Status
from sciml.ode._control import PID
from sciml.ode._forward import Trail
from sciml.ode._newton import jacobian
from sciml.ode._plan import Plan

SCIPY_METHODS = ("RK45", "RK23", "DOP853", "Radau", "BDF", "LSODA")
"""Methods of SciPy that are offered with ``backend="scipy"``."""
_STIFF = ("Radau", "BDF")


class _OutOfSteps(Exception):
    """The budget is spent; SciPy has none of its own."""


def check(plan: Plan, method: str) -> None:
    """UserError for what SciPy cannot do here."""
    if method not in SCIPY_METHODS:
        raise UnknownNameError("method of SciPy", method, SCIPY_METHODS)
    unsupported = {
        "fixed steps": plan.step is not None,
        "records of steps": plan.record,
        "dense output": plan.dense,
        "events": plan.events is not None,
        "a controller beyond its first and longest step": plan.controller
        != PID(first=plan.controller.first, longest=plan.controller.longest, shortest=plan.controller.shortest),
        "a tolerance by a norm": plan.tolerance.measure is not None,
    }
    for what, asked in unsupported.items():
        if asked:
            raise UnsupportedError(f"SciPy's solvers are not asked for {what} here", fix='Take backend="sciml".')


def integrate(plan: Plan, method: str, state: Float[Tensor, "batch dim"]) -> Trail:
    """Integrate sample by sample, without gradient; a sample that fails has NaN from where SciPy gave up."""
    outputs = state.detach()[:, None].repeat(1, plan.wanted.shape[1], 1)
    counts = torch.zeros(3, len(state), dtype=torch.long, device=state.device)
    status = torch.full_like(counts[0], int(Status.OK))
    words: dict[int, str] = {}
    for row in range(len(state)):
        outputs[row], counts[:, row], how, why = _one(plan, method, state.detach(), row)
        if how != Status.OK:
            status[row], words[row] = int(how), why
    empty = state.new_zeros(len(state), 0)
    index = torch.full_like(status, -1)
    none = torch.zeros(0, dtype=torch.long, device=state.device)
    return Trail(
        outputs,
        torch.full_like(plan.wanted[:, 0], torch.nan),
        status,
        counts[0],
        counts[1],
        index,
        counts[2],
        int(counts[2].sum()),
        empty,
        empty,
        empty.double(),
        empty.double(),
        words,
        torch.zeros_like(plan.wanted[:, 0]),
        (none, none, none.double(), state.detach()[:0]),
    )


def _one(plan: Plan, method: str, state: Tensor, row: int) -> tuple[Tensor, Tensor, Status, str]:
    """States of one sample, its steps, attempts and evaluations, and how it ended."""
    from scipy.integrate import solve_ivp

    f = plan.bind(tuple(a[row : row + 1].detach() for a in plan.args))
    times = plan.wanted[row].cpu().numpy()
    spent = 0

    def tensors(time: float, y: Any) -> tuple[Tensor, Tensor]:
        return state.new_tensor([time]), state.new_tensor(np.asarray(y))[None]

    def slope(time: float, y: Any) -> Any:
        nonlocal spent
        spent += 1
        if spent > 20 * plan.max_steps:
            raise _OutOfSteps
        with torch.no_grad():
            return f(*tensors(time, y))[0].double().cpu().numpy()

    def derivative(time: float, y: Any) -> Any:
        return jacobian(f, *tensors(time, y)).by_state[0].double().detach().cpu().numpy()

    answer = state.new_full((len(times), state.shape[1]), torch.nan)
    answer[0] = state[row]
    if times[-1] == times[0]:
        answer[:] = state[row]
        return answer, torch.zeros(3, dtype=torch.long), Status.OK, ""
    unique, back = np.unique(times, return_inverse=True)
    absolute = plan.tolerance.absolute
    settings: dict[str, Any] = {"jac": derivative} if method in _STIFF else {}
    if method == "LSODA" and plan.controller.shortest:
        settings["min_step"] = plan.controller.shortest
    try:
        solution = solve_ivp(
            slope,
            (times[0], times[-1]),
            state[row].double().cpu().numpy(),
            method=method,
            t_eval=unique,
            rtol=plan.tolerance.relative,
            atol=absolute.double().cpu().numpy() if isinstance(absolute, Tensor) else absolute,
            max_step=plan.controller.longest,
            first_step=plan.controller.first,
            **settings,
        )
    except _OutOfSteps:
        return answer, torch.tensor([0, 0, spent]), Status.MAX_STEPS, f"SciPy took more than {spent - 1} evaluations"
    reached = back < solution.y.shape[1]
    answer[torch.as_tensor(reached)] = state.new_tensor(solution.y.T[back[reached]])
    evaluations = torch.tensor([0, 0, int(solution.nfev)])
    if solution.status == 0 and np.isfinite(solution.y).all():
        return answer, evaluations, Status.OK, ""
    return answer, evaluations, Status.STEP_UNDERFLOW, f"SciPy stopped: {solution.message}"


class Value(torch.autograd.Function):
    """States whose gradient is an error, and is not lost."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, *anchors: Tensor) -> Tensor:  # Any: torch's context
        """`states` as they are."""
        return states.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:  # Any: torch's context; it never returns
        """None there is."""
        raise UnsupportedError(
            "SciPy's solvers have no gradient", fix="Take gradient=Adjoint() (odeint_adjoint), or a method of sciml."
        )
