"""What ``sciml new solver|task|tool`` writes works unchanged as a package of its own; broken packages harm nobody."""

import ast
import json

import pytest
from strangers import Strangers

QUICK = ("--workers", 1, "--set", "train.steps=5", "--set", "model.width=8")


@pytest.fixture
def strangers(tmp_path, monkeypatch):
    packages = Strangers(tmp_path / "site", monkeypatch)
    yield packages
    packages.forget()


@pytest.fixture
def written(sciml, strangers, tmp_path):
    """``written("solver", "my_flow")``: the folder of a skeleton that is installed."""

    def write(kind, name):
        answer = sciml("new", kind, name)
        assert answer.code == 0, answer.err
        assert answer.out.startswith(f"wrote {name}; try it with:  python -m pip install -e ./{name} && sciml ")
        strangers.install(tmp_path / name)
        return tmp_path / name

    return write


def own_tests(folder):
    """The exit code of the tests of a skeleton, but for those that make a run, which takes them seconds."""
    plugins = ("-p", "no:cacheprovider", "-p", "no:unraisableexception")  # the latter collects garbage for seconds
    return pytest.main([str(folder / "tests"), "-q", "-k", "not run", *plugins])


def test_a_stranger_s_solver_task_metric_tool_and_problem(sciml, strangers, written, tmp_path):
    """Five things of strangers, run, examined and shown, with nothing of them in this package."""
    strangers.problem("plane_rotation")
    for kind in ("solver", "task", "tool"):
        assert own_tests(written(kind, f"my_{kind}")) == 0

    listed = sciml("list", "--json").json
    assert "plane_rotation" in {entry["name"] for entry in listed["problems"]}
    assert {"my_solver", "my_task_mlp"} <= {entry["key"] for entry in listed["solvers"]}
    assert "my_task" in {entry["key"] for entry in listed["tasks"]}
    assert "my_tool" in {entry["key"] for entry in listed["tools"]}
    assert listed["support"]["plane_rotation"]["my_solver"]["ok"]
    assert listed["failures"] == []
    shown = sciml("show", "my_task").out
    assert "coefficient of determination R²" in shown
    assert "my_task_mlp" in shown
    assert "My tool" in sciml("show", "my_tool").out

    answer = sciml("run", "plane_rotation", "--solver", "my_solver", *QUICK, "--json")
    assert answer.code == 0, answer.err
    solved = tmp_path / answer.json["folder"]
    assert set(answer.json["record"]["metrics"]["test"]) >= {"rollout/relative_l2", "mae/x"}
    assert "My solver" in (solved / "report.html").read_text(encoding="utf-8")

    answer = sciml("run", "plane_rotation", "--solver", "my_task_mlp", *QUICK, "--json")
    assert answer.code == 0, answer.err
    ended = tmp_path / answer.json["folder"]
    assert {"r_squared", "mae/x", "mae/y"} <= set(answer.json["record"]["metrics"]["test"])
    page = (ended / "report.html").read_text(encoding="utf-8")
    assert "Predicted ends" in page
    assert "Predicted against true position along x at the end" in page
    assert "coefficient of determination R²" in page
    assert sciml("predict", ended, "-i", ended / "example.nc").code == 0
    assert sciml("evaluate", ended).code == 0
    exported = sciml("export", ended, "-f", "torch", "--json").json
    assert [entry["state"] for entry in exported] == ["ok"]

    assert probed(solved, below=0.2) > probed(solved, below=0.1) > 0


def probed(folder, below):
    """The share of small weights that the tool of a stranger finds in a run."""
    from sciml.study import apply_tool

    child = apply_tool("my_tool", folder, settings=[f"below={below}"]).folder
    findings = json.loads((child / "record.json").read_text())["findings"]["my_tool"]
    assert "root mean square" in findings["words"][0]
    return findings["metrics"]["small"]


@pytest.mark.parametrize("kind", ["solver", "task", "tool"])
def test_the_code_that_people_copy_is_readable(sciml, tmp_path, kind):
    assert sciml("new", kind, "a1_b", "-o", tmp_path / "x", "--json").json == {"folder": f"{tmp_path}/x/a1_b"}
    files = [path for path in (tmp_path / "x").rglob("*") if path.is_file()]
    assert {"README.md", "pyproject.toml", "test_a1_b.py"} <= {path.name for path in files}
    for path in files:
        text = path.read_text()
        assert "$" not in text, path
        if path.suffix == ".py":
            assert ast.get_docstring(ast.parse(text)), path
            assert all(len(line) <= 120 for line in text.splitlines()), path


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("solver", "Bad-Name", "lower snake case"),
        ("solver", "class", "a word of Python"),
        ("task", "json", "there is a package or module 'json' already"),
        ("solver", "sinenet", "there is a solver 'sinenet' already"),
        ("task", "density", "there is a task 'density' already"),
        ("tool", "low_rank", "there is a tool 'low_rank' already"),
    ],
)
def test_a_name_that_would_not_work_is_refused(refused, tmp_path, kind, name, words):
    assert words in refused("new", kind, name)
    assert list(tmp_path.iterdir()) == []


def test_entry_points_that_fail_are_named_and_the_rest_works(sciml, refused, strangers):
    strangers.module("falls_over", "raise RuntimeError('no licence')")
    strangers.module("leaves", "raise SystemExit(3)")
    strangers.module("nothing_useful", "SOLVER = 3")
    (strangers.home / "burst").mkdir()
    (strangers.home / "burst" / "__init__.py").write_text("1 / 0")
    strangers.problem("plane_rotation")
    strangers.declare(
        "broken",
        {
            "sciml.solvers": {"fallen": "falls_over:SOLVER", "odd": "nothing_useful:SOLVER", "fno": "leaves:SOLVER"},
            "sciml.tasks": {"gone": "not_there_at_all:TASK"},
            "sciml.tools": {"leaver": "leaves:TOOL"},
            "sciml.problems": {
                "flat": "nothing_useful",
                "nowhere": "not_there_at_all.nowhere",
                "burst": "burst",
                "shallow_water": "strange_problems.plane_rotation",
            },
        },
    )
    expected = {
        ("solver", "fallen"): "RuntimeError: no licence",
        ("solver", "odd"): "expected an instance of Solver",
        ("solver", "fno"): "SystemExit",
        ("task", "gone"): "ModuleNotFoundError",
        ("tool", "leaver"): "SystemExit",
        ("problem", "flat"): "is not a package",
        ("problem", "nowhere"): "ModuleNotFoundError",
        ("problem", "burst"): "ZeroDivisionError",
        ("problem", "shallow_water"): "expected that name",
    }
    listed = sciml("list", "--json")
    assert listed.code == 0, listed.err
    reasons = {(entry["kind"], entry["name"]): entry["reason"] for entry in listed.json["failures"]}
    assert set(reasons) == set(expected)
    assert all(expected[key] in reason for key, reason in reasons.items())
    assert {"plane_rotation", "spiral"} <= {entry["name"] for entry in listed.json["problems"]}
    assert "sinenet" in {entry["key"] for entry in listed.json["solvers"]}
    assert "no licence" in sciml("list").out

    doctor = sciml("doctor", "--json")
    assert doctor.code == 2
    assert {"solver fallen", "task gone", "tool leaver", "problem burst"} <= {
        check["name"] for check in doctor.json if check["state"] == "fail"
    }

    assert sciml("show", "plane_rotation").code == 0
    assert "no licence" in refused("show", "fallen")
    assert "ModuleNotFoundError" in refused("run", "nowhere")
    assert "ZeroDivisionError" in refused("run", "burst")
    assert "SystemExit" in refused("run", "plane_rotation", "--solver", "fno")
