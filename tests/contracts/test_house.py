"""Rules of the house that a tool can check."""

import ast
import json
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = sorted((ROOT / "sciml").rglob("*.py"))
CONTENT = sorted((ROOT / "problems").rglob("*.py"))
TESTING = ROOT / "sciml" / "testing"
FORBIDDEN = {"eval", "exec", "pickle.load", "pickle.loads", "joblib.load", "numpy.load"}
LAST_WORDS = {name.split(".")[-1] for name in FORBIDDEN}
FOREIGN = {
    "_asdict", "_replace", "_fields", "_foreach_add_", "_get_current_function_mode_stack", "_cdata",
    "_outputs_losses", "_train_step", "_repr_mimebundle_", "_forward_hooks", "_h5ds",
}  # fmt: skip
"""Private names of other packages that have no public way."""


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def last_word(called):
    return getattr(called, "attr", getattr(called, "id", ""))


def where(path, node, words):
    return f"{path.relative_to(ROOT)}:{node.lineno}: {words}"


def test_nothing_loads_a_pickle_or_runs_text():
    faults = []
    for path in [*ENGINE, *CONTENT]:
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call) or last_word(node.func) not in LAST_WORDS:
                continue
            name = ast.unparse(node.func)
            weights_only = any(k.arg == "weights_only" and ast.literal_eval(k.value) is True for k in node.keywords)
            if name in FORBIDDEN or (name == "torch.load" and not weights_only):
                faults.append(where(path, node, name))
    assert not faults


def test_modules_stay_readable():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in ENGINE}
    assert [path for path, length in lengths.items() if length > (400 if path.name == "_trainer.py" else 600)] == []
    assert [path for path in ENGINE if path.name == "utils.py"] == []


def public_definitions(body, docstring=""):
    """Functions, classes, fields and aliases that a user may name, with their annotations and the class's docstring."""
    for node in body:
        name = getattr(node, "name", "") or getattr(getattr(node, "target", None), "id", "_")
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id if isinstance(node.value, ast.Subscript | ast.Name) else "_"
        if name.startswith("_") and name not in ("__init__", "__call__"):
            continue
        match node:
            case ast.FunctionDef(args=args):
                every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
                annotations = [*(entry.annotation for entry in every if entry), node.returns]
            case ast.ClassDef():
                annotations = node.bases
                yield from public_definitions(node.body, ast.get_docstring(node) or "")
            case ast.AnnAssign():
                annotations = [node.annotation]
            case ast.Assign():
                annotations = [node.value]
            case _:
                continue
        yield node, [ast.unparse(entry) for entry in annotations if entry], docstring


def test_every_public_any_has_a_word_why():
    """``Any: …`` beside it, or in the docstring of the function or its class."""
    faults = []
    for path in [path for path in ENGINE if TESTING not in path.parents]:
        lines = path.read_text(encoding="utf-8").splitlines()
        for node, annotations, docstring in public_definitions(tree_of(path).body):
            if any(re.search(r"\bAny\b", annotation) for annotation in annotations):
                last = node.body[0].end_lineno if hasattr(node, "body") else node.end_lineno + 2
                if "Any:" not in "\n".join([*lines[node.lineno - 1 : last], docstring]):
                    faults.append(where(path, node, lines[node.lineno - 1].strip()))
    assert not faults


def test_no_type_is_got_back_by_an_assertion():
    faults = [
        where(path, node, ast.unparse(node))
        for path in ENGINE
        if TESTING not in path.parents
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Assert) and "isinstance(" in ast.unparse(node)
    ]
    assert not faults


def test_tests_and_races_use_public_names():
    """They import no private module or name of the package, nor read a private attribute of what it made."""
    faults = []
    for path in sorted(path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.ImportFrom(module=str(module)) if module.split(".")[0] in ("sciml", "sciml_problems"):
                    names = [*module.split("."), *(entry.name for entry in node.names)]
                case ast.Import():
                    names = [part for entry in node.names if entry.name.startswith("sciml")
                             for part in entry.name.split(".")]  # fmt: skip
                case ast.Attribute(value=ast.Name(id="self" | "cls" | "torch")):
                    continue
                case ast.Attribute(attr=name) if path.parents[0] != ROOT / "benchmarks" and name not in FOREIGN:
                    names = [name]
                case _:
                    continue
            private = [name for name in names if name.startswith("_") and not name.startswith("__")]
            if private:
                faults.append(where(path, node, ", ".join(private)))
    assert not faults


def test_the_engine_names_no_problem():
    names = {folder.name for folder in (ROOT / "problems").iterdir() if (folder / "__init__.py").exists()}
    names -= {"advection"}  # also what a term of an equation is called
    for path in ENGINE:
        if path != ROOT / "sciml" / "__init__.py" and TESTING not in path.parents:  # the default of `sciml run`
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


def test_the_workflow_and_the_hooks_do_what_ci_does():
    """Every Python that the classifiers name is tried; what a commit runs is what ``.ci/run`` runs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [entry.rsplit(" ", 1)[1] for entry in project["classifiers"] if re.search(r"Python :: 3\.\d+$", entry)]
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert json.loads(re.search(r"python: (\[.*\])", workflow)[1]) == named
    assert project["requires-python"] == f">={named[0]}"
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "run: bash .ci/run" in workflow
    hooks = re.findall(r"entry: (\S+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert hooks == ["ruff", "ruff", "lint-imports", "basedpyright"]
    assert all(f"\n{hook}" in script for hook in hooks)
    tools = {entry.partition(">")[0] for entry in project["optional-dependencies"]["dev"]}
    assert {"ruff", "import-linter", "basedpyright", "pre-commit"} <= tools


def test_no_two_studies_share_a_name():
    """Results are kept by the name of the file."""
    names = [path.stem for path in sorted((ROOT / "problems").glob("*/studies/*.toml"))]
    assert len(names) == len(set(names))
