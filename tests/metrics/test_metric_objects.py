"""What a metric says of a number: words, units, direction; and how a key finds it."""

import math

import pytest

from sciml.core.errors import UnknownNameError, UserError
from sciml.core.problem import Field, Problem
from sciml.metrics import RELATIVE_L2, VALID_STEPS, VRMSE, Metric, check_metric, find_metric, headline_metrics

GAS = Problem(
    name="gas",
    title="A gas",
    equation="p = ρ R T",
    fields=(Field("temperature", "T", "K", "temperature"), Field("pressure", "p", "Pa", "pressure")),
    boundary={},
    citation="A textbook.",
)
MAE = Metric(
    "mae/*", "mean absolute error of {0}", units="", names=lambda problem: [field.name for field in problem.fields]
)
METRICS = (
    RELATIVE_L2.within("one_step", "one step ahead", brief="one-step error", headline=True),
    VRMSE.within("rollout", "rollout", headline=True),
    VALID_STEPS.within("rollout", "rollout"),
    Metric("mae/all", "mean absolute error of everything"),
    MAE,
    MAE.within("beyond", "parameters out of range"),
    Metric("constraint/*", "largest violation of {0}"),
    Metric("normalisation", "integral", better="target", target=1.0),
    Metric("floor", "floor", better="none"),
)


def test_a_metric_is_found_with_the_part_of_the_examination_it_belongs_to():
    assert find_metric(METRICS, "one_step/relative_l2").label == "relative L2 error, one step ahead"
    assert find_metric(METRICS, "one_step/relative_l2").words == "one-step error"
    assert find_metric(METRICS, "rollout/vrmse").words == "VRMSE, rollout"
    assert find_metric(METRICS, "rollout/valid_steps").better == "higher"


def test_a_family_has_a_member_for_every_name():
    member = find_metric(METRICS, "mae/ignition_delay")
    assert (member.key, member.label, member.units) == (
        "mae/ignition_delay",
        "mean absolute error of ignition delay",
        "",
    )
    assert find_metric(METRICS, "mae/all").label == "mean absolute error of everything"
    outside = find_metric(METRICS, "beyond/mae/temperature")
    assert outside.label == "mean absolute error of temperature, parameters out of range"
    assert find_metric(METRICS, "mae/a/b").better == "none"


def test_a_key_that_nobody_declares_has_words_and_no_direction():
    metric = find_metric(METRICS, "old_part/some_score")
    assert metric.label == "some score, old part"
    assert metric.better == "none"
    assert metric.strongest({"a": 1.0, "b": 2.0}) is None


def test_the_strongest_depends_on_what_is_better():
    values = {"a": 0.8, "b": 1.1, "c": None, "d": math.nan}
    assert VRMSE.strongest(values) == "a"
    assert VALID_STEPS.strongest(values) == "b"
    assert find_metric(METRICS, "normalisation").strongest(values) == "b"
    assert find_metric(METRICS, "normalisation").strongest({"a": 0.99, "b": 1.01}) == "a"  # the first of those level
    assert VRMSE.strongest({"a": None, "b": math.nan}) is None


def test_a_misspelt_key_is_refused_with_the_nearest_name():
    assert check_metric(METRICS, "mae/pressure", GAS).label == "mean absolute error of pressure"
    assert check_metric(METRICS, "constraint/positivity", GAS).label == "largest violation of positivity"
    for wrong, right in (("mae/temprature", "mae/temperature"), ("one_step/relativel2", "one_step/relative_l2")):
        with pytest.raises(UnknownNameError, match=f"Did you mean '{right}'"):
            check_metric(METRICS, wrong, GAS)
    with pytest.raises(UnknownNameError, match="mae"):
        check_metric(METRICS, "mae/*", GAS)


def test_headline_metrics_begin_with_those_of_the_problem():
    measured = ["rollout/vrmse", "mae/pressure", "one_step/relative_l2", "normalisation"]
    keys = [metric.key for metric in headline_metrics(METRICS, measured, first=("mae/pressure", "mae/absent"))]
    assert keys == ["mae/pressure", "one_step/relative_l2", "rollout/vrmse"]
    assert [metric.key for metric in headline_metrics(METRICS, ["x", "y", "z"], most=2)] == ["x", "y"]


def test_a_metric_that_contradicts_itself_is_refused():
    with pytest.raises(UserError, match="target"):
        Metric("a", "a", better="target")
    with pytest.raises(UserError, match="place for one name"):
        Metric("mae/*", "mean absolute error")
