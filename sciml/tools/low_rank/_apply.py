"""Carrying out a plan: the structure alone, or factors from the dense weights."""

from torch import nn

from sciml.nn import low_rank_like, low_rank_of
from sciml.tools._replace import replace_layers
from sciml.tools.low_rank._config import LowRankPlan


def apply_low_rank(module: nn.Module, plan: LowRankPlan) -> nn.Module:
    """The module with the plan's layers in low-rank form, changed in place; their factors are zero.

    The structure follows from the plan alone, so that weights can be loaded into a module that was built afresh: the
    layer ``name`` becomes ``name.first`` and ``name.second``. Draws no random numbers.

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """
    return replace_layers(module, plan.ranks, low_rank_like, "low-rank")


def factor_low_rank(module: nn.Module, plan: LowRankPlan) -> nn.Module:
    """The module with the plan's layers replaced by the closest of that rank, changed in place.

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """
    return replace_layers(module, plan.ranks, low_rank_of, "low-rank")
