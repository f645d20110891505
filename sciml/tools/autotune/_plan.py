"""Timing the forms that a structured layer can be computed in, and keeping the fastest."""

from collections.abc import Callable, Mapping
from typing import Literal

import pydantic
import torch
from torch import Tensor, nn

from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.nn import (
    LowRankConv,
    LowRankLinear,
    LowRankSpectralConv,
    is_packed,
    structured_like,
    unstructured_like,
    unstructured_of,
    with_operator,
)
from sciml.nn.structured import Merged, RectangleMatrix, Rectangles, Structured, merge_blocks, merge_rectangles
from sciml.tools._replace import replace_layers
from sciml.tools.cost import measure_latencies

_STARTS = (3e3, 8e3, 2e4, 5e4, 1e5, 2e5, 4e5)
"""What starting a product may cost, in multiplications: a microsecond to twenty on the cores of today."""
_MARGIN = 0.05  # by which a form must beat the dense one: repeats differ by as much
_STRUCTURED = (*Structured.__args__, LowRankLinear, LowRankConv, LowRankSpectralConv)
_KIND = "tuning"


class AutotuneConfig(Config):
    """How forms are timed."""

    batch: int = pydantic.Field(default=1, ge=1)
    """Predictions at a time that forms are chosen for; the run's own example is repeated."""
    patience: float = pydantic.Field(default=1.0, ge=0)
    """Seconds after which no further repeat begins, for each layer."""


class LayerTuning(Config):
    """What is kept of a layer, and what was measured."""

    form: Literal["dense", "merged", "unchanged"]
    blocks: tuple[Merged, ...] = ()
    """Of a merged form."""
    before: float = pydantic.Field(ge=0)
    """Seconds of the layer as it was."""
    dense: float = pydantic.Field(ge=0)
    """Seconds with all entries of its matrix."""
    after: float = pydantic.Field(ge=0)
    """Seconds in the form that is kept."""


class TuningPlan(Config):
    """In which form each structured layer is computed."""

    layers: dict[str, LayerTuning]
    """By the layer's name in the module."""


def plan_tuning(module: nn.Module, predict: Callable[[], object], config: AutotuneConfig) -> TuningPlan:
    """The fastest form of every structured layer, for the inputs that one prediction gives it.

    Forms are the layer as it is, its blocks merged into fewer ones for several prices of starting a product, and all
    entries of its matrix. All have the same answers but for rounding.

    Arguments:
        module: with structured layers.
        predict: makes one prediction with `module`.
        config: the settings.

    Layers with pruned weights stay as they are: other forms hold products of their factors, where zeros are gone.

    Raises:
        UserError: there is no structured layer that a prediction calls, or all of them are pruned.
    """
    called = _inputs(module, predict)
    inputs = {name: x for name, x in called.items() if not is_packed(module.get_submodule(name))}
    if called and not inputs:
        raise UserError("the structured layers of this module are pruned, and other forms of them would be full",
                        got=", ".join(called), fix="Tune first, then prune.")  # fmt: skip
    if not inputs:
        raise UserError("no layer of this module can be tuned: a prediction calls none with a structure",
                        fix="Apply the tool structure or low_rank first.")  # fmt: skip
    layers = dict(module.named_modules())
    return TuningPlan(layers={name: tune_layer(layers[name], x, config) for name, x in inputs.items()})


def tune_layer(layer: nn.Module, x: Tensor, config: AutotuneConfig) -> LayerTuning:
    """The fastest form of one layer for inputs like these."""
    x = torch.cat([x] * config.batch) if config.batch > 1 else x
    forms: dict[str, nn.Module] = {"unchanged": layer, "dense": unstructured_of(layer)}
    blocks = {"unchanged": (), "dense": ()} | _merged(layer, x)
    for name, merged in blocks.items():
        if merged:
            forms[name] = merged_layer(layer, merged)
    with torch.no_grad():
        latencies = measure_latencies(
            {name: _call(form.eval(), x) for name, form in forms.items()}, patience=config.patience
        )
    seconds = {name: latency.seconds for name, latency in latencies.items()}
    best = min(seconds, key=lambda name: seconds[name])
    if seconds[best] > (1 - _MARGIN) * seconds["dense"]:
        best = "dense"
    return LayerTuning(
        form="merged" if blocks[best] else ("dense" if best == "dense" else "unchanged"),
        blocks=blocks[best],
        before=seconds["unchanged"],
        dense=seconds["dense"],
        after=seconds[best],
    )


def merged_layer(layer: nn.Module, merged: tuple[Merged, ...]) -> nn.Module:
    """A layer with its blocks merged. Raises UserError for one that has other blocks."""
    if not isinstance(layer, Structured) or not isinstance(layer.operator, RectangleMatrix):
        raise UserError("only blocks on rectangles can be merged", got=type(layer).__name__)
    return with_operator(layer, merge_blocks(layer.operator, merged))


def apply_tuning(module: nn.Module, plan: TuningPlan) -> nn.Module:
    """The module with layers in the plan's forms, changed in place; weights are loaded afterwards.

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """

    def like(layer: nn.Module, tuning: LayerTuning) -> nn.Module:
        if tuning.form == "dense":
            return unstructured_like(layer)
        return structured_like(layer, Rectangles(blocks=tuple(one.rectangle for one in tuning.blocks)))

    return replace_layers(module, _changed(plan), like, _KIND)


def transfer_tuning(module: nn.Module, plan: TuningPlan) -> nn.Module:
    """The module with layers in the plan's forms and the same matrices, changed in place.

    Raises:
        UserError: the plan is of another module; nothing is changed then.
    """

    def same(layer: nn.Module, tuning: LayerTuning) -> nn.Module:
        return unstructured_of(layer) if tuning.form == "dense" else merged_layer(layer, tuning.blocks)

    return replace_layers(module, _changed(plan), same, _KIND)


def _changed(plan: TuningPlan) -> Mapping[str, LayerTuning]:
    return {name: tuning for name, tuning in plan.layers.items() if tuning.form != "unchanged"}


def _merged(layer: nn.Module, x: Tensor) -> dict[str, tuple[Merged, ...]]:
    """Ways to merge the blocks of a layer, each once."""
    if not isinstance(layer, Structured) or not isinstance(layer.operator, RectangleMatrix):
        return {}
    operator, distinct = layer.operator, {}
    vectors = max(1, x.numel() // (x.shape[1] if operator.shape.taps > 1 or x.ndim > 3 else x.shape[-1]))
    for start in _STARTS:
        merged = tuple(merge_rectangles(operator.rectangles, operator.shape, start / vectors))
        if len(merged) < len(operator.rectangles):
            distinct[tuple(one.rectangle.model_dump_json() for one in merged)] = merged
    return {f"merged into {len(merged)}, {i}": merged for i, merged in enumerate(distinct.values())}


def _inputs(module: nn.Module, predict: Callable[[], object]) -> dict[str, Tensor]:
    """What every structured layer sees first in a prediction, by name."""
    seen: dict[str, Tensor] = {}
    hooks = []

    def watch(name: str, layer: nn.Module) -> None:
        def enter(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            seen.setdefault(name, arguments[0].detach().clone())

        hooks.append(layer.register_forward_pre_hook(enter))

    outer = [name for name, layer in module.named_modules() if name and isinstance(layer, _STRUCTURED)]
    for name in outer:
        watch(name, module.get_submodule(name))
    try:
        with torch.no_grad():
            predict()
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _call(layer: nn.Module, x: Tensor) -> Callable[[], object]:
    def call() -> object:
        with torch.no_grad():
            return layer(x)

    return call
