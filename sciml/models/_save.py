"""Networks in files: weights as safetensors, with the class and its constructor's arguments as JSON beside them."""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path
from typing import Any, cast

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

import sciml
from sciml.core import paths
from sciml.core.config import Config
from sciml.core.errors import CheckpointError, SciMLError, UnknownNameError, UserError
from sciml.nn import Cosine, Moments, Network, Sine, Units

_FORMAT = "sciml.models/1"
_ARGUMENT = "argument:"  # what names of tensors among the arguments begin with; no module can be called so
_MOMENTS = ("field_mean", "field_std", "parameter_mean", "parameter_std")
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    kind.__name__: kind
    for kind in (nn.Tanh, nn.Sigmoid, nn.ReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Identity, Sine, Cosine)
}
_LARGEST = 2**24  # no hyper-parameter is larger; what a file says beyond it is an attempt on the memory


def save(network: nn.Module, path: str | Path) -> Path:
    """Write a network of `sciml.models` with the arguments of its constructor, for `load`.

    Arguments:
        network: any network of `sciml.models`, on any device, in any dtype.
        path: of the file, usually ``.safetensors``; one that is there is replaced. Any reader of safetensors takes it.

    Returns: the path.

    Raises:
        UserError: `network` is a class of one's own, was given one as an argument, or had its layers changed after it
            was built: then there is nothing to build it from, and `torch.save(network.state_dict(), ...)` is the way.
    """
    target = Path(path)
    tensors: dict[str, Tensor] = {}
    described = _describe_network(network, "the network", tensors)
    weights = {key: value.detach().contiguous().clone() for key, value in network.state_dict().items()}
    again = _build(described, tensors)
    if _shapes(again.state_dict()) != _shapes(weights):
        raise UserError(
            f"the layers of this {type(network).__name__} were changed after it was built",
            got="weights that its constructor's arguments do not give",
            fix="Save its state_dict with torch.save, and make the changes again after loading.",
        )
    metadata = {"format": _FORMAT, "sciml": sciml.__version__, "network": json.dumps(described, ensure_ascii=False)}
    target.parent.mkdir(parents=True, exist_ok=True)
    with paths.atomic_write(target) as temporary:
        temporary.write_bytes(safetensors.torch.save(weights | tensors, metadata))
    return target


def load(path: str | Path) -> Network:
    """Build the network of a file that `save` wrote, with its weights, on the CPU and in the dtype it had.

    The class is looked up among `sciml.models`; nothing is imported or run that a file names.

    Raises:
        CheckpointError: there is no such file, it is damaged or not of this kind, or what it says does not go together.
    """
    source = Path(path)
    tensors, metadata = _read(source)
    arguments = {key: tensors.pop(key) for key in list(tensors) if key.startswith(_ARGUMENT)}
    try:
        described = json.loads(metadata["network"])
        with torch.device("meta"):
            expected = _try_shapes(described, arguments)
        if expected is not None and expected != _shapes(tensors):
            raise UserError("the weights are not those of the network described")  # before any memory is taken
        network = _build(described, arguments)
        _to_dtype(network, tensors)
        network.load_state_dict(tensors, assign=True)
    except (
        LookupError,
        AttributeError,
        ArithmeticError,
        ValueError,
        TypeError,
        RuntimeError,
        MemoryError,
        SciMLError,
    ) as error:
        raise CheckpointError(f"{source} does not describe a network of sciml.models",
                              got=str(error).splitlines()[-1].strip()[:300] if str(error) else type(error).__name__,
                              expected="a file that sciml.models.save wrote") from None  # fmt: skip
    return network


def _read(source: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not source.is_file():
        raise CheckpointError(f"there is no file {source}")
    try:
        with safetensors.safe_open(str(source), framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{source} is not a readable safetensors file", got=str(error)) from None
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{source} does not say which network its weights belong to",
            got=f"format {metadata.get('format')!r}",
            expected=_FORMAT,
            fix="Build the network and give the weights to its load_state_dict; weights of a run are loaded by "
            "sciml.study.load_run.",
        )
    return tensors, metadata


def _describe_network(network: nn.Module, where: str, tensors: dict[str, Tensor]) -> dict[str, Any]:  # Any: JSON
    kind = type(network).__name__
    if not isinstance(network, Network) or _classes().get(kind) is not type(network):
        raise UserError(f"{where} is no network of sciml.models", got=type(network).__qualname__,
                        expected="one of: " + ", ".join(sorted(_classes())),
                        fix="Save the state_dict of a class of your own with torch.save.")  # fmt: skip
    return {
        "class": kind,
        "arguments": {name: _describe(value, f"{kind}'s {name}", tensors) for name, value in network.arguments.items()},
    }


def _describe(value: object, where: str, tensors: dict[str, Tensor]) -> Any:  # Any: JSON
    """An argument as JSON; what JSON has no word for is a table of one entry, named by its kind."""
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Tensor):
        name = f"{_ARGUMENT}{len(tensors)}"
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, torch.Size):
        return {"shape": list(value)}
    if isinstance(value, tuple | list):
        return [_describe(entry, where, tensors) for entry in value]
    if isinstance(value, Config) and _classes(Config).get(type(value).__name__) is type(value):
        return {"settings": type(value).__name__, "values": value.model_dump(mode="json")}
    if isinstance(value, Moments):
        return {"moments": [_describe(getattr(value, name), where, tensors) for name in _MOMENTS]}
    if isinstance(value, nn.Module):
        kind = _ACTIVATIONS.get(type(value).__name__)
        if kind is type(value) and repr(value) == repr(kind()):
            return {"activation": kind.__name__}
        return {"network": _describe_network(value, where, tensors)}
    raise UserError(f"{where} cannot be written to a file", got=type(value).__qualname__)


def _build(described: Any, tensors: dict[str, Tensor]) -> Network:  # Any: JSON
    """The network of a description, with weights that do not matter; the process's generators stay as they are."""
    kind, arguments = _classes().get(described["class"]), described["arguments"]
    if kind is None:
        raise UnknownNameError("network", str(described["class"])[:80], _classes())
    built = {name: _argument(value, tensors) for name, value in arguments.items()}
    if "generator" in inspect.signature(kind).parameters:
        built["generator"] = torch.Generator()
    with torch.random.fork_rng(devices=[]):
        return cast(Network, kind(**built))


def _argument(value: Any, tensors: dict[str, Tensor]) -> Any:  # Any: JSON in, any argument of a network out
    if isinstance(value, int | float) and abs(value) > _LARGEST:
        raise UserError("a hyper-parameter is too large", got=value, expected=f"at most {_LARGEST}")
    if isinstance(value, list):
        return tuple(_argument(entry, tensors) for entry in value)
    if not isinstance(value, dict):
        return value
    match value:
        case {"tensor": name}:
            return tensors[name]
        case {"shape": sizes}:
            return torch.Size(sizes)
        case {"settings": name, "values": values}:
            return _classes(Config)[name].model_validate(values)
        case {"moments": parts}:
            return Units(_Moments(*(_argument(part, tensors) for part in parts)))
        case {"activation": name}:
            return _ACTIVATIONS[name]()
        case {"network": described}:
            return _build(described, tensors)
    raise UserError("an argument of a network is of no known kind", got=", ".join(map(str, value))[:80])


class _Moments:
    def __init__(self, field_mean: Tensor, field_std: Tensor, parameter_mean: Tensor, parameter_std: Tensor) -> None:
        self.field_mean, self.field_std = field_mean, field_std
        self.parameter_mean, self.parameter_std = parameter_mean, parameter_std


def _classes(base: type = Network) -> dict[str, type]:
    """What `sciml.models` exports of a kind, by name: networks, or settings."""
    from sciml import models

    public = {name: getattr(models, name) for name in models.__all__}
    return {name: kind for name, kind in public.items() if inspect.isclass(kind) and issubclass(kind, base)}


def _shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


def _try_shapes(described: Any, tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]] | None:  # Any: JSON
    """Shapes of the weights, found without memory for them; None for the few that compute while they are built."""
    try:
        return _shapes(_build(described, tensors).state_dict())
    except (NotImplementedError, RuntimeError):
        return None


def _to_dtype(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Bring what is not in the file (buffers that the constructor makes) to the precision of the weights."""
    dtypes = {value.dtype for value in tensors.values() if value.is_floating_point()}
    made = {value.dtype for value in network.state_dict().values() if value.is_floating_point()}
    if len(dtypes) == 1 and dtypes != made:
        dtype = dtypes.pop()
        network._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)
