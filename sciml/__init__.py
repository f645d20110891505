"""Scientific machine learning for physics: one registry, one trainer, one report.

``sciml.run("shallow_water").metrics`` is the command ``sciml run shallow_water``. Importing this package imports
neither torch nor any other heavy library; the verbs load what they need when they are called.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciml.api import dataset as dataset
    from sciml.api import discover as discover
    from sciml.api import evaluate as evaluate
    from sciml.api import example as example
    from sciml.api import export as export
    from sciml.api import predict as predict
    from sciml.api import run as run
    from sciml.api import solve as solve
    from sciml.api import tool as tool
    from sciml.core import errors as errors

__version__ = "0.1.0"

DEFAULT_PROBLEM = "shallow_water"
"""What ``sciml run`` solves when nothing is named; the only place where the engine knows a problem."""

__all__ = [
    "DEFAULT_PROBLEM",
    "__version__",
    "dataset",
    "discover",
    "errors",
    "evaluate",
    "example",
    "export",
    "predict",
    "run",
    "solve",
    "tool",
]

_VERBS = ("run", "dataset", "discover", "evaluate", "example", "predict", "export", "solve", "tool")


def __getattr__(name: str) -> Any:  # Any: a verb or a module; the imports above give their types
    if name == "errors":
        return importlib.import_module("sciml.core.errors")
    if name in _VERBS:
        return getattr(importlib.import_module("sciml.api"), name)
    raise AttributeError(f"module 'sciml' has no attribute {name!r}")
