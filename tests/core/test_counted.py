"""Counts with their noun."""

import pytest

from sciml.core.text import counted


@pytest.mark.parametrize(
    ("count", "plural", "words"),
    [
        (0, "seeds", "0 seeds"),
        (1, "seeds", "1 seed"),
        (2, "seeds", "2 seeds"),
        (1, "test cases", "1 test case"),
        (1, "pairs of seed and test case", "1 pair of seed and test case"),
        (20_000, "steps", "20,000 steps"),
    ],
)
def test_one_is_singular(count, plural, words):
    assert counted(count, plural) == words
