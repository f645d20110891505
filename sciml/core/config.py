"""One configuration mechanism: frozen typed models, TOML in, JSON out, unknown keys refused with the nearest match."""

from __future__ import annotations

import ast
import inspect
import textwrap
import tomllib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import pydantic
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from sciml.core.errors import ConfigError, DataError, nearest
from sciml.core.files import DEEPEST, LARGEST_NUMBER, parse_json, parse_toml, read_text
from sciml.core.paths import shown

C = TypeVar("C", bound="Config")

_FAULTS = 20
"""Faults of one file that are said."""


class Config(pydantic.BaseModel):
    """Base of every configuration: immutable, keyword-only, no unknown keys, no silent coercion of NaN.

    Raises: ConfigError for values that do not describe one, from the constructor and from ``model_validate`` and
        ``model_validate_json``. A configuration inside another one is checked with it, and faults have dotted keys.

    What a setting means says the docstring under it, which `meanings` reads when it is asked. Pydantic would read all
    of them whenever a class is made, a fifth of what starting the program takes.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    def __init__(self, /, **values: Any) -> None:  # Any: checked here
        try:
            super().__init__(**values)
        except pydantic.ValidationError as error:
            raise _refusal(type(self), error) from None

    # Without this mark pydantic would build configurations inside others by the constructor above, whose error would
    # hide where they lie and what else is wrong.
    __init__.__pydantic_base_init__ = True  # pyright: ignore[reportFunctionMemberAccess]

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _no_switch_is_a_number(cls, value: object, info: pydantic.ValidationInfo) -> object:
        """Pydantic would read ``true`` as 1: ``train.steps=true`` would train one step."""
        if _has_switch(value) and info.field_name is not None:
            kinds = _kinds(cls.model_fields[info.field_name].annotation)
            if {int, float} & kinds and not {bool, Any, object} & kinds:
                raise ValueError("true and false are not numbers")
        return value

    @classmethod
    def model_validate(cls: type[C], obj: Any, **options: Any) -> C:  # Any: checked here; options of pydantic
        """A configuration from plain data."""
        try:
            return super().model_validate(obj, **options)
        except pydantic.ValidationError as error:
            raise _refusal(cls, error) from None

    @classmethod
    def model_validate_json(cls: type[C], json_data: str | bytes | bytearray, **options: Any) -> C:  # Any: the same
        """A configuration from JSON."""
        try:
            return super().model_validate_json(json_data, **options)
        except pydantic.ValidationError as error:
            raise _refusal(cls, error) from None

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """The docstring of every setting that has one, by name."""
        words: dict[str, str] = {}
        for kind in reversed(cls.__mro__):
            if issubclass(kind, Config) and kind is not Config:
                words |= _docstrings(kind)
        return {name: words[name] for name in cls.model_fields if name in words}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: pydantic.GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """With the meanings as descriptions."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, meaning in cls.meanings().items():
            alias = cls.model_fields[name].alias or name
            entry = properties.get(alias, properties.get(name))
            if entry is not None:
                entry.setdefault("description", meaning)
        return schema


def _has_switch(value: object) -> bool:
    """Whether a value is a boolean, or a list with one in it."""
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_has_switch, value)))


def _kinds(annotation: object) -> set[object]:
    """The types within an annotation; a literal boolean counts as its type."""
    inner = get_args(annotation)
    if not inner:
        return {bool if isinstance(annotation, bool) else annotation} if isinstance(annotation, Hashable) else set()
    return set().union(*map(_kinds, inner))


def _docstrings(kind: type[Config]) -> dict[str, str]:
    """The strings under the annotated names in the body of a class; none where there is no source."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    words = {}
    for entry, following in pairwise(tree.body if isinstance(tree, ast.ClassDef) else []):
        match entry, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                words[name] = inspect.cleandoc(text)
    return words


def parse(kind: type[C], values: Any, source: str, *, stored: bool = False) -> C:  # Any: checked here
    """Build `kind` from plain data; every fault is reported by its dotted key, in one ConfigError.

    `stored` data were read from a run's files: a setting that a user may give as a path is refused there.
    """
    if key := _unbounded(values):
        raise ConfigError(f"{source} does not describe a valid {_title(kind)}: {key}: the number is too large",
                          expected="whole numbers below 2^63, which libraries behind us take")  # fmt: skip
    try:
        return kind.__pydantic_validator__.validate_python(values, context={"stored": stored})
    except pydantic.ValidationError as error:
        faults = [_describe(kind, fault) for fault in error.errors()[:_FAULTS]]
        raise ConfigError(f"{source} does not describe a valid {_title(kind)}: " + " | ".join(faults)) from None
    except (OverflowError, RecursionError) as error:  # a validator of ours met a number, or a depth, without bounds
        raise ConfigError(f"{source} does not describe a valid {_title(kind)}", got=error) from None


def _unbounded(values: object, key: str = "(top level)", depth: int = 0) -> str:
    """The dotted key of a whole number from 2^63 on, which overflows somewhere in a library; empty for none."""
    inner: Iterable[tuple[object, object]] = ()
    if isinstance(values, Mapping):
        inner = values.items()
    elif isinstance(values, list | tuple):
        inner = enumerate(values)
    elif isinstance(values, int) and abs(values) >= LARGEST_NUMBER:
        return key
    if depth == DEEPEST:
        raise ConfigError(f"{key} nests too deep", expected=f"at most {DEEPEST} levels")
    within = (_unbounded(entry, f"{key}.{name}" if depth else str(name), depth + 1) for name, entry in inner
              if isinstance(entry, int | Mapping | list | tuple))  # fmt: skip
    return next(filter(None, within), "")


def from_file(read: Callable[[Path], object], noun: str) -> pydantic.BeforeValidator:
    """For a setting that a user gives as the path of a file: its value is what `read` makes of the file.

    A run keeps the value, so a path in a run's own files opens nothing and is a DataError that names the `noun`.
    """

    def opened(source: object, info: pydantic.ValidationInfo) -> object:
        if not isinstance(source, str | Path):
            return source
        if info.context and info.context.get("stored"):
            raise DataError(f"a run keeps its {noun}, not a path", got=repr(str(source))[:80],
                            fix="Run it again with --set and the path of the file.")  # fmt: skip
        return read(Path(source))

    return pydantic.BeforeValidator(opened)


def read_toml(path: Path) -> dict[str, Any]:  # Any: TOML
    """The tables of a TOML file; a missing or malformed file is a ConfigError naming it."""
    try:
        return parse_toml(read_text(path, noun="valid TOML"), shown(path))
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"no such file: {shown(path)}") from None
    except DataError as error:
        raise ConfigError(error.what, got=error.got, expected=error.expected, fix=error.fix) from None


def read_json(path: Path) -> Any:
    """The value in a JSON file; DataError for anything else, NaN included. A missing file stays FileNotFoundError."""
    return parse_json(read_text(path, noun="valid JSON"), shown(path))


def differences(
    before: Mapping[str, object], after: Mapping[str, object], prefix: str = ""
) -> dict[str, tuple[object, object]]:
    """What differs between two nested mappings: dotted key to (before, after), None where one has no such key."""
    changes: dict[str, tuple[object, object]] = {}
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes |= differences(old, new, f"{prefix}{key}.")
        elif old != new:
            changes[prefix + key] = (old, new)
    return changes


def override(config: C, assignments: list[str]) -> C:
    """A copy of `config` with ``dotted.key=value`` assignments applied; values are read as TOML, else as text.

    Raises ConfigError for an assignment without ``=``, an unknown key (with the nearest match) or a bad value.
    """
    values = config.model_dump()
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError("a setting is not an assignment", got=repr(assignment), expected="key=value")
        _assign(values, type(config), key.strip().split("."), _value(text.strip()), key.strip())
    return parse(type(config), values, "--set " + " ".join(assignments)) if assignments else config


def keys(kind: type[Config], prefix: str = "") -> list[str]:
    """Every dotted key of a configuration, depth first."""
    dotted = []
    for name, field in kind.model_fields.items():
        inner: Any = field.annotation
        if isinstance(inner, type) and issubclass(inner, Config):
            dotted += keys(inner, f"{prefix}{name}.")
        else:
            dotted.append(prefix + name)
    return dotted


def _assign(values: dict[str, Any], kind: type[Config], path: list[str], value: Any, key: str) -> None:
    for depth, name in enumerate(path):
        is_free = isinstance(values, dict) and _is_table(kind, path[:depth])
        if not isinstance(values, dict) or (name not in values and not is_free):
            valid = keys(kind)
            match = nearest(key, valid) or nearest(path[-1], [k.rsplit(".", 1)[-1] for k in valid])
            raise ConfigError(
                f"unknown setting {key!r}",
                expected="one of: " + ", ".join(valid),
                fix=f"Did you mean {match!r}?" if match else "",
            )
        if depth == len(path) - 1:
            values[name] = value
        else:
            values = values[name]


def _is_table(kind: type[Config], path: Sequence[str]) -> bool:
    """Whether a setting is a table whose keys are not those of a configuration."""
    inner: Any = kind
    for name in path:
        if not (isinstance(inner, type) and issubclass(inner, Config)):
            return False
        inner = inner.model_fields[name].annotation
    return get_origin(inner) is dict


def _value(text: str) -> Any:
    """A setting as it is written: a value of TOML, else a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, ValueError):  # a ValueError for a number of thousands of digits
        return text
    except RecursionError:
        raise ConfigError("a setting nests too deep", got=f"{text[:40]}…") from None


def _refusal(kind: type[Config], error: pydantic.ValidationError) -> ConfigError:
    """What is wrong with the arguments of a constructor; one fault alone is taken apart."""
    faults = error.errors()[:_FAULTS]
    fault, title = faults[0], _title(kind)
    if len(faults) > 1:
        return ConfigError(f"no valid {title}: " + " | ".join(_describe(kind, fault) for fault in faults))
    key, name = ".".join(map(str, fault["loc"])), fault["loc"][-1:]
    if fault["type"] == "extra_forbidden":
        valid = keys(kind)
        match = nearest(key, valid) or nearest(str(*name), [k.rsplit(".", 1)[-1] for k in valid])
        return ConfigError(f"{title} has no setting {key!r}", expected="one of: " + ", ".join(valid),
                           fix=f"Did you mean {match!r}?" if match else "")  # fmt: skip
    if fault["type"] == "missing":
        return ConfigError(f"{title} lacks its setting {key!r}", fix=f"Add {'='.join((*map(str, name), '...'))}.")
    message = fault["msg"].removeprefix("Value error, ")
    if not message.startswith("Input should "):  # a sentence of ours, or one about how data are written
        return ConfigError(": ".join(filter(None, (title, key, message))), got=_brief(fault["input"]) if key else None)
    expected = message.removeprefix("Input should ").removeprefix("be ")
    return ConfigError(f"{title} has no valid {key or 'content'}", got=_brief(fault["input"]), expected=expected)


def _describe(kind: type[Config], fault: Any) -> str:
    key = ".".join(map(str, fault["loc"])) or "(top level)"
    if fault["type"] == "extra_forbidden":
        valid = keys(kind)
        match = nearest(key, valid) or nearest(str(fault["loc"][-1]), [k.rsplit(".", 1)[-1] for k in valid])
        hint = f", did you mean {match!r}?" if match else ""
        return f"unknown key {key!r}{hint} (valid keys: {', '.join(valid)})"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "missing":
        return f"{key}: {message}"
    if not fault["loc"] and isinstance(fault["input"], Mapping):  # of all settings together, in words that name them
        return message
    return f"{key}: {message}, got {_brief(fault['input'])}"


def _brief(value: object) -> str:
    """A value as it is written, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:199]}…"


def _title(kind: type[Config]) -> str:
    return kind.__name__.split("[")[0]
