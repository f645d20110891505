"""Steps on a loss without randomness over all observations: Adam first, then L-BFGS."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sciml.tasks.discovery import ObservationBatch
from sciml.train import StepRule

FALL = 30
"""Factor by which the learning rate of Adam falls."""
GRADIENT, CHANGE = 1e-12, 1e-15
"""Largest entry of the gradient, and change of loss or parameters, below which L-BFGS has nothing left to do."""
SEARCHES = 1.25
"""Evaluations of the loss that L-BFGS has per iteration, for all iterations together."""


class Adam(StepRule[ObservationBatch]):
    """One step of Adam, at a rate that falls along a cosine.

    Arguments:
        parameters: what is changed.
        loss: of the parameters as they are, over all observations; batches are not looked at.
        steps: after which the rate is at its lowest.
        learning_rate: at the start.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], loss: Callable[[], Tensor], *, steps: int, learning_rate: float
    ) -> None:
        self._loss = loss
        self._optimiser = torch.optim.Adam(parameters, lr=learning_rate)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self._optimiser, max(1, steps), learning_rate / FALL
        )

    def step(self, batch: ObservationBatch, along: float) -> Tensor:
        """Down the gradient."""
        self._optimiser.zero_grad()
        loss = self._loss()
        loss.backward()
        self._optimiser.step()
        self._schedule.step()
        return loss.detach()

    def logged(self) -> Mapping[str, float]:
        """The learning rate of the next step."""
        return {"learning_rate": self._optimiser.param_groups[0]["lr"]}

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Moments and the place on the schedule."""
        return {"optimiser": self._optimiser.state_dict(), "schedule": self._schedule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])


class _Evaluated(NamedTuple):
    weights: Tensor
    loss: Tensor
    gradients: list[Tensor | None]


class LBFGS(StepRule[ObservationBatch]):
    """One iteration of L-BFGS with a strong Wolfe search.

    The same iterations as those of one call of torch's optimiser, but the trainer can stop between them.

    Arguments:
        parameters: what is changed.
        loss: of the parameters as they are, over all observations; batches are not looked at.
        iterations: that are planned; evaluations of the loss end after `SEARCHES` times as many.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], loss: Callable[[], Tensor], *, iterations: int) -> None:
        self._parameters, self._loss = list(parameters), loss
        self._most = max(1, int(iterations * SEARCHES))
        self._optimiser = torch.optim.LBFGS(
            self._parameters, max_iter=1, history_size=50, tolerance_grad=GRADIENT, tolerance_change=CHANGE,
            line_search_fn="strong_wolfe",
        )  # fmt: skip
        self._used, self._stopped = 0, ""
        self._evaluated: list[_Evaluated] = []

    @property
    def stopped(self) -> str:
        """Why the search has ended."""
        return self._stopped

    def step(self, batch: ObservationBatch, along: float) -> Tensor:
        """One direction, one search along it."""
        # torch counts the evaluation at the start of a call against the limit; only that of the first call is new
        started = max(1, self._used)
        self._optimiser.param_groups[0]["max_eval"] = self._most - started + 1
        state = self._optimiser.state[self._parameters[0]]
        iterations, evaluations = state.get("n_iter", 0), state.get("func_evals", 0)
        before = self._weights()
        loss = self._optimiser.step(self._closure).detach()
        after = self._weights()
        self._used = started + state["func_evals"] - evaluations - 1
        self._evaluated = [entry for entry in self._evaluated if torch.equal(entry.weights, after)][:1]
        self._stopped = self._end(float(loss), before, after, searched=state["n_iter"] > iterations)
        return loss

    def _end(self, loss: float, before: Tensor, after: Tensor, *, searched: bool) -> str:
        """Why there is no next iteration: the conditions of torch's optimiser, which it checks within a call only."""
        if not math.isfinite(loss):
            return ""  # the trainer says so
        if not searched:
            return "the gradient vanishes"
        if torch.equal(before, after):
            return f"no step lowers the loss below {loss:.3g}"
        if self._used >= self._most:
            return f"L-BFGS has used its {self._most} evaluations of the loss"
        largest = max(float(g.abs().max()) for g in self._evaluated[0].gradients if g is not None)
        if largest <= GRADIENT:
            return "the gradient vanishes"
        state = self._optimiser.state[self._parameters[0]]
        if (
            float(state["d"].mul(state["t"]).abs().max()) <= CHANGE
            or abs(float(self._evaluated[0].loss) - loss) < CHANGE
        ):
            return f"steps no longer change the loss of {loss:.3g}"
        return ""

    def _closure(self) -> Tensor:
        """Loss and gradients at the parameters, remembered: where a search ends is where the next iteration starts."""
        weights = self._weights()
        for entry in self._evaluated:
            if torch.equal(entry.weights, weights):
                for parameter, gradient in zip(self._parameters, entry.gradients, strict=True):
                    parameter.grad = None if gradient is None else gradient.clone()
                return entry.loss
        self._optimiser.zero_grad()
        loss = self._loss()
        loss.backward()
        gradients = [None if p.grad is None else p.grad.clone() for p in self._parameters]
        self._evaluated.append(_Evaluated(weights, loss.detach(), gradients))
        return loss

    def _weights(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self._parameters])

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Curvature, evaluations used, why it has ended."""
        return {"optimiser": self._optimiser.state_dict(), "used": self._used, "stopped": self._stopped}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self._optimiser.load_state_dict(state["optimiser"])
        self._used, self._stopped, self._evaluated = state["used"], state["stopped"], []
