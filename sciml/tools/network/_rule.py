"""Looking at a network while it is trained."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from sciml.tools._contract import AnyRule
from sciml.tools.network._activity import neuron_activity
from sciml.tools.network._health import diagnose
from sciml.tools.network._links import matrix_layers
from sciml.train import StepRule


class WatchedRule(StepRule[Any]):  # Any: a batch of any task
    """The solver's own steps; now and then the neurons are watched during one, on its very batch.

    Arguments:
        inner: takes the steps.
        module: what is trained.
        every: steps from one look to the next.
    """

    def __init__(self, inner: AnyRule, module: nn.Module, *, every: int) -> None:
        self.inner, self.module, self._every = inner, module, every
        self._taken = 0
        self._seen: dict[str, float] = {}
        self._layers = matrix_layers(module)

    @property
    def stopped(self) -> str:
        """Of the solver's rule."""
        return self.inner.stopped

    @property
    def candidate(self) -> bool:
        """As the solver's rule says."""
        return self.inner.candidate

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """A step of the solver's rule."""
        looking = self._taken % self._every == 0
        self._taken += 1
        if not looking:
            return self.inner.step(batch, along)
        losses: list[Tensor] = []
        neurons = neuron_activity(self.module, lambda: losses.append(self.inner.step(batch, along)))
        health = diagnose(neurons)
        if health:
            self._seen = {
                "network/dead": max(layer.dead for layer in health.values()),
                "network/saturated": max(layer.saturated for layer in health.values()),
                "network/largest": max(layer.size for layer in health.values()),
                "network/ill_layers": float(sum(layer.verdict != "healthy" for layer in health.values())),
            }
        return losses[0]

    def skip(self, along: float) -> None:
        """The schedule goes on."""
        self._taken += 1
        self.inner.skip(along)

    def logged(self) -> Mapping[str, float]:
        """Also what was seen last: the worst shares and the largest pre-activations of any layer."""
        return {**self.inner.logged(), **self._seen}

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Of the solver's rule, and what was seen."""
        return {"inner": self.inner.state_dict(), "taken": self._taken, "seen": dict(self._seen)}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self.inner.load_state_dict(state["inner"])
        self._taken, self._seen = state["taken"], dict(state["seen"])
