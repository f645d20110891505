"""Choosing the layers, and measuring what goes into them and comes out."""

import copy
import re
from collections import Counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError
from sciml.nn import BranchTrunkProduct
from sciml.tools._contract import Subject
from sciml.tools.similarity._apply import apply_similarity, obstacle, replacement, sizes_of
from sciml.tools.similarity._config import HeadForm, MeasureForm, SimilarityConfig, SimilarityPlan

_SAMPLES, _MOST_ROWS = 64, 2048
_LABELS = ("classification",)
"""Tasks whose answers may jump."""


class Uses(NamedTuple):
    """What a layer was given and answered.

    Fields:
        inputs: its arguments in one call.
        output: its answer.
    """

    inputs: tuple[Tensor, ...]
    output: Tensor


def plan_similarity(subject: Subject, config: SimilarityConfig) -> SimilarityPlan:
    """Forms of the chosen layers, with sizes from a batch of training examples.

    Raises:
        UnknownNameError, UnsupportedError, ConfigError: a layer that does not exist or cannot be replaced (all with the
            reason), settings that do not go together.
    """
    measure = _measure(subject, config)
    uses = layer_uses(subject, subject.module)
    names, skipped = _chosen(subject.module, uses, config)
    seed = rng.derive(subject.seed, "similarity")
    forms, plan = {}, SimilarityPlan(kind=config.kind, layers={}, measure=measure, seed=seed)
    for name in names:
        layer = subject.module.get_submodule(name)
        form = _form(name, layer, uses[name], config)
        forms[name] = _calibrated(name, layer, form, uses[name], plan) if config.kind == "tversky" else form
    plan = plan.model_copy(update={"layers": forms, "skipped": skipped})
    changed = apply_similarity(copy.deepcopy(subject.module), plan)
    _try(subject, changed)
    sizes = tuple(sum(p.numel() for p in module.parameters()) for module in (subject.module, changed))
    return plan.model_copy(update={"parameters": sizes})


def layer_uses(subject: Subject, module: nn.Module) -> dict[str, Uses]:
    """The first use of every innermost layer in the loss of a batch of training examples, in the order of last use."""
    uses: dict[str, Uses] = {}
    hooks = []

    def watch(name: str) -> Any:  # Any: what torch calls
        def note(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            tensors = [value.detach() for value in inputs if isinstance(value, Tensor)]
            if tensors and isinstance(output, Tensor):
                first = uses.pop(name, Uses(tuple(tensors), output.detach()))
                uses[name] = first

        return note

    for name, layer in module.named_modules():
        if name and (not list(layer.children()) or isinstance(layer, BranchTrunkProduct)):
            hooks.append(layer.register_forward_hook(watch(name)))
    try:
        _loss(subject, module)
    finally:
        for hook in hooks:
            hook.remove()
    return uses


def _loss(subject: Subject, module: nn.Module) -> Tensor:
    """The loss on the first training examples, with the generators of the process put back."""
    examples, state = subject.bench().examples, rng.state()
    training = module.training
    try:
        batch = examples.batch(torch.arange(min(_SAMPLES, len(examples))), rng.generator(subject.seed, "similarity"))
        return subject.solver.loss(module.eval(), batch, 1.0).detach()
    finally:
        module.train(training)
        rng.restore(state)


def _try(subject: Subject, module: nn.Module) -> None:
    """Refuse what a solver's own code cannot do with other layers, before anything is trained."""
    try:
        _loss(subject, module)
        subject.predict(module)()
    except (AttributeError, NotImplementedError, UnsupportedError) as error:
        raise UnsupportedError(
            "no layer of this module can be given similarity: its solver reads the weights of linear layers",
            got=str(error).splitlines()[0],
            fix="Name other layers with `layers`.",
        ) from None


def _measure(subject: Subject, config: SimilarityConfig) -> MeasureForm:
    labels = subject.task.key in _LABELS
    gate = config.gate or ("hard" if labels else "smooth")
    if gate == "hard" and not labels:
        raise ConfigError(
            "hard gates make answers jump in space and time, and only class labels may",
            got=f"gate='hard' for the task {subject.task.key!r}",
            fix="Leave out gate, or set gate=smooth.",
        )
    names = ("model", "intersection", "difference", "reduction", "temperature")
    return MeasureForm(gate=gate, **{name: getattr(config, name) for name in names})


def _chosen(module: nn.Module, uses: dict[str, Uses], config: SimilarityConfig) -> tuple[list[str], dict[str, str]]:
    """Names of the layers that are replaced, and the others with the reason."""
    layers = dict(module.named_modules())
    matrices = [name for name in uses if isinstance(layers[name], BranchTrunkProduct) or _is_matrix(layers[name])]
    owners = Counter(id(p) for layer in layers.values() for p in layer.parameters(recurse=False))
    reasons = {name: obstacle(layers[name]) for name in matrices}
    reasons |= {
        name: "it shares its weight with another layer"
        for name in matrices
        if not reasons[name] and any(owners[id(p)] > 1 for p in layers[name].parameters())
    }
    possible = [name for name in matrices if not reasons[name]]
    skipped = {name: reason for name, reason in reasons.items() if reason}
    if config.layers:
        return _named(config, layers, reasons), skipped
    products = [name for name in matrices if isinstance(layers[name], BranchTrunkProduct)]
    heads = products or [name for name in matrices if _of_member(name) == _of_member(matrices[-1])]
    if config.what == "head":
        names = [name for name in heads if name in possible]
        lacking = f"{heads[-1]}: {reasons[heads[-1]]}" if heads else "it calls no linear layer"
    else:
        names = [name for name in possible if name not in heads]
        lacking = "it has none before its head"
    if not names:
        raise UnsupportedError(
            f"no layer of this module can be given similarity as its {config.what}",
            got=lacking,
            expected="linear layers, convolutions of one point, or the product of a branch and a trunk",
            fix=f"Name layers with `layers`, of: {', '.join(possible)}." if possible else "",
        )
    return names, skipped


def _named(config: SimilarityConfig, layers: dict[str, nn.Module], reasons: dict[str, str]) -> list[str]:
    for name in config.layers:
        if name not in layers or not name:
            raise UnknownNameError("layer", name, reasons)
        if (reason := reasons.get(name, obstacle(layers[name]) or "the loss does not call it")) or not name:
            raise UnsupportedError(f"layer {name!r} cannot be given similarity", got=reason)
    return list(config.layers)


def _of_member(name: str) -> str:
    """The name of a layer without the number of the member of an ensemble that it is of."""
    return re.sub(r"(^|\.)members\.\d+\.", r"\1members.", name)


def _is_matrix(layer: nn.Module) -> bool:
    return any(parameter.ndim > 1 for parameter in layer.parameters(recurse=False))


def _form(name: str, layer: nn.Module, use: Uses, config: SimilarityConfig) -> HeadForm:
    if isinstance(layer, BranchTrunkProduct):
        modes = use.inputs[0].shape[-1]
        return HeadForm(
            channels_in=modes, channels_out=1, features=config.features, bias=False, bank=name, prototypes=name
        )
    channels_in, channels_out = sizes_of(layer)
    together = config.what == "hidden" or bool(config.layers)
    bank = f"{channels_in}" if together and config.share != "none" else name
    prototypes = f"{channels_out} x {channels_in}" if together and config.share == "all" else name
    return HeadForm(
        channels_in=channels_in,
        channels_out=channels_out,
        features=config.features,
        bias=layer.bias is not None,
        bank=bank,
        prototypes=prototypes,
    )


@torch.no_grad()
def _calibrated(name: str, layer: nn.Module, form: HeadForm, use: Uses, plan: SimilarityPlan) -> HeadForm:
    """The form whose similarities have the spread and, with a bias, the mean of what the layer answered."""
    product = isinstance(layer, BranchTrunkProduct)
    inputs = use.inputs if product else (_some(use.inputs[0]),)
    nonnegative = all(bool((values >= 0).all()) for values in inputs)
    form = form.model_copy(update={"nonnegative": nonnegative})
    made = replacement(name, layer, form, plan)
    answers, wanted = made(*inputs).double(), use.output.double()
    if plan.measure.model == "ratio" or not answers.isfinite().all() or answers.numel() < 2:
        return form
    spread, target = float(answers.std()), float(wanted.std()) if wanted.numel() > 1 else 1.0
    scale = (target or 1.0) / spread if spread > 0 else 1.0
    shift = float(wanted.mean()) - scale * float(answers.mean()) if form.bias or product else 0.0
    return form.model_copy(update={"scale": scale, "shift": shift})


def _some(values: Tensor) -> Tensor:
    """At most `_MOST_ROWS` rows of a layer's inputs, evenly."""
    return values[:: max(1, len(values) // _MOST_ROWS)]
