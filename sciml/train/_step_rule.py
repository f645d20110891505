"""The contract of a step rule: what the trainer does between drawing a batch and looking at the result."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from torch import Tensor

B = TypeVar("B")
B_contra = TypeVar("B_contra", contravariant=True)

LOOP = frozenset({"steps", "ema", "evaluate_every", "checkpoint_every"})
"""Fields of `TrainConfig` that the trainer itself reads, whatever takes the steps."""


class BrokenStep(Exception):
    """A step whose loss or gradient is not finite; the weights are as they were before it.

    Arguments:
        batch: the samples it happened on, for the trainer to find out which quantity is not finite.
        advice: what the user can try, in whole sentences.
    """

    def __init__(self, batch: object, advice: str) -> None:
        self.batch, self.advice = batch, advice
        super().__init__(advice)


@runtime_checkable
class StepRule(Protocol[B_contra]):
    """How one batch changes the module that the rule was made for, in place.

    Subclass it. The trainer draws the batches, counts the steps, averages the weights, scores, logs, saves and resumes.

    Attributes:
        reads: fields of `TrainConfig` that mean something under this rule; setting another one is refused.
        distributed: whether several processes can take its steps together.
    """

    reads: ClassVar[frozenset[str]] = LOOP
    distributed: ClassVar[bool] = False

    @property
    def stopped(self) -> str:
        """Why there is nothing left to do; empty while there is. The trainer ends there, whatever steps are left."""
        return ""

    @property
    def settled(self) -> bool:
        """Whether the module has the form that is kept; weights before that are scored and logged, and not kept.

        True in the end, whatever steps there are. A rule that changes the structure on the way says False until then.
        """
        return True

    def step(self, batch: B_contra, along: float) -> Tensor:
        """Take one step and return the loss before it.

        Arguments:
            batch: what the sampler drew, on the device of the module; never empty.
            along: the share of the steps that is done.

        Raises: BrokenStep, or returns a loss that is not finite: either ends the training with a NumericsError.
        """
        ...

    def skip(self, along: float) -> None:
        """Let a step pass in which the sampler drew no sample; it counts as taken. Schedules go on here."""

    def logged(self) -> Mapping[str, float]:
        """What stands in the log beside loss and score."""
        return {}

    def state_dict(self) -> dict[str, Any]:  # Any: whatever tensors and plain values torch can save without pickling
        """All that the next step depends on besides the module."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in `state_dict`
        """Go on from what `state_dict` returned."""
        ...


class Phases(StepRule[B]):
    """Rules one after another, each for its number of steps or until it has nothing left to do.

    Arguments:
        phases: rules and their numbers of steps; the last one goes on for as long as the trainer does.
        ends: why the last one does not, if it takes its number of steps only.
    """

    def __init__(self, phases: Sequence[tuple[StepRule[B], int]], *, ends: str = "") -> None:
        self.phases, self._ends = tuple(phases), ends
        self._at, self._taken = 0, 0
        self._move_on()

    @property
    def stopped(self) -> str:
        """Of the last rule."""
        rule, steps = self.phases[self._at]
        if self._at < len(self.phases) - 1:
            return ""
        return rule.stopped or (self._ends if self._taken >= steps else "")

    @property
    def settled(self) -> bool:
        """Of the rule whose turn it is."""
        return self.phases[self._at][0].settled

    def step(self, batch: B, along: float) -> Tensor:
        """A step of the rule whose turn it is."""
        loss = self.phases[self._at][0].step(batch, along)
        self._taken += 1
        self._move_on()
        return loss

    def skip(self, along: float) -> None:
        """As a step of the rule whose turn it is."""
        self.phases[self._at][0].skip(along)
        self._taken += 1
        self._move_on()

    def _move_on(self) -> None:
        while self._at < len(self.phases) - 1:
            rule, steps = self.phases[self._at]
            if self._taken < steps and not rule.stopped:
                break
            self._at, self._taken = self._at + 1, 0

    def logged(self) -> Mapping[str, float]:
        """Of the rule whose turn it is."""
        return self.phases[self._at][0].logged()

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Whose turn it is, and its state: those before are done, those after have not begun."""
        return {"at": self._at, "taken": self._taken, "rule": self.phases[self._at][0].state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in `state_dict`
        """Go on there."""
        self._at, self._taken = state["at"], state["taken"]
        self.phases[self._at][0].load_state_dict(state["rule"])
