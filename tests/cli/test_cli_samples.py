"""The verbs about data, for problems whose data is made in memory."""

import pytest

from sciml.testing import PROBLEMS

SPOTS = PROBLEMS / "three_spots"


def test_list_and_show_know_them(sciml):
    listed = {problem["name"]: problem for problem in sciml("list", "--json").json["problems"]}
    assert listed["digits"]["capabilities"] == ["Classifies"]
    assert listed["densities"]["capabilities"] == ["HasDensity"]
    shown = sciml("show", "digits")
    assert shown.code == 0
    assert all(word in shown.out for word in ("Handwritten digits", "intensity", "samples.train", "1,078"))
    assert sciml("show", SPOTS, "--json").json["presets"]["tiny"]["density"]["samples"]["test"] == 30


def test_info_describes_and_generate_has_nothing_to_do(sciml):
    table = sciml("data", "info", "densities", "--json").json["density"]
    assert set(table["shapes"]) == {"moons", "gaussians", "pinwheel"}
    assert table["samples"]["train"] == 2000
    again = sciml("data", "generate", SPOTS)
    assert again.code == 0
    assert "Nothing to generate" in again.out
    assert "classes.train.origin" in again.out
    assert sciml("data", "generate", SPOTS, "--json").json["classification"]["available"] == 120


def test_verify_checks_and_fails_loudly(sciml, tmp_path):
    good = sciml("data", "verify", "digits")
    assert good.code == 0
    assert "every class in every split" in good.out
    folder = tmp_path / "bad_spots"
    folder.mkdir()
    code = (SPOTS / "__init__.py").read_text().replace('"three_spots"', '"bad_spots"')
    (folder / "__init__.py").write_text(code.replace("torch.arange(3)", "torch.arange(1, 4)"))
    (folder / "dataset.toml").write_text((SPOTS / "dataset.toml").read_text())
    bad = sciml("data", "verify", folder)
    assert bad.code == 2
    assert "FAILED" in bad.out


@pytest.mark.parametrize("preset", ["huge", "tinny"])
def test_unknown_presets_are_refused(sciml, preset):
    for verb in ("info", "generate", "verify"):
        answer = sciml("data", verb, "digits", "--preset", preset)
        assert answer.code == 2
        assert f"unknown preset '{preset}'" in answer.complaint


def test_export_says_that_there_are_no_trajectories(sciml, tmp_path):
    answer = sciml("data", "export", "digits", "--out", tmp_path / "out")
    assert answer.code == 2
    assert "expected trajectories, or pairs of functions" in answer.complaint
    assert "sciml data info digits" in answer.complaint
