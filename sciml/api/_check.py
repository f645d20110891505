"""``check``: the contract tests on a folder of one's own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sciml.core import registry
from sciml.core.config import read_toml
from sciml.core.errors import UserError
from sciml.core.paths import check_name
from sciml.core.text import table

_GROUPS = ("sciml.problems", "sciml.solvers", "sciml.tasks", "sciml.tools")


class Tested(NamedTuple):
    """One test.

    Fields:
        test: what holds, in words.
        outcome: ``passed``, ``failed`` or ``skipped``.
        words: why it failed, or why it does not apply.
    """

    test: str
    outcome: str
    words: str


class Checked(NamedTuple):
    """What became of all tests.

    Fields:
        keys: problems, solvers, tasks and tools that were tested.
        tests: one each.
    """

    keys: tuple[str, ...]
    tests: tuple[Tested, ...]

    @property
    def ok(self) -> bool:
        """Whether there was something to test and nothing failed."""
        outcomes = {test.outcome for test in self.tests}
        return "passed" in outcomes and "failed" not in outcomes

    def __str__(self) -> str:
        counts = {
            outcome: sum(test.outcome == outcome for test in self.tests) for outcome in ("passed", "failed", "skipped")
        }
        shown = sorted(self.tests, key=lambda test: ("failed", "passed", "skipped").index(test.outcome))
        rows = [(test.test, test.outcome, test.words) for test in shown]
        head = f"{', '.join(self.keys)}: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        return table(f"Contract tests of {', '.join(self.keys)}", ["what holds", "result", "why"], rows) + head


def check(folder: str | Path) -> Checked:
    """Run the contract tests of `sciml.testing` on a problem folder, or on a package of solvers, tasks or tools.

    A package is one with a ``pyproject.toml`` that names its entry points; it need not be installed, and its own
    ``tests`` are run too. The code in the folder is executed, in a process and with a cache of its own.

    Arguments:
        folder: of the problem or the package.

    Returns: what became of each test; printed it is a table. ``ok`` says whether all is well.

    Raises: UserError for a folder that is neither, or without pytest (``pip install 'sciml[test]'``).
    """
    folder = Path(folder).resolve()
    if importlib.util.find_spec("pytest") is None:
        raise UserError("the contract tests need pytest", fix="python -m pip install 'sciml[test]'")
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        groups = _entry_points(folder, place)
        groups = {name: points for name, points in groups.items() if name in _GROUPS}
        keys = tuple(sorted(key for points in groups.values() for key in points))
        if not keys:
            raise UserError(f"{folder} has nothing to check", expected=f"entry points of {', '.join(_GROUPS)}",
                            fix="`sciml new solver NAME` writes such a package.")  # fmt: skip
        _declare(place, groups)
        return Checked(keys, _run(folder, place, keys))


def _entry_points(folder: Path, place: Path) -> Mapping[str, Mapping[str, str]]:
    """What a package declares by group; a problem folder is copied to where it is the module of an entry point."""
    if (folder / "pyproject.toml").is_file():
        declared = read_toml(folder / "pyproject.toml").get("project", {}).get("entry-points", {})
        return {group: dict(points) for group, points in declared.items()}
    problem = registry.find_problem(folder)  # refuses what is no problem folder, in words
    name = check_name(problem.name, "problem")
    if registry.problem_folders().get(name) == folder:
        return {"sciml.problems": {name: ""}}  # registered as it is
    if name in registry.problem_folders():
        raise UserError(f"there is a problem {name!r} already", got=str(folder), fix="Give it another name.")
    package = place / "checked_problems"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copytree(folder, package / name, ignore=shutil.ignore_patterns("runs", "__pycache__"))
    return {"sciml.problems": {name: f"checked_problems.{name}"}}


def _declare(place: Path, groups: Mapping[str, Mapping[str, str]]) -> None:
    """Metadata of a distribution with these entry points, for those that no installed one has."""
    from importlib.metadata import entry_points

    lines = []
    for group, points in groups.items():
        known = {point.name for point in entry_points(group=group)}
        lines += [f"[{group}]", *(f"{name} = {at}" for name, at in points.items() if at and name not in known)]
    info = place / "sciml_checked-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sciml-checked\nVersion: 0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _run(folder: Path, place: Path, keys: Sequence[str]) -> tuple[Tested, ...]:
    outcomes, settings = place / "outcomes.json", place / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")  # not that of whatever folder we are in
    own_tests = [str(folder / "tests")] if (folder / "pyproject.toml").is_file() and (folder / "tests").is_dir() else []
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(settings), "--rootdir", str(place)]
    command += ["-p", "no:cacheprovider", "-p", "sciml.testing._only", "--outcomes", str(outcomes)]
    command += [argument for key in keys for argument in ("--only", key)]
    path = os.pathsep.join([str(place), str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    ran = subprocess.run(
        [*command, "--pyargs", "sciml.testing", *own_tests],
        cwd=place,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if not outcomes.is_file():
        raise UserError("the contract tests could not be started", got=(ran.stderr or ran.stdout).strip()[-500:])
    tests: list[dict[str, Any]] = json.loads(outcomes.read_text(encoding="utf-8"))
    return tuple(Tested(_title(test["test"]), test["outcome"], test["words"]) for test in tests)


def _title(node: str) -> str:
    """``test_problems.py::test_rows_do_not_influence_each_other[heat]`` as words."""
    file, _, name = node.rpartition("::")
    words = name.removeprefix("test_").partition("[")[0].replace("_", " ")
    return words or file
