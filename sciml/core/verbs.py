"""Packages that are verbs too: ``sciml.study("waves.toml")`` beside ``sciml.study.load_run``."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class Verb(ModuleType):
    """A package whose name is also that of a function in `sciml.api`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # Any: of the function, which has types
        """The function of this name in `sciml.api`: `help(sciml.api.study)`, `help(sciml.api.report)`."""
        return getattr(importlib.import_module("sciml.api"), self.__name__.rpartition(".")[2])(*args, **kwargs)


def make_verb(package: str) -> None:
    """Let a package be called, from its own ``__init__``: importing it would hide a function of its name otherwise."""
    sys.modules[package].__class__ = Verb
