"""SineNets out of checkpoints in the layout of the authors' code: names and shapes of weights mapped to ours."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from sciml.core.errors import CheckpointError, UserError
from sciml.models._sinenet import SineNet, wave_channels

_PREFIXES = ("model.", "module.", "_orig_mod.")
"""What Lightning, several processes and the compiler put before the names of a network's weights."""
_ENDS = {"image_proj": "encoder.conv", "final": "decoder.conv", "time_embed": "embedding.mlps.0", "pde_emb":
         "embedding.mlps.1"}  # fmt: skip
_LAYERS = {
    "conv1": "first.conv",
    "norm1": "first_norm.norm",
    "cond_emb": "modulation.linear",
    "conv2": "second.conv",
    "norm2": "second_norm.norm",
}
_STAGE = re.compile(r"(down|up)\.(\d+)\.(\d+)\.(?:conv\.(\d+)\.(\w+)|(shortcut))\.(weight|bias)")
_END = re.compile(r"(image_proj|final|time_embed|pde_emb)\.((?:[02]\.)?(?:weight|bias))")


def published_sinenet(
    weights: str | Path | Mapping[str, Tensor],
    *,
    padding: Literal["circular", "zeros"],
    wave_residual: bool = True,
    size: tuple[int, int] | None = None,
) -> SineNet:
    """The network of a checkpoint that the authors' code wrote (modules ``sinenet_dual`` and ``sinenet_cond``).

    Its size, its parallel path, its shortcuts and its conditioning follow from the weights; `padding` and
    `wave_residual` leave no trace in them. Frames are folded into channels as there, oldest first; a condition is the
    time step in stored frames and, where the network was trained with one, the raw parameter. A checkpoint knows
    nothing of the constants that fields were standardised with.

    Arguments:
        weights: a checkpoint of Lightning, a file of a state dict (torch or safetensors), or a state dict.
        padding: of all axes, as the network was trained: ``zeros`` for the smoke, ``circular`` for the others.
        wave_residual: whether waves add to their input.
        size: points of the grid that refinement is prepared for; None for any.

    Returns: the network on the CPU, in the dtype of its weights, in evaluation mode.

    Raises:
        CheckpointError: the file is not there, holds more than tensors and plain values, or its weights are no SineNet
            of this layout.

    Reference: Zhang et al., ICLR 2024, arXiv:2403.19507; names and shapes after divelab/AIRS, OpenPDE/SineNet.
    """
    source = "the state dict" if isinstance(weights, Mapping) else str(weights)
    tensors = _unwrapped(weights if isinstance(weights, Mapping) else _read(Path(weights)), source)
    renamed = {_renamed(name, source): value for name, value in tensors.items()}
    try:
        network = _described(tensors, padding, wave_residual, size)
        network.to(tensors["image_proj.weight"].dtype).load_state_dict(renamed)
    except (KeyError, RuntimeError, UserError) as error:
        raise _not_one(source, str(error).splitlines()[-1].strip()) from None
    return network.eval()


def _described(
    given: Mapping[str, Tensor],
    padding: Literal["circular", "zeros"],
    wave_residual: bool,
    size: tuple[int, int] | None,
) -> SineNet:
    """A fresh network with the sizes of the weights."""
    places = [match for name in given if (match := _STAGE.fullmatch(name))]
    if not places:
        raise UserError("there are no waves in it")
    waves, levels = (1 + max(int(place[group]) for place in places) for group in (2, 3))
    width, in_channels = given["image_proj.weight"].shape[:2]
    channels = (width, *(len(given[f"down.0.{level}.conv.0.conv1.weight"]) for level in range(levels)))
    second = given["down.0.1.conv.0.conv1.weight"].shape[1] if levels > 1 else channels[1] + width
    scalars = 0 if "time_embed.0.weight" not in given else 2 if "pde_emb.0.weight" in given else 1
    scales = scalars and len(given["down.0.0.conv.0.cond_emb.weight"]) == 2 * channels[1]
    return SineNet(
        in_channels=in_channels,
        out_channels=len(given["final.weight"]),
        waves=waves,
        levels=levels,
        width=width,
        multiplier=channel_multiplier(channels),
        blocks=1 + max(int(place[4]) for place in places if place[4] is not None),
        disentangle=second == channels[1] + width,
        wave_residual=wave_residual,
        block_residual="down.0.0.shortcut.weight" in given,
        padding=padding,
        condition_channels=scalars,
        conditioning="adagn" if scales else "add",
        size=size,
    )


def channel_multiplier(channels: tuple[int, ...]) -> float:
    """A growth m with ⌊c_0 m^l⌋ = c_l for all levels: the intervals (c_l / c_0)^(1/l) ≤ m < ((c_l + 1) / c_0)^(1/l)."""
    base = channels[0]
    low = max((c / base) ** (1 / level) for level, c in enumerate(channels[1:], start=1))
    high = min(((c + 1) / base) ** (1 / level) for level, c in enumerate(channels[1:], start=1))
    middle = (low + high) / 2
    for digits in range(1, 12):  # the roundest one, as people write it
        if low <= (value := math.ceil(low * 10**digits) / 10**digits) < high and wave_channels(
            base, value, len(channels) - 1
        ) == channels:  # fmt: skip
            return value
    if low < high and wave_channels(base, middle, len(channels) - 1) == channels:
        return middle
    raise UserError(f"its channels {channels} do not grow by one factor")


def _renamed(name: str, source: str) -> str:
    """Our name of a weight."""
    if end := _END.fullmatch(name):
        return f"{_ENDS[end[1]]}.{end[2]}"
    stage = _STAGE.fullmatch(name)
    if stage is None or (stage[5] is not None and stage[5] not in _LAYERS):
        raise _not_one(source, f"a weight {name!r}")
    way, wave, level, block, layer, shortcut, kind = stage.groups()
    home = f"waves.{wave}.{way}.{level}"
    if shortcut:
        return f"{home}.shortcut.{kind}"
    place = "block" if int(block) == 0 else f"more.{int(block) - 1}"
    return f"{home}.{place}.{_LAYERS[layer]}.{kind}"


def _unwrapped(weights: Mapping[str, object], source: str) -> dict[str, Tensor]:
    """The tensors of a network by the authors' names, without what was put around them."""
    inner = weights.get("state_dict", weights)
    if not isinstance(inner, Mapping):
        raise _not_one(source, "an entry state_dict that is no table of tensors")
    tensors: dict[str, Tensor] = {}
    for name, value in inner.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise _not_one(source, f"an entry {name!r} that is no tensor")
        while prefix := next((p for p in _PREFIXES if name.startswith(p)), ""):
            name = name.removeprefix(prefix)
        tensors[name] = value
    return tensors


def _read(path: Path) -> Mapping[str, object]:
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(str(path))
        read = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read as weights alone",
            got=str(error).splitlines()[0][:200] if str(error) else type(error).__name__,
            expected="tensors and plain values; a file of objects of Python can run code when it is read",
            fix="Where you made the file: torch.save(torch.load(path)['state_dict'], 'weights.pt').",
        ) from None
    return read if isinstance(read, Mapping) else {"state_dict": read}


def _not_one(source: str, got: str) -> CheckpointError:
    return CheckpointError(
        f"{source} does not hold a SineNet in the layout of the authors' code",
        got=got,
        expected="weights image_proj, down.W.L, up.W.L and final, as sinenet_dual and sinenet_cond name them",
    )
