"""The steps of a PINN's training: which points, which weights, which method."""

from typing import Any

from torch import Tensor

from sciml.solvers.pinn._config import PINNConfig
from sciml.solvers.pinn._gauss_newton import GaussNewton
from sciml.solvers.pinn._module import PINN
from sciml.solvers.pinn._objective import Term, Weights, terms_of
from sciml.train import CollocationBatch, CollocationExamples


class Fit:
    """`sciml.train.Advance` for a PINN.

    Arguments:
        module: what is fitted, in place.
        examples: the points.
        steps: of the whole training.
    """

    def __init__(self, module: PINN, examples: CollocationExamples, steps: int) -> None:
        self.module, self.examples, self.config, self.steps = module, examples, module.config, steps
        self.whole = CollocationBatch(examples.points, examples.faces, examples.observed, examples.values)
        self._method = GaussNewton(module, damping=self.config.optimise.damping, solve=self.config.optimise.solve)
        self._taken = 0

    @property
    def stopped(self) -> str:
        """Why the method cannot go on."""
        return self._method.stopped

    def step(self, batch: CollocationBatch, along: float) -> Tensor:
        """One step."""
        terms = terms_of(self.module, batch if self.examples.config.resample else self.whole)
        loss = self._method.step(terms, initial_weights(self.config, terms))
        self._taken += 1
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The method's state and the steps taken."""
        return {"taken": self._taken, "method": self._method.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._taken = state["taken"]
        self._method.load_state_dict(state["method"])


def initial_weights(config: PINNConfig, terms: list[Term]) -> Weights:
    """1 for the equations, `WeighConfig.soft` for everything else."""
    return Weights(tuple(1.0 if i == 0 else config.weigh.soft for i in range(len(terms))))
