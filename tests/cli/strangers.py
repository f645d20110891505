"""Packages of strangers: visible to Python and to importlib.metadata as if they were installed, without pip."""

import shutil
import sys
import tomllib

from sciml.testing import PROBLEMS

FIXTURES = PROBLEMS


class Strangers:
    """Makes packages visible for one test.

    Arguments:
        home: where the metadata lies; a folder of the test.
        monkeypatch: undoes the changes of the import path.
    """

    def __init__(self, home, monkeypatch):
        self.home, self.monkeypatch, self.imported = home, monkeypatch, []
        home.mkdir()
        monkeypatch.syspath_prepend(home)

    def install(self, folder):
        """Make visible what the ``pyproject.toml`` of a folder declares."""
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        self.monkeypatch.syspath_prepend(folder)
        self.declare(project["name"], project["entry-points"])

    def declare(self, distribution, groups):
        """Metadata of a distribution with entry points by group and name."""
        info = self.home / f"{distribution.replace('-', '_')}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1.0\n")
        lines = []
        for group, points in groups.items():
            lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
            self.imported += [target.partition(":")[0].partition(".")[0] for target in points.values()]
        (info / "entry_points.txt").write_text("\n".join(lines))

    def module(self, name, code):
        """A module in the same place."""
        (self.home / f"{name}.py").write_text(code)

    def problem(self, fixture):
        """A fixture as the problem of a package with an entry point."""
        shutil.copytree(FIXTURES / fixture, self.home / "strange_problems" / fixture)
        (self.home / "strange_problems" / "__init__.py").touch()
        self.declare("strange-problems", {"sciml.problems": {fixture: f"strange_problems.{fixture}"}})

    def forget(self):
        """Drop what was imported, so that the next test does not find it."""
        for name in [name for name in sys.modules if name.partition(".")[0] in self.imported]:
            del sys.modules[name]
