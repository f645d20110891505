"""The step rule under which blocks move: steps of the solver, each followed by a proximal step of the lengths."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sciml.nn.structured import GaudiMatrix
from sciml.tools._contract import AnyRule
from sciml.train import StepRule


class GaudiRule(StepRule[Any]):  # Any: a batch of any task
    """min over weights, lengths w and starts l of L subject to Σ_l c_l Σ_k r (w^R m + w^C n) ≤ budget.

    After each step of the solver's own rule all lengths fall by the amount that brings the cost to its target (the
    proximal step of λ Σ w with the λ of the constraint), so that layers compete for the budget. The target falls from
    what the blocks cost at the beginning to the budget over the first half; the filter of the masks widens from σ₀
    modes to all of them; at the end blocks are rounded to whole cells, the weakest are left out until the budget is
    met, and the rest of the steps trains their contents.

    Arguments:
        inner: takes the steps of all parameters.
        module: with learned blocks.
        steps: of the training.
        settle: share of the steps after which blocks stay, counted from the end.
        start: σ₀ of the filter, as a share of all modes.
    """

    def __init__(self, inner: AnyRule, module: nn.Module, *, steps: int, settle: float, start: float) -> None:
        self.inner, self._start = inner, start
        self.layers = learned_blocks(module)
        self.budget = sum(operator.budget for operator in self.layers)
        self._moving = max(0, math.floor((1 - settle) * steps) - 1)
        self._taken, self._begun = 0, self._cost()
        self._settled = False

    @property
    def stopped(self) -> str:
        """Of the solver's rule; blocks are settled before anything stops."""
        return self.inner.stopped

    @property
    def candidate(self) -> bool:
        """Whether blocks stay where they are."""
        return self._settled

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """A step of the solver's rule, then of the lengths."""
        if not self._settled:
            for operator in self.layers:
                operator.sigma.fill_(self._start + (1 - self._start) * min(1.0, self._taken / max(1, self._moving)))
        loss = self.inner.step(batch, along)
        self._after()
        return loss

    def skip(self, along: float) -> None:
        """The schedule goes on."""
        self.inner.skip(along)
        self._after()

    def _after(self) -> None:
        self._taken += 1
        if self._settled:
            return
        if self._taken > self._moving:
            self._settle()
            return
        reached = min(1.0, 2 * self._taken / max(1, self._moving))
        target = self._begun + reached * min(0.0, self.budget - self._begun)
        excess = self._cost() - target
        price = sum(
            op.calls * op.rank * (op.shape.rows + op.shape.width) * float((op.widths > 0).all(0).sum())
            for op in self.layers
        )
        amount = max(0.0, excess / price) if price else 0.0
        for operator in self.layers:
            operator.shrink(amount)

    @torch.no_grad()
    def _settle(self) -> None:
        """Whole cells; then the blocks that weigh least per multiplication go until the budget is met."""
        for operator in self.layers:
            operator.harden()
        weights = [(op.energies() / (op.calls * op.costs().clamp(min=1))).tolist() for op in self.layers]
        alive = [(op.costs() > 0).tolist() for op in self.layers]
        order = sorted((weight, i, k) for i, ws in enumerate(weights) for k, weight in enumerate(ws) if alive[i][k])
        for _, i, k in order:
            if sum(op.calls * op.multiplications for op in self.layers) <= self.budget * (1 + 1e-9):
                break
            self.layers[i].kill(torch.tensor([k]))
        self._settled = True

    @torch.no_grad()
    def _cost(self) -> float:
        return sum(operator.calls * float(operator.soft_cost()) for operator in self.layers)

    def logged(self) -> Mapping[str, float]:
        """Also what the blocks cost, as a share of the budget."""
        return {**self.inner.logged(), "cost_of_budget": self._cost() / self.budget}

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Of the solver's rule, and the place on the schedule; lengths and the filter are the module's."""
        return {"inner": self.inner.state_dict(), "taken": self._taken, "begun": self._begun, "settled": self._settled}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self.inner.load_state_dict(state["inner"])
        self._taken, self._begun, self._settled = state["taken"], state["begun"], state["settled"]


def learned_blocks(module: nn.Module) -> list[GaudiMatrix]:
    """The matrices of a module whose blocks can move."""
    return [inner for inner in module.modules() if isinstance(inner, GaudiMatrix)]
