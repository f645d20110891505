"""`sciml new problem NAME`: what it writes runs unchanged."""

import ast

import pytest


def test_the_skeleton_runs_unchanged(sciml, tmp_path):
    answer = sciml("new", "problem", "heat_2d")
    assert answer.out.strip() == "wrote heat_2d; try it with:  sciml run ./heat_2d"
    assert {path.name for path in (tmp_path / "heat_2d").iterdir()} == {
        "__init__.py",
        "equations.py",
        "reference.py",
        "dataset.toml",
        "README.md",
    }
    shown = sciml("show", "./heat_2d").out
    assert "∂T/∂t + c·∇T = κ ∇²T" in shown
    assert "Heat 2d" in shown
    quick = ("--set", "train.steps=20", "--set", "model.waves=1", "--set", "model.width=6")
    answer = sciml("run", "./heat_2d", *quick, "--set", 'baselines=["persistence"]', "--json")
    assert answer.code == 0, answer.err
    folder = tmp_path / answer.json["folder"]
    assert (folder / "report.html").is_file()
    record = answer.json["record"]
    assert record["problem"] == "heat_2d"
    assert record["left_out"] == {}
    checks = sciml("data", "verify", "./heat_2d", "--json")
    assert checks.code == 0
    assert {"invariant heat", "reproduced"} <= {check["name"] for check in checks.json}
    assert sciml("evaluate", folder, "--problem", "./heat_2d").code == 0


@pytest.mark.slow
def test_the_skeleton_beats_persistence_in_the_default_run(sciml, tmp_path):
    assert sciml("new", "problem", "heat_2d").code == 0
    record = sciml("run", "./heat_2d", "--json").json["record"]
    for metric in ("one_step/relative_l2", "rollout/relative_l2"):
        still = record["baselines"]["persistence"]["metrics"]["test"][metric]
        assert record["metrics"]["test"][metric] < 0.5 * still


@pytest.mark.parametrize("name", ["x", "class", "a1_b2", "test", "x" * 64])
def test_any_name_that_is_allowed_works(sciml, tmp_path, name):
    assert sciml("new", "problem", name, "--json").json == {"folder": name}
    assert sciml("show", f"./{name}", "--json").json["key"] == name
    classes = [n.name for n in ast.walk(ast.parse((tmp_path / name / "equations.py").read_text()))
               if isinstance(n, ast.ClassDef)]  # fmt: skip
    assert len(classes) == 1


def test_a_skeleton_elsewhere_names_its_path(sciml, tmp_path):
    answer = sciml("new", "problem", "heat", "-o", tmp_path / "new" / "place")
    assert answer.out.strip() == f"wrote {tmp_path}/new/place/heat; try it with:  sciml run {tmp_path}/new/place/heat"
    assert sciml("show", tmp_path / "new" / "place" / "heat").code == 0


def test_the_skeleton_is_readable(sciml, tmp_path):
    assert sciml("new", "problem", "heat_2d").code == 0
    for path in (tmp_path / "heat_2d").glob("*.py"):
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text))
        assert "$" not in text
        assert all(len(line) <= 120 for line in text.splitlines())
