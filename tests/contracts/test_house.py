"""Rules of the house that a tool can check."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = sorted((ROOT / "sciml").rglob("*.py"))
CONTENT = sorted((ROOT / "problems").rglob("*.py"))


def calls(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", [*ENGINE, *CONTENT], ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_loads_a_pickle_or_runs_text(path):
    for name, node in calls(path):
        assert name not in {"eval", "exec", "pickle.load", "pickle.loads", "joblib.load", "numpy.load"}, name
        if name == "torch.load":
            assert any(k.arg == "weights_only" and ast.literal_eval(k.value) is True for k in node.keywords), name


@pytest.mark.parametrize("path", ENGINE, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_stay_readable(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 600
    assert path.name != "utils.py"
    limit = 400 if path.name == "_trainer.py" else 600
    assert len(lines) <= limit


def test_the_engine_names_no_problem():
    names = {folder.name for folder in (ROOT / "problems").iterdir() if (folder / "__init__.py").exists()}
    names -= {"advection"}  # also what a term of an equation is called
    content = ROOT / "sciml" / "testing"  # small problems with names of their own
    for path in ENGINE:
        if path != ROOT / "sciml" / "__init__.py" and content not in path.parents:  # the default of `sciml run`
            named = [name for name in names if f'"{name}"' in path.read_text(encoding="utf-8")]
            assert not named, f"{path.relative_to(ROOT)} names {named}"


@pytest.mark.parametrize("folder", ["problems", "datasets"])
def test_content_folders_do_not_shadow_packages(folder):
    assert not (ROOT / folder / "__init__.py").exists()


def test_every_dependency_has_its_line_in_the_docs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    names = {d.partition(">")[0].partition("[")[0] for d in wanted}
    assert [name for name in sorted(names) if f"| {name} " not in text] == []


def test_versions_agree():
    import sciml

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert project["version"] == sciml.__version__
    assert f"version: {sciml.__version__}" in citation
