"""Metrics of a study are those its tasks declare: anything else is refused before any work."""

import pytest

from sciml.core.errors import ConfigError, UnknownNameError
from sciml.metrics import find_metric
from sciml.report import judge
from sciml.study import read_study, run_study
from sciml.train import find_solver

STUDY = """
title = "t"
question = "q"
problem = "spiral"
preset = "tiny"
seeds = [0, 1]
metrics = ["{metric}"]
variants = [{{name = "a", label = "A", solver = "neural_ode"}}, {{name = "b", label = "B", solver = "linear_ode"}}]

[[claims]]
text = "A is better than B"
metric = "{claim}"
better = "a"
worse = "b"
"""


@pytest.mark.parametrize(
    ("metric", "claim", "nearest"),
    [
        ("rollout/relativ_l2", "evaluations", "rollout/relative_l2"),
        ("evaluations", "evaluatoins", "evaluations"),
    ],
)
def test_a_misspelt_metric_is_refused_with_the_nearest_name(metric, claim, nearest, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(metric=metric, claim=claim))
    with pytest.raises(UnknownNameError, match=f"Did you mean '{nearest}'"):
        run_study(path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_coefficient_is_judged_by_the_target_that_the_claim_names(tmp_path):
    path = tmp_path / "study.toml"
    text = STUDY.format(metric="rollout/relative_l2", claim="coefficient/c_u")
    text = text.replace("spiral", "reaction_diffusion").replace("neural_ode", "npde").replace("linear_ode", "npde")
    path.write_text(text)
    with pytest.raises(ConfigError, match="neither more nor less"):
        run_study(path, out=tmp_path / "out")
    path.write_text(text + "target = 1.0\n")
    (claim,) = read_study(path).claims
    judged = claim.judged(find_metric(find_solver("npde").task.metrics, claim.metric))
    assert judge({0: 1.1, 1: 0.9}, {0: 1.5, 1: 0.5}, 0.5, metric=judged).sign == "holds"
    path.write_text(text.replace("coefficient/c_u", "rollout/relative_l2") + "target = 1.0\n")
    with pytest.raises(ConfigError, match="has a better side, lower, and no target"):
        run_study(path, out=tmp_path / "out")


def test_a_claim_on_a_number_of_the_test_is_refused(tmp_path):
    path = tmp_path / "study.toml"
    text = STUDY.format(metric="moments/loss", claim="moments/floor")
    path.write_text(
        text.replace("spiral", "spiral_sde").replace("neural_ode", "neural_sde").replace("linear_ode", "neural_sde")
    )
    with pytest.raises(ConfigError, match="neither more nor less"):
        run_study(path, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("claim", "more", "words"),
    [
        ("rollout/relative_l2", "margin = 1.5", "a share that no metric can change by.*less than 1"),
        ("outcome/accuracy", "margin = -1.0", "a share that no metric can change by.*more than -1"),
        ("rollout/relative_l2", "against = 'rollout/relative_l2'", "compares 'a' with itself"),
    ],
)
def test_a_claim_that_no_result_could_decide_is_refused(claim, more, words, tmp_path):
    path = tmp_path / "study.toml"
    text = STUDY.format(metric="rollout/relative_l2", claim=claim) + more + "\n"
    path.write_text(text.replace('worse = "b"', 'worse = "a"') if "against" in more else text)
    with pytest.raises(ConfigError, match=words):
        run_study(path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("budgets", "clock", "settings", "words"),
    [
        (["steps", "time"], "b", "[]", "time of variant 'b', which takes no training steps"),
        (["time"], "a", "['train.steps=7']", "got train.steps=7 of variant 'b'"),
    ],
)
def test_what_equal_time_cannot_heed_is_refused(budgets, clock, settings, words, tmp_path):
    path = tmp_path / "study.toml"
    text = STUDY.format(metric="rollout/relative_l2", claim="rollout/relative_l2")
    text = text.replace("seeds =", f"budgets = {budgets}\nclock = '{clock}'\nsettings = ['train.steps=2']\nseeds =")
    text = text.replace('"linear_ode"', f'"{"linear_ode" if clock == "b" else "neural_ode"}", settings = {settings}')
    path.write_text(text + f"budget = '{budgets[-1]}'\n")
    with pytest.raises(ConfigError, match=words):
        run_study(path, out=tmp_path / "out", draft=True)
    assert not (tmp_path / "out" / "results.jsonl").exists()
