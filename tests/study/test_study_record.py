"""`record.json`: filled, valid by its own schema, and refused when it is not one."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from sciml.core.errors import DataError
from sciml.study import RECORD, Record, read_study, schema
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
    saved = Record.read(record)
    assert (saved.problem, saved.solver, saved.preset, saved.seed, saved.status) == (
        "periodic_advection",
        "sinenet",
        "tiny",
        0,
        "finished",
    )
    assert saved.title == "SineNet"
    assert saved.model["width"] == 4
    assert saved.parameters > 0
    assert saved.flops > 0
    assert saved.train.steps == saved.train.best_step == 3
    assert saved.train.seconds > 0
    assert saved.train.best_validation is not None
    assert saved.predict.seconds > 0
    assert len(saved.dataset.hash) == 64
    assert saved.dataset.card["frames"] == 8
    assert saved.outcomes == {"ok": 5}
    assert set(saved.versions) >= {"python", "sciml", "torch"}
    assert saved.hardware["threads"] == 1
    assert saved.left_out == {}
    assert all(value is not None for value in saved.metrics["test"].values())
    assert {"rollout/mass_drift", "rollout/energy_drift", "rollout/valid_steps"} <= set(saved.metrics["test"])


def test_baselines_stand_beside_the_solver_at_equal_size(record):
    saved = Record.read(record)
    assert set(saved.baselines) == {"persistence", "unet"}
    still, unet = saved.baselines["persistence"], saved.baselines["unet"]
    assert still.parameters == still.train.steps == 0
    assert unet.parameters == pytest.approx(saved.parameters, rel=0.1)
    assert unet.train.steps == saved.train.steps, "a setting of train gives the baselines the same budget"
    for entry in (still, unet):
        assert entry.metrics["test"].keys() == saved.metrics["test"].keys()
        assert entry.outcomes == {"ok": 5}


def test_writing_and_reading_gives_the_same_record(record, tmp_path):
    saved = Record.read(record)
    saved.write(tmp_path)
    assert Record.read(tmp_path) == saved
    assert (tmp_path / RECORD).read_text() == (record / RECORD).read_text()


def spoil(key, value):
    def change(content):
        target = content
        *path, last = key.split(".")
        for step in path:
            target = target[step]
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
        spoil("metrics.test", None),
        spoil("baselines.unet.metrics.test", None),
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


def test_a_study_says_what_another_preset_changes(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(
        'title = "t"\nquestion = "q"\nproblem = "heat"\npreset = "tiny"\n'
        'parameters = 100\nsettings = ["train.steps=3"]\n'
        '[presets.paper]\nparameters = 900\nseeds = [5]\n'
        '[[variants]]\nname = "a"\nlabel = "A"\nsolver = "pinn"\n', encoding="utf-8")  # fmt: skip
    study = read_study(path)
    assert study.at("tiny") == study
    paper, small = study.at("paper"), study.at("small")
    assert (paper.preset, paper.parameters, paper.seeds, paper.settings) == ("paper", 900, (5,), ())
    assert (small.preset, small.parameters, small.seeds, small.settings) == (
        "small",
        100,
        (0, 1, 2),
        ("train.steps=3",),
    )
