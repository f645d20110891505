"""Steps of a training that a solver takes itself."""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Advance(Protocol):
    """A method of optimisation that needs more than one gradient per step: second order, line searches, weights.

    It works in place on the module it was made for. The trainer counts, scores, logs, saves and resumes.
    """

    stopped: str
    """Why there is nothing left to do; empty while there is. The trainer ends there, whatever steps are left."""

    def step(self, batch: Any, along: float) -> Tensor:
        """Take one step on a batch and return the loss before it; `along` is the share of the steps that is done."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on besides the module, of tensors and plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        ...
