"""Weights most of which are zero, kept as the entries that are not.

A packed weight is a parameter with one number per entry that is left and the places they belong to. Entries that are
gone do not exist: no optimiser, weight decay, average or file can bring them back, and parameters, optimiser state and
files shrink with the number of entries. Code that reads ``layer.weight`` sees the full tensor.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from sciml.core.errors import UserError

_leaves: ContextVar[bool] = ContextVar("packed weights as leaves", default=False)


class _Made(NamedTuple):
    """A tensor that was made of values, and those values: fused optimisers change them without raising the version."""

    values: Tensor
    tensor: Tensor

    def is_of(self, values: Tensor) -> bool:
        return self.values.dtype == values.dtype and torch.equal(self.values, values)


class Packed(nn.Module):
    """The full tensor of a packed weight: its values at their places, zero elsewhere.

    Arguments:
        kept: of the shape of the weight, True where an entry is left.
    """

    index: Tensor

    def __init__(self, kept: Bool[Tensor, "*shape"]) -> None:
        super().__init__()
        self.shape = tuple(kept.shape)
        self.register_buffer("index", kept.flatten().nonzero()[:, 0], persistent=False)
        self._full: _Made | None = None
        self._rows: _Made | None = None

    def forward(self, values: Shaped[Tensor, " entry"]) -> Shaped[Tensor, "*shape"]:
        """The full tensor. Without gradients it is made once for every state of the values."""
        if _leaves.get():
            return values
        if torch.is_grad_enabled() or not isinstance(values, nn.Parameter) or torch.compiler.is_compiling():
            return self._fill(values)
        if self._full is None or not self._full.is_of(values):
            self._full = _Made(values.detach().clone(), self._fill(values))
        return self._full.tensor

    def rows(self, values: nn.Parameter) -> Tensor:
        """The full matrix as compressed rows (CSR), made once for every state of the values."""
        if self._rows is None or not self._rows.is_of(values):
            self._rows = _Made(values.detach().clone(), compressed_rows(self._fill(values.detach())))
        return self._rows.tensor

    def _fill(self, values: Tensor) -> Tensor:
        size = 1
        for points in self.shape:
            size *= points
        return values.new_zeros(size).index_copy(0, self.index, values).view(self.shape)

    def right_inverse(self, dense: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, " entry"]:
        """The entries that are left of a full tensor; the others are dropped."""
        return dense.flatten()[self.index]

    def kept(self) -> Bool[Tensor, "*shape"]:
        """Where entries are left."""
        flat = torch.zeros(self.shape, dtype=torch.bool, device=self.index.device).flatten()
        return flat.index_fill(0, self.index, True).view(self.shape)

    def narrow(self, kept: Bool[Tensor, " entry"]) -> None:
        """Drop more entries: False where one goes."""
        self.index, self._full, self._rows = self.index[kept], None, None

    def __getstate__(self) -> dict[str, Any]:  # Any: as torch's modules
        """A copy makes its own full tensor."""
        return {**self.__dict__, "_full": None, "_rows": None}


class CompressedLinear(nn.Linear):
    """A linear layer with a packed weight that predicts with compressed rows (CSR), and trains as a plain one.

    Faster than the full product only where few entries are left and enough columns are multiplied at once; the tool
    `prune` measures that.
    """

    def forward(self, x: Shaped[Tensor, "*batch channel_in"]) -> Shaped[Tensor, "*batch channel_out"]:  # pyright: ignore[reportIncompatibleMethodOverride] (torch names it input)
        """W x + b."""
        packing, values = packing_of(self, "weight"), packed_weight(self, "weight")
        if packing is None or values is None or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return functional.linear(x, self.weight, self.bias)
        columns = x.flatten(0, -2).T if x.ndim > 1 else x[:, None]
        product = packing.rows(values) @ columns.contiguous()
        if self.bias is not None:
            product += self.bias[:, None]
        return product.T.reshape(*x.shape[:-1], self.out_features)


def compressed_rows(matrix: Shaped[Tensor, "row column"]) -> Tensor:
    """A matrix as compressed rows (CSR), zeros left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")  # said once per process
        return matrix.to_sparse_csr()


def packed_weight(layer: nn.Module, name: str) -> nn.Parameter | None:
    """The values of a packed weight of this very layer; None where it is not packed."""
    packing = _packing(layer, name)
    return None if packing is None else packing.original  # pyright: ignore[reportReturnType]


def packing_of(layer: nn.Module, name: str) -> Packed | None:
    """Where the values of a packed weight belong; None where it is not packed."""
    packing = _packing(layer, name)
    return None if packing is None else packing[0]  # pyright: ignore[reportReturnType]


def pack(module: nn.Module, name: str, kept: Bool[Tensor, "*shape"]) -> None:
    """Pack one weight of a network, in every layer that shares it, with the values it has.

    Arguments:
        module: the network, changed in place.
        name: of the weight as seen from the network, such as ``layers.0.weight``; that of the layer and of its tensor.
        kept: of the shape of the weight, True where an entry is left. Of a weight that is packed already, one number
            per value.

    Raises:
        UserError: there is no such weight, or it has another shape.
    """
    layer, short = owner_of(module, name)
    values = packed_weight(layer, short)
    weight = layer._parameters.get(short) if values is None else values
    if weight is None or weight.shape != kept.shape:
        raise UserError(
            "a mask does not fit this network",
            got=f"{name} of shape {tuple(kept.shape)}",
            expected="no such weight" if weight is None else f"shape {tuple(weight.shape)}",
        )
    if values is not None:
        _narrow(module, values, kept)
        return
    sharing = [
        (inner, key) for inner in _every(module) for key, parameter in inner._parameters.items() if parameter is weight
    ]
    first: nn.Parameter | None = None
    for inner, key in sharing:
        inner._parameters[key] = nn.Parameter(weight.detach().clone(), weight.requires_grad)
        parametrize.register_parametrization(inner, key, Packed(kept), unsafe=True)
        packing = _packing(inner, key)
        assert packing is not None
        _read_directly(inner, key)
        if first is None:
            first = packed_weight(inner, key)
        else:
            packing.original = first
        if isinstance(inner, nn.RNNBase):
            _follow(inner)


def unpack(module: nn.Module) -> nn.Module:
    """A network with full tensors again, zeros included, changed in place: what is written as a program.

    Raises:
        UserError: a layer with a packed weight has another one that is computed otherwise.
    """
    shared: dict[int, nn.Parameter] = {}
    for layer in _every(module):
        names = [name for name in getattr(layer, "parametrizations", {}) if packing_of(layer, name) is not None]
        if not names:
            continue
        if len(names) < len(layer.parametrizations):  # pyright: ignore[reportArgumentType]
            raise UserError("a layer has packed weights beside other computed ones, and cannot be unpacked",
                            got=type(layer).__mro__[1].__name__)  # fmt: skip
        whole: dict[str, nn.Parameter] = {}
        for name in names:
            values = packed_weight(layer, name)
            full = nn.Parameter(getattr(layer, name).detach().clone(), bool(values is None or values.requires_grad))
            whole[name] = shared.setdefault(id(values), full)
        # not torch's remove_parametrizations: it takes the weight from a class that copies of the layer share
        del layer._modules["parametrizations"]
        plain: Any = nn.Linear if isinstance(layer, CompressedLinear) else type(layer).__mro__[1]
        layer.__class__ = plain
        for name, weight in whole.items():
            layer.register_parameter(name, weight)
        if isinstance(layer, nn.RNNBase):
            layer._flat_weights = [getattr(layer, name) for name in layer._flat_weights_names]
    return module


def compress(layer: nn.Linear) -> None:
    """Let a linear layer predict with compressed rows, in place; call it before its weight is packed."""
    if type(layer) is nn.Linear:
        layer.__class__ = CompressedLinear


def is_packed(module: nn.Module) -> bool:
    """Whether a network has a packed weight."""
    return any(isinstance(inner, Packed) for inner in module.modules())


@contextmanager
def packed_as_leaves() -> Iterator[None]:
    """Inside, reading a packed weight gives the parameter with its values: what an optimiser has to be given."""
    before = _leaves.set(True)
    try:
        yield
    finally:
        _leaves.reset(before)


def owner_of(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The layer that has a weight, and the weight's name there. Raises UserError where there is no such layer."""
    path, _, short = name.rpartition(".")
    try:
        return module.get_submodule(path), short
    except AttributeError:
        raise UserError("a mask does not fit this network", got=f"a weight {name!r}",
                        expected="a network with such a layer") from None  # fmt: skip


def _packing(layer: nn.Module, name: str) -> parametrize.ParametrizationList | None:
    lists = layer._modules.get("parametrizations")
    packing = lists[name] if lists is not None and name in lists else None  # pyright: ignore[reportOperatorIssue, reportIndexIssue]
    return packing if isinstance(packing, parametrize.ParametrizationList) and isinstance(packing[0], Packed) else None


def _read_directly(layer: nn.Module, name: str) -> None:
    """Let a packed weight be read without torch's calls of modules, which take as long as a small layer."""
    kind: Any = type(layer)
    written = getattr(kind, name).fset

    def read(self: nn.Module) -> Tensor:
        packing = self._modules["parametrizations"]._modules[name]  # pyright: ignore[reportOptionalMemberAccess]
        return packing._modules["0"].forward(packing._parameters["original"])  # pyright: ignore[reportOptionalMemberAccess]

    setattr(kind, name, property(read, written))


def _every(module: nn.Module) -> list[nn.Module]:
    return [inner for inner in module.modules() if not isinstance(inner, parametrize.ParametrizationList | Packed)]


def _narrow(module: nn.Module, values: nn.Parameter, kept: Tensor) -> None:
    """Drop values of a packed weight wherever it is used."""
    for layer in _every(module):
        for name in getattr(layer, "parametrizations", {}):
            packing = packing_of(layer, name)
            if packing is not None and packed_weight(layer, name) is values:
                packing.narrow(kept)
    with torch.no_grad():
        values.set_(values[kept])  # pyright: ignore[reportArgumentType]


def _follow(layer: nn.RNNBase) -> None:
    """Let torch's recurrent layer read its weights when it is called, instead of a list made once."""

    def read(self: nn.RNNBase) -> list[Tensor]:
        return [getattr(self, name) for name in self._flat_weights_names]

    kind: Any = type(layer)  # a class of its own, made when the first of its weights was packed
    kind._flat_weights = property(read, lambda self, weights: None)
    layer.__dict__.pop("_flat_weights", None)
