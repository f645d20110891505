"""Studies that somebody went on with after something changed: data, encodings, places."""

import io
import json
import sys

import pytest

from sciml.cli import main
from sciml.testing import PROBLEMS

ADVECTION = PROBLEMS / "periodic_advection"
STUDY = """title = "Waves"
question = "Do two waves beat none?"
problem = "periodic_advection"
preset = "tiny"
seeds = [0]
metrics = ["rollout/relative_l2"]

[[variants]]
name = "lines"
label = "Linear stencil"
solver = "linear"

[[claims]]
text = "Lines are better"
metric = "rollout/relative_l2"
better = "lines"
worse = "still"

[[variants]]
name = "still"
label = "persistence"
solver = "persistence"
"""
LATE = '\n[[variants]]\nname = "late"\nlabel = "late"\nsolver = "persistence"\n'


@pytest.fixture
def begun(sciml, variant, tmp_path):
    """A study of two variants at one seed, finished, on data of which the card may be edited."""
    folder = variant("periodic_advection", {})
    path = tmp_path / "waves.toml"
    path.write_text(STUDY)
    assert sciml("study", path, "--draft", "--problem", folder).code == 0
    return path, folder, tmp_path / "reports" / "waves"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("addition", [("seeds = [0]", "seeds = [0, 1]"), ("\n[[claims]]", LATE + "\n[[claims]]")])
def test_results_on_other_data_are_not_added(refused, begun, addition):
    """A further seed, or a variant of which there are no results yet, after the card has got fewer frames."""
    path, folder, out = begun
    before = (out / "results.jsonl").read_text()
    edit(folder / "dataset.toml", "frames = 8", "frames = 6")
    edit(path, *addition)
    message = refused("study", path, "--draft", "--problem", folder)
    assert "are not those that results of this study were made on" in message
    data = {line["dataset"] for line in map(json.loads, before.splitlines())}
    assert len(data) == 1
    assert f"expected data {data.pop()}" in message
    assert "got data " in message
    assert (out / "results.jsonl").read_text() == before


def test_a_study_goes_on_when_the_data_are_what_they_were(sciml, refused, begun):
    """Runs on the other data lie in the folders that it would go on in."""
    path, folder, out = begun
    edit(path, "seeds = [0]", "seeds = [0, 1]")
    edit(folder / "dataset.toml", "frames = 8", "frames = 6")
    refused("study", path, "--draft", "--problem", folder)
    edit(folder / "dataset.toml", "frames = 6", "frames = 8")
    assert sciml("study", path, "--draft", "--problem", folder).code == 0
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert len(lines) == 4 and len({line["dataset"] for line in lines}) == 1


def test_a_claim_between_results_on_different_data_is_not_decided(sciml, begun):
    """As a folder from before the refusal holds them."""
    out = begun[2]
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    lines = [line | {"seed": seed} for seed in (0, 1, 2) for line in lines]
    edit(out / "study.json", '"seeds": [\n    0\n  ]', '"seeds": [0, 1, 2]')
    for alike in (True, False):
        changed = [line | ({} if alike or line["variant"] == "still" else {"dataset": "f" * 16}) for line in lines]
        (out / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in changed))
        assert sciml("report", out).code == 0
        page = (out / "report.html").read_text(encoding="utf-8")
        assert ("The two sides were made on different data." in page) != alike


def test_a_study_in_another_encoding_is_named_with_its_line(refused, tmp_path):
    path = tmp_path / "waves.toml"
    path.write_bytes(STUDY.replace("Linear stencil", "Linearer Stern \u2013 gekr\u00fcmmt").encode("cp1252"))
    message = refused("study", path, "--draft")
    assert "waves.toml is not valid TOML; got byte 0x96 in line 10, which is not UTF-8" in message
    assert "Save it with the encoding UTF-8." in message


@pytest.mark.parametrize("name", ["../../../escaped", "/tmp/escaped", "a/b", "..", "", "con", "x" * 300, "e\u0301"])
def test_the_name_of_a_variant_is_no_path(refused, tmp_path, name):
    path = tmp_path / "waves.toml"
    path.write_text(STUDY.replace('"lines"', json.dumps(name)), encoding="utf-8")
    message = refused("study", path, "--draft", "--problem", ADVECTION, "--out", "out/here")
    assert "name" in message
    assert len(message) < 1000
    assert "question" not in message  # the file is not said all over again
    assert [entry.name for entry in tmp_path.iterdir()] == ["waves.toml"]


def test_a_terminal_of_another_encoding_gets_what_it_can_show(monkeypatch):
    """The equation of the spiral has signs that Windows' letters for the west do not know."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252", write_through=True))
    monkeypatch.setattr(sys, "argv", ["sciml", "show", "spiral"])
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code
    assert "Cubic spiral" in written.getvalue().decode("cp1252")
    assert b"\\u" in written.getvalue()
