"""Finding problems, solvers and tools: by folder, by entry point, by being there.

Problems are folders, looked for in this order: a path the user gives, entry points of group ``sciml.problems``, the
checkout's ``problems/``, the copy inside the wheel. A folder is imported as ``sciml_problems.<name>``. Solvers and
tools are the modules under ``sciml/solvers`` and ``sciml/tools`` (each exports a tuple ``SOLVERS`` or ``TOOLS``) and
the entry points of groups ``sciml.solvers`` and ``sciml.tools``. Adding one is adding a folder or a module.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
import traceback
import types
from pathlib import Path
from typing import Any

from sciml.core.errors import UnknownNameError, UserError
from sciml.core.paths import check_name
from sciml.core.problem import Problem

_PACKAGE = "sciml_problems"


def content_folders() -> list[Path]:
    """Folders of the content this installation carries: the checkout's, or the copy inside the wheel."""
    package = Path(__file__).resolve().parent.parent
    candidates = [package.parent, package / "_content"]
    return [folder for folder in candidates if (folder / "problems").is_dir() and (folder / "datasets").is_dir()][:1]


def problem_folders() -> dict[str, Path]:
    """Every registered problem and its folder, without importing any of them."""
    found: dict[str, Path] = {}
    for point in importlib.metadata.entry_points(group="sciml.problems"):
        spec = importlib.util.find_spec(point.value)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"entry point {point.name!r} of group sciml.problems is not a package", got=point.value)
        _add(found, check_name(point.name, "problem"), Path(next(iter(spec.submodule_search_locations))))
    for root in content_folders():
        for folder in sorted((root / "problems").iterdir()):
            if (folder / "__init__.py").is_file():
                _add(found, check_name(folder.name, "problem"), folder)
    return found


def problem(name: str | Path) -> Problem:
    """Load one problem by registered name or by the path of its folder; returns its ``PROBLEM``.

    Raises UnknownNameError for a name that is not registered, and UserError for a folder that is not a problem.
    """
    text = str(name)
    if isinstance(name, Path) or os.sep in text or text.startswith(".") or "\\" in text:
        folder = Path(name).expanduser().resolve()
        if not (folder / "__init__.py").is_file():
            raise UserError(
                "no problem folder at this path",
                got=repr(text),
                expected="a folder with an __init__.py that exports PROBLEM, or a registered name without separators",
                fix="`sciml new problem NAME` writes one; `sciml list` shows the registered names.",
            )
        check_name(folder.name, "problem")
    else:
        folders = problem_folders()
        if text not in folders:
            raise UnknownNameError(
                "problem", text, folders, fix="`sciml new problem NAME` starts your own; give a path as ./NAME."
            )
        folder = folders[text]
    return _load(folder)


def folder_of(problem: Problem) -> Path:
    """The folder a loaded problem came from."""
    return Path(sys.modules[f"{_PACKAGE}.{problem.name}"].__path__[0])


def card_path(problem: Problem) -> Path:
    """The dataset card of a loaded problem: ``dataset.toml`` in its folder, else ``../../datasets/<name>.toml``."""
    folder = folder_of(problem)
    own = folder / "dataset.toml"
    return own if own.is_file() else folder.parent.parent / "datasets" / f"{problem.name}.toml"


def problems() -> dict[str, Problem]:
    """Every registered problem, loaded, by name."""
    return {name: _load(folder) for name, folder in problem_folders().items()}


def solvers() -> dict[str, Any]:
    """Every registered solver by key."""
    return _collect("solvers")


def solver(key: str) -> Any:
    """One solver by key; an unknown key lists the valid ones."""
    return _pick(solvers(), "solver", key)


def tools() -> dict[str, Any]:
    """Every registered tool by key."""
    return _collect("tools")


def tool(key: str) -> Any:
    """One tool by key; an unknown key lists the valid ones."""
    return _pick(tools(), "tool", key)


def _pick(entries: dict[str, Any], kind: str, key: str) -> Any:
    if key not in entries:
        raise UnknownNameError(kind, key, entries)
    return entries[key]


def _collect(kind: str) -> dict[str, Any]:
    package = importlib.import_module(f"sciml.{kind}")
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for entry in getattr(importlib.import_module(f"sciml.{kind}.{module.name}"), kind.upper(), ()):
            _add(found, entry.key, entry)
    for point in importlib.metadata.entry_points(group=f"sciml.{kind}"):
        _add(found, point.name, point.load())
    return found


def _add(found: dict[str, Any], key: str, entry: Any) -> None:
    if key in found and found[key] != entry:
        raise UserError(f"two entries are registered under the key {key!r}", got=f"{found[key]} and {entry}")
    found[key] = entry


def _load(folder: Path) -> Problem:
    name = f"{_PACKAGE}.{folder.name}"
    module = sys.modules.get(name)
    if module is None or Path(module.__path__[0]) != folder:
        module = _import(folder, name)
    exported = getattr(module, "PROBLEM", None)
    if not isinstance(exported, Problem) or exported.name != folder.name:
        raise UserError(
            f"{folder} does not export its problem",
            got=f"a PROBLEM named {exported.name!r}" if isinstance(exported, Problem) else f"PROBLEM = {exported!r}",
            expected=f"exactly one PROBLEM, an instance of sciml.core.problem.Problem with name={folder.name!r}",
        )
    return exported


def _import(folder: Path, name: str) -> types.ModuleType:
    sys.modules.setdefault(_PACKAGE, types.ModuleType(_PACKAGE)).__path__ = []  # a namespace of loaded folders
    for loaded in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
        del sys.modules[loaded]
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except UserError:
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserError(
            f"the problem folder {folder} could not be imported",
            got=f"{type(error).__name__}: {error}{_place(error, folder)}",
            fix="Mend it and try again.",
        ) from error
    return module


def _place(error: BaseException, folder: Path) -> str:
    """Where in `folder` an error was raised, in words; empty if it was not."""
    inside = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder)
    ]
    return f" (line {inside[-1].lineno} of {Path(inside[-1].filename).name})" if inside else ""
