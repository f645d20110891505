"""The code that made data: a hash of the definitions that a problem reaches, not of their wording.

Followed from all that the problem's ``__init__.py`` defines are names, attributes of modules and imports, through the
problem's folder and `sciml.reference`. What counts is every class, function and constant reached, without docstrings;
comments, layout and definitions that nothing reaches change nothing. The rest of `sciml` (draws of parameters, grids,
writing of shards) is not followed: `FORMAT` and a problem's `version` stand for it.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from sciml.core.problem import Problem
from sciml.core.recorded import Recorded
from sciml.core.registry import folder_of

_REFERENCE = "sciml.reference"
_FOLDER = Path(__file__).parents[1] / "reference"
"""Its files, which are read and not imported."""
_PROSE = {"title", "equation", "presets", "invariants", "metrics", "citation", "solver"}
_BY_VALUE = {"name", "version", "fields", "parameters", "forcings", "time_step", "boundary"}
"""Arguments of ``PROBLEM = …`` that no number of the data depends on, and those that other digests hold by value."""

Place = tuple[Path, str]
"""A file, and a name defined at its top."""


def code_digest(problem: Problem) -> str:
    """Hash of all code that a problem's data is computed by; empty for imported data."""
    if isinstance(problem, Recorded):
        return ""
    folder = folder_of(problem)
    files = [*folder.rglob("*.py"), *_FOLDER.glob("*.py")]
    return _digest(folder, tuple((path, path.stat().st_mtime_ns) for path in sorted(files)))


@lru_cache(maxsize=256)
def _digest(folder: Path, files: tuple[tuple[Path, int], ...]) -> str:
    code = _Code()
    start = code.module(folder / "__init__.py")
    waiting: list[Place] = [(start.path, name) for name in start.definitions] if start else []
    reached: set[Place] = set()
    while waiting:
        place = waiting.pop()
        if place not in reached:
            reached.add(place)
            waiting += code.uses(place)
    lines = []
    for path, name in reached:
        module = code.module(path)
        if module is not None:
            inside = path.relative_to(folder) if path.is_relative_to(folder) else Path(_REFERENCE, path.name)
            lines.append(f"{inside.as_posix()} {name}\n{module.definitions[name]}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()  # wherever the files lie


class _Module:
    """One file: its definitions by name (as `ast.unparse` writes them), the names each uses, and the imports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.definitions: dict[str, str] = {}
        self.names: dict[str, set[tuple[str, str]]] = {}
        self.imports: dict[str, tuple[str, str]] = {}
        """Module and name in it by local name; an empty name for the module itself."""
        for node in ast.parse(path.read_bytes()).body:
            self._enter(node)

    def _enter(self, node: ast.stmt) -> None:
        if isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            self.imports |= {entry.asname or entry.name: (source, entry.name) for entry in node.names}
        elif isinstance(node, ast.Import):
            self.imports |= {entry.asname or entry.name: (entry.name, "") for entry in node.names}
        else:
            bare = _bare(node)
            for name in _defined(bare):  # a second definition of a name joins the first
                self.definitions[name] = self.definitions.get(name, "") + ast.unparse(bare)
                self.names.setdefault(name, set()).update(_used(bare))


class _Code:
    """The modules of a problem's folder and of `sciml.reference`, read as they are needed."""

    def __init__(self) -> None:
        self._modules: dict[Path, _Module | None] = {}

    def module(self, path: Path) -> _Module | None:
        """A file's module, None where there is no such file."""
        if path not in self._modules:
            self._modules[path] = _Module(path) if path.is_file() else None
        return self._modules[path]

    def uses(self, place: Place) -> list[Place]:
        """What a definition uses, of the files that are followed."""
        path, name = place
        module = self.module(path)
        return [] if module is None else [p for used in module.names[name] for p in self._find(module, *used)]

    def _find(self, module: _Module, name: str, attribute: str) -> list[Place]:
        """Where a name, or the attribute of a module of that name, is defined."""
        if name in module.definitions:
            return [(module.path, name)]
        if name not in module.imports:
            return []
        source, original = module.imports[name]
        whole = self._file(module.path, f"{source}{'' if source.endswith('.') else '.'}{original}")
        if whole is not None:  # a module: one of its names, or all where it is passed on as it is
            inner = self.module(whole)
            if inner is None:
                return []
            return self._find(inner, attribute, "") if attribute else [(whole, each) for each in inner.definitions]
        origin = self._file(module.path, source)
        inner = None if origin is None else self.module(origin)
        return [] if inner is None else self._find(inner, original, "")

    def _file(self, path: Path, source: str) -> Path | None:
        """The file of a module that is followed, None for others."""
        if source.startswith("."):
            base, inside = path.parent, source[1:]
            if inside.startswith("."):
                return None  # beyond the problem's folder
        elif source == _REFERENCE or source.startswith(f"{_REFERENCE}."):
            base, inside = _FOLDER, source[len(_REFERENCE) + 1 :]
        else:
            return None
        parts = [part for part in inside.split(".") if part]
        for candidate in (base.joinpath(*parts, "__init__.py"), base.joinpath(*parts).with_suffix(".py")):
            if (parts or candidate.name == "__init__.py") and candidate.is_file():
                return candidate
        return None


def _defined(node: ast.stmt) -> Iterator[str]:
    """Names that a statement at the top of a file defines; ``""`` for one that only acts."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield node.name
        return
    names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    yield from names
    if not names and not isinstance(node, ast.Pass):
        yield ""


def _bare(node: ast.stmt) -> ast.stmt:
    """A statement without docstrings, and ``PROBLEM = …`` without what no number depends on."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            kept = [part for part in inner.body if not _is_text(part)]
            inner.body = kept or [ast.Pass()]
    if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id == "PROBLEM" for target in targets):
            node.value.keywords = [entry for entry in node.value.keywords if entry.arg not in _PROSE | _BY_VALUE]
    return ast.Pass() if _is_text(node) else node


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is a string that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _used(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """Names that a statement reads, each with the attribute that is asked of it, if any."""
    owners = {id(n.value): n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            yield inner.id, owners.get(id(inner), "")
