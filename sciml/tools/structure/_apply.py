"""Carrying out a plan: the structure alone, from dense weights, and as it came out of training."""

from typing import assert_never

from torch import nn

from sciml.core.errors import UserError
from sciml.nn import low_rank_like, low_rank_of, structured_like, structured_of, with_operator
from sciml.nn.structured import Blast, Gaudi, GaudiMatrix, Monarch, Rectangle, RectangleMatrix, Rectangles, Structured
from sciml.tools._replace import replace_layers
from sciml.tools.structure._config import LayerForm, LowRankFactors, StructurePlan

_KIND = "structure"


def apply_structure(module: nn.Module, plan: StructurePlan) -> nn.Module:
    """The module with the plan's structures, changed in place; their contents mean nothing before weights are loaded.

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """
    return replace_layers(module, plan.layers, _like, _KIND)


def fit_structure(module: nn.Module, plan: StructurePlan) -> nn.Module:
    """The module with the plan's layers replaced by close ones of their structures, changed in place.

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """
    return replace_layers(module, plan.layers, _of, _KIND)


def compact_structure(module: nn.Module, plan: StructurePlan) -> StructurePlan:
    """Turn learned blocks into the few products that predict, in place; the plan that rebuilds them.

    Raises:
        UserError: the plan is of another module.
    """
    learned = [name for name, form in plan.layers.items() if isinstance(form, Gaudi)]
    layers, shares, cost = dict(plan.layers), dict(plan.shares), 0.0
    for name in learned:
        layer = module.get_submodule(name)
        if not isinstance(layer, Structured) or not isinstance(layer.operator, GaudiMatrix):
            raise UserError(f"the plan names learned blocks of {name!r}, which has none", got=type(layer).__name__)
        merged = layer.operator.compact()
        if merged is None:  # nothing is left of it; a structure has at least one block
            nothing = Rectangle(rows=(0, 1), columns=(0, 1), rank=0)
            merged = RectangleMatrix(layer.operator.shape, [nothing])
            for parameter in merged.parameters():
                parameter.data.zero_()
        layers[name] = Rectangles(blocks=merged.rectangles)
        now = layer.operator.calls * merged.multiplications
        shares[name], cost = shares.get(name, 1.0) * now / layer.operator.budget, cost + now
        compacted = with_operator(layer, merged)
        replace_layers(module, {name: compacted}, lambda _, new: new, _KIND)
    if not learned:
        return plan
    return plan.model_copy(update={"layers": layers, "shares": shares, "flops": plan.others + cost})


def _like(layer: nn.Module, form: LayerForm) -> nn.Module:
    match form:
        case LowRankFactors():
            return low_rank_like(layer, form.rank)
        case Rectangles() | Monarch() | Blast() | Gaudi():
            return structured_like(layer, form)
        case _:
            assert_never(form)


def _of(layer: nn.Module, form: LayerForm) -> nn.Module:
    match form:
        case LowRankFactors():
            return low_rank_of(layer, form.rank)
        case Rectangles() | Monarch() | Blast() | Gaudi():
            return structured_of(layer, form)
        case _:
            assert_never(form)
