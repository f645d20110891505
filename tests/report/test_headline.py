"""The sentence at the top of a run's page."""

import pytest

from sciml.report import headline
from sciml.train import Competitor, RunView


def sentence_of(task, key, values, outcomes=None):
    """The headline of a run whose solver and baselines have these values; None for one that has none."""
    titles = ("SineNet", "U-Net", "Persistence")
    entries = [
        Competitor(title.lower(), title, {} if value is None else {key: value}, outcomes or {"ok": 5})
        for title, value in zip(titles, values, strict=False)
    ]
    view = RunView(task=task, problem_key="torus_waves", problem=None, competitors=tuple(entries))
    return headline(view).replace("\N{NON-BREAKING HYPHEN}", "-")


@pytest.mark.parametrize(
    ("task", "key", "values", "sentence"),
    [
        ("classification", "accuracy", (0.97, 0.95), "SineNet beats U-Net in accuracy: 0.970 vs 0.950"),
        ("classification", "accuracy", (0.9, 0.95), "SineNet trails U-Net in accuracy: 0.900 vs 0.950"),
        ("classification", "accuracy", (0.9, None), "SineNet reaches an accuracy of 0.900"),
        ("density", "nll", (-0.5, 0.1), "SineNet beats U-Net in negative log-likelihood: -0.500 vs 0.100"),
        ("density", "nll", (0.5, None), "SineNet reaches a negative log-likelihood of 0.500"),
        ("density", "normalisation", (0.98, 1.3), "SineNet beats U-Net in integral of the density: 0.980 vs 1.30"),
        ("density", "normalisation", (0.5, 1.0), "SineNet trails U-Net in integral of the density: 0.500 vs 1.00"),
        ("paths", "moments/loss", (1.0, 2.0), "SineNet halves the error of mean and variance of U-Net: 1.00 vs 2.00"),
        ("no_such_task", "score", (1.0, 2.0), "SineNet reaches a score of 1.00"),
    ],
)
def test_a_headline_knows_which_way_is_better(task, key, values, sentence):
    assert sentence_of(task, key, values) == sentence


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ((0.1, 0.2), "SineNet halves the one-step error of U-Net: 0.100 vs 0.200"),
        ((0.05, 0.2), "SineNet cuts the one-step error of U-Net to a quarter: 0.0500 vs 0.200"),
        ((0.15, 0.2), "SineNet lowers the one-step error of U-Net by 25 %: 0.150 vs 0.200"),
        ((0.00002, 0.2), "SineNet beats U-Net in one-step error: 2.00·10⁻⁵ vs 0.200"),
        ((0.002, 0.2), "SineNet has a 100x lower one-step error than U-Net: 0.00200 vs 0.200"),
        ((0.3, 0.2), "SineNet does not beat U-Net: one-step error 0.300 vs 0.200"),
        ((0.2, 0.2), "SineNet matches U-Net in one-step error: 0.200"),
        ((float("nan"), 0.2), "SineNet on torus_waves: the one-step error is not finite"),
        ((1.29,), "SineNet is no better than answering zero: one-step error 1.29"),
        ((1.19, 1.29), "Neither SineNet nor U-Net is better than answering zero: one-step error 1.19 vs 1.29"),
        ((1.19, 0.9), "SineNet does not beat U-Net: one-step error 1.19 vs 0.900"),
        ((0.9, 1.29), "SineNet lowers the one-step error of U-Net by 30 %: 0.900 vs 1.29"),
        ((0.2, None, 0.7), "SineNet lowers the one-step error of Persistence by 71 %: 0.200 vs 0.700"),
    ],
)
def test_a_headline_compares_with_the_strongest_baseline(values, sentence):
    assert sentence_of("forecast", "one_step/relative_l2", values) == sentence


def test_failures_come_first_and_samples_have_the_name_of_the_task():
    outcomes = {"ok": 4, "diverged": 1}
    assert sentence_of("forecast", "one_step/relative_l2", (0.1,), outcomes) == "SineNet fails on 1 of 5 test rollouts"
    assert sentence_of("density", "nll", (0.1,), outcomes) == "SineNet fails on 1 of 5 test points"
    assert sentence_of("forecast", "x", (None,)) == "SineNet on torus_waves: no test metric was recorded"
