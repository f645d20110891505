"""The symbolic-regression engines there are."""

from sciml.core.errors import UnknownNameError
from sciml.discovery._engine import SymbolicEngine
from sciml.discovery._operon import OperonEngine
from sciml.discovery._pysr import PySREngine
from sciml.discovery._sparse import SparseEngine
from sciml.discovery._staged import StagedEngine


def engines() -> dict[str, SymbolicEngine]:
    """The engines by key, the default first; none of their libraries is imported before it searches."""
    return {engine.key: engine for engine in (OperonEngine(), SparseEngine(), StagedEngine(), PySREngine())}


def engine(key: str = "operon") -> SymbolicEngine:
    """One engine; an unknown key lists the valid ones."""
    known = engines()
    if key not in known:
        raise UnknownNameError("symbolic engine", key, known)
    return known[key]
