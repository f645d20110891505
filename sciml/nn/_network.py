"""Networks that know how they were built, so that a file of their weights can say it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn


class Network(nn.Module):
    """A module that keeps what its constructor was given; whoever subclasses it can be saved by `sciml.models.save`.

    Generators are not kept: they draw the first weights and nothing else.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:  # Any: of whatever other bases want
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _keeping(cls.__init__)

    @property
    def arguments(self) -> Mapping[str, object]:
        """What the constructor was given, by name; what was left to its default is left out."""
        return MappingProxyType(self.__dict__.get("_arguments", {}))


def _keeping(init: Callable[..., None]) -> Callable[..., None]:
    """A constructor that keeps its arguments; that of a subclass comes back last and has the last word."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def construct(self: Network, *args: Any, **kwargs: Any) -> None:  # Any: of the constructor, which checks them
        init(self, *args, **kwargs)
        named = dict(list(signature.bind(self, *args, **kwargs).arguments.items())[1:])
        kept = {name: value for name, value in named.items() if not isinstance(value, torch.Generator)}
        self.__dict__["_arguments"] = kept  # not by setattr, which would register modules a second time

    return construct
