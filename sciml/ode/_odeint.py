"""The interface of torchdiffeq: code written for it runs here after changing one import."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import ConfigError
from sciml.ode._adjoint import Adjoint
from sciml.ode._call import Call
from sciml.ode._gradient import Discrete
from sciml.ode._method import Method

State = Tensor | tuple[Tensor, ...]


def odeint(
    func: Callable[[Tensor, Any], Any],  # Any: a tensor or a tuple of them, whichever y0 is
    y0: State,
    t: Float[Tensor, " time"],
    *,
    rtol: float | int | Tensor = 1e-7,
    atol: float | int | Tensor | Sequence[float | int | Tensor] = 1e-9,
    method: str | Method | None = None,
    options: Mapping[str, Any] | None = None,  # Any: numbers, tensors or names, checked by name
    event_fn: Callable[[Tensor, Any], Tensor] | None = None,  # Any: the state, as for func
) -> Any:  # Any: a tensor or a tuple of them, whichever y0 is
    """Solve dy/dt = func(t, y) as one sample: one step size and one error, the RMS over everything.

    Arguments:
        func: ``(time, state) -> slope`` with a scalar time and the state as given, a tensor or a tuple of tensors.
        y0: the state at the first time, of any shape.
        t: times, increasing or decreasing; a time may be repeated.
        rtol, atol: tolerances; `atol` may hold one number per entry of a tuple `y0`.
        method: ``dopri5`` (default), ``dopri8``, ``tsit5``, ``bosh3``, ``fehlberg2``, ``adaptive_heun``; with fixed
            steps ``rk4`` (the 3/8 rule), ``heun3``, ``heun2``, ``midpoint``, ``euler``, ``implicit_euler``,
            ``implicit_midpoint``, ``trapezoid``, ``sdirk2``, ``trbdf2``, ``radauIIA3``, ``radauIIA5``, ``gl4``,
            ``gl6``; ``scipy_solver``; any other name of `METHODS`, or a `Method`, which steps by its error if it can
            and no ``step_size`` is given.
        options: for adaptive methods ``first_step``, ``min_step``, ``max_step``, ``safety``, ``ifactor``, ``dfactor``,
            ``max_num_steps``, ``jump_t``, ``step_t`` and ``norm``; for fixed ones ``step_size`` or ``grid_constructor``
            (without either every interval of `t` is one step), ``perturb`` and ``interp``; for SciPy ``solver``,
            ``min_step`` and ``max_step``.
        event_fn: stop where one of its values crosses zero; `t` then holds the first time and one in the direction to
            go, however far. After ``max_num_steps``, here 20,000 if not given, it is given up.

    Returns: states at the times, ``time *shape`` (a tuple of them if `y0` is one), differentiable with respect to `y0`,
        `t` and all tensors `func` uses, through the steps that were taken. With `event_fn` the time of the event and
        the states at the first time and at the event, both differentiable.

    Raises: NumericsError when the solve fails; UserError for arguments that do not fit.

    Notes: the differences to torchdiffeq: a tuple's error is the RMS over all entries, not the largest of their RMS;
        fixed steps end on every requested time, where it interpolates (whatever ``interp`` says); ``max_num_steps``
        counts over the whole solve; the event time carries gradient; an event that is zero at the start is waited for;
        ``gl4`` has the right nodes; SciPy's solvers have no gradient here, and say so. The callbacks of `func` are
        called after a step rather than before. Complex states are integrated as pairs of real numbers. `solve` does
        more, for many samples.
    """
    return Call(func, y0, rtol, atol, method, options, event_fn).run(t, Discrete(schedule="graph"))


def odeint_adjoint(
    func: Callable[[Tensor, Any], Any],  # Any: a tensor or a tuple of them, whichever y0 is
    y0: State,
    t: Float[Tensor, " time"],
    *,
    rtol: float | int | Tensor = 1e-7,
    atol: float | int | Tensor | Sequence[float | int | Tensor] = 1e-9,
    method: str | Method | None = None,
    options: Mapping[str, Any] | None = None,  # Any: numbers, tensors or names, checked by name
    event_fn: Callable[[Tensor, Any], Tensor] | None = None,  # Any: the state, as for func
    adjoint_rtol: float | int | Tensor | None = None,
    adjoint_atol: float | int | Tensor | Sequence[float | int | Tensor] | None = None,
    adjoint_method: str | Method | None = None,
    adjoint_options: Mapping[str, Any] | None = None,  # Any: as for `options`
    adjoint_params: Iterable[Tensor] | None = None,
) -> Any:
    """`odeint` with the gradient of the continuous adjoint, in memory that does not grow with the number of steps.

    Arguments:
        func, y0, t, rtol, atol, method, options, event_fn: as in `odeint`.
        adjoint_rtol, adjoint_atol, adjoint_method, adjoint_options: of the backward solve; as forward if not given. The
            error of the backward solve never counts the gradients of parameters, ``norm="seminorm"`` may be said; a
            ``norm`` of your own gets them, and the time's, as zeros. The times of steps follow from ``step_size`` in
            the backward solve; jumps and grids are those of the forward one.
        adjoint_params: tensors whose gradient is wanted; None finds all that `func` uses, a module or not.

    Returns and raises: as `odeint`; see `Adjoint` for when this gradient is wrong, of which it warns.
    """
    if adjoint_method is not None and adjoint_method != method and options and adjoint_options is None:
        raise ConfigError(
            "the backward solve has another method, so options of the forward solve do not apply",
            fix="Give adjoint_options.",
        )
    call = Call(func, y0, rtol, atol, method, options, event_fn)
    parameters = None if adjoint_params is None else tuple(adjoint_params)
    backward_options = {k: v for k, v in (options or {}).items() if k != "norm"}
    backward_options = backward_options if adjoint_options is None else dict(adjoint_options)
    norm = backward_options.pop("norm", None)
    back = Call(
        func,
        y0,
        rtol if adjoint_rtol is None else adjoint_rtol,
        atol if adjoint_atol is None else adjoint_atol,
        method if adjoint_method is None else adjoint_method,
        backward_options,
        None,
        forward=False,
    )
    if back.options.given.get("max_num_steps") != call.options.given.get("max_num_steps"):
        raise ConfigError("max_num_steps counts for the solve and its backward solve", got="two different ones")
    gradient = Adjoint(
        rtol=back.rtol,
        atol=back.atol,
        method=back.options.backward_method,
        step=back.options.step(t),
        controller=back.options.controller,
        parameters=parameters,
        measure=None if norm is None or norm == "seminorm" else call.adjoint_measure(norm, parameters),
        watch=call.callbacks("_adjoint"),
    )
    return call.run(t, gradient)


def odeint_event(
    func: Callable[[Tensor, Any], Any],  # Any: a tensor or a tuple of them, whichever y0 is
    y0: State,
    t0: Float[Tensor, "*one"],
    *,
    event_fn: Callable[[Tensor, Any], Tensor],  # Any: the state, as for func
    reverse_time: bool = False,
    odeint_interface: Callable[..., Any] = odeint,  # Any: `odeint` or `odeint_adjoint`, and their arguments
    **kwargs: Any,
) -> Any:  # Any: a time, and a state or a tuple of states
    """The time of an event and the states at `t0` and there, with their gradients; arguments as in `odeint`."""
    start = t0.reshape(1)
    t = torch.cat([start, start.detach() + (-1 if reverse_time else 1)])
    return odeint_interface(func, y0, t, event_fn=event_fn, **kwargs)
