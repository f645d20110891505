"""Claims of studies whose results are not complete, not of one commit, or not at equal time."""

import json
import re

import pytest
from report_builders import Page, make_study

from sciml.report import claims_of, write_study


def _unmeasured(line):
    line["metrics"].clear()


def _of_another_commit(line):
    line["git"] = "f" * 40


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_unmeasured, "The runs of SineNet, K = 2 have no rollout error at seed 1."),
        (dict.clear, "Seed 1 of the study is missing."),
        (_of_another_commit, "The runs are of 2 versions of the code."),
    ],
)
def test_a_claim_is_decided_on_all_seeds_of_one_commit_or_not_at_all(tmp_path, change, words):
    """By one seed that was not measured, has not run yet, or ran on other code."""
    folder = make_study(tmp_path / "study")
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    for line in lines:
        line["git"] = "a" * 40
        if (line["variant"], line["seed"]) == ("sinenet", 1):
            change(line)
    (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines if line))
    text = Page(write_study(folder).read_text(encoding="utf-8")).text
    assert words in text
    assert "Of 4 claims: 4 undecided" in text


def test_a_claim_at_equal_time_says_where_the_times_are_not_equal(tmp_path):
    folder = make_study(tmp_path / "study")
    study = json.loads((folder / "study.json").read_text())
    for claim in study["claims"]:
        claim["budget"] = "time"
    (folder / "study.json").write_text(json.dumps(study))
    (_, first, *_) = (row.words for row in claims_of(tmp_path))
    assert first.replace("\xa0", " ").endswith(
        "The training times are not equal: SineNet, K = 2 took 71.0 s, U-Net took 83.0 s."
    )


def test_shares_beyond_ten_are_told_as_ratios(tmp_path):
    """11 times as much is 1000 % more and not ten times as much."""
    folder = make_study(tmp_path / "study")
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    for line in lines:
        line["metrics"]["rollout/relative_l2"] = {"sinenet": 99.0, "unet": 4.0}.get(line["variant"], 1.0) + line["seed"]
    (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    claims = [c for c in claims_of(tmp_path) if "times higher" in c.words]
    assert claims and all(re.search(r"\d times worse to ", c.words) for c in claims), claims
