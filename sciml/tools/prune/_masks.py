"""Masks as text in a plan, and networks with them."""

import base64
import binascii
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn import compress, owner_of, pack, packed_weight
from sciml.tools.prune._config import PrunePlan


def encode(mask: Bool[Tensor, "..."]) -> str:
    """One bit per number."""
    return base64.b64encode(zlib.compress(np.packbits(mask.flatten().numpy()).tobytes(), 9)).decode("ascii")


def decode(text: str, shape: tuple[int, ...]) -> Bool[Tensor, "..."]:
    """The mask of a shape. Raises UserError for text that is none of that size."""
    size = int(np.prod(shape, dtype=np.int64))
    wanted = (size + 7) // 8
    try:
        packed = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), wanted + 1)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise UserError("a mask of the plan is damaged", got=str(error), fix="Apply the tool again.") from None
    if len(packed) != wanted:
        raise UserError("a mask of the plan is of another network", got=f"{len(packed)} bytes",
                        expected=f"{wanted} for a weight of shape {shape}")  # fmt: skip
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=size).astype(bool)
    return torch.from_numpy(bits).view(shape)


def apply_masks(module: nn.Module, plan: PrunePlan) -> nn.Module:
    """The module with the plan's weights packed, changed in place, with the values they have. Draws no random numbers.

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """
    masks = _masks(module, plan)
    for name, mask in masks.items():
        layer, _ = owner_of(module, name)
        if plan.layers[name].compressed and isinstance(layer, nn.Linear):
            compress(layer)
        pack(module, name, mask)
    return module


def _masks(module: nn.Module, plan: PrunePlan) -> Mapping[str, Tensor]:
    """The masks, each of the shape of its weight and with the entries it claims."""
    masks = {}
    for name, text in plan.masks.items():
        layer, short = owner_of(module, name)
        weight = layer._parameters.get(short)
        weight = packed_weight(layer, short) if weight is None else weight
        if weight is None or name not in plan.layers:
            raise UserError("a pruning plan does not fit this module", got=f"a weight {name!r} that it does not have",
                            expected="a module with the weights the plan was made for",
                            fix="Take the plan and the recipe from the same run.")  # fmt: skip
        masks[name] = decode(text, tuple(weight.shape)).to(weight.device)
    return masks
