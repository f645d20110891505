"""The loop of an SDE: all samples advance by the same step, accepted or not by the error of them all."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.ode._brownian import Brownian
from sciml.ode._control import PID, Tolerance, rms
from sciml.ode._given import called, needs_copy
from sciml.ode._noise import Noise
from sciml.ode._solution import Steps
from sciml.ode._sri import SRI, StochasticMethod, StochasticStep

CONTROL = PID(p=0.4 / 1.5, i=0.3 / 1.5, safety=0.9, shrink=0.2, grow=2.25)
"""Exponents of E and of the E before: 0.7/1.5 and 0.4/1.5. A step was cut by at most 2, so growth is bounded below."""
GROWTH = 9 / 8
"""Largest growth of the step that is aimed at."""
SMALLEST = 1e-13
"""Smallest step, relative to the length of the integration."""


@dataclass
class Parts:
    """Drift and diffusion for flat states and one time for all rows, with their answers checked and counted.

    Arguments:
        given_drift, given_diffusion: as the user wrote them.
        args: the rows under way of their arguments.
        shape: of one state.
        noise: what kind it is.
        matrix: whether the user's diffusion is a matrix ``row *shape motion``.
        method: whose calculus the drift is asked in.
        drifts, calls: how often the drift, and either of them, was called.
    """

    given_drift: Callable[..., Tensor]
    given_diffusion: Callable[..., Tensor]
    args: tuple[Tensor, ...]
    shape: tuple[int, ...]
    noise: Noise
    method: StochasticMethod
    matrix: bool = False
    drifts: int = field(default=0, init=False)
    calls: int = field(default=0, init=False)

    def drift(self, time: float | Tensor, state: Tensor) -> Tensor:
        """f(t, y) in the calculus of the method, both ``row dim``."""
        self.drifts += 1
        moment = state.new_full((len(state),), float(time))
        return self.noise.drift(self._drift, self._diffusion, self.method)(moment, state)

    def diffusion(self, time: float | Tensor, state: Tensor) -> Tensor:
        """g(t, y) for independent motions: the diagonal ``row dim``, or a matrix ``row dim motion``."""
        return self._diffusion(state.new_full((len(state),), float(time)), state)

    def motions(self, time: float, state: Tensor) -> int:
        """How many Brownian motions drive every row."""
        if not self.noise.general:
            return state.shape[1]
        with torch.no_grad():
            return self.diffusion(time, state).shape[2]

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the rows."""
        self.args = tuple(value[rows] for value in self.args)

    def _drift(self, time: Tensor, state: Tensor) -> Tensor:
        value = self._value("drift", self.given_drift, time, state, ())
        return value if len(self.shape) == 1 else value.reshape(len(state), -1)

    def _diffusion(self, time: Tensor, state: Tensor) -> Tensor:
        matrix = self.noise.general and (self.noise.factor is None or self.matrix)
        value = self._value("diffusion", self.given_diffusion, time, state, (None,) if matrix else ())
        if matrix:
            return self.noise.applied(value.reshape(len(state), -1, value.shape[-1]))
        return self.noise.applied(value if len(self.shape) == 1 else value.reshape(len(state), -1))

    def _value(
        self, name: str, function: Callable[..., Tensor], time: Tensor, state: Tensor, more: tuple[None, ...]
    ) -> Tensor:
        """What the user's function says, checked; with `more` it has one more axis."""
        self.calls += 1
        shaped = state if len(self.shape) == 1 else state.view(len(state), *self.shape)
        value = called(name, function, time, shaped, self.args, first=self.calls <= 2)
        good = isinstance(value, Tensor) and value.dtype == shaped.dtype
        if good and value.ndim == shaped.ndim + len(more) and value.shape[: shaped.ndim] == shaped.shape:
            return value.clone() if needs_copy(value) else value
        kind = f"shape {tuple(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        hint = ""
        if name == "diffusion" and not more:
            hint = ' Noise is diagonal, one value per component of the state; noise="general" takes a matrix.'
        expected = str(tuple(shaped.shape))[:-1].rstrip(",") + (
            ", motion)" if more else ",)" if shaped.ndim < 2 else ")"
        )
        raise UserError(
            f"the {name} returned the wrong kind of value",
            got=kind,
            expected=f"shape {expected}, {shaped.dtype}, like the state it was given",
            fix=f"It is called with any number of rows; give per-sample tensors through `args`.{hint}",
        )


class Course(NamedTuple):
    """What an integration leaves behind.

    Fields:
        states: at every requested time, ``batch dim``; NaN after the failure of a sample.
        status, accepted, rejected, evaluations: per sample; `evaluations` of the drift.
        calls: of drift and diffusion.
        steps: the accepted steps, if recorded.
        failures: why samples failed.
    """

    states: list[Float[Tensor, "batch dim"]]
    status: Int[Tensor, " batch"]
    accepted: Int[Tensor, " batch"]
    rejected: Int[Tensor, " batch"]
    evaluations: Int[Tensor, " batch"]
    calls: int
    steps: Steps | None
    failures: dict[int, str]


class _Books:
    """What is written down for every row of the batch, and which of them are under way."""

    def __init__(self, state: Float[Tensor, "batch dim"], record: bool) -> None:
        self.size, self.record = len(state), record
        self.rows = torch.arange(len(state), device=state.device)
        self.status = torch.zeros_like(self.rows)
        self.accepted, self.rejected, self.evaluations = (torch.zeros_like(self.rows) for _ in range(3))
        self.failures: dict[int, str] = {}
        self._steps: list[tuple[float, float, Tensor, Tensor, Tensor]] = []

    @property
    def whole(self) -> bool:
        """Whether no row has left."""
        return len(self.rows) == self.size

    def spread(self, values: Tensor, fill: float) -> Tensor:
        """Values of the rows under way as values of the batch."""
        if self.whole:
            return values
        return values.new_full((self.size, *values.shape[1:]), fill).index_copy(0, self.rows, values)

    def write(self, time: float, size: float, error: Tensor | None, step: StochasticStep) -> None:
        """An accepted step."""
        self.accepted[self.rows] += 1
        if self.record:
            zero = step.state.new_zeros(len(self.rows))
            error = zero if error is None else error
            stiffness = zero if step.stiffness is None else step.stiffness
            taken = self.spread(torch.ones_like(self.rows, dtype=torch.bool), 0.0)
            self._steps.append((time, size, self.spread(error, 0.0), self.spread(stiffness, 0.0), taken))

    def steps(self, like: Tensor) -> Steps | None:
        """The accepted steps, if they are wanted."""
        if not self.record:
            return None
        if not self._steps:
            empty = like.new_zeros(self.size, 0)
            return Steps(empty.double(), empty.double(), empty, empty, empty.bool())
        times, sizes, error, stiffness, taken = zip(*self._steps, strict=True)
        marks = torch.stack(taken, 1)
        numbers = torch.tensor([times, sizes], dtype=torch.float64, device=like.device)[:, None] * marks
        return Steps(numbers[0], numbers[1], torch.stack(error, 1), torch.stack(stiffness, 1), marks)


class Walk:
    """Rows on their way through time with one step for all.

    Arguments:
        parts, method, paths, tolerance: of the equation and its solution.
        step: the longest fixed step; None chooses steps by their error.
        max_steps: attempts allowed.
        record: whether to keep errors and stiffness.
    """

    def __init__(
        self,
        parts: Parts,
        method: StochasticMethod,
        paths: Brownian,
        tolerance: Tolerance,
        step: float | None,
        max_steps: int,
        record: bool,
    ) -> None:
        self.parts, self.method, self.paths, self.tolerance = parts, method, paths, tolerance
        self.step, self.max_steps, self.record = step, max_steps, record

    def run(self, state: Float[Tensor, "batch dim"], times: list[float]) -> Course:
        """Integrate over the requested times."""
        self.books = books = _Books(state, self.record)
        self.state, self.time, self.attempts = state, times[0], 0
        self.before = state.new_ones(1)
        self.smallest = max(SMALLEST * (times[-1] - times[0]), 8 * math.ulp(max(abs(times[0]), abs(times[-1]))))
        broken = ~state.detach().isfinite().all(1)
        if bool(broken.any()):
            self._leave(broken, Status.DIVERGED, lambda _: "the initial state is not finite")
        states = [books.spread(self.state, math.nan)]
        self.size = self._first(times[1] - times[0]) if self.step is None else self.step
        for target in times[1:]:
            while self.time < target and len(books.rows):
                self._attempt(target)
            states.append(books.spread(self.state, math.nan))
        books.evaluations[books.rows] = self.parts.drifts
        return Course(
            states,
            books.status,
            books.accepted,
            books.rejected,
            books.evaluations,
            self.parts.calls,
            books.steps(state),
            books.failures,
        )

    def _attempt(self, target: float) -> None:
        """One step towards a requested time, cut so that equal ones end there."""
        if self.attempts == self.max_steps:
            words = f"{self.max_steps} steps were not enough: it got to t = {self.time:.6g}, steps of {self.size:.3g}"
            self._leave(torch.ones_like(self.books.rows, dtype=torch.bool), Status.MAX_STEPS, lambda _: words)
            return
        self.attempts += 1
        remaining = target - self.time
        parts = math.ceil(remaining / self.size * (1 - 1e-6))  # times in float32 are not more exact
        end = target if parts <= 1 else self.time + remaining / parts
        noise = self.paths(self.time, end)
        if not self.books.whole:
            noise = noise._replace(w=noise.w[self.books.rows], u=noise.u[self.books.rows])
        step = self.method.step(
            self.parts.drift,
            self.parts.diffusion,
            self.time,
            self.state,
            noise,
            error=self.step is None or self.record,
            stiffness=self.record,
        )
        error = None if step.error is None else self.tolerance.ratio(step.error, self.state, step.state)
        broken = ~step.state.detach().isfinite().all(1)
        if self.step is None:
            assert error is not None
            ratios = error.detach().masked_fill(broken, math.inf).nan_to_num(nan=math.inf)
            if not self._control(ratios, noise.size):
                if self.size < self.smallest:
                    self._give_up(ratios, step)
                    self.size, self.before = self._first(target - self.time), self.before.new_ones(1)
                return
        elif bool(broken.any()):  # the others take the step again: nothing of a failed row is left in their graph
            self._leave(broken, Status.DIVERGED, lambda row: _not_finite(self.time, step.state, row))
            return
        self.books.write(self.time, noise.size, error, step)
        self.state, self.time = step.state, end

    def _control(self, error: Float[Tensor, " row"], taken: float) -> bool:
        """Whether the step of size `taken` is accepted, and the size of the next."""
        together = rms(error[None])
        factor = float(CONTROL.factor(together, (self.before,), 1))
        if float(together) <= 1:
            self.size = min(taken * factor, GROWTH * self.size)
            self.before = together.clamp_min(1e-4)
            return True
        self.books.rejected[self.books.rows] += 1
        self.size = taken * min(factor, 0.9)
        return False

    def _give_up(self, error: Float[Tensor, " row"], step: StochasticStep) -> None:
        """Let the rows go whose error no step makes small enough."""
        time, size = self.time, self.size

        def why(row: int) -> str:
            if not math.isfinite(float(error[row])):
                return _not_finite(time, step.state, row)
            return (
                f"the step shrank to {size:.2g} at t = {time:.6g}; the error is {float(error[row]):.3g} tolerances, "
                f"largest in component {int(worst[row])}"
            )

        worst = torch.zeros_like(self.books.rows) if step.error is None else step.error.detach().argmax(1)
        stuck = error > 1
        infinite = ~error.isfinite()
        if bool(infinite.any()):
            self._leave(infinite, Status.DIVERGED, why)
        else:
            self._leave(stuck, Status.STEP_UNDERFLOW, why)

    def _leave(self, mask: Tensor, status: Status, why: Callable[[int], str]) -> None:
        """Take rows out, with their status and words."""
        books = self.books
        gone = books.rows[mask]
        books.status[gone] = int(status)
        books.evaluations[gone] = self.parts.drifts
        for position in mask.nonzero().flatten().tolist():
            books.failures[int(books.rows[position])] = why(position)
        stay = (~mask).nonzero().flatten()
        books.rows, self.state = books.rows[stay], self.state[stay]
        self.parts.keep(stay)

    def _first(self, longest: float) -> float:
        """A first step: the one at which the drift alone would make E about one half."""
        if not len(self.state) or not isinstance(self.method, SRI):
            return longest
        with torch.no_grad():
            drift = self.parts.drift(self.time, self.state)
            weight = self.method.delta * len(self.method.tableau.drifts)
            rate = float(rms(self.tolerance.norm(drift, self.state)[None])) * weight
        return min(longest, 0.5 / rate) if math.isfinite(rate) and rate > 0 else longest


def _not_finite(time: float, state: Tensor, row: int) -> str:
    bad = (~state[row].detach().isfinite()).nonzero().flatten().tolist()
    shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
    location = f"in component {shown}" if bad else "in its error"
    return f"the step from t = {time:.6g} is not finite, {location}"
