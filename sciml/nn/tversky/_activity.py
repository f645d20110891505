"""Features that nobody has: finding them and replacing them.

Where a_k ≤ 0 of all objects and all prototypes no gradient reaches f_k (with hard gates), so that it stays as it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn.tversky._layers import FeatureBank, TverskyProjection, TverskySimilarity


@dataclass
class Activity:
    """How often every feature of a bank is had, over all layers that use it.

    Arguments:
        counts: objects that have the feature, ``feature``.
        objects: how many there were.
        seen: some of the objects, for new features.
    """

    counts: Float[Tensor, " feature"]
    objects: int
    seen: Float[Tensor, "object channel"]

    @property
    def share(self) -> Float[Tensor, " feature"]:
        """Share of the objects that have each feature."""
        return self.counts / max(1, self.objects)

    @property
    def dead(self) -> Bool[Tensor, " feature"]:
        """Features that no object has."""
        return self.counts == 0


@contextmanager
def watch_activity(module: nn.Module, most: int = 512) -> Iterator[dict[FeatureBank, Activity]]:
    """Count in all calls within the block who has which feature; prototypes count as objects. Hooks go afterwards.

    Arguments:
        module: with Tversky layers.
        most: objects that are kept.
    """
    activities: dict[FeatureBank, Activity] = {}
    hooks = [
        bank.register_forward_hook(_counting(activities, most))
        for bank in {m.bank for m in module.modules() if isinstance(m, TverskySimilarity)}
    ]
    try:
        yield activities
    finally:
        for hook in hooks:
            hook.remove()


def _counting(activities: dict[FeatureBank, Activity], most: int) -> Callable[..., None]:
    @torch.no_grad()
    def count(bank: nn.Module, inputs: tuple[Tensor], products: Tensor) -> None:
        if not isinstance(bank, FeatureBank):
            raise TypeError("the hook belongs to a feature bank")
        objects, products = inputs[0].detach().flatten(0, -2), products.detach().flatten(0, -2)
        if bank not in activities:
            activities[bank] = Activity(products.new_zeros(products.shape[1]), 0, objects[:0])
        activity = activities[bank]
        activity.counts = activity.counts + (products > 0).sum(0)
        activity.objects += len(products)
        if len(activity.seen) < most:
            activity.seen = torch.cat((activity.seen, objects[: most - len(activity.seen)]))

    return count


@torch.no_grad()
def revive(bank: FeatureBank, activity: Activity, generator: torch.Generator | None = None) -> int:
    """Put differences of objects in the place of dead features, each of which some object has then.

    f = x_i - x_j has x_i·f > x_j·f, so x_i has it, or x_j has -f; it gets the mean norm of the living features.

    Arguments:
        bank: changed in place.
        activity: of the bank, as `watch_activity` counted it.
        generator: of the choice of pairs.

    Returns: how many were replaced.

    Raises: UserError where fewer than two different objects were seen.
    """
    dead = activity.dead.nonzero().flatten()
    if not len(dead):
        return 0
    objects = activity.seen.to(bank.weight)
    different = objects.unique(dim=0)
    if len(different) < 2:
        raise UserError("new features are differences of objects, of which there are none", got=f"{len(different)}",
                        expected="two different objects at least")  # fmt: skip
    first = torch.randint(len(different), (len(dead),), generator=generator).to(dead.device)
    step = torch.randint(1, len(different), (len(dead),), generator=generator).to(dead.device)
    fresh = different[first] - different[(first + step) % len(different)]
    fresh = torch.where(((different[first] * fresh).sum(1) > 0)[:, None], fresh, -fresh)
    living = bank.weight[~activity.dead].norm(dim=1)
    length = living.mean() if len(living) else bank.weight.norm(dim=1).mean().clamp(min=1e-3)
    bank.weight[dead] = fresh / fresh.norm(dim=1, keepdim=True) * length
    return len(dead)


def tversky_layers(module: nn.Module) -> dict[str, TverskyProjection]:
    """The projections of a module, by name."""
    return {name: inner for name, inner in module.named_modules() if isinstance(inner, TverskyProjection)}
