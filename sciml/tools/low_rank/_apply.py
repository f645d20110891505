"""Carrying out a plan: the structure alone, or factors from the dense weights."""

from collections.abc import Callable

from torch import nn

from sciml.core.errors import UserError
from sciml.nn import LowRank, low_rank_like, low_rank_obstacle, low_rank_of
from sciml.tools.low_rank._config import LowRankPlan


def apply_low_rank(module: nn.Module, plan: LowRankPlan) -> nn.Module:
    """The module with the plan's layers in low-rank form, changed in place; their factors are zero.

    The structure follows from the plan alone, so that weights can be loaded into a module that was built afresh: the
    layer ``name`` becomes ``name.first`` and ``name.second``. Draws no random numbers.

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """
    return _replace(module, plan, low_rank_like)


def factor_low_rank(module: nn.Module, plan: LowRankPlan) -> nn.Module:
    """The module with the plan's layers replaced by the closest of that rank, changed in place.

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """
    return _replace(module, plan, low_rank_of)


def _replace(module: nn.Module, plan: LowRankPlan, form: Callable[[nn.Module, int], LowRank]) -> nn.Module:
    layers = dict(module.named_modules())
    replaced: dict[int, LowRank] = {}
    for name, rank in plan.ranks.items():
        layer = layers.get(name)
        if not name or layer is None:
            raise _foreign(f"it has no layer {name!r}")
        obstacle = low_rank_obstacle(layer)
        if obstacle:
            raise _foreign(f"its layer {name!r} cannot be factored: {obstacle}")
        try:
            replaced[id(layer)] = form(layer, rank)
        except UserError as error:
            raise _foreign(f"its layer {name!r}: {error}") from None
    for parent in list(module.modules()):
        for key, child in list(parent._modules.items()):  # named_children() gives a layer under its first name only
            if id(child) in replaced:
                setattr(parent, key, replaced[id(child)])
    return module


def _foreign(reason: str) -> UserError:
    return UserError(
        "a low-rank plan does not fit this module",
        got=reason,
        expected="a module with the layers the plan was made for",
        fix="Take the plan and the recipe from the same run.",
    )
