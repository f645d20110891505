"""Every verb, once as a person and once as a machine would call it."""

import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

import sciml as package
from sciml.core import paths
from sciml.testing import PROBLEMS

OWN = ("--problem", PROBLEMS / "periodic_advection")
"""The fixture problem is not registered, so a verb that loads a run must be told where it is."""


def test_list_names_everything_there_is(sciml):
    listed = sciml("list", "--json").json
    assert "shallow_water" in [problem["name"] for problem in listed["problems"]]
    assert {"sinenet", "persistence"} <= {solver["key"] for solver in listed["solvers"]}
    assert listed["support"]["shallow_water"]["sinenet"] == {"ok": True, "reason": ""}
    shown = sciml("list")
    assert shown.code == 0
    assert all(word in shown.out for word in ("Problems", "shallow_water", "Evolves", "Solvers", "sinenet", "Support"))


def test_show_a_problem_by_name_and_by_path(sciml, advection):
    by_name = sciml("show", "shallow_water", "--json").json
    assert by_name["kind"] == "problem"
    assert by_name["presets"]["tiny"]["trajectories"]["trajectories"]["train"] > 0
    by_path = sciml("show", advection, "--json").json
    assert [field["units"] for field in by_path["fields"]] == ["kg m-3", "kg m-3"]
    assert by_path["parameters"][0]["name"] == "speed"
    shown = sciml("show", advection).out
    assert all(word in shown for word in ("∂a/∂t + c ∂a/∂x = 0", "m s-1", "trajectories.train", "16, 12"))


def test_show_a_solver(sciml):
    answer = sciml("show", "sinenet", "--json").json
    assert answer["kind"] == "solver"
    assert answer["recipes"]["paper"]["model"]["waves"] == 8
    shown = sciml("show", "sinenet").out
    assert all(word in shown for word in ("arXiv:2403.19507", "train.learning_rate", "tiny", "113,750"))


def test_doctor_finds_what_a_run_needs(sciml, tmp_path, monkeypatch):
    states = {check["name"]: check["state"] for check in sciml("doctor", "--json").json}
    assert states["torch"] == states["cache folder"] == states["problems"] == "ok"
    assert set(states.values()) <= {"ok", "missing", "fail"}
    assert "cache folder" in sciml("doctor").out
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "file"))
    broken = sciml("doctor", "--json")
    assert broken.code == 2
    assert next(check["detail"] for check in broken.json if check["name"] == "cache folder").endswith("Move it away.")


def test_version_and_help(sciml):
    assert sciml("--version").out.strip() == package.__version__
    for arguments in (["-h"], ["--help"], ["run", "--help"], ["data", "--help"], ["new", "--help"]):
        shown = sciml(*arguments)
        assert shown.code == 0
        assert "Usage: sciml" in shown.out


def test_run_prints_a_table_and_leaves_a_page(sciml, advection, quick, tmp_path):
    first = sciml("run", advection, *quick)
    assert first.code == 0, first.err
    assert all(word in first.out for word in ("SineNet", "Persistence", "rollout/relative_l2", "train s"))
    assert "page: runs/periodic_advection/sinenet-tiny-s0/report.html" in first.out
    folder = tmp_path / "runs" / "periodic_advection" / "sinenet-tiny-s0"
    wanted = "record.json config.json model.safetensors checkpoint.pt log.jsonl predictions.h5 report.html figures"
    assert set(wanted.split()) <= {path.name for path in folder.iterdir()}
    second = sciml("run", advection, *quick, "--json").json
    assert second["folder"].endswith("sinenet-tiny-s0-2")
    assert second["record"]["schema"] == "sciml/record/1"
    assert f"{second['record']['parameters']:,}" in first.out
    weights = [
        (folder.with_name(name) / "model.safetensors").read_bytes() for name in (folder.name, folder.name + "-2")
    ]
    assert weights[0] == weights[1]


def test_data_is_generated_described_verified_and_exported(sciml, advection, tmp_path):
    made = sciml("data", "generate", advection, "--json").json
    assert made["trajectories"]["splits"]["train"]["status"] == {"ok": 10}
    assert sciml("data", "info", advection, "--json").json == made
    assert "splits.train.trajectories" in sciml("data", "info", advection).out
    checks = sciml("data", "verify", advection, "--json")
    assert checks.code == 0
    assert all(check["ok"] for check in checks.json)
    assert "invariant mass" in sciml("data", "verify", advection).out
    written = sciml("data", "export", advection, "--format", "netcdf", "--out", "copy", "--json").json
    with xarray.open_dataset(tmp_path / written["paths"][0], engine="h5netcdf") as exported:
        assert exported.sizes["sample"] == 10
    assert sciml("data", "export", advection, "--format", "well", "--out", "well").code == 0


def test_verify_exits_2_when_something_is_wrong(sciml, advection):
    folder = sciml("data", "generate", advection, "--json").json["trajectories"]["folder"]
    (Path(folder) / "test-0000.nc").unlink()
    answer = sciml("data", "verify", advection)
    assert answer.code == 2
    assert "FAILED" in answer.out


def test_evaluate_repeats_the_record(sciml, finished):
    examined = sciml("evaluate", finished, *OWN, "--json").json
    assert examined["metrics"] == pytest.approx(examined["recorded"], rel=1e-6)
    assert examined["outcomes"] == {"ok": 5}
    shown = sciml("evaluate", finished, *OWN)
    assert all(word in shown.out for word in ("now", "recorded", "rollout/vrmse"))


@pytest.fixture
def context(advection, tmp_path):
    """A user's file: the first three frames of two test trajectories, at times 5.00, 5.05, 5.10."""
    from sciml.core import registry
    from sciml.data import generate

    split = generate(registry.find_problem(advection), "tiny").split("test")
    dims = ("sample", "time", "y", "x")
    content = xarray.Dataset(
        {
            "a": (dims, split.states[:2, :3, 0].numpy()),
            "b": (dims, split.states[:2, :3, 1].numpy()),
            "speed": ("sample", split.parameters[:2, 0].numpy()),
        },
        {"time": 5 + 0.05 * np.arange(3)},
    )
    content.to_netcdf(tmp_path / "context.nc", engine="h5netcdf")
    return content


def test_predict_continues_a_users_file(sciml, finished, context, tmp_path):
    described = sciml(
        "predict", finished, *OWN, "-i", "context.nc", "-o", "new/forecast.nc", "--steps", "4", "--json"
    ).json
    assert described["sizes"] == {"sample": 2, "time": 4, "y": 16, "x": 12}
    with xarray.open_dataset(tmp_path / "new" / "forecast.nc", engine="h5netcdf", decode_times=False) as forecast:
        np.testing.assert_allclose(forecast["time"], [5.15, 5.20, 5.25, 5.30])
        assert forecast["a"].attrs["units"] == "kg m-3"
        assert forecast["time"].attrs["units"] == "s"
        assert forecast["status"].values.tolist() == [0, 0]
        first = forecast["a"].values
    assert sciml("predict", finished, *OWN, "-i", "context.nc").out.startswith("wrote prediction.nc")
    with xarray.open_dataset(tmp_path / "prediction.nc", engine="h5netcdf", decode_times=False) as forecast:
        assert forecast.sizes["time"] == 6  # as far as the run's own rollouts
        np.testing.assert_array_equal(forecast["a"].values[:, :4], first)


def test_predict_reads_what_the_program_writes(sciml, finished, advection, context, tmp_path):
    """One case without `sample`, scalars for parameters, transposed, no times: the same numbers."""
    one = context.isel(sample=0).drop_vars("time").transpose("x", "time", "y")
    one.to_netcdf(tmp_path / "one.nc", engine="h5netcdf")
    package_answer = package.predict(finished, tmp_path / "context.nc", steps=2, problem=advection)
    got = package.predict(finished, tmp_path / "one.nc", steps=2, problem=advection)
    np.testing.assert_allclose(got["a"], package_answer["a"][:1], rtol=1e-5)
    np.testing.assert_allclose(got["time"], [0.05, 0.10])
    written = sciml("data", "export", advection, "--out", "all", "--json").json["paths"]
    assert package.predict(finished, tmp_path / written[-1], steps=1, problem=advection).sizes["sample"] == 5


def test_export_answers_like_the_module(sciml, finished, tmp_path):
    """ONNX takes longer: `tests/study/test_study_export.py` holds every solver in both formats to the docs."""
    copy = shutil.copytree(finished, tmp_path / "run")
    (answer,) = sciml("export", copy, *OWN, "--format", "torch", "--json").json
    assert answer["state"] == "ok"
    assert answer["difference"] <= 1e-4
    program = torch.export.load(copy / "export" / "model.pt2").module()
    states = 1 + torch.rand(3, 2, 2, 16, 12)
    assert program(states, torch.full((3, 1), 0.5), torch.ones(3)).shape == (3, 1, 2, 16, 12)
    assert answer["detail"] == "answers agree"


def test_export_without_the_extra_says_so_and_keeps_the_other_format(sciml, finished, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    copy = shutil.copytree(finished, tmp_path / "run")
    answer = sciml("export", copy, *OWN, "--format", "onnx", "--json")
    assert answer.code == 2
    assert answer.json == [
        {
            "format": "onnx",
            "state": "missing",
            "path": None,
            "difference": None,
            "detail": "pip install 'sciml[export]'",
        }
    ]
    shown = sciml("export", copy, *OWN, "--format", "onnx")
    assert shown.code == 2
    assert "missing" in shown.out


def test_report_is_written_again_from_files(sciml, finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "runs" / "one")
    (copy / "report.html").unlink()
    assert sciml("report", copy, "--json").json == {"page": str(copy / "report.html")}
    assert "SineNet" in (copy / "report.html").read_text()
    assert sciml("report", tmp_path / "runs").code == 0
    assert "one" in (tmp_path / "runs" / "index.html").read_text()


def test_the_python_interface_mirrors_the_verbs(finished, advection, tmp_path, context):
    run = package.run(advection, solver="linear", out=tmp_path / "runs", settings=["baselines=['persistence']"], seed=3)
    assert (
        run.metrics["rollout/relative_l2"] < run.record.baselines["persistence"].metrics["test"]["rollout/relative_l2"]
    )
    assert (run.folder / "report.html").is_file()
    assert run.folder.name == "linear-tiny-s3"
    assert package.evaluate(run.folder, problem=advection).metrics == pytest.approx(run.metrics)
    assert set(package.predict(run.folder, tmp_path / "context.nc", problem=advection).data_vars) == {
        "a",
        "b",
        "status",
    }
    assert [entry.state for entry in package.export(run.folder, ["torch"], problem=advection)] == ["ok"]
    with pytest.raises(package.errors.UnknownNameError):
        package.run("shalow_water")
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        package.runn  # noqa: B018


ADVECTION = PROBLEMS / "periodic_advection"
STUDY = """
title = "Waves"
question = "Do two waves beat none?"
problem = "periodic_advection"
preset = "tiny"
seeds = [0, 1]
parameters = 30000
settings = ["train.steps=3"]

[[variants]]
name = "two"
label = "two waves"
solver = "sinenet"
settings = ["model.levels=2", "model.waves=1"]

[[variants]]
name = "still"
label = "persistence"
solver = "persistence"

[[claims]]
text = "Two waves lower the error"
metric = "rollout/relative_l2"
better = "two"
worse = "still"
"""


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "waves.toml"
    path.write_text(STUDY)
    return path


ONE_SEED = STUDY.replace("seeds = [0, 1]", "seeds = [0]")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The reports of the study with one seed, as it ended; nobody changes them."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "waves.toml").write_text(ONE_SEED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(folder / "home"))
        package.study(folder / "waves.toml", out=folder / "reports", problem=ADVECTION, draft=True)
    return folder / "reports"


@pytest.fixture
def begun(reports, study_file, tmp_path):
    """The file of the study with one seed, beside a copy of its reports."""
    shutil.copytree(reports, tmp_path / "reports")
    study_file.write_text(ONE_SEED)
    return study_file


def test_a_study_runs_resumes_and_mends_its_results(sciml, study_file, tmp_path):
    answer = sciml("study", study_file, "--draft", "--problem", ADVECTION, "--json")
    assert answer.code == 0, answer.err
    folder = tmp_path / "reports" / "waves"
    assert (answer.json["folder"], answer.json["page"]) == ("reports/waves", "reports/waves/report.html")
    assert [(row["variant"], row["seeds"]) for row in answer.json["means"]] == [("two", 2), ("still", 2)]
    assert all(row["metrics"]["rollout/relative_l2"]["mean"] > 0 for row in answer.json["means"])
    (claim,) = answer.json["claims"]
    assert (claim["text"], claim["over"].endswith("seed and test case")) == ("Two waves lower the error", True)
    page = (folder / "report.html").read_text()
    assert "Two waves lower the error" in page
    assert (tmp_path / "reports" / "index.html").is_file()
    results = (folder / "results.jsonl").read_text()
    lines = [json.loads(line) for line in results.splitlines()]
    assert sorted((line["variant"], line["seed"]) for line in lines) == [
        ("still", 0),
        ("still", 1),
        ("two", 0),
        ("two", 1),
    ]
    sizes = {line["variant"]: line["parameters"] for line in lines}
    assert sizes["two"] == pytest.approx(30000, rel=0.05)
    assert sizes["still"] == 0

    stamps = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("record.json")}
    assert (
        sciml("study", study_file, "--draft", "--problem", ADVECTION).out.strip() == "wrote reports/waves/report.html"
    )
    assert (folder / "results.jsonl").read_text() == results

    for cut in (len(results) - 1, len(results) - 2, results.rindex("}", 0, len(results) - 3) + 1, len(results) - 200):
        (folder / "results.jsonl").write_text(results[:cut])
        assert sciml("study", study_file, "--draft", "--problem", ADVECTION).code == 0
        mended = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
        assert sorted(mended, key=str) == sorted(lines, key=str)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps  # nothing was run again


def test_a_study_may_grow_but_not_change(sciml, refused, begun, tmp_path):
    study_file, text = begun, begun.read_text()
    results = tmp_path / "reports" / "waves" / "results.jsonl"
    before = results.read_text()
    study_file.write_text(text.replace('"train.steps=3"', '"train.steps=2"'))
    message = refused("study", study_file, "--draft", "--problem", ADVECTION)
    assert "holds results of this study with other settings; got settings=('train.steps=2',)" in message
    assert "Choose another --out" in message
    assert results.read_text() == before
    study_file.write_text(text.replace("seeds = [0]", "seeds = [0, 5]").replace("two waves", "2 waves"))
    assert sciml("study", study_file, "--draft", "--problem", ADVECTION).code == 0
    assert results.read_text().startswith(before)
    assert len(results.read_text().splitlines()) == 4


def test_a_variant_that_breaks_down_is_named_and_the_others_go_on(sciml, study_file, tmp_path):
    text = ONE_SEED
    settings = '["model.levels=2", "train.learning_rate=1e30", "train.warmup=1"]'
    wild = f'\n[[variants]]\nname = "wild"\nlabel = "wild"\nsolver = "unet"\nsettings = {settings}\n'
    study_file.write_text(text.replace("[[variants]]", wild + "\n[[variants]]", 1))
    answer = sciml("study", study_file, "--draft", "--problem", ADVECTION)
    assert answer.code == 0, answer.err
    assert "variant 'wild', seed 0, broke down" in answer.err
    folder = tmp_path / "reports" / "waves"
    lines = {line["variant"]: line for line in map(json.loads, (folder / "results.jsonl").read_text().splitlines())}
    assert {name: line["status"] for name, line in lines.items()} == {
        "wild": "broke down",
        "two": "finished",
        "still": "finished",
    }
    assert "broke down" in (folder / "report.html").read_text()
    before = (folder / "results.jsonl").read_text()
    assert sciml("study", study_file, "--draft", "--problem", ADVECTION).code == 0
    assert (folder / "results.jsonl").read_text() == before  # it would break down again
    study_file.write_text(study_file.read_text().replace("train.learning_rate=1e30", "train.learning_rate=1e-3"))
    assert sciml("study", study_file, "--draft", "--problem", ADVECTION).code == 0
    mended = {line["variant"]: line for line in map(json.loads, (folder / "results.jsonl").read_text().splitlines())}
    assert mended["wild"]["status"] == "finished"
    assert mended["two"] == lines["two"]


def test_a_study_mixes_neither_commits_nor_writers_nor_seeds(sciml, refused, begun, tmp_path):
    study_file = begun
    results = tmp_path / "reports" / "waves" / "results.jsonl"
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    foreign = [line | {"git": "0" * 40} for line in lines]
    results.write_text("".join(json.dumps(line) + "\n" for line in foreign))
    message = refused("study", study_file, "--draft", "--problem", ADVECTION)
    assert "results of this study from another version of the code" in message
    assert "0" * 40 in message
    results.write_text("".join(json.dumps(line) + "\n" for line in [*lines, lines[0] | {"seed": 7}]))
    assert sciml("report", results.parent).code == 0
    assert "1 run is left out" in (results.parent / "report.html").read_text()
    results.write_text("".join(json.dumps(line) + "\n" for line in [*lines, lines[0]]))
    assert "is a second result of variant 'two', seed 0" in refused("report", results.parent)
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with paths.locked(results.parent / ".lock", "running this study"):
        assert "another process has been running this study" in refused(
            "study", study_file, "--draft", "--problem", ADVECTION
        )


def test_equal_time_gives_every_variant_the_time_of_the_clock(sciml, study_file, tmp_path):
    text = study_file.read_text().replace("seeds = [0, 1]", 'seeds = [0]\nbudgets = ["steps", "time"]\nclock = "two"')
    study_file.write_text(text)
    assert sciml("study", study_file, "--draft", "--problem", ADVECTION).code == 0
    lines = [json.loads(line) for line in (tmp_path / "reports/waves/results.jsonl").read_text().splitlines()]
    assert {(line["variant"], line["budget"], line["steps"]) for line in lines} == {
        ("two", "steps", 3),
        ("two", "time", 3),
        ("still", "steps", 0),
        ("still", "time", 0),
    }
    clock = json.loads((tmp_path / "reports/waves/clock.json").read_text())
    assert clock["two"] > 0 == clock["still"]
    assert math.isfinite(clock["two"])
    study_file.write_text(text + '\n[[variants]]\nname = "late"\nlabel = "late"\nsolver = "linear"\n')
    assert sciml("study", study_file, "--draft", "--problem", ADVECTION).code == 0


TOOLS = """
[[variants]]
name = "less"
label = "half of the FLOPs"
of = "two"
tools = [{ tool = "low_rank", settings = ["flops=0.55"] }, { tool = "cost", settings = ["patience=0"] }]
"""


FURTHER = """
[[variants]]
name = "fewer"
label = "and half of the weights"
of = "less"
tools = [{ tool = "prune", settings = ["method=magnitude", "ratio=2", "finetune_steps=0", "patience=0"] }]

[[claims]]
text = "The file is a quarter smaller"
metric = "left/file_size"
better = "fewer"
worse = "two"
margin = 0.25
"""


def test_a_study_goes_on_from_what_tools_made(sciml, refused, study_file, tmp_path):
    text = ONE_SEED
    study_file.write_text(text + FURTHER.replace('of = "less"', 'of = "fewer"'))
    assert "'fewer' is made of 'fewer', which is no variant above it" in refused(
        "study", study_file, "--problem", ADVECTION
    )
    study_file.write_text(text + TOOLS + FURTHER)
    assert sciml("study", study_file, "--problem", ADVECTION).code == 0
    folder = tmp_path / "reports" / "waves"
    lines = {
        json.loads(line)["variant"]: json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()
    }
    left = {name: lines[name]["metrics"]["left/file_size"] for name in ("two", "less", "fewer")}
    assert 1 == left["two"] > left["less"] > left["fewer"]
    assert lines["less"]["metrics"]["left/flops"] <= 0.6
    assert lines["fewer"]["metrics"]["left/latency"] > 0
    made = [path.parent.name for path in (folder / "runs").rglob("record.json") if "low_rank" in str(path)]
    assert sorted(made) == [f"sinenet-tiny-s0-low_rank{end}" for end in ("", "-cost", "-cost-prune")], "made once each"
    assert "file size, share left" in (folder / "report.html").read_text()


def test_a_study_compares_what_tools_make_of_runs(sciml, begun, tmp_path):
    other = TOOLS.replace('"less"', '"least"').replace("flops=0.55", "flops=0.4")
    begun.write_text(begun.read_text() + TOOLS + other)
    assert sciml("study", begun, "--draft", "--problem", ADVECTION).code == 0
    folder = tmp_path / "reports" / "waves"
    lines = {
        json.loads(line)["variant"]: json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()
    }
    assert lines["less"]["flops"] <= 0.6 * lines["two"]["flops"]  # of which the layers are nearly all
    assert lines["less"]["train_seconds"] > lines["two"]["train_seconds"]
    assert lines["less"]["cost"]["flops"] > 0
    assert lines["less"]["metrics"]["rollout/relative_l2"] != lines["two"]["metrics"]["rollout/relative_l2"]
    assert lines["least"]["flops"] < lines["less"]["flops"]
    runs = [path.parent for path in (folder / "runs").rglob("record.json") if "still" not in path.parts]
    made = [f"sinenet-tiny-s0-low_rank{end}" for end in ("", "-cost")]
    assert sorted((run.parents[2].name, run.name) for run in runs) == [
        *(("least", name) for name in made), *(("less", name) for name in made), ("two", "sinenet-tiny-s0"),
    ]  # fmt: skip
    page = (folder / "report.html").read_text()
    assert "half of the FLOPs" in page
    assert "FLOPs of one prediction" in page


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('of = "two"', 'of = "none"', "'less' is made of 'none', which is no variant above it"),
        ('of = "two"', 'solver = "linear"', "`tools` act on the runs of another variant, which `of` names"),
        (
            'tools = [{ tool = "low_rank"',
            'settings = ["train.steps=1"]\ntools = [{ tool = "low_rank"',
            "no solver, problem or settings",
        ),
        ('tool = "low_rank"', 'tool = "low_rnk"', "Did you mean 'low_rank'?"),
        ("flops=0.55", "flop=0.55", "Did you mean 'flops'?"),
        ('of = "two"', 'of = "still"', "variant 'less': tool 'low_rank' does not apply to solver 'persistence'"),
    ],
)
def test_tools_that_cannot_act_are_refused_before_any_run(refused, study_file, tmp_path, old, new, words):
    study_file.write_text(study_file.read_text() + TOOLS.replace(old, new))
    assert words in refused("study", study_file, "--draft", "--problem", ADVECTION)
    assert not list(tmp_path.rglob("record.json"))
