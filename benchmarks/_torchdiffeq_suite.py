"""Count the subtests of torchdiffeq's own suite that pass with our functions in the place of its own.

    python -m benchmarks._torchdiffeq_suite PATH/TO/torchdiffeq/tests [NAME ...]

The folder is the one called ``tests`` in that library's repository; names (``odeint_tests.TestCallbacks``) choose some
of its tests. Every subtest counts as one, and so does every test without any.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import unittest
import warnings
from collections import Counter
from pathlib import Path
from types import ModuleType

from sciml import ode

_MODULES = ("api_tests", "event_tests", "gradient_tests", "norm_tests", "odeint_tests")


class _Count(unittest.TestResult):
    """What became of every subtest."""

    def __init__(self) -> None:
        super().__init__()
        self.tally: Counter[str] = Counter()
        self.words: list[str] = []
        self.subtests = 0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.subtests = 0

    def addSubTest(self, test, subtest, err) -> None:  # as unittest calls it
        self.subtests += 1
        self._note(subtest, err)

    def addSuccess(self, test: unittest.TestCase) -> None:
        if not self.subtests:
            self._note(test, None)

    def addError(self, test, err) -> None:
        self._note(test, err)

    addFailure = addError

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        print(f"{test.id()}: {dict(self.tally)}", flush=True)

    def _note(self, test: object, err: tuple | None) -> None:
        self.tally["failed" if err else "passed"] += 1
        if err:
            self.words.append(f"{test}: {err[0].__name__}: {str(err[1]).splitlines()[0][:160] if str(err[1]) else ''}")


def main() -> None:
    """Run, and say what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", type=Path)
    parser.add_argument("names", nargs="*", default=_MODULES)
    options = parser.parse_args()
    sys.path.insert(0, str(options.tests))
    stand_in = importlib.import_module("torchdiffeq")
    replaced = ModuleType("torchdiffeq")
    replaced.__dict__.update(stand_in.__dict__)
    for name in ("odeint", "odeint_adjoint", "odeint_event"):
        setattr(replaced, name, getattr(ode, name))
    sys.modules["torchdiffeq"] = replaced
    suite = unittest.defaultTestLoader.loadTestsFromNames(list(options.names))
    result = _Count()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        suite.run(result)
    print("\n".join(result.words))
    print(dict(result.tally))


if __name__ == "__main__":
    main()
