"""The table of claims in the docs is the one that the committed results give."""

import json
from pathlib import Path

import pytest

from sciml.core.errors import DataError
from sciml.report import ClaimRow, claims_markdown, claims_of, stray_figures

ROOT = Path(__file__).parents[2]


def test_the_table_is_the_one_of_the_results():
    written = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert written.endswith("\n\n" + claims_markdown(claims_of(ROOT / "reports"), "../reports"))


def test_a_bar_in_a_claim_does_not_end_its_cell(tmp_path):
    table = claims_markdown([ClaimRow("S", "s", "|e| falls", "holds", "Measured.")], "r")
    assert table.splitlines()[-1] == r"| [S](r/s/report.html) | \|e\| falls | holds | Measured. |"


def test_every_figure_quoted_beside_a_result_is_in_it():
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "problems").glob("*/README.md")]
    stray = stray_figures([text for text in texts if text.name != "claims.md"], ROOT)
    assert not stray, "\n".join(f"{figure.path}:{figure.line}: {figure.figure} in {figure.words}" for figure in stray)


@pytest.fixture
def race(tmp_path):
    """Results of a race, and a text to write about it."""
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    (results.parent / "speed.py").write_text('"""Layers of 64 columns."""\n')
    rows = [{"case": "one", "ours_s": 0.0123, "ratio": 3.456, "equal": 2.5e-7}]
    (results / "speed.json").write_text(json.dumps({"rows": rows}))
    return tmp_path / "text.md"


@pytest.mark.parametrize(
    ("words", "stray"),
    [
        ("3.5 times, with 64 columns", []),
        ("3.4 times", ["3.4"]),
        ("12 ms", ["12"]),  # in seconds it would be there
        ("equal to 2.5·10⁻⁷", []),
        ("equal to 4·10⁻⁷", ["4·10⁻⁷"]),
        ("98.8 % saved, 1.23 % left", []),
        ("0.0 % saved", []),
        ("between 97.1 and 98.8 % saved", ["97.1"]),
        ("`4.44` in code, and [words](a/5.55.html)", []),
    ],
)
def test_a_figure_that_no_result_has_is_named(race, words, stray):
    race.write_text(
        f"Other 9.87 words.\n\n- See `x` in [results](benchmarks/results/speed.json): {words}.\n- And 8.76.\n"
    )
    figures = stray_figures([race], race.parent)
    assert [figure.figure for figure in figures] == stray
    assert all((figure.line, figure.sources) == (3, ("speed",)) for figure in figures)


def test_results_that_are_not_there_are_named(race):
    race.write_text("See benchmarks/results/none.json: 12 times.")
    with pytest.raises(DataError, match="race 'none' cannot be read"):
        stray_figures([race], race.parent)
    with pytest.raises(DataError, match="cannot be read"):
        stray_figures([race.parent / "no.md"], race.parent)
