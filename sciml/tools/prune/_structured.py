"""Whole channels and neurons taken out, so that the layers that are left are smaller full ones.

Which tensors have to be cut together (the layers around a concatenated skip, a norm between two convolutions) is found
by torch-pruning's dependency graph. What it cut is written down as indices per tensor, so that the structure is rebuilt
without that package.
"""

import copy
import importlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sciml.core.errors import UnsupportedError, UserError
from sciml.nn import is_packed
from sciml.tools._contract import Subject
from sciml.tools.prune._config import PruneConfig, Slices
from sciml.tools.prune._weights import prunable

_SIZES = ("in_channels", "out_channels", "in_features", "out_features", "num_channels", "num_features", "groups",
          "num_groups", "normalized_shape", "input_size", "hidden_size")  # fmt: skip
"""Attributes of torch's layers that say how large they are."""
_SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
"""Of the channels, tried in this order."""


class Cut(NamedTuple):
    """What is done to one layer, by torch-pruning's name of the operation."""

    layer: str
    operation: Any  # Any: a function of torch-pruning
    gone: Sequence[int]


def plan_structured(subject: Subject, config: PruneConfig) -> dict[str, Slices]:
    """What is left of every layer with the smallest cut that leaves at most a share 1 / ratio of the weights.

    Channels go over all layers together, those with the smallest norm over their group first.

    Raises:
        UnsupportedError: torch-pruning is not installed, cannot follow this network, or cannot cut it so far.
    """
    pruning = _package()
    module, arguments = _program(subject)
    with _graph_errors():
        before, fixed = prunable(module).entries, _answering(pruning, module, arguments)
    fixed += [name for name, layer in module.named_modules() if _has_channels(layer) and _is_kept(name, config)]
    left, best = before, None
    for share in _SHARES:
        trial, cuts = _cut(pruning, module, arguments, share, fixed)
        left = min(left, prunable(trial).entries)
        if left * config.ratio <= before:
            best = cuts
            break
    if best is None:
        raise UnsupportedError(
            "whole channels cannot be taken out so far", got=f"ratio={config.ratio:g}",
            expected=f"at most {before / left:.3g} for this network",
            fix="Set a smaller ratio, or another method, which takes single entries.",
        )  # fmt: skip
    slices = _written(module, best)
    _check(module, slices, best, arguments)
    return slices


def apply_slices(module: nn.Module, slices: Mapping[str, Slices]) -> nn.Module:
    """The module with smaller layers, changed in place, with the values it has. Draws no random numbers.

    Raises:
        UserError: the slices are of another module; nothing is changed then.
    """
    layers = dict(module.named_modules())
    tensors: list[tuple[nn.Module, str, Tensor]] = []
    for name, part in slices.items():
        for short, axes in part.left.items():
            owned = {} if name not in layers else {**layers[name]._parameters, **layers[name]._buffers}
            whole = owned.get(short)
            if whole is None or any(_outside(whole, axis, left) for axis, left in axes.items()):
                raise UserError("a pruning plan does not fit this module", got=f"channels of {name}.{short}",
                                expected="a module with the layers the plan was made for",
                                fix="Take the plan and the recipe from the same run.")  # fmt: skip
            value = whole.detach()
            for axis, left in axes.items():
                value = value.index_select(axis, torch.tensor(left, device=value.device))
            tensors.append((layers[name], short, value.clone()))
    for layer, short, value in tensors:
        if short in layer._parameters:
            layer._parameters[short] = nn.Parameter(value)
        else:
            layer._buffers[short] = value
    for name, part in slices.items():
        for attribute, size in part.sizes.items():
            setattr(layers[name], attribute, size)
    return module


def _outside(whole: Tensor, axis: int, left: Sequence[int]) -> bool:
    return not (0 <= axis < whole.ndim and left and min(left) >= 0 and max(left) < whole.shape[axis])


def _program(subject: Subject) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The module and the tensors it maps to one tensor."""
    module, arguments = subject.module, subject.task.arguments(subject.example())
    if is_packed(module):
        raise UnsupportedError("channels are taken out of full layers", got="a network with pruned weights",
                               fix="Take out channels first, then single entries.")  # fmt: skip
    if arguments is None:
        raise UnsupportedError("torch-pruning cannot follow this network: predicting is more than one pass through it",
                               fix="Take another method, which needs no trace.")  # fmt: skip
    return module, tuple(arguments)


def _cut(
    pruning: Any, module: nn.Module, arguments: tuple[Tensor, ...], share: float, fixed: Sequence[str]
) -> tuple[nn.Module, list[Cut]]:
    """A copy without a share of its channels, and what was cut."""
    trial = copy.deepcopy(module).eval()
    names = {id(layer): name for name, layer in trial.named_modules()}
    with _graph_errors():
        pruner = pruning.pruner.MagnitudePruner(
            trial, arguments, importance=pruning.importance.MagnitudeImportance(p=2), pruning_ratio=share,
            global_pruning=True, ignored_layers=[trial.get_submodule(name) for name in fixed],
        )  # fmt: skip
        cuts = []
        for group in pruner.step(interactive=True):
            for dependency, gone in group:
                target = dependency.target.module
                if isinstance(target, nn.Parameter):
                    raise UnsupportedError("torch-pruning would cut a parameter that lies in no layer of torch",
                                           got=str(dependency.target.name))  # fmt: skip
                if id(target) in names:
                    cuts.append(Cut(names[id(target)], dependency.handler, [getattr(i, "idx", i) for i in gone]))
            group.prune()
    return trial, cuts


def _answering(pruning: Any, module: nn.Module, arguments: tuple[Tensor, ...]) -> list[str]:
    """Layers whose outputs are not free: without one of them the network answers in another shape, or not at all.

    A layer with two outputs is taken for one of these: with a single one broadcasting would hide that it is.
    """
    with torch.no_grad():
        shape = module(*arguments).shape
    fixed: list[str] = []
    for name, layer in module.named_modules():
        if not _has_channels(layer):
            continue
        if len(layer.get_parameter("weight")) < 3:
            fixed.append(name)
            continue
        twin = copy.deepcopy(module)
        inner: Any = twin.get_submodule(name)
        operation = (
            pruning.prune_linear_out_channels if isinstance(inner, nn.Linear) else pruning.prune_conv_out_channels
        )
        try:
            graph = pruning.DependencyGraph().build_dependency(twin, example_inputs=arguments)
            graph.get_pruning_group(inner, operation, idxs=[0]).prune()
            with torch.no_grad():
                free = twin(*arguments).shape == shape
        except Exception:
            free = False
        if not free:
            fixed.append(name)
    return fixed


def _written(module: nn.Module, cuts: Sequence[Cut]) -> dict[str, Slices]:
    """The cuts as indices that are left: those of a copy whose entries are their own places."""
    places = copy.deepcopy(module).double()
    layers = {cut.layer for cut in cuts}
    with torch.no_grad():
        for name in layers:
            for tensor in (*places.get_submodule(name)._parameters.values(), *_floating(places.get_submodule(name))):
                if tensor is not None:
                    tensor.copy_(torch.arange(tensor.numel(), dtype=torch.float64).view(tensor.shape))
    for cut in cuts:
        cut.operation(places.get_submodule(cut.layer), cut.gone)
    return {name: _slices(module.get_submodule(name), places.get_submodule(name)) for name in sorted(layers)}


def _slices(before: nn.Module, after: nn.Module) -> Slices:
    whole = {**before._parameters, **before._buffers}
    left: dict[str, dict[int, list[int]]] = {}
    for name, small in {**after._parameters, **after._buffers}.items():
        large = whole[name]
        if small is None or large is None or small.shape == large.shape:
            continue
        indices = torch.unravel_index(small.detach().long(), large.shape)
        left[name] = {
            axis: indices[axis].movedim(axis, 0).reshape(small.shape[axis], -1)[:, 0].tolist()
            for axis in range(large.ndim)
            if small.shape[axis] != large.shape[axis]
        }
    sizes = {name: getattr(after, name) for name in _SIZES if getattr(before, name, None) != getattr(after, name, None)}
    return Slices(left=left, sizes=sizes)


def _check(module: nn.Module, slices: Mapping[str, Slices], cuts: Sequence[Cut], arguments: tuple[Tensor, ...]) -> None:
    """Refuse a plan that does not give what torch-pruning gave."""
    expected = copy.deepcopy(module).eval()
    for cut in cuts:
        cut.operation(expected.get_submodule(cut.layer), cut.gone)
    rebuilt = apply_slices(copy.deepcopy(module).eval(), slices)
    with torch.no_grad(), _graph_errors():
        if not torch.equal(rebuilt(*arguments), expected(*arguments)):
            raise UnsupportedError("what torch-pruning cut out of this network cannot be rebuilt from indices")


def _has_channels(layer: nn.Module) -> bool:
    return isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))


def _is_kept(name: str, config: PruneConfig) -> bool:
    return any(name == entry or name.startswith(f"{entry}.") or entry.startswith(f"{name}.") for entry in config.keep)


def _floating(layer: nn.Module) -> Iterator[Tensor]:
    return (tensor for tensor in layer._buffers.values() if tensor is not None and tensor.is_floating_point())


@contextmanager
def _graph_errors() -> Iterator[None]:
    """What goes wrong inside of torch-pruning, or in a network that it cut wrongly, as a refusal."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # it warns of every parameter that lies in no layer, such as an unknown number
            yield
    except UserError:
        raise
    except Exception as error:
        raise UnsupportedError(
            "torch-pruning cannot follow this network",
            got=(str(error).splitlines() or [type(error).__name__])[0][:200],
            fix="Take another method, which needs no trace.",
        ) from error


def _package() -> Any:  # Any: a package that need not be installed
    try:
        return importlib.import_module("torch_pruning")
    except ImportError:
        raise UnsupportedError(
            "method structured needs the package torch-pruning", fix="pip install 'sciml[structured]'"
        ) from None
