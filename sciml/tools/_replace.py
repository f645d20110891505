"""Putting other layers in the place of named ones."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import nn

from sciml.core.errors import UserError
from sciml.nn import low_rank_obstacle

F = TypeVar("F")
"""How a plan describes a layer."""


def replace_layers(
    module: nn.Module, forms: Mapping[str, F], replacement: Callable[[nn.Module, F], nn.Module], kind: str
) -> nn.Module:
    """The module with other layers, changed in place; a layer under several names is replaced under all of them.

    Arguments:
        module: has the layers.
        forms: what becomes of a layer, by its name.
        replacement: ``(layer, form)`` to the new layer.
        kind: of the plan, for messages: "low-rank".

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """
    layers = dict(module.named_modules())
    replaced: dict[int, nn.Module] = {}
    for name, form in forms.items():
        layer = layers.get(name)
        if not name or layer is None:
            raise _foreign(kind, f"it has no layer {name!r}")
        obstacle = low_rank_obstacle(layer)
        if obstacle:
            raise _foreign(kind, f"its layer {name!r} cannot be factored: {obstacle}")
        try:
            replaced[id(layer)] = replacement(layer, form)
        except UserError as error:
            raise _foreign(kind, f"its layer {name!r}: {error}") from None
    for parent in list(module.modules()):
        for key, child in list(parent._modules.items()):  # named_children() gives a layer under its first name only
            if id(child) in replaced:
                setattr(parent, key, replaced[id(child)])
    return module


def _foreign(kind: str, reason: str) -> UserError:
    return UserError(
        f"a {kind} plan does not fit this module",
        got=reason,
        expected="a module with the layers the plan was made for",
        fix="Take the plan and the recipe from the same run.",
    )
