"""Where compressed rows (CSR) are faster than the full product, measured on what a prediction really multiplies."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.nn import functional

from sciml.core.text import counted
from sciml.nn import compressed_rows, owner_of
from sciml.tools.cost import measure_latencies

WORTHWHILE = 1.1
"""The full product must take at least this many times as long: below it repeats of a measurement disagree."""


class Verdict(NamedTuple):
    """Whether a layer predicts with compressed rows, and why, in words."""

    compressed: bool
    why: str


def choose_compressed(
    module: nn.Module, masks: Mapping[str, Bool[Tensor, "..."]], call: Callable[[], object], patience: float
) -> dict[str, Verdict]:
    """A verdict for every pruned weight.

    Arguments:
        module: before it is pruned.
        masks: by the name of the weight.
        call: makes one prediction with `module`.
        patience: seconds that a measurement may take, or six products.
    """
    plain = {name: _obstacle(*owner_of(module, name)) for name in masks}
    seen = _inputs(module, [name for name, obstacle in plain.items() if not obstacle], call)
    verdicts = {}
    for name, mask in masks.items():
        if plain[name]:
            verdicts[name] = Verdict(False, plain[name])
        elif name not in seen:
            verdicts[name] = Verdict(False, "a prediction does not call it")
        else:
            layer, short = owner_of(module, name)
            verdicts[name] = _measured(layer.get_parameter(short), mask, seen[name], patience)
    return verdicts


def measure_product(
    weight: Tensor, mask: Bool[Tensor, "row column"], x: Tensor, patience: float
) -> tuple[float, float]:
    """Seconds of x Wᵀ with the full matrix and with its compressed rows, side by side on one thread."""
    full = weight.detach() * mask
    rows = compressed_rows(full)
    flat = (x.flatten(0, -2) if x.ndim > 1 else x[None]).to(full.dtype)  # a prediction may compute in double precision
    with torch.no_grad():
        latencies = measure_latencies(
            {
                "full": lambda: functional.linear(flat, full),
                "rows": lambda: (rows @ flat.T.contiguous()).T.contiguous(),
            },
            patience=patience,
        )
    return latencies["full"].seconds, latencies["rows"].seconds


def _measured(weight: Tensor, mask: Tensor, x: Tensor, patience: float) -> Verdict:
    full, rows = measure_product(weight, mask, x, patience)
    gain, columns = full / rows, x.numel() // x.shape[-1]
    words = f"compressed rows take {rows / full:.2g} times as long at {counted(columns, 'columns')}"
    return Verdict(gain > WORTHWHILE, words)


def _obstacle(layer: nn.Module, name: str) -> str:
    if type(layer) is nn.Linear and name == "weight":
        if layer.weight.device.type != "cpu":
            return "it was not measured: only products on a CPU are"
        return ""
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return "torch has no sparse convolution"
    if isinstance(layer, nn.Linear):
        return "its rows are packed already"
    return "only linear layers have compressed rows"


def _inputs(module: nn.Module, names: list[str], call: Callable[[], object]) -> dict[str, Tensor]:
    """What each linear layer multiplies last in a prediction."""
    seen: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            seen[name] = arguments[0].detach().clone()

        return keep

    hooks = [owner_of(module, name)[0].register_forward_pre_hook(watch(name)) for name in names]
    try:
        call()
    finally:
        for hook in hooks:
            hook.remove()
    return seen
