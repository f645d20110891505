"""The table of claims in the docs is the one that the committed results give."""

from pathlib import Path

from sciml.report import ClaimRow, claims_markdown, claims_of

ROOT = Path(__file__).parents[2]


def test_the_table_is_the_one_of_the_results():
    written = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert written.endswith("\n\n" + claims_markdown(claims_of(ROOT / "reports"), "../reports"))


def test_a_bar_in_a_claim_does_not_end_its_cell(tmp_path):
    table = claims_markdown([ClaimRow("S", "s", "|e| falls", "holds", "Measured.")], "r")
    assert table.splitlines()[-1] == r"| [S](r/s/report.html) | \|e\| falls | holds | Measured. |"
