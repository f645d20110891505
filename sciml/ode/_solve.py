"""The front door: check what was given, integrate, hand back a `Solution`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UnknownNameError, UnsupportedError
from sciml.ode import _adams, _additive, _coupled, _dirk, _explicit, _rosenbrock, _switching, _symplectic
from sciml.ode._adjoint import Adjoint
from sciml.ode._checks import (
    check_args,
    check_backend,
    check_gradient,
    check_precision,
    check_settings,
    check_state,
    check_tangents,
    check_times,
)
from sciml.ode._clock import check_clock
from sciml.ode._control import PID, Tolerance
from sciml.ode._events import Event
from sciml.ode._forcing import Forcing
from sciml.ode._gradient import Checkpointed, Discrete
from sciml.ode._integrate import Order, integrate
from sciml.ode._mapped import is_mapped, lowered
from sciml.ode._method import Method
from sciml.ode._packing import Packing, in_rows, without_missing
from sciml.ode._pieces import in_pieces, inner_jumps
from sciml.ode._plan import Gaps
from sciml.ode._solution import S, Solution, Stats
from sciml.ode._walk import Move

_DISCRETE, _CONTROL = Discrete(), PID()

METHODS: dict[str, Method] = {
    method.name: method
    for family in (_explicit, _dirk, _rosenbrock, _coupled, _adams, _switching, _symplectic, _additive)
    for method in family.METHODS
}


def solve(
    f: Callable[..., Any],  # Any: slopes, nested like the state
    y0: S,
    times: Float[Tensor, "*batch time"] | Sequence[Float[Tensor, " time"]],
    *,
    args: Sequence[Any] = (),  # Any: tensors with one row per sample, and whatever else f takes
    method: str | Method = "dopri5",
    rtol: float | int = 1e-6,
    atol: Any = 1e-8,  # Any: a number, or numbers nested like the state
    step: float | int | None = None,
    gradient: Discrete | Checkpointed | Adjoint = _DISCRETE,
    controller: PID = _CONTROL,
    max_steps: int | None = None,
    event: Event | Sequence[Event] | None = None,
    jumps: Float[Tensor, " jump"] | Forcing | Sequence[Forcing] | Gaps | None = None,
    record: bool = False,
    dense: bool = False,
    backend: Literal["sciml", "scipy", "torchdiffeq"] = "sciml",
) -> Solution[S]:
    """Solve dy/dt = f(t, y) for a batch of initial values, every sample with its own steps.

    Arguments:
        f: ``(time: row, state: row *shape, *args) -> row *shape``. Rows must not influence each other, and `f` is
            called with any number of rows: samples that are done leave, and backward repeats many steps at once.
        y0: initial states ``batch *shape``, real or complex, or tuples, lists and dictionaries of such tensors; `f`
            gets states and returns slopes in that form. The error of a sample is the RMS over all of its real numbers.
        times: requested times, increasing or decreasing, common to all samples or one row each; the first is the time
            of `y0`. A time may be repeated. Samples with fewer times have NaN at the end of their row, or `times` is a
            list with one tensor per sample; their states are NaN there.
        args: what else `f` takes: tensors with one row per sample, given to it row by row; and what all samples share:
            numbers, tensors without axes, anything that is not a tensor, and ``ode.Static(tensor)``.
        method: a name (`METHODS`) or a `Method`.
        rtol, atol: a step is accepted when the RMS over a sample's components of error / (atol + rtol max(|y0|, |y1|))
            is at most 1; `atol` may be a tensor of the shape of one state.
        step: longest fixed step; equal steps then end on every requested time. None chooses steps by their error.
        gradient: `Discrete`, `Checkpointed` or `Adjoint`: how gradients are made, if any are asked for.
        controller: how the next step follows from the error.
        max_steps: attempts per sample before it is given up; None for 10,000. The number of fixed steps is known: more
            than `max_steps` (None: 10⁹) are refused.
        event: where to stop a sample early, or what to note on the way; then the last time may be infinite.
        jumps: times at which `f` jumps or has a kink, the same for all samples, or the tables of forcing it uses. No
            step crosses one: `f` is asked just before it by the step that ends there and just after it by the next one,
            so short pulses are seen and kinks cost no rejected steps. Differentiable. `Gaps` are for `solve_forced`.
        record: keep E_j and S_j of every accepted step in ``solution.steps``.
        dense: keep every accepted step in ``solution.dense``, to look at the states anywhere later, without gradient.
        backend: ``torchdiffeq`` integrates with that library's method of the given name, for comparison. All samples
            share steps and status there; times per sample, events, records, checkpoints and controllers are refused,
            and so are its tsit5 and gl4, whose coefficients are wrong. ``scipy`` integrates sample by sample with a
            method of `solve_ivp` (``LSODA``, ``Radau``, ``BDF``, ``DOP853``, ``RK45``, ``RK23``), gradients only by
            `Adjoint`: for a single small system, above all a stiff one, it is several times faster.

    Returns: states at the requested times, differentiable with respect to `y0`, `args`, `times` and whatever
        parameters `f` uses; a status per sample instead of an exception; counters per sample. The gradient with respect
        to times is the slope there, as for the exact flow. Second derivatives exist by the schedule ``graph``.

    Raises: UserError for arguments that do not fit together, and from ``backward()`` for parameters that only show at
        later times: those found are the ones f(t0, y0) depends on and those an nn.Module holds; and for a right-hand
        side that gives another answer when steps are repeated. UnsupportedError for tangents of forward-mode
        differentiation. UnknownNameError for an unknown method.

    Notes: where nothing depends on a gradient at the start, or `f` uses tensors that were computed elsewhere with
        gradient, or is a module with dropout or batch statistics in training, `Discrete` takes the schedule ``graph``,
        whatever the size of the batch.
    """
    packing = Packing(y0, args)
    wanted, real = in_rows(times)
    start, rows = packing.flat(y0), packing.rows()
    back: list[Callable[[Tensor], Tensor]] = []
    while any(map(is_mapped, (start, wanted, *rows))):
        if event is not None or record or dense or real is not None:
            raise UnsupportedError(
                "under torch.vmap a solve returns states and their status only",
                got="an event, record=True, dense=True or missing times",
                fix="Give solve the whole batch, one row per sample.",
            )
        mapping = lowered(start, wanted, rows)
        start, wanted, rows = mapping[:3]
        back.append(mapping.back)
    solution = solve_watched(
        packing.function(f),
        start,
        wanted,
        args=rows,
        method=method,
        rtol=rtol,
        atol=packing.tolerance(atol),
        step=step,
        gradient=gradient,
        controller=controller,
        max_steps=max_steps,
        event=packing.events(event),
        jumps=jumps,
        record=record,
        dense=dense,
        backend=backend,
    )
    for unmapped in reversed(back):
        accepted, rejected, evaluations, calls = solution.stats
        stats = Stats(unmapped(accepted), unmapped(rejected), unmapped(evaluations), calls)
        solution = replace(solution, states=unmapped(solution.states), status=unmapped(solution.status), stats=stats)
    return without_missing(packing.solution(solution), real)


def solve_watched(
    f: Callable[..., Tensor],
    y0: Float[Tensor, "batch ..."],
    times: Float[Tensor, "*batch time"],
    *,
    args: Sequence[Tensor] = (),
    method: str | Method = "dopri5",
    rtol: float | int = 1e-6,
    atol: float | int | Float[Tensor, "..."] = 1e-8,
    step: float | int | None = None,
    gradient: Discrete | Checkpointed | Adjoint = _DISCRETE,
    controller: PID = _CONTROL,
    max_steps: int | None = None,
    event: Event | Sequence[Event] | None = None,
    jumps: Float[Tensor, " jump"] | Forcing | Sequence[Forcing] | Gaps | None = None,
    record: bool = False,
    dense: bool = False,
    backend: Literal["sciml", "scipy", "torchdiffeq"] = "sciml",
    watch: Callable[[Move], None] | None = None,
    measure: Callable[[Tensor], Tensor] | None = None,
) -> Solution:
    """`solve`, calling `watch` with every move and measuring scaled errors ``row dim -> row`` by `measure`."""
    ours = check_backend(backend)
    stiff = backend == "scipy" and method in ("Radau", "BDF")
    chosen = find_method(method if ours else "radauIIA5" if stiff else "dopri5")
    events = () if event is None else (event,) if isinstance(event, Event) else tuple(event)
    check_state(y0)
    check_times(times, y0, endless=any(one.terminal for one in events))
    check_args(args, y0)
    check_settings(chosen, rtol, atol, step, max_steps)
    check_precision(y0.dtype, rtol, step)
    check_gradient(gradient, chosen)
    check_tangents((y0, times, *args))
    check_clock(f, y0, times, args)
    order = Order(
        f=f,
        method=chosen,
        tolerance=Tolerance(float(rtol), atol.reshape(-1).to(y0) if isinstance(atol, Tensor) else float(atol), measure),
        controller=controller,
        step=None if step is None else float(step),
        max_steps=max_steps,
        gradient=gradient,
        events=events,
        record=record,
        dense=dense,
        peer=None if ours else method if isinstance(method, str) else method.name,
        backend=backend,
        watch=watch,
        gaps=jumps if isinstance(jumps, Gaps) else None,
    )
    between = None if isinstance(jumps, Gaps) else inner_jumps(jumps, times)
    if between is None:
        return integrate(order, y0, times, tuple(args))[0]
    return in_pieces(order, y0, times, tuple(args), between)


def find_method(method: str | Method) -> Method:
    """A method by name; an unknown name lists the valid ones."""
    if isinstance(method, Method):
        return method
    if method not in METHODS:
        raise UnknownNameError("integration method", str(method), METHODS)
    return METHODS[method]
