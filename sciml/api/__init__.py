"""The verbs of the command line as functions; `sciml` has each of them by its name.

They are imported when they are asked for: `doctor` works where a package is missing that `run` needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciml.api._check import Checked as Checked
    from sciml.api._check import check as check
    from sciml.api._checks import Check as Check
    from sciml.api._checks import doctor as doctor
    from sciml.api._data import OwnData as OwnData
    from sciml.api._data import dataset as dataset
    from sciml.api._describe import show as show
    from sciml.api._lineage import after_tools as after_tools
    from sciml.api._list import list as list
    from sciml.api._pages import StudyPage as StudyPage
    from sciml.api._pages import report as report
    from sciml.api._pages import study as study
    from sciml.api._run import discover as discover
    from sciml.api._run import run as run
    from sciml.api._run import solve as solve
    from sciml.api._use import evaluate as evaluate
    from sciml.api._use import example as example
    from sciml.api._use import export as export
    from sciml.api._use import pack as pack
    from sciml.api._use import predict as predict
    from sciml.api._use import tool as tool

_MODULES = {
    "_check": ("Checked", "check"),
    "_checks": ("Check", "doctor"),
    "_data": ("OwnData", "dataset"),
    "_describe": ("show",),
    "_lineage": ("after_tools",),
    "_list": ("list",),
    "_pages": ("StudyPage", "report", "study"),
    "_run": ("discover", "run", "solve"),
    "_use": ("evaluate", "example", "export", "pack", "predict", "tool"),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Check",
    "Checked",
    "OwnData",
    "StudyPage",
    "after_tools",
    "check",
    "dataset",
    "discover",
    "doctor",
    "evaluate",
    "example",
    "export",
    "list",
    "pack",
    "predict",
    "report",
    "run",
    "show",
    "solve",
    "study",
    "tool",
]


def __getattr__(name: str) -> Any:  # Any: whatever has this name; the imports above give its type
    if name not in _PLACES:
        raise AttributeError(f"module 'sciml.api' has no attribute {name!r}")
    return getattr(importlib.import_module(f"sciml.api.{_PLACES[name]}"), name)
