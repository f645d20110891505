"""Steps for new layers: the others may stay as they are, and features that nobody has are replaced."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from sciml.core import rng
from sciml.core.errors import UserError
from sciml.nn.tversky import FeatureBank, revive, watch_activity
from sciml.tools._contract import AnyRule
from sciml.train import StepRule


class SimilarityRule(StepRule[Any]):  # Any: a batch of any task
    """The solver's own steps, with frozen layers at rest and dead features revived.

    Arguments:
        inner: takes the steps.
        module: with Tversky layers.
        every: steps between two looks at the features; 0 for none.
        last: the step after which all features stay.
        frozen: modules in evaluation mode in all steps, so that their statistics stay too.
        seed: of new features.
    """

    def __init__(
        self,
        inner: AnyRule,
        module: nn.Module,
        *,
        every: int,
        last: int,
        frozen: Sequence[nn.Module] = (),
        seed: int = 0,
    ) -> None:
        self.inner, self.module = inner, module
        self._every, self._last, self._frozen, self._seed = every, last, tuple(frozen), seed
        self._taken, self.revived = 0, 0

    @property
    def stopped(self) -> str:
        """Of the solver's rule."""
        return self.inner.stopped

    @property
    def candidate(self) -> bool:
        """As the solver's rule says."""
        return self.inner.candidate

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """A step of the solver's rule; where it is time, with a look at who has which feature."""
        for module in self._frozen:
            module.eval()
        self._taken += 1
        if not self._every or self._taken % self._every or self._taken > self._last:
            return self.inner.step(batch, along)
        with watch_activity(self.module) as activities:
            loss = self.inner.step(batch, along)
        for place, (bank, activity) in enumerate(activities.items()):
            generator = rng.generator(self._seed, "revive", self._taken, place)
            try:
                self.revived += revive(bank, activity, generator)
            except UserError:  # a batch of equal objects has no differences; the next one may
                continue
        return loss

    def skip(self, along: float) -> None:
        """The schedule goes on."""
        self._taken += 1
        self.inner.skip(along)

    def logged(self) -> Mapping[str, float]:
        """Also how many features were replaced so far."""
        return {**self.inner.logged(), "revived": float(self.revived)}

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Of the solver's rule, and the counts."""
        return {"inner": self.inner.state_dict(), "taken": self._taken, "revived": self.revived}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self.inner.load_state_dict(state["inner"])
        self._taken, self.revived = state["taken"], state["revived"]


def freeze_others(module: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Take all parameters out of training but those of the named layers; the modules that stay as they are."""
    kept = {id(p) for name in names for p in module.get_submodule(name).parameters()}
    for parameter in module.parameters():
        parameter.requires_grad_(id(parameter) in kept)
    return [
        inner
        for inner in module.modules()
        if not any(id(p) in kept for p in inner.parameters()) and not isinstance(inner, FeatureBank)
    ]


def thaw(module: nn.Module) -> None:
    """Every parameter in training again."""
    for parameter in module.parameters():
        parameter.requires_grad_(True)
