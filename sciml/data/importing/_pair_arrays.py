"""Pairs of functions among named arrays: which array is the functions, which the queries, which the values.

Layouts that are recognised by their names, those of DeepXDE and of the neural-operator literature among them:

    branch (N, m), trunk (Q, d), y (N, Q)                aligned; several functions as branch_u, branch_v
    branch (R, m), trunk (R, d), y (R, 1)                one query per row
    branch (N, m), trunk (N, Q, d), y (N, Q)             queries of every function's own
    X_train0, X_train1, y_train (and X_test0, ...)       the same; the last X is the queries; with row_train (R,) and
                                                         query_train (R, P), y_train (R, P) at these queries
    u, y, s                                              the same
    coeff, sol; a, u; x, y: each (N, *lattice)           functions and values on one lattice
"""

import re
from collections.abc import Mapping

import numpy as np

from sciml.core.errors import DataError
from sciml.data._export_pairs import DESCRIPTION
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._pair_description import PairDescription, described_by, text_of, with_description
from sciml.data.importing._source import FoundPairs, PairArrays, Variable

_VALUES = ("y", "s", "values", "outputs", "targets")
_LATTICES = (("coeff", "sol"), ("a", "u"), ("x", "y"))
_NAMES = "uvwpqfgh"
"""Of functions that have none."""


def find_pairs(
    arrays: Mapping[str, Variable], label: str, choices: ImportChoices, description: str = ""
) -> FoundPairs | None:
    """Pairs of functions in named arrays; None where the names do not say so.

    Arguments:
        arrays, label, choices: what there is, what messages call it, and what the user says of it.
        description: what the file says of it, unless an array does.

    Raises: DataError where the user says that there are pairs (``layout="pairs"``) and the names do not.
    """
    names = {choices.rename.get(name, name): name for name in arrays}
    said = described_by(text, label) if (text := description or text_of(arrays)) else None
    if said is not None:
        choices = with_description(choices, said)
    for finder in (_numbered, _branches, _triple, _lattice):
        roles = finder(names, arrays, choices)
        if roles is not None:
            return _read(roles, names, arrays, said)
    if choices.layout == "pairs":
        raise DataError(
            f"{label} does not name its functions, queries and values",
            got=", ".join(f"{name} {arrays[origin].shape}" for name, origin in names.items()),
            expected="branch, trunk and y; X_train0, X_train1 and y_train; u, y and s; or coeff and sol",
            fix="Rename them: --rename OLD=branch --rename OLD=trunk --rename OLD=y.",
        )
    return None


_Roles = dict[str, tuple[list[tuple[str, str]], str, str]]
"""By split: functions (name they get, key), key of the queries (empty on a lattice), key of the values."""


def _numbered(names: Mapping[str, str], arrays: Mapping[str, Variable], choices: ImportChoices) -> _Roles | None:
    """``X_train0``, ``X_train1``, ..., ``y_train``; or ``X0``, ``X1``, ``y``."""
    roles: _Roles = {}
    for split, inner in (("train", "_train"), ("valid", "_valid"), ("test", "_test"), ("all", "")):
        keys = sorted((key for key in names if re.fullmatch(rf"X{inner}_?\d+", key)), key=lambda key: int(_digits(key)))
        value = f"y{inner}"
        if len(keys) >= 2 and value in names:
            functions = _named([""] * (len(keys) - 1), choices)
            roles[split] = (list(zip(functions, keys[:-1], strict=True)), keys[-1], value)
    return roles if "train" in roles or "all" in roles else None


def _branches(names: Mapping[str, str], arrays: Mapping[str, Variable], choices: ImportChoices) -> _Roles | None:
    keys = [key for key in names if re.fullmatch(r"branch(_?\w+)?", key)]
    value = next((key for key in _VALUES if key in names), None)
    if not keys or "trunk" not in names:
        return None
    if value is None:
        raise DataError(
            "there are functions and queries, and no values of the operator",
            got=", ".join(f"{name} {arrays[origin].shape}" for name, origin in names.items()),
            expected=f"one more array, called {', '.join(_VALUES[:-1])} or {_VALUES[-1]}",
            fix="Rename it: --rename OLD=y.",
        )
    suffixes = [key.removeprefix("branch").lstrip("_") for key in keys]
    functions = _named(["" if entry.isdigit() else entry for entry in suffixes], choices)
    return {"all": (list(zip(functions, keys, strict=True)), "trunk", value)}


def _triple(names: Mapping[str, str], arrays: Mapping[str, Variable], choices: ImportChoices) -> _Roles | None:
    if not {"u", "y", "s"} <= set(names) or any(len(arrays[names[key]].shape) != 2 for key in ("u", "s")):
        return None
    return {"all": ([(_named(["u"], choices)[0], "u")], "y", "s")}


def _lattice(names: Mapping[str, str], arrays: Mapping[str, Variable], choices: ImportChoices) -> _Roles | None:
    for function, value in _LATTICES:
        if function in names and value in names:
            shapes = [_plain_shape(arrays[names[key]].shape) for key in (function, value)]
            certain = function == "coeff" or choices.layout == "pairs"
            if certain or (shapes[0] == shapes[1] and len(shapes[0]) >= 2 and set(names) - {function, value} <= _SPARE):
                name = _named(["a" if function == "x" else function], choices)[0]
                return {"all": ([(name, function)], "", value)}
    return None


_SPARE = {"a_smooth", "a_smooth_x", "a_x", "Kcoeff", "Kcoeff_x", "Kcoeff_y", "visc", "gamma", "sigma", "tau"}
"""Further arrays of the published files, whose functions and values are known all the same."""


def _named(in_file: list[str], choices: ImportChoices) -> list[str]:
    """Names of the input functions: the user's, the file's, else u, v, w, ..."""
    stated = [entry.partition("=")[0].partition(":")[0].strip() for entry in choices.functions]
    if len(stated) == len(in_file):
        return stated
    spare = iter(letter for letter in _NAMES if letter not in in_file)
    return [name or next(spare) for name in in_file]


def _read(
    roles: _Roles, names: Mapping[str, str], arrays: Mapping[str, Variable], said: PairDescription | None
) -> FoundPairs:
    parts, used = {}, set()
    for split, (functions, queries, value) in roles.items():
        keys = {**{f"function {name}": key for name, key in functions}, "values": value}
        if queries:
            keys["queries"] = queries
        used |= set(keys.values())
        numbers = {role: _numbers(role, key, arrays[names[key]]) for role, key in keys.items()}
        stored = {
            key: arrays[names[f"{key}_{split}"]].values() for key in ("row", "query") if f"{key}_{split}" in names
        }
        used |= {f"{key}_{split}" for key in stored}
        parts[split] = PairArrays(
            tuple((name, numbers[f"function {name}"]) for name, _ in functions),
            numbers.get("queries"),
            numbers["values"],
            keys,
            **(stored if len(stored) == 2 else {}),
        )
    sensors = {}
    for key in names:
        match = re.fullmatch(r"sensors(?:_(\w+))?", key)
        if match:
            used.add(key)
            sensors[match[1] or ""] = _numbers("sensors", key, arrays[names[key]])
    value = next(iter(roles.values()))[2]
    field, unused = value if value in ("s", "sol", "u") else "s", names.keys() - used - {DESCRIPTION}
    if said is not None:  # its functions may have been given other names
        called = [name for name, _ in next(iter(parts.values())).functions]
        owners = {entry.name: name for entry, name in zip(said.functions, called, strict=False)}
        sensors = {owners.get(name, name): points for name, points in sensors.items()}
    return FoundPairs(parts, sensors, field, tuple(key for key in names if key in unused), said)


def _numbers(role: str, key: str, entry: Variable) -> np.ndarray:
    if entry.kind not in "fiu":
        raise DataError(f"the {role} ({key!r}): no real numbers", got=_KINDS.get(entry.kind, f"kind {entry.kind!r}"),
                        expected="floating-point or whole numbers")  # fmt: skip
    if not entry.shape:
        raise DataError(f"the {role} ({key!r}): an array of rows is needed", got="a single number")
    return np.asarray(entry.values(), dtype=np.float64)


_KINDS = {
    "b": "truth values", "c": "complex numbers", "M": "dates", "m": "spans of time", "O": "Python objects or text",
    "S": "text", "U": "text", "V": "records",
}  # fmt: skip
"""What NumPy's kinds of other values are called."""


def _plain_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without a channel axis of size one, first or last."""
    if len(shape) > 2 and shape[1] == 1:
        return (shape[0], *shape[2:])
    return shape[:-1] if len(shape) > 2 and shape[-1] == 1 else shape


def without_channel(values: np.ndarray) -> np.ndarray:
    """Lattice data without a channel axis of size one."""
    return values.reshape(_plain_shape(values.shape))


def _digits(key: str) -> str:
    return re.sub(r"\D", "", key)
