"""Tensors in JSON: small constants of a run (statistics, times, sensors) that must come back bit for bit."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import pydantic
import torch
from pydantic_core import core_schema
from torch import Tensor

_DTYPES = {str(kind).removeprefix("torch."): kind for kind in (torch.float32, torch.float64, torch.int64, torch.bool)}


def encode(values: Tensor) -> dict[str, Any]:  # Any: JSON
    """Plain data for a tensor; NaN, which JSON has not, is None.

    A float32 is written as the double it equals, so that nothing is lost. Truth values are written as bits in
    hexadecimal, since the mask of a large grid has many of them.
    """
    kind = str(values.dtype).removeprefix("torch.")
    if kind not in _DTYPES:
        raise TypeError(f"a tensor of {values.dtype} has no JSON form here; use one of {', '.join(_DTYPES)}")
    if values.dtype == torch.bool:
        return {"dtype": kind, "shape": list(values.shape), "values": pack(values)}
    numbers = values.detach().cpu().flatten().tolist()
    if values.is_floating_point() and bool(values.isnan().any()):
        numbers = [None if number != number else number for number in numbers]
    return {"dtype": kind, "shape": list(values.shape), "values": numbers}


def decode(content: object) -> Tensor:
    """The tensor `encode` was given; a tensor is passed on. Raises ValueError for anything else."""
    if isinstance(content, Tensor):
        return content
    if not isinstance(content, dict) or set(content) != {"dtype", "shape", "values"}:
        raise ValueError("expected dtype, shape and values of a tensor")
    kind, shape, values = content["dtype"], content["shape"], content["values"]
    whole = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if kind == "bool" and whole and isinstance(values, str):
        return unpack(values, shape)
    if kind not in _DTYPES or not whole or not isinstance(values, list) or len(values) != math.prod(shape):
        raise ValueError("dtype, shape and values of a tensor do not agree")
    if kind.startswith("float"):
        values = [math.nan if value is None else value for value in values]
    if not all(type(value) in (int, float, bool) for value in values):
        raise ValueError("the values of a tensor must be numbers")
    return torch.tensor(values, dtype=_DTYPES[kind]).view(shape)


def pack(values: Tensor) -> str:
    """Truth values as hexadecimal digits, eight to two digits, the last of them filled up with zeros."""
    return np.packbits(values.detach().cpu().flatten().numpy()).tobytes().hex()


def unpack(digits: str, shape: Sequence[int]) -> Tensor:
    """The truth values that `pack` was given. Raises ValueError for digits that are not those of the shape."""
    content, count = np.frombuffer(bytes.fromhex(digits), np.uint8), math.prod(shape)
    if len(content) != -(-count // 8):
        raise ValueError("digits and shape of truth values do not agree")
    return torch.from_numpy(np.unpackbits(content, count=count).astype(bool)).view(tuple(shape))


_SERIALISE = core_schema.plain_serializer_function_ser_schema(encode)

TensorField = Annotated[
    Tensor,
    pydantic.GetPydanticSchema(
        lambda kind, handler: core_schema.no_info_plain_validator_function(decode, serialization=_SERIALISE)
    ),
]
"""The type of a tensor in a `Config`."""


def tensor_dataclass_schema(kind: type[Any]) -> core_schema.CoreSchema:  # Any: a dataclass of tensors
    """How pydantic reads and writes a dataclass of tensors; those with a default may be missing."""
    names = [entry.name for entry in dataclasses.fields(kind)]
    needed = {entry.name for entry in dataclasses.fields(kind) if entry.default_factory is dataclasses.MISSING}

    def read(content: object) -> object:
        if isinstance(content, kind):
            return content
        if not isinstance(content, dict) or not needed <= set(content) <= set(names):
            raise ValueError(f"expected {', '.join(names)}")
        return kind(**{name: decode(values) for name, values in content.items()})

    def write(value: object) -> dict[str, Any]:  # Any: JSON
        return {name: encode(getattr(value, name)) for name in names}

    return core_schema.no_info_plain_validator_function(
        read, serialization=core_schema.plain_serializer_function_ser_schema(write)
    )
