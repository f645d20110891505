"""Finding problems, solvers, tasks and tools: by folder, by entry point, by being there.

Problems are folders: a path the user gives, those of the checkout's ``problems/`` (or of the copy inside the wheel),
packages that entry points of group ``sciml.problems`` name, and imported data in the cache folder, which has no code.
A folder with code is imported as ``sciml_problems.<name>``, a second one of that name under a name of its own.
Solvers, tasks and tools are the modules under ``sciml/solvers``, ``sciml/tasks`` and ``sciml/tools`` (each exports a
tuple ``SOLVERS``, ``TASKS`` or ``TOOLS``) and the entry points of groups ``sciml.solvers``, ``sciml.tasks`` and
``sciml.tools``. Adding one is adding a folder or a module. An entry point that does not work is named, with the reason,
and takes nothing else along; asking for it is an error.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from functools import cache, lru_cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, TypeVar

from sciml.core.errors import DataError, UnknownNameError, UserError
from sciml.core.paths import check_name, shown
from sciml.core.problem import Problem
from sciml.core.recorded import Imported, imported_folder, is_recorded, read_recorded

_PACKAGE = "sciml_problems"
_LOADING = threading.RLock()
"""A folder is imported by one thread at a time: another would see half of a module."""
E = TypeVar("E")


def content_folders() -> list[Path]:
    """Folders of the content this installation carries: the checkout's, or the copy inside the wheel."""
    package = Path(__file__).resolve().parent.parent
    candidates = [package.parent, package / "_content"]
    return [folder for folder in candidates if (folder / "problems").is_dir() and (folder / "datasets").is_dir()][:1]


def problem_folders() -> dict[str, Path]:
    """Every registered problem that can be located, with its folder, without importing any of them."""
    return _locate()[0]


def problem(name: str) -> Problem:
    """Load one registered problem. Raises UnknownNameError for any other name, a path included.

    This is the only way for a name that was read from a file: what somebody else's run or study names is never taken
    for a path, since loading a problem folder runs its code.
    """
    folders, broken = _locate()
    if name in broken:
        raise _unusable(name, "problems", broken[name])
    if name not in folders:
        raise UnknownNameError(
            "problem",
            name,
            folders,
            fix="`sciml list` shows all; `sciml new problem NAME` starts your own; give a path as ./NAME.",
        )
    return _load(folders[name])


def find_problem(name: str | Path) -> Problem:
    """Load the problem a user typed: a registered name, or the path of a problem folder.

    Raises UnknownNameError for a name that is not registered, and UserError for a folder that is not a problem.
    """
    text = str(name)
    if not (isinstance(name, Path) or os.sep in text or text.startswith(".") or "\\" in text):
        return problem(text)
    try:
        folder = Path(os.path.realpath(Path(text).expanduser()))  # Path.resolve raises where links lead in a circle
        exists = (folder / "__init__.py").is_file() or is_recorded(folder)
    except (OSError, ValueError, RuntimeError) as error:  # no such user, a name that is too long, or holds a null byte
        raise UserError(
            "no problem folder at this path", got=repr(text[:80]), fix=f"It cannot be one: {error}"[:200]
        ) from None
    if not exists:
        raise UserError(
            "no problem folder at this path",
            got=repr(text),
            expected="a folder with an __init__.py that exports PROBLEM, imported data, or a registered name without "
            "separators",
            fix=f"`sciml run --data {text}` runs on a data file, `sciml discover --data {text}` on a table."
            if folder.is_file()
            else "`sciml new problem NAME` writes one; `sciml list` shows the registered names.",
        )
    check_name(folder.name, "problem")
    return _load(folder)


def as_problem(problem: Problem | str | Path) -> Problem:
    """A problem as it is, or the one that a user named; errors are those of `find_problem`."""
    return problem if isinstance(problem, Problem) else find_problem(problem)


def folder_of(problem: Problem) -> Path:
    """The folder a loaded problem came from.

    Raises: DataError for imported data that is not on this machine, UserError for a problem of no folder.
    """
    if isinstance(problem, Imported):
        if problem.folder is None:
            raise DataError(
                f"the data of {problem.name!r} is not on this machine",
                expected=f"a folder {imported_folder() / problem.name}",
                fix=f"Import it again under this name: {', '.join(problem.recording.sources)}.",
            )
        return problem.folder
    module = _module_of(problem)
    if module is None:
        raise UserError(
            f"the problem {problem.name!r} comes from no folder",
            fix="Write it into a folder that exports it as PROBLEM, and load that: registry.find_problem(folder).",
        )
    return Path(module.__path__[0])


def _module_of(problem: Problem) -> types.ModuleType | None:
    """The folder a problem was loaded from, as a module: of two folders of one name, that of its class."""
    name, of_class = f"{_PACKAGE}.{problem.name}", ".".join(type(problem).__module__.split(".")[:2])
    return sys.modules.get(of_class if of_class.startswith(f"{name}__") else name)


def by_place(problem: Problem) -> tuple[Any, ...] | None:  # Any: of the pickle protocol
    """How a problem of a loaded folder is pickled and copied: as the folder, and what was changed of it, if anything.

    A process that reads it loads the folder first. None for what comes from no folder with code.
    """
    module = _module_of(problem)
    if module is None:
        return None
    exported, folder = getattr(module, "PROBLEM", None), Path(module.__path__[0])
    if exported is problem:
        return _of_place, (problem.name, folder)
    if type(problem) is not type(exported):
        return None
    values = {entry.name: getattr(problem, entry.name) for entry in fields(problem) if entry.init}
    changes = {name: value for name, value in values.items() if value is not getattr(exported, name)}
    return _changed, (problem.name, folder, changes)


def _of_place(name: str, folder: Path) -> Problem:
    """The problem of a folder, or the registered one of its name on a machine where there is no such folder."""
    return _load(folder) if folder.is_dir() else problem(name)


def _changed(name: str, folder: Path, changes: Mapping[str, Any]) -> Problem:  # Any: fields of a problem
    """The problem of a folder with other fields."""
    return replace(_of_place(name, folder), **changes)


def card_path(problem: Problem) -> Path:
    """The dataset card of a loaded problem: ``../../datasets/<name>.toml``, or ``dataset.toml`` in its folder."""
    folder = folder_of(problem)
    inside, shared = folder / "dataset.toml", folder.parent.parent / "datasets" / f"{problem.name}.toml"
    return shared if shared.is_file() and not inside.is_file() else inside


def typed(problem: Problem) -> str:
    """What a user types for a loaded problem: the name of a registered one, else the path of its folder."""
    module = None if isinstance(problem, Imported) else _module_of(problem)
    folder = None if module is None else Path(module.__path__[0])
    return problem.name if folder is None or folder == problem_folders().get(problem.name) else shown(folder)


def problems() -> dict[str, Problem]:
    """Every registered problem that works, loaded, by name; `problem_failures` has the others."""
    return _load_all()[0]


def problem_failures() -> dict[str, str]:
    """Registered problems that cannot be used, by name, with the reason."""
    return _load_all()[1]


def entries(kind: str, base: type[E]) -> dict[str, E]:
    """Everything registered as one kind, by key.

    Arguments:
        kind: ``solvers``, ``tasks`` or ``tools``: the package under ``sciml`` whose modules export a tuple of that name
            in capitals, and the group of entry points ``sciml.<kind>``.
        base: what every entry must be an instance of; it has a `key`.

    Returns: what works; `failures` has what does not.
    """
    return _collect(kind, base)[0]


def failures(kind: str, base: type[Any]) -> dict[str, str]:  # Any: nothing is returned of the type
    """Entry points of one kind that cannot be used, by name, with the reason."""
    return _collect(kind, base)[1]


def entry(kind: str, base: type[E], key: str) -> E:
    """One registered entry. Raises UnknownNameError, or UserError for an entry point that is broken."""
    working, broken = _collect(kind, base)
    if key in broken:
        raise _unusable(key, kind, broken[key])
    if key not in working:
        raise UnknownNameError(kind.removesuffix("s"), key, working)
    return working[key]


def _collect(kind: str, base: type[E]) -> tuple[dict[str, E], dict[str, str]]:
    working: dict[str, E] = {}
    broken: dict[str, str] = {}
    package = importlib.import_module(f"sciml.{kind}")
    for module in _modules(package.__name__, tuple(package.__path__)):
        for exported in getattr(module, kind.upper(), ()):
            _add(working, exported.key, exported)
    for point in _points(f"sciml.{kind}"):
        try:
            loaded = point.load()
        except (Exception, SystemExit) as error:  # another's package may fail in any way, and must not take us along
            broken[point.name] = f"{type(error).__name__}: {error} (while importing {point.value})"
            continue
        if not isinstance(loaded, base) or getattr(loaded, "key", None) != point.name:
            broken[point.name] = f"{point.value} is {loaded!r}, expected an instance of {base.__name__} with that key"
        elif point.name in working:
            broken[point.name] = f"the key is taken by {working[point.name]!r}"
        else:
            working[point.name] = loaded
    return working, broken


@cache
def _modules(package: str, path: tuple[str, ...]) -> tuple[types.ModuleType, ...]:
    """The modules of a package that may export entries; its folders keep them while a process lives."""
    names = [entry.name for entry in pkgutil.iter_modules(path) if not entry.name.startswith("_")]
    with warnings.catch_warnings():  # libraries add filters of their own when they are first imported
        return tuple(importlib.import_module(f"{package}.{name}") for name in names)


def _points(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group; every package is read again only where a folder of the path has changed."""
    stamps = []
    for place in sys.path:
        try:
            stamps.append((place, Path(place).stat().st_mtime_ns))
        except OSError:
            stamps.append((place, 0))
    return _read_points(importlib.metadata.entry_points, group, tuple(stamps))


@lru_cache(maxsize=16)
def _read_points(
    read: Callable[..., Iterable[EntryPoint]], group: str, stamps: tuple[tuple[str, int], ...]
) -> tuple[EntryPoint, ...]:
    return tuple(read(group=group))


def _locate() -> tuple[dict[str, Path], dict[str, str]]:
    """Folders of the registered problems, and why an entry point has none."""
    folders: dict[str, Path] = {}
    broken: dict[str, str] = {}
    for root in content_folders():
        for folder in sorted((root / "problems").iterdir()):
            if (folder / "__init__.py").is_file():
                folders[check_name(folder.name, "problem")] = folder
    for point in _points("sciml.problems"):
        try:
            folder = _package_folder(point.value)
            check_name(point.name, "problem")
        except (Exception, SystemExit) as error:  # finding a subpackage imports its parents, and those may do anything
            broken[point.name] = f"{type(error).__name__}: {error} (while looking for {point.value})"
            continue
        if folder is None:
            broken[point.name] = f"{point.value} is not a package"
        elif folder.name != point.name:
            broken[point.name] = f"the folder of {point.value} is called {folder.name!r}, expected that name"
        elif folders.get(point.name, folder) != folder:
            broken[point.name] = f"the name is taken by {folders[point.name]}, which {folder} cannot replace"
        else:
            folders[point.name] = folder
    for name, folder in _imported().items():
        folders.setdefault(name, folder)  # no import can take the name of a problem with code
    return folders, broken


def _imported() -> dict[str, Path]:
    """Folders of imported data, by name."""
    root = imported_folder().resolve()
    try:
        folders = sorted(root.iterdir())
    except OSError:  # nothing was imported here, or the cache folder cannot be read, which its users are told
        return {}
    return {folder.name: folder for folder in folders if not folder.name.startswith(".") and is_recorded(folder)}


def _package_folder(package: str) -> Path | None:
    """Where a package lies, without importing it; None for what is no package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _load_all() -> tuple[dict[str, Problem], dict[str, str]]:
    folders, broken = _locate()
    working: dict[str, Problem] = {}
    for name, folder in folders.items():
        if name in broken:
            continue
        try:
            working[name] = _load(folder)
        except UserError as error:
            broken[name] = str(error)
    return working, broken


def _unusable(key: str, kind: str, reason: str) -> UserError:
    return UserError(
        f"the entry point {key!r} of group sciml.{kind} cannot be used",
        got=reason,
        fix="Fix or remove the package that declares it; all other entries work.",
    )


def _add(registered: dict[str, Any], key: str, candidate: Any) -> None:
    if key in registered and registered[key] != candidate:
        raise UserError(f"two entries are registered under the key {key!r}", got=f"{registered[key]} and {candidate}")
    registered[key] = candidate


def _load(folder: Path) -> Problem:
    if is_recorded(folder):
        return read_recorded(folder)
    name = f"{_PACKAGE}.{folder.name}"
    with _LOADING:
        module = sys.modules.get(name)
        if module is not None and Path(module.__path__[0]) != folder:
            # The namesake stays as it is: what it imports later, and its card, must not come from this folder.
            name += f"__{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
            module = sys.modules.get(name)
        if module is None:
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
    for loaded in [key for key in list(sys.modules) if key == name or key.startswith(name + ".")]:
        del sys.modules[loaded]
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with warnings.catch_warnings():
            spec.loader.exec_module(module)
    except UserError:
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserError(
            f"the problem folder {folder} could not be imported",
            got=f"{type(error).__name__}: {error}{_place(error, folder)}",
            fix="Fix it and try again.",
        ) from error
    return module


def _place(error: BaseException, folder: Path) -> str:
    """Where in `folder` an error was raised, in words; empty if it was not."""
    inside = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder)
    ]
    return f" (line {inside[-1].lineno} of {Path(inside[-1].filename).name})" if inside else ""
