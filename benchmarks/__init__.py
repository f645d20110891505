"""Races against what a user would pick instead: ``python -m benchmarks NAME [--quick] [--json FILE]``.

A race is a module of this folder with a function ``race(quick: bool) -> Iterable[Row]``. Both sides of a row run in one
process, interleaved, so that the ratio survives a busy machine even where the seconds do not.
"""

from benchmarks._harness import Row as Row
from benchmarks._harness import difference as difference
from benchmarks._harness import paired as paired
from benchmarks._harness import version as version

__all__ = ["Row", "difference", "paired", "version"]
