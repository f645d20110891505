"""`sciml check` on what a stranger wrote, and `sciml new problem --kind` for everything a problem can do."""

import json

import pytest

import sciml as package
from sciml.cli import KINDS
from sciml.core import registry
from sciml.core.capabilities import capability_names
from sciml.core.errors import UserError
from sciml.testing import PROBLEMS

CAPABILITIES = {
    "evolves": "Evolves",
    "trajectories": "Evolves",
    "residual": "HasResidual",
    "hidden": "HasHiddenTerm",
    "classes": "Classifies",
    "density": "HasDensity",
    "paths": "Diffuses",
    "operator": "AppliesOperator",
    "formula": "HasFormula",
    "sequences": "HasSequences",
}
RUNS = {
    "evolves": ("run", "--set", "train.steps=5", "--set", "model.waves=1", "--set", "model.width=6"),
    "trajectories": ("run", "--set", "train.steps=3"),
    "residual": ("run", "--set", "train.steps=20"),
    "hidden": ("run", "--solver", "spline_derivative"),
    "classes": ("run", "--set", "train.steps=5"),
    "density": ("run",),
    "paths": ("run", "--set", "train.steps=2", "--set", "train.batch_size=4", "--set", "task.examined=8"),
    "operator": ("run", "--set", "train.steps=10"),
    "formula": ("run",),
    "sequences": ("run", "--set", "train.steps=3"),
}
QUICK = {"density"}
every_kind = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in QUICK else (pytest.mark.slow,)) for kind in sorted(CAPABILITIES)]
)


def test_each_kind_is_tried_here_but_those_that_came_later():
    assert set(CAPABILITIES) <= KINDS
    assert set(CAPABILITIES) == set(RUNS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_skeleton_can_be_shown_and_says_what_it_can_do(kind, sciml, tmp_path):
    assert sciml("new", "problem", f"my_{kind}", "--kind", kind).code == 0
    problem = registry.find_problem(tmp_path / f"my_{kind}")
    assert CAPABILITIES.get(kind, "") in (*capability_names(problem), "")
    readme = (tmp_path / f"my_{kind}" / "README.md").read_text(encoding="utf-8")
    assert "ot modelled" in readme
    assert "$" not in readme


@every_kind
def test_a_skeleton_runs(kind, sciml):
    assert sciml("new", "problem", f"my_{kind}", "--kind", kind).code == 0
    verb, *options = RUNS[kind]
    answer = sciml(verb, f"./my_{kind}", *options, "--set", "baselines=[]", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["record"]["problem"] == f"my_{kind}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(CAPABILITIES))
def test_a_skeleton_keeps_the_contract(kind, sciml, tmp_path):
    assert sciml("new", "problem", f"my_{kind}", "--kind", kind).code == 0
    checked = package.check(tmp_path / f"my_{kind}")
    assert checked.ok, str(checked)
    assert checked.keys == (f"my_{kind}",)
    passed = {test.test for test in checked.tests if test.outcome == "passed"}
    assert "its solver answers on its data" in passed
    if CAPABILITIES[kind] == "Evolves":
        assert {"rows do not influence each other", "the reference keeps the contract"} <= passed


def test_an_unknown_kind_names_the_nearest(sciml):
    answer = sciml("new", "problem", "mine", "--kind", "residuals")
    assert answer.code == 2
    assert "Did you mean 'residual'?" in answer.err


def test_a_problem_that_breaks_the_contract_is_told_what_and_why(sciml, tmp_path):
    assert sciml("new", "problem", "mine", "--kind", "trajectories").code == 0
    file = tmp_path / "mine" / "__init__.py"
    text = file.read_text(encoding="utf-8")
    coupled = "states = torch.stack([position, speed], dim=2) * (1 + initial.mean())"
    file.write_text(text.replace("states = torch.stack([position, speed], dim=2)", coupled), encoding="utf-8")
    answer = sciml("check", "./mine", "--json")
    assert answer.code == 2
    found = json.loads(answer.out)
    assert not found["ok"]
    outcomes = {test["test"]: test["outcome"] for test in found["tests"]}
    assert outcomes["rows do not influence each other"] == "failed"
    assert outcomes["it describes itself"] == "passed"
    assert not (tmp_path / "mine" / "__pycache__").exists() or not list((tmp_path / "mine").glob("runs*"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["solver", "tool"])
def test_a_package_that_is_not_installed_is_checked_with_its_own_tests(kind, sciml, tmp_path):
    assert sciml("new", kind, f"my_own_{kind}").code == 0
    checked = package.check(tmp_path / f"my_own_{kind}")
    assert checked.ok, str(checked)
    assert checked.keys == (f"my_own_{kind}",)
    titles = {test.test for test in checked.tests if test.outcome == "passed"}
    assert "it is found by its key" in titles  # of its own tests
    assert "it describes itself" in titles or "an answer can be described" in titles  # of ours


def test_what_is_nothing_to_check_is_refused(sciml, tmp_path):
    assert "no problem folder at this path" in sciml("check", "./nowhere").err
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    answer = sciml("check", ".")
    assert answer.code == 2
    assert "has nothing to check" in answer.err
    copy = tmp_path / "lotka_volterra"
    copy.mkdir()
    text = (PROBLEMS / "plane_rotation" / "__init__.py").read_text(encoding="utf-8")
    (copy / "__init__.py").write_text(text.replace('"plane_rotation"', '"lotka_volterra"'), encoding="utf-8")
    with pytest.raises(UserError, match="there is a problem 'lotka_volterra' already"):
        package.check(copy)
