import json
import re
import shutil
from importlib import resources

import h5py
import numpy as np
import pytest
from PIL import Image
from report_builders import NAMES, TITLES, Page, make_problem, make_run

from sciml.core.errors import DataError, UserError
from sciml.draw import format_number
from sciml.report import read_run, write_run
from sciml.study import Record

HOSTILE = '<script>alert(1)</script> & "quotes" \'n $\\frac$ _under'


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("run"))
    return write_run(folder, problem=make_problem())


@pytest.fixture(scope="module")
def page(written):
    return Page(written.read_text(encoding="utf-8"))


def _fresh(written, tmp_path):
    """A copy of the run's inputs, to be damaged."""
    folder = tmp_path / "run"
    shutil.copytree(written.parent, folder, ignore=shutil.ignore_patterns("figures", "report.html"))
    return folder


def test_page_is_self_contained_and_small(written, page):
    text = written.read_text(encoding="utf-8")
    assert text.count("<script") == 1  # of the slider, the same on every page
    template = resources.files("sciml.report").joinpath("templates/parts.html.j2").read_text(encoding="utf-8")
    assert re.findall(r"<script>.*?</script>", text, re.DOTALL) == re.findall(
        r"<script>.*?</script>", template, re.DOTALL
    )
    assert not page.all("link")
    assert all(reference.startswith(("data:image/", "#")) for reference in page.references)
    assert "@import" not in text
    assert "url(http" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert written.stat().st_size < 3e6


def test_every_local_reference_has_its_target(page):
    targets = [reference[1:] for reference in page.references if reference.startswith("#")]
    assert targets  # the markers of the figures
    assert set(targets) <= set(page.ids)


def test_every_figure_is_described(page):
    images = page.all("img")
    figures = [values for values in page.all("div") if values.get("role") == "img"]
    reels = [values for values in figures if values.get("class") == "reel"]
    assert len(images) >= 9
    assert len(reels) == 9
    assert len(figures) - 9 == len(page.all("svg")) == 7  # growth, training, three spectra, two invariants
    assert all(len(values["alt"]) > 20 for values in images)
    assert all(len(values["aria-label"]) > 20 for values in figures)


def test_page_says_what_matters(page):
    text = page.text
    for words in (
        "SineNet cuts the one\N{NON-BREAKING HYPHEN}step error of U-Net (equal size) to a third",
        "∂h/∂t + ∇·(h u) = 0",
        "Waves on a torus",
        "median of the test samples",
        "worst test sample",
        "total energy",
        "sciml run torus_waves --solver sinenet --preset tiny --seed 0",
        "0f3a" * 16,
        "torch 2.13",
        "Persistence",
    ):
        assert words in text


def test_numbers_of_the_tables_are_those_of_the_record(written, page):
    record = Record.read(written.parent)
    for entry in (record, *record.baselines.values()):
        for value in entry.metrics["test"].values():
            assert format_number(value) in page.text
    assert "48.2\N{NO-BREAK SPACE}k" in "".join(page.words)
    assert page.text.count("best") >= 5


def test_figures_are_files_of_their_own(written):
    files = {path.name for path in (written.parent / "figures").iterdir()}
    assert {"error-growth.svg", "training.svg", "rollout-h.webp", "strip-h-error.png", "conserved-mass.svg"} <= files
    assert not any(name.startswith(".tmp") for name in files)


def test_animation_moves_and_its_first_frame_has_no_error(written):
    with Image.open(written.parent / "figures" / "rollout-h.webp") as image:
        assert image.n_frames == 6  # the last context frame and five predictions
        first = np.asarray(image.convert("RGB"), dtype=int)
        image.seek(5)
        last = np.asarray(image.convert("RGB"), dtype=int)
    truth, pred, error = first[:220, :220], first[:220, 230:450], first[:220, 460:680]
    np.testing.assert_array_equal(truth, pred)
    assert np.ptp(error, axis=(0, 1)).max() == 0
    assert np.abs(last[:220, :220] - last[:220, 230:450]).max() > 0
    assert np.abs(last - first)[:220, :220].max() > 0


def test_pictures_have_the_first_axis_upwards(tmp_path):
    folder = make_run(tmp_path / "run", samples=1)
    with h5py.File(folder / "predictions.h5", "a") as file:
        for group in ("truth", "solvers/sinenet"):
            field = file[group]["h"]
            field[...] = np.broadcast_to(np.linspace(0, 1, 32)[:, None], field.shape)
    write_run(folder, problem=make_problem())
    with Image.open(folder / "figures" / "strip-h-reference.png") as image:
        column = np.asarray(image.convert("RGB"), dtype=int)[:, 5].sum(1)
    assert column[0] > column[-1]  # cividis rises with the value, the value with y


def test_same_inputs_give_the_same_bytes(written, tmp_path):
    again = write_run(_fresh(written, tmp_path), problem=make_problem())
    assert again.read_bytes() == written.read_bytes()


def test_diverged_run_is_told_in_words(tmp_path):
    folder = make_run(tmp_path / "run", diverge=True)
    text = Page(write_run(folder, problem=make_problem()).read_text(encoding="utf-8")).text
    assert "SineNet fails on 1 of 5 test rollouts" in text
    assert "4 ok, 1 diverged" in text
    assert "not finite" in text
    assert "SineNet fails in 1 of 5 samples" in text
    assert "test sample 2, diverged" in text  # the worst sample is the one that broke down
    assert " nan" not in text.lower()
    assert " inf " not in text.lower()


def test_exploding_baseline_leaves_the_frame_and_not_the_solver(tmp_path):
    folder = make_run(tmp_path / "run")
    with h5py.File(folder / "predictions.h5", "a") as file:
        for dataset in file["solvers/persistence"].values():
            if dataset.ndim > 1:
                dataset[:, -1] = 1e12
    text = Page(write_run(folder, problem=make_problem()).read_text(encoding="utf-8")).text
    assert text.count("Leaving the frame: Persistence.") == 3  # error growth and both invariants
    ticks = (folder / "figures" / "conserved-mass.svg").read_text(encoding="utf-8")
    assert not re.search(r"10¹|\d M<|\d k<", ticks)


def test_run_that_diverges_everywhere_still_has_a_page(tmp_path):
    folder = make_run(tmp_path / "run")
    with h5py.File(folder / "predictions.h5", "a") as file:
        for dataset in file["solvers/sinenet"].values():
            if dataset.ndim > 1:
                dataset[...] = np.nan
    assert "diverged" in Page(write_run(folder, problem=make_problem()).read_text(encoding="utf-8")).text


def test_hostile_names_stay_text(tmp_path):
    folder = make_run(tmp_path / "run", rank=1, titles=dict.fromkeys(TITLES, HOSTILE))
    problem = make_problem(1, title=HOSTILE, equation=HOSTILE, citation=HOSTILE)
    page = Page(write_run(folder, problem=problem).read_text(encoding="utf-8"))
    assert not page.all("script")
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_other_dimensions(rank, tmp_path):
    folder = make_run(tmp_path / "run", rank=rank, size=8, samples=2)
    page = Page(write_run(folder, problem=make_problem(rank)).read_text(encoding="utf-8"))
    files = {path.name for path in (folder / "figures").iterdir()}
    name = NAMES[rank][0]
    assert {0: f"series-{name}.svg", 1: f"space-time-{name}.png", 3: f"rollout-{name}.webp"}[rank] in files
    assert ("middle plane" in page.text) == (rank == 3)


def test_page_without_predictions_log_or_problem(written, tmp_path):
    folder = _fresh(written, tmp_path)
    (folder / "predictions.h5").unlink()
    (folder / "log.jsonl").unlink()
    (folder / "report.html").unlink(missing_ok=True)
    page = Page(write_run(folder).read_text(encoding="utf-8"))
    assert "stored no trajectories" in page.text
    assert "is not registered here" in page.text
    assert not page.all("img")


def test_a_page_is_not_replaced_by_one_without_its_pictures(written, tmp_path):
    folder = _fresh(written, tmp_path)
    before = write_run(folder).read_bytes()
    (folder / "predictions.h5").unlink()
    with pytest.raises(UserError, match="would lose its pictures"):
        write_run(folder)
    assert (folder / "report.html").read_bytes() == before


def test_problem_path_of_a_foreign_run_is_never_imported(written, tmp_path):
    folder = _fresh(written, tmp_path)
    trap = folder / "torus_waves"
    trap.mkdir()
    (trap / "__init__.py").write_text("raise SystemExit('imported')")
    (folder / "config.json").write_text(json.dumps({"problem_path": str(trap)}))
    assert read_run(folder).problem is None


def test_command_names_changed_settings(written, tmp_path, monkeypatch):
    class Recipe:
        def model_dump(self, mode):
            return {"train": {"steps": 500, "clip": 1.0}, "model": {"waves": 4}, "baselines": ["persistence"]}

    class Solver:
        def recipe(self, preset):
            return Recipe()

    monkeypatch.setattr("sciml.report._run_page.find_solver", lambda key: Solver())
    folder = _fresh(written, tmp_path)
    recipe = {"train": {"steps": 50, "clip": 1.0}, "model": {"waves": 2}, "baselines": []}
    (folder / "config.json").write_text(json.dumps({"problem_path": "./torus waves", "recipe": recipe}))
    text = Page(write_run(folder, problem=make_problem()).read_text(encoding="utf-8")).text
    assert "sciml run './torus waves' --solver sinenet" in text
    assert "--set train.steps=50 --set model.waves=2 --set 'baselines=[]'" in text


def test_damaged_files_are_named(written, tmp_path):
    with pytest.raises(UserError, match=r"record\.json"):
        write_run(tmp_path)
    folder = _fresh(written, tmp_path)
    (folder / "log.jsonl").write_text('{"step": 1}\nnot json\n{"step": 2}\n')
    with pytest.raises(DataError, match=r"line 2 of .*log\.jsonl"):
        write_run(folder)
    (folder / "log.jsonl").write_text('[1]\n{"step": 2}\n')
    with pytest.raises(DataError, match="does not hold a JSON object"):
        write_run(folder)
    (folder / "log.jsonl").unlink()
    (folder / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"config\.json is not valid JSON"):
        write_run(folder)
    (folder / "config.json").unlink()
    (folder / "predictions.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match=r"predictions\.h5 does not hold predictions"):
        write_run(folder)


def test_rollout_of_the_wrong_length_is_refused(written, tmp_path):
    folder = _fresh(written, tmp_path)
    with h5py.File(folder / "predictions.h5", "a") as file:
        file["truth"].attrs["history"] = 3
    with pytest.raises(DataError, match="follow the context"):
        write_run(folder)


def test_log_cut_by_a_kill_is_read(written, tmp_path):
    folder = _fresh(written, tmp_path)
    log = folder / "log.jsonl"
    log.write_text(log.read_text() + '{"step": 5')
    assert len(read_run(folder).log) == 10


def test_numbers_of_tools_have_names_and_units(written, tmp_path):
    """Those that the tool declares; what it counted for programs is no word of a page, unless nothing else is said."""
    folder = _fresh(written, tmp_path)
    record = json.loads((folder / "record.json").read_text())
    numbers = {"search_seconds": 1.41, "cost": 0.0022, "mixture_gap": 0.171}
    record["findings"] = {
        "search": {"metrics": numbers, "words": ["Found: width 2."]},
        "gone": {"metrics": {"odd_one": 0.5}},
    }
    (folder / "record.json").write_text(json.dumps(record))
    text = re.sub(r"<[^>]+>", " ", write_run(folder, problem=make_problem()).read_text(encoding="utf-8"))
    assert re.search(r"time of the search\s+1\.41\ss", text)
    assert "mixture gap" not in text
    assert "0.00220" not in text
    assert re.search(r"odd one\s+0\.500", text)
