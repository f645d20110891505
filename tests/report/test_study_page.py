import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_builders import Page, make_problem, make_run, make_study
from scipy import stats

from sciml.core.errors import ConfigError, UserError
from sciml.metrics import Metric
from sciml.report import judge, mean_of, write_index, write_run, write_study

ERROR = Metric("error", "error")
ACCURACY = Metric("accuracy", "accuracy", better="higher")
INTEGRAL = Metric("integral", "integral", better="target", target=1.0)


def _read(path):
    return Page(path.read_text(encoding="utf-8"))


def test_page(tmp_path):
    page = _read(write_study(make_study(tmp_path / "study")))
    text = page.text
    assert not page.all("script")
    assert all(reference.startswith("#") for reference in page.references)
    assert "Of 4 claims: 2 hold, 1 does not hold, 1 undecided" in text
    assert text.count("✓ holds") == 2
    assert text.count("✕ does not hold") == 1
    assert "1.30 ×" in text
    assert "reference" in text
    assert "at equal training time" in text
    assert "Not complete" not in text
    assert len(page.all("svg")) == 4  # parameters and time, for each budget
    assert {path.suffix for path in (tmp_path / "study" / "figures").iterdir()} == {".svg"}


def test_every_run_is_listed(tmp_path):
    folder = make_study(tmp_path / "study")
    lines = (folder / "results.jsonl").read_text().splitlines()
    rows = _read(write_study(folder)).text
    for line in map(json.loads, lines):
        assert f"{line['metrics']['rollout/relative_l2']:.3f}" in rows


def test_lost_seed_spoils_its_variant_and_its_claims(tmp_path):
    text = _read(write_study(make_study(tmp_path / "study", drop=("sinenet", 1)))).text
    assert "1 of 3 seeds failed" in text
    assert "It diverged at 1 of 3 seeds." in text
    assert text.count("✕ does not hold") == 2


def test_unfinished_and_empty_studies(tmp_path):
    folder = make_study(tmp_path / "study")
    results = folder / "results.jsonl"
    results.write_text("".join(results.read_text().splitlines(keepends=True)[:4]) + '{"variant": "cut')
    assert "4 of 18 runs are here" in _read(write_study(folder)).text
    results.unlink()
    assert "No run has finished yet" in _read(write_study(folder)).text


def test_single_seed_decides_nothing(tmp_path):
    text = _read(write_study(make_study(tmp_path / "study", seeds=(0,)))).text
    assert "one seed" in text
    assert "4 undecided" in text


def test_hostile_labels_stay_text(tmp_path):
    labels = ("<script>alert(1)</script>", "$x_{", "_hidden " * 30)
    page = _read(write_study(make_study(tmp_path / "study", labels=labels)))
    assert not page.all("script")
    assert labels[0] in page.text


def test_damaged_study_is_named(tmp_path):
    with pytest.raises(UserError, match=r"study\.json"):
        write_study(tmp_path)
    folder = make_study(tmp_path / "study")
    (folder / "results.jsonl").write_text('{"variant": "sinenet"}\n')
    with pytest.raises(ConfigError, match=r"line 1 of .*results\.jsonl does not describe a valid ResultLine"):
        write_study(folder)


def test_index_lists_pages_with_relative_links(tmp_path):
    write_study(make_study(tmp_path / "a study"))
    write_run(make_run(tmp_path / "runs" / "one", rank=0), problem=make_problem(0))
    broken = make_run(tmp_path / "runs" / "broken", rank=0)
    (broken / "report.html").write_text("")
    (broken / "record.json").write_text("{")
    make_run(tmp_path / "runs" / "without page", rank=0)
    made_by_a_tool = tmp_path / "runs" / "one" / "record.json"
    made_by_a_tool.write_text(json.dumps({**json.loads(made_by_a_tool.read_text()), "tool": "prune"}))
    page = _read(write_index(tmp_path))
    assert "What the program wrote: 1 study and 2 runs." in page.text
    assert list(dict.fromkeys(page.references)) == [
        "a%20study/report.html",
        "runs/broken/report.html",
        "runs/one/report.html",
    ]
    assert "Waves at equal size" in page.text
    assert "SineNet on torus waves, after prune" in page.text
    assert "a run that cannot be read" in page.text
    assert "Nothing here yet" in _read(write_index(broken.parent / "without page")).text


def test_mean_and_t_interval():
    values = [1.0, 2.0, 4.0]
    mean = mean_of(values)
    low, high = stats.t.interval(0.95, 2, loc=7 / 3, scale=stats.sem(values))
    assert (mean.value - mean.half_width, mean.value + mean.half_width) == pytest.approx((low, high))
    assert mean_of([3.0]).half_width is None
    assert math.isnan(mean_of([1.0, math.inf]).value)
    assert mean_of([1.0, math.inf]).lost == 1


def test_judge():
    worse = {0: 1.0, 1: 1.0, 2: 1.0}
    near = {0: 0.79, 1: 0.80, 2: 0.81}
    assert judge(near, worse, 0.1, metric=ERROR).sign == "holds"
    assert judge(near, worse, 0.1, metric=ERROR).gain == pytest.approx(1 - np.exp(np.log([0.79, 0.80, 0.81]).mean()))
    assert judge(near, worse, 0.2, metric=ERROR).sign == "undecided"
    assert judge(near, worse, 0.3, metric=ERROR).sign == "does not hold"
    assert judge(worse, near, 0.0, metric=ERROR).sign == "does not hold"
    assert judge(worse, near, 0.0, metric=ACCURACY).sign == "holds"
    assert judge({0: 0.1}, worse, 0.0, metric=ERROR).sign == "undecided"
    assert judge({**near, 1: math.nan}, worse, 0.0, metric=ERROR).sign == "does not hold"
    other_lost = judge(near, {**worse, 1: math.inf}, 0.0, metric=ERROR)
    assert other_lost.count == 2  # left out, which favours the one that diverged
    assert "the other diverged at 1 of 3 seeds" in other_lost.reason
    all_lost = judge(near, dict.fromkeys(range(3), math.nan), 0.5, metric=ERROR)
    assert (all_lost.sign, all_lost.reason) == ("holds", "the other diverged at every seed")
    assert judge(near, {**worse, 1: 0.0}, 0.0, metric=ERROR).sign == "undecided"
    assert judge({}, {}, 0.0, metric=ERROR).count == 0


def test_judge_of_a_negative_margin():
    """At most 5 % worse: the shares lost are 1, 2 and 3 %."""
    best, near = dict.fromkeys(range(3), 1.0), {0: 1.01, 1: 1.02, 2: 1.03}
    assert judge(near, best, -0.05, metric=ERROR).sign == "holds"
    assert judge(near, best, -0.01, metric=ERROR).sign == "undecided"
    assert judge({0: 1.09, 1: 1.1, 2: 1.11}, best, -0.05, metric=ERROR).sign == "does not hold"
    assert judge(best, near, -0.05, metric=ACCURACY).sign == "holds"


def test_judge_of_a_tolerance():
    """One point of accuracy, or of an error rate, whatever the error rate is."""
    best, near = {0: 0.02, 1: 0.03, 2: 0.04}, {0: 0.025, 1: 0.034, 2: 0.046}
    assert judge(near, best, 0.0, tolerance=0.01, metric=ERROR).sign == "holds"
    assert judge(near, best, 0.0, tolerance=0.01, metric=ERROR).gain == pytest.approx(-0.005)
    assert judge(near, best, 0.0, tolerance=0.005, metric=ERROR).sign == "undecided"
    assert judge(near, best, 0.0, tolerance=0.001, metric=ERROR).sign == "does not hold"
    assert judge(best, near, 0.0, tolerance=0.0, metric=ERROR).sign == "holds"
    accuracy = [{seed: 1 - error for seed, error in errors.items()} for errors in (near, best)]
    assert judge(*accuracy, 0.0, metric=ACCURACY, tolerance=0.01).sign == "holds"
    assert judge(*accuracy, 0.0, metric=ACCURACY, tolerance=0.01).gain == pytest.approx(-0.005)
    assert judge(best, best, 0.0, tolerance=0.0, metric=ERROR).sign == "holds"
    assert judge({**near, 2: math.nan}, best, 0.0, tolerance=1.0, metric=ERROR).sign == "does not hold"
    assert judge(near, {**best, 2: math.nan}, 0.0, tolerance=0.02, metric=ERROR).sign == "holds"
    assert judge({0: 0.1}, {0: 0.1}, 0.0, tolerance=1.0, metric=ERROR).sign == "undecided"


def test_a_negative_tolerance_asks_to_be_better_by_as_much():
    better, worse = {0: 0.60, 1: 0.62, 2: 0.61}, {0: 0.80, 1: 0.81, 2: 0.82}
    assert judge(better, worse, 0.0, tolerance=-0.1, metric=ERROR).sign == "holds"
    assert judge(better, worse, 0.0, tolerance=-0.3, metric=ERROR).sign == "does not hold"
    assert judge(worse, better, 0.0, tolerance=-0.1, metric=ACCURACY).sign == "holds"
    assert judge(better, worse, 0.0, tolerance=-0.1, metric=ACCURACY).sign == "does not hold"


def test_judge_of_a_factor():
    """Errors that differ by orders of magnitude are judged on logarithms; the interval becomes one of factors."""
    best, far = {0: 1.0, 1: 1.0, 2: 1.0}, {0: 50.0, 1: 200.0, 2: 100.0}
    verdict = judge(best, far, 0.0, factor=10.0, metric=ERROR)
    low, high = stats.t.interval(0.95, 2, loc=np.log(100), scale=stats.sem(np.log([50, 200, 100])))
    assert verdict.sign == "holds"
    assert (verdict.gain, verdict.low, verdict.high) == pytest.approx((100, np.exp(low), np.exp(high)))
    assert judge(best, far, 0.0, factor=60.0, metric=ERROR).sign == "undecided"
    assert judge(best, far, 0.0, factor=1000.0, metric=ERROR).sign == "does not hold"
    assert judge(far, best, 0.0, factor=10.0, metric=ACCURACY).gain == pytest.approx(100)
    near = {0: 1.5, 1: 1.6, 2: 1.4}
    assert judge(near, best, 0.0, factor=0.5, metric=ERROR).sign == "holds"
    assert judge(near, best, 0.0, factor=0.8, metric=ERROR).sign == "does not hold"
    assert judge({0: 1.0}, far, 0.0, factor=10.0, metric=ERROR).sign == "undecided"
    assert judge({**best, 1: math.nan}, far, 0.0, factor=10.0, metric=ERROR).sign == "does not hold"
    assert "means nothing" in judge({**best, 1: 0.0}, far, 0.0, factor=10.0, metric=ERROR).reason


def test_a_share_of_a_negative_metric_decides_nothing_but_a_tolerance_does():
    better, worse = {0: -2.0, 1: -2.1, 2: -2.05}, {0: -1.0, 1: -1.1, 2: -1.0}
    verdict = judge(better, worse, 0.0, metric=ERROR)
    assert verdict.sign == "undecided"
    assert "negative" in verdict.reason
    assert judge(better, worse, 0.0, tolerance=0.1, metric=ERROR).sign == "holds"
    assert judge(worse, better, 0.0, tolerance=0.1, metric=ERROR).sign == "does not hold"


def test_a_page_says_what_was_claimed(tmp_path):
    folder = make_study(tmp_path / "study")
    study = json.loads((folder / "study.json").read_text())
    common = {"metric": "rollout/relative_l2", "better": "unet", "worse": "sinenet"}
    study["claims"] = [
        {"text": "level", **common, "tolerance": 0.3},
        {"text": "not far", **common, "margin": -0.8},
        {"text": "close", **common, "tolerance": 0.01},
        {"text": "far", **common, "factor": 10.0},
        {"text": "within twice", **common, "factor": 0.5},
    ]
    (folder / "study.json").write_text(json.dumps(study))
    text = _read(write_study(folder)).text
    assert "Of 5 claims: 3 hold, 2 do not hold" in text
    assert "1.54 times higher, 95 % interval of the improvement 0.572 times to 0.732 times" in text
    assert "claimed: more than 10 times" in text
    assert "claimed: less than 2 times worse" in text
    assert "claimed: at most 0.300 worse" in text
    assert "claimed: less than 80.0 % worse" in text
    assert "higher, 95 % interval of the improvement -0.1" in text.replace("−", "-")
    study["claims"] = [{"text": "both", **common, "tolerance": 0.3, "margin": 0.1}]
    (folder / "study.json").write_text(json.dumps(study))
    with pytest.raises(UserError, match="one of margin"):
        write_study(folder)
    study["claims"] = [{"text": "by much", **common, "tolerance": -0.3}]
    (folder / "study.json").write_text(json.dumps(study))
    assert "claimed: at least 0.300 better" in _read(write_study(folder)).text


@given(st.lists(st.floats(0.1, 10.0), min_size=2, max_size=6), st.floats(0.01, 100.0))
def test_verdict_does_not_depend_on_units(values, factor):
    better = dict(enumerate(values))
    worse = {seed: value + 0.05 * (1 + seed) for seed, value in better.items()}
    scaled = judge(
        {s: factor * v for s, v in better.items()}, {s: factor * v for s, v in worse.items()}, 0.0, metric=ERROR
    )
    assert scaled.gain == pytest.approx(judge(better, worse, 0.0, metric=ERROR).gain)


def _with_evaluations(folder):
    """A study of a classifier: evaluations and a sweep of two of three variants, a claim about the first of them."""
    make_study(folder)
    study = json.loads((folder / "study.json").read_text())
    claim = {"text": "cheap", "metric": "evaluations", "better": "sinenet", "worse": "unet", "margin": 0.1}
    study |= {"metrics": ["accuracy", "evaluations"], "claims": [claim], "budgets": ["steps"]}
    for variant in study["variants"]:
        variant["solver"] = "ode_net"
    (folder / "study.json").write_text(json.dumps(study))
    lines = []
    for line in map(json.loads, (folder / "results.jsonl").read_text().splitlines()):
        place = ["sinenet", "unet", "persistence"].index(line["variant"])
        line["metrics"] = {"accuracy": 0.9 + 0.01 * place, "prediction/seconds": 0.002}
        if place < 2:
            line["metrics"] |= {"evaluations": 50.0 * (1 + place) + line["seed"]}
            line["metrics"] |= {f"tolerance_1e-{k}/evaluations": 10.0 * k for k in (1, 2, 3)}
            line["metrics"] |= {f"tolerance_1e-{k}/difference": 10.0**-k for k in (1, 2, 3)}
        lines.append(json.dumps(line | {"steps": 10, "parameters": 9000}))
    (folder / "results.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_a_study_of_cost_draws_quality_against_evaluations(tmp_path):
    folder = _with_evaluations(tmp_path / "study")
    page = _read(write_study(folder))
    files = {path.name for path in (folder / "figures").iterdir()}
    assert "evaluations-accuracy-steps.svg" in files  # not the evaluations against themselves
    assert not any(name.startswith("parameters") for name in files)  # they are equal
    assert {"tolerance-evaluations.svg", "tolerance-difference.svg"} <= files
    assert "Quality against cost" in page.text
    assert "Without evaluations, so not drawn: Persistence" in page.text
    assert "one sample" in page.text
    assert "Of 1 claim: 1 holds" in page.text


def test_variants_of_a_line_are_drawn_over_what_the_study_varies(tmp_path):
    folder = _with_evaluations(tmp_path / "study")
    study = json.loads((folder / "study.json").read_text())
    for place, variant in enumerate(study["variants"][:2]):
        variant |= {"line": "networks", "at": 10.0 * (1 + place)}
    (folder / "study.json").write_text(json.dumps(study | {"along": "training cases"}))
    page = _read(write_study(folder))
    assert "Over training cases" in page.text
    figures = {path.name for path in (folder / "figures").iterdir() if path.name.startswith("along-")}
    assert figures == {"along-accuracy-steps.svg"}  # costs have figures of their own
    drawn = (folder / "figures" / "along-accuracy-steps.svg").read_text()
    assert "training cases" in drawn and "networks" in drawn


def test_a_metric_that_a_variant_does_not_have_is_a_dash_and_not_a_breakdown(tmp_path):
    page = _read(write_study(_with_evaluations(tmp_path / "study")))
    assert "not finite" not in page.text
    assert "failed" not in page.text
    row = re.search(r"Persistence 0\.920 best ± 0 (\S+)", page.text)
    assert row is not None
    assert row[1] == "–"


def test_watched_errors_are_drawn_over_the_training(tmp_path):
    folder = make_study(tmp_path / "study")
    before = _read(write_study(folder))
    path = folder / "results.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    first = lines[0]["variant"]
    for line in lines:
        if line["variant"] == first:
            line["course"] = [[0.0, 1.0], [1.0, 0.1 + line["seed"]], [2.0, None], [4.0, 0.01]]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    page = _read(write_study(folder))
    budgets = {line["budget"] for line in lines}
    drawn = {file.stem for file in (folder / "figures").iterdir()}
    assert {f"course-{budget}" for budget in budgets} <= drawn
    assert len(page.all("svg")) == len(before.all("svg")) + len(budgets)
    assert "Error over the training" in page.text


def test_a_claim_on_a_target_is_judged_by_the_distance_from_it():
    near, far = {0: 0.98, 1: 1.01, 2: 1.02}, {0: 0.5, 1: 0.6, 2: 0.4}
    assert judge(near, far, 0.5, metric=INTEGRAL).sign == "holds"
    assert judge(far, near, 0.0, metric=INTEGRAL).sign == "does not hold"
    exact = dict.fromkeys(range(3), 1.0)
    assert "exactly on target" in judge(far, exact, 0.0, metric=INTEGRAL).reason
    assert judge(far, exact, 0.0, metric=INTEGRAL, tolerance=0.1).sign == "does not hold"


def test_a_tolerance_that_is_met_exactly_is_met():
    better, worse = {0: 0.97, 1: 0.96, 2: 0.95}, {0: 0.98, 1: 0.97, 2: 0.96}
    assert judge(better, worse, 0.0, metric=ACCURACY, tolerance=0.01).sign == "holds"


def test_a_number_that_says_nothing_of_a_solver_decides_no_claim():
    verdict = judge({0: 1.0, 1: 1.0}, {0: 2.0, 1: 2.0}, 0.0, metric=Metric("floor", "floor", better="none"))
    assert verdict.sign == "undecided"
    assert "floor" in verdict.reason


def test_a_claim_on_what_one_side_does_not_measure_cannot_be_decided(tmp_path):
    folder = _with_evaluations(tmp_path / "study")
    study = json.loads((folder / "study.json").read_text())
    study["claims"][0] |= {"worse": "persistence"}
    (folder / "study.json").write_text(json.dumps(study))
    text = _read(write_study(folder)).text
    assert "Of 1 claim: 1 undecided" in text
    assert "The runs of Persistence have no function evaluations (NFE)." in text


def test_a_claim_on_a_target_says_which_is_closer(tmp_path):
    folder = make_study(tmp_path / "study")
    study = json.loads((folder / "study.json").read_text())
    for variant in study["variants"]:
        variant["solver"] = "cnf"
    claim = {"text": "integral", "metric": "normalisation", "better": "sinenet", "worse": "unet"}
    (folder / "study.json").write_text(json.dumps(study | {"claims": [claim], "metrics": ["normalisation"]}))
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    for line in lines:
        line["metrics"] = {"normalisation": {"sinenet": 1.01, "unet": 0.5, "persistence": 2.0}[line["variant"]]}
    (folder / "results.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    text = _read(write_study(folder)).text
    assert "Measured: 98.0 % closer to 1.00" in text
    assert re.search(r"SineNet, K = 2 1\.01 best", text)
