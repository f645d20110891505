"""Which weights of a network can be pruned."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils import parametrize

from sciml.core.errors import UnknownNameError, UnsupportedError
from sciml.nn import MarksWeights, Packed, WeightMark, declared_groups, packed_weight

_SCALES = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)


class Weight(NamedTuple):
    """A prunable weight.

    Fields:
        name: as seen from the network, such as ``layers.0.weight``.
        tensor: the parameter; of a packed weight its values.
        pairs: whether its last axis holds real and imaginary part, which go together.
    """

    name: str
    tensor: nn.Parameter
    pairs: bool

    @property
    def entries(self) -> int:
        """Numbers in it, a complex one counted once."""
        return self.tensor.numel() // (2 if self.pairs else 1)

    def rows(self, tensor: Tensor) -> Tensor:
        """A tensor of its shape as ``entry`` or, for pairs, ``entry 2``."""
        return tensor.reshape(-1, 2) if self.pairs else tensor.reshape(-1)

    def beside(self, entries: Tensor) -> Tensor:
        """A value per entry in a shape that goes with that of the weight in products."""
        return entries.view(*self.tensor.shape[:-1], 1) if self.pairs else entries.view(self.tensor.shape)


class Prunable(NamedTuple):
    """The weights of a network that can be pruned, and those that are left alone with the reason."""

    weights: tuple[Weight, ...]
    skipped: Mapping[str, str]

    @property
    def entries(self) -> int:
        """Of all of them."""
        return sum(weight.entries for weight in self.weights)


def prunable(module: nn.Module, *, include: Sequence[str] = (), keep: Sequence[str] = ()) -> Prunable:
    """Weights of every number of axes, each once however many layers share it.

    Biases, scales of normalisation and other vectors are not weights; a layer marks vectors that are
    (`sciml.nn.MarksWeights`). Parameters that a model keeps from decay (`sciml.nn.GroupsParameters`: time scales, state
    matrices) are left alone unless `include` names them.

    Raises:
        UnknownNameError: a name stands for no parameter.
        UnsupportedError: nothing can be pruned.
    """
    guarded = {id(p) for group in declared_groups(module) if not group.decays for p in group.parameters}
    weights, skipped, names, seen = [], {}, [], set()
    for path, layer in module.named_modules():
        if isinstance(layer, parametrize.ParametrizationList | Packed):
            continue
        for short, tensor in _own(layer).items():
            name = f"{path}.{short}".lstrip(".")
            names.append(name)
            marks = _marks(layer)
            if id(tensor) in seen or not tensor.requires_grad or not tensor.numel():
                continue
            seen.add(id(tensor))
            wanted = _named(name, include)
            if _named(name, keep):
                skipped[name] = "the configuration keeps it"
            elif id(tensor) in guarded and not wanted:
                skipped[name] = "its model keeps it from decay; `include` names it where it is to be pruned"
            elif wanted or _is_weight(layer, name, tensor, short in marks):
                weights.append(Weight(name, tensor, marks.get(short) == "pairs"))
    for asked in (*include, *keep):
        if not any(_named(name, (asked,)) for name in names):
            raise UnknownNameError("weight or layer", asked, names)
    if not weights:
        raise UnsupportedError(
            "this network has no weights that can be pruned",
            got="; ".join(f"{name}: {reason}" for name, reason in skipped.items())
            or ", ".join(names)
            or "no parameters",
            expected="at least one matrix or convolution",
        )
    return Prunable(tuple(weights), skipped)


def _marks(layer: nn.Module) -> Mapping[str, WeightMark]:
    return layer.weight_marks if isinstance(layer, MarksWeights) else {}


def _own(layer: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters of this very layer, packed ones by their values."""
    tensors = {name: tensor for name, tensor in layer._parameters.items() if tensor is not None}
    for name in getattr(layer, "parametrizations", {}):
        values = packed_weight(layer, name)
        if values is not None:
            tensors[name] = values
    return tensors


def _is_weight(layer: nn.Module, name: str, tensor: nn.Parameter, marked: bool) -> bool:
    if isinstance(layer, _SCALES) or "bias" in name.lower():
        return False
    packed = tensor.ndim == 1 and tensor is not layer._parameters.get(name.rpartition(".")[2])
    return marked or tensor.ndim > 1 or packed


def _named(name: str, among: Sequence[str]) -> bool:
    return any(name == entry or name.startswith(f"{entry}.") for entry in among)
