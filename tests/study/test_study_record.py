"""`record.json`: filled, valid by its own schema, and refused when it is not one."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from sciml.core.errors import DataError
from sciml.study import RECORD, Record, schema
from sciml.testing import PROBLEMS

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "sciml" / "study" / "record.schema.json"


@pytest.fixture(scope="session")
def record(tmp_path_factory, small_unet):
    """The folder of a finished run; nobody changes it."""
    from sciml.study import RunRequest, run

    fixture = PROBLEMS / "periodic_advection"
    settings = ["model.levels=2", "model.waves=1", "model.width=4", "train.steps=3", 'baselines=["persistence","unet"]']
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        return run(RunRequest(problem=fixture, settings=settings, out=tmp_path_factory.mktemp("runs"))).folder


def test_the_shipped_schema_is_that_of_the_program():
    assert json.loads(SHIPPED.read_text(encoding="utf-8")) == schema()


def test_a_record_is_valid_by_the_schema(record):
    validator = jsonschema.Draft202012Validator(schema())
    content = json.loads((record / RECORD).read_text())
    assert list(validator.iter_errors(content)) == []
    for key in ("metrics", "dataset", "versions", "seed"):
        assert list(validator.iter_errors({k: v for k, v in content.items() if k != key}))
    assert list(validator.iter_errors({**content, "schema": "sciml/record/2"}))


def test_jsonschema_is_not_needed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not [entry for entry in project["dependencies"] if entry.startswith("jsonschema")]
    for path in (ROOT / "sciml").rglob("*.py"):
        assert "import jsonschema" not in path.read_text(encoding="utf-8")


def test_every_field_of_a_record_is_filled(record):
    found = Record.read(record)
    assert (found.problem, found.solver, found.preset, found.seed, found.status) == (
        "periodic_advection",
        "sinenet",
        "tiny",
        0,
        "finished",
    )
    assert found.title == "SineNet"
    assert found.model["width"] == 4
    assert found.parameters > 0
    assert found.flops > 0
    assert found.train.steps == found.train.best_step == 3
    assert found.train.seconds > 0
    assert found.train.best_validation is not None
    assert found.predict.seconds > 0
    assert len(found.dataset.hash) == 64
    assert found.dataset.card["frames"] == 8
    assert found.outcomes == {"ok": 5}
    assert set(found.versions) >= {"python", "sciml", "torch"}
    assert found.hardware["threads"] == 1
    assert found.left_out == {}
    assert all(value is not None for value in found.metrics["test"].values())
    assert {"rollout/mass_drift", "rollout/energy_drift", "rollout/valid_steps"} <= set(found.metrics["test"])


def test_baselines_stand_beside_the_solver_at_equal_size(record):
    found = Record.read(record)
    assert set(found.baselines) == {"persistence", "unet"}
    still, unet = found.baselines["persistence"], found.baselines["unet"]
    assert still.parameters == still.train.steps == 0
    assert unet.parameters == pytest.approx(found.parameters, rel=0.1)
    assert unet.train.steps == found.train.steps, "a setting of train gives the baselines the same budget"
    for entry in (still, unet):
        assert entry.metrics["test"].keys() == found.metrics["test"].keys()
        assert entry.outcomes == {"ok": 5}


def test_writing_and_reading_gives_the_same_record(record, tmp_path):
    found = Record.read(record)
    found.write(tmp_path)
    assert Record.read(tmp_path) == found
    assert (tmp_path / RECORD).read_text() == (record / RECORD).read_text()


def spoil(key, value):
    def change(content):
        target = content
        *path, last = key.split(".")
        for part in path:
            target = target[part]
        if value is None:
            del target[last]
        else:
            target[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        spoil("schema", "sciml/record/2"),
        spoil("metrics", None),
        spoil("parameters", "many"),
        spoil("seed", 1.5),
        spoil("status", "perfect"),
        spoil("dataset.hash", None),
        spoil("model.width", float("nan")),
        spoil("metrics.test.rollout/vrmse", float("inf")),
        spoil("extra", 1),
    ],
)
def test_a_record_that_is_not_one_is_refused(record, tmp_path, change):
    content = json.loads((record / RECORD).read_text())
    change(content)
    (tmp_path / RECORD).write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"record\.json"):
        Record.read(tmp_path)


@pytest.mark.parametrize("cut", [0, 1, 100, -3])
def test_a_truncated_record_is_refused(record, tmp_path, cut):
    (tmp_path / RECORD).write_bytes((record / RECORD).read_bytes()[:cut])
    with pytest.raises(DataError, match="not valid JSON"):
        Record.read(tmp_path)


def test_a_folder_in_place_of_the_record_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not a finished run"):
        Record.read(tmp_path)
    (tmp_path / RECORD).mkdir()
    with pytest.raises(DataError):
        Record.read(tmp_path)
