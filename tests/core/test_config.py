import json

import pydantic
import pytest

from sciml.core.config import Config, keys, override, parse, read_toml
from sciml.core.errors import ConfigError


class Inner(Config):
    rate: float = pydantic.Field(1e-3, gt=0)
    name: str = "a"


class Outer(Config):
    inner: Inner = Inner()
    steps: int = 10
    tags: tuple[str, ...] = ()
    sizes: tuple[int, ...] | None = None
    either: bool | int = 0
    switch: bool = False


def test_keys_are_dotted():
    assert keys(Outer) == ["inner.rate", "inner.name", "steps", "tags", "sizes", "either", "switch"]


def test_override_sets_nested_values_with_their_types():
    changed = override(Outer(), ["inner.rate=0.5", "steps=3", 'tags=["x"]', "inner.name=plain text"])
    assert changed == Outer(inner=Inner(rate=0.5, name="plain text"), steps=3, tags=("x",))


def test_a_switch_stays_one():
    changed = override(Outer(), ["switch=true", "either=true"])
    assert (changed.switch, changed.either) == (True, True)


def test_override_leaves_the_original_alone():
    config = Outer()
    override(config, ["steps=3"])
    assert config.steps == 10


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("inner.rat=1", ["unknown setting 'inner.rat'", "Did you mean 'inner.rate'"]),
        ("rate=1", ["unknown setting 'rate'", "inner.rate"]),
        ("steps", ["not an assignment", "key=value"]),
        ("steps=many", ["steps", "valid integer", "'many'"]),
        ("inner.rate=-1", ["inner.rate", "greater than 0"]),
        ("inner.rate=nan", ["inner.rate", "finite"]),
        ("steps=true", ["steps: true and false are not numbers"]),
        ("inner.rate=true", ["inner.rate: true and false are not numbers"]),
        ("sizes=[3, true]", ["sizes: true and false are not numbers"]),
        ("steps.more=1", ["unknown setting"]),
        ("inner=3", ["inner"]),
    ],
)
def test_bad_overrides_say_what_is_wrong(assignment, words):
    with pytest.raises(ConfigError) as caught:
        override(Outer(), [assignment])
    for word in words:
        assert word in str(caught.value)


def test_unknown_keys_in_a_file_get_the_nearest_match():
    with pytest.raises(ConfigError, match=r"unknown key 'inner.nam', did you mean 'inner.name'"):
        parse(Outer, {"inner": {"nam": 1}}, "card.toml")


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse(Outer, {"steps": "x", "inner": {"rate": 0}}, "f")
    assert "steps" in str(caught.value)
    assert "inner.rate" in str(caught.value)


def test_configs_are_frozen():
    with pytest.raises(pydantic.ValidationError):
        Outer().steps = 3


@pytest.mark.parametrize(("values", "message"), [
    ({"steps": "x"}, r"Outer has no valid steps; got 'x'; expected a valid integer"),
    ({"inner": {"rate": -1}}, r"Outer has no valid inner\.rate; got -1; expected greater than 0\."),
    ({"stepps": 3}, r"Outer has no setting 'stepps'; expected one of: .*steps.* Did you mean 'steps'\?"),
    ({"steps": "x", "inner": {"rate": -1}}, r"no valid Outer: inner\.rate: .* \| steps: "),
])  # fmt: skip
def test_constructors_refuse_as_files_do(values, message):
    for make in (lambda: Outer(**values), lambda: Outer.model_validate(values),
                 lambda: Outer.model_validate_json(json.dumps(values))):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            make()


def test_a_missing_setting_and_broken_json_are_refused():
    class Needs(Config):
        rate: float

    with pytest.raises(ConfigError, match=r"Needs lacks its setting 'rate'\. Add rate=\.\.\.\."):
        Needs()
    with pytest.raises(ConfigError, match="Needs: Invalid JSON"):
        Needs.model_validate_json("{")


def test_json_round_trip():
    config = override(Outer(), ["inner.rate=0.25"])
    assert Outer.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"[x"])
def test_a_broken_toml_file_is_named(tmp_path, content):
    path = tmp_path / "card.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"card\.toml is not valid TOML"):
        read_toml(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="is a folder"):
        read_toml(tmp_path)
