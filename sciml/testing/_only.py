"""A plugin of pytest for `sciml check`: only the contract tests of the named keys, and what became of each as JSON."""

import json
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


class Outcomes:
    """Keeps what became of every test, and writes it in the end.

    Arguments:
        target: the file.
    """

    def __init__(self, target: Path) -> None:
        self.target, self.tests = target, {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test counts by its worst phase: setup, call or teardown."""
        before = self.tests.get(report.nodeid)
        if (report.when != "call" and report.passed) or (before and before["outcome"] == "failed"):
            return
        self.tests[report.nodeid] = {"test": report.nodeid, "outcome": report.outcome, "words": _words(report)}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read is a failure of its own."""
        if report.failed:
            self.tests[report.nodeid] = {"test": report.nodeid, "outcome": "failed", "words": _words(report)}

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        self.target.write_text(json.dumps(list(self.tests.values())), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--only KEY`` (repeatable) and ``--outcomes FILE``."""
    parser.addoption("--only", action="append", default=[], help="key of a problem, solver, task or tool")
    parser.addoption("--outcomes", default="", help="JSON file of what became of each test")


def pytest_configure(config: pytest.Config) -> None:
    """Keep outcomes if a file for them is named."""
    if target := config.getoption("--outcomes"):
        config.pluginmanager.register(Outcomes(Path(target)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out contract tests of other keys; tests of the package itself all stay."""
    keys = set(config.getoption("--only"))
    items[:] = [item for item in items if _HERE not in item.path.parents or _is_about(item, keys)]


def _is_about(item: pytest.Item, keys: set[str]) -> bool:
    call = getattr(item, "callspec", None)
    return call is not None and any(str(value) in keys for value in call.params.values())


def _words(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason of a skip, or the message of a failure, on one line."""
    detail = report.longrepr
    if isinstance(detail, tuple):  # a skip: file, line, reason
        return str(detail[2]).removeprefix("Skipped: ")
    crash = getattr(detail, "reprcrash", None)
    text = crash.message if crash is not None else str(detail or "")
    return " ".join(text.split())[:500]
