"""Scientific machine learning for physics: one registry, one trainer, one report.

``sciml.run("shallow_water").metrics`` is the command ``sciml run shallow_water``. Importing this package imports
neither torch nor any other heavy library; the verbs load what they need when they are called, and so do the parts:
``sciml.models``, ``sciml.metrics``, ``sciml.ode``, ``sciml.discovery``, ``sciml.data``.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciml import data as data
    from sciml import discovery as discovery
    from sciml import metrics as metrics
    from sciml import models as models
    from sciml import ode as ode
    from sciml.api import check as check
    from sciml.api import dataset as dataset
    from sciml.api import discover as discover
    from sciml.api import doctor as doctor
    from sciml.api import evaluate as evaluate
    from sciml.api import example as example
    from sciml.api import export as export
    from sciml.api import list as list
    from sciml.api import pack as pack
    from sciml.api import predict as predict
    from sciml.api import report as report
    from sciml.api import run as run
    from sciml.api import show as show
    from sciml.api import solve as solve
    from sciml.api import study as study
    from sciml.api import tool as tool
    from sciml.core import errors as errors

__version__ = "0.1.0"

DEFAULT_PROBLEM = "shallow_water"
"""What ``sciml run`` solves when nothing is named; the only place where the engine knows a problem."""

__all__ = [
    "DEFAULT_PROBLEM",
    "__version__",
    "check",
    "data",
    "dataset",
    "discover",
    "discovery",
    "doctor",
    "errors",
    "evaluate",
    "example",
    "export",
    "list",
    "metrics",
    "models",
    "ode",
    "pack",
    "predict",
    "report",
    "run",
    "show",
    "solve",
    "study",
    "tool",
]

_MODULES = {name: f"sciml.{name}" for name in ("data", "discovery", "metrics", "models", "ode", "report", "study")}
_MODULES["errors"] = "sciml.core.errors"


def __getattr__(name: str) -> Any:  # Any: a verb or a module; the imports above give their types
    if name not in _MODULES and name not in __all__:
        raise AttributeError(f"module 'sciml' has no attribute {name!r}")
    with warnings.catch_warnings():  # libraries add filters of their own when they are first imported
        if name in _MODULES:  # `report` and `study` are packages and verbs
            return importlib.import_module(_MODULES[name])
        return getattr(importlib.import_module("sciml.api"), name)


def __dir__() -> Any:  # Any: a list, which is a verb here
    return sorted({*globals(), *__all__})
