"""Scores of outcomes and constraints, and what a task says of problems that have them."""

import math

import numpy as np
import pytest
import torch
from rotators import TrajectoryRotator
from sklearn.metrics import roc_auc_score
from torch import nn

from sciml.core import registry
from sciml.core.types import Prediction
from sciml.tasks.trajectories import (
    TRAJECTORIES,
    Start,
    TrajectoriesConfig,
    area_under_curve,
    constraint_scores,
    derived_scores,
    map_inputs,
    named_parameters,
    outcome_scores,
)
from sciml.testing import PROBLEMS

TANK = PROBLEMS / "warm_tank"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("tank")))
        return TRAJECTORIES.prepare(registry.find_problem(TANK), "tiny", TrajectoriesConfig(window=None))


def between(frames, states, times):
    """States at any times, by linear interpolation."""
    late = torch.searchsorted(frames, times.double()).clamp(1, len(frames) - 1)
    share = (times.double() - frames[late - 1]) / (frames[late] - frames[late - 1])
    return torch.lerp(states[:, late - 1], states[:, late], share[None, :, None].float())


class Shifted(TrajectoryRotator):
    """Answers with the truth of a split plus a constant per field; optionally NaN for the first sample."""

    def __init__(self, bench, shift, broken=False):
        self.bench, self.shift, self.broken = bench, torch.tensor(shift), broken

    def predict(self, module, inputs):
        for name in ("test", "valid"):
            states = self.bench.source.split(name).states
            if states[:, 0].equal(inputs.state):
                predicted = states + self.shift
                predicted[:, 0] = inputs.state
                predicted = between(self.bench.source.layout.times, predicted, inputs.times)
                if self.broken:
                    predicted[0, len(inputs.times) // 8 :] = math.nan
                return Prediction(predicted)
        assert len(inputs.state) == 225, "it was asked for something else than the map of outcomes"
        return Prediction(inputs.state[:, None].expand(-1, len(inputs.times), -1))


def test_the_area_is_that_of_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        scores = (10 * torch.rand(40, generator=generator)).round() / 10  # with ties
        positive = torch.rand(40, generator=generator) < 0.4
        assert area_under_curve(scores, positive) == pytest.approx(roc_auc_score(positive.numpy(), scores.numpy()))
    assert area_under_curve(scores, torch.ones(40, dtype=torch.bool)) is None


def test_the_truth_has_every_outcome_right_and_no_violation(bench):
    metrics = bench.examine(Shifted(bench, [0.0, 0.0, 0.0]), nn.Identity()).metrics
    assert metrics["outcome/accuracy"] == 1.0
    assert metrics["outcome/auc"] == 1.0
    assert metrics["constraint/shares"] < 1e-6
    assert metrics["constraint/positivity"] < 1e-6
    assert metrics["mae/temperature"] == metrics["mae/fuel"] == 0.0
    assert "window/relative_l2" not in metrics


def test_errors_per_field_are_in_its_units_and_violations_are_the_largest(bench):
    metrics = bench.examine(Shifted(bench, [2.0, 0.5, -0.25]), nn.Identity()).metrics
    assert metrics["mae/temperature"] == pytest.approx(2.0, rel=1e-5)
    assert metrics["mae/fuel"] == pytest.approx(0.5, rel=1e-5)
    assert metrics["constraint/shares"] == pytest.approx(0.25, abs=1e-5)
    lowest = float(bench.source.split("test").states[:, 1:, 2].min())
    assert metrics["constraint/positivity"] == pytest.approx(0.25 - lowest, abs=1e-5)
    assert metrics["outcome/accuracy"] < 1.0


def test_a_prediction_that_breaks_down_is_wrong_and_undecided(bench):
    states = bench.source.split("test").states.double()
    params = named_parameters(bench.problem, bench.source.split("test").parameters)
    broken = states.clone()
    broken[0] = math.nan
    whole = outcome_scores(bench.problem, Prediction(states), states, params)
    spoilt = outcome_scores(bench.problem, Prediction(broken), states, params)
    assert spoilt["outcome/accuracy"] == pytest.approx(1 - 1 / len(states))
    assert spoilt["outcome/auc"] <= whole["outcome/auc"]
    assert all(math.isnan(v) for v in constraint_scores(bench.problem, broken, params).values())


def test_problems_without_outcome_or_constraints_have_no_such_scores(rotation):
    problem, states = registry.find_problem(rotation), torch.zeros(2, 3, 2)
    assert outcome_scores(problem, Prediction(states), states, {}) == {}
    assert derived_scores(problem, torch.arange(3.0), Prediction(states), Prediction(states), {}) == {}
    assert map_inputs(problem, problem.grid(()), 3) is None
    assert constraint_scores(problem, states, {}) == {}


def test_derived_quantities_are_scored_where_both_have_them(bench):
    """All temperatures 2 higher: a peak 2 too high in every case, and a crossing where there was none is not scored."""
    metrics = bench.examine(Shifted(bench, [2.0, 0.0, 0.0]), nn.Identity()).metrics
    split = bench.source.split("test")
    true = bench.problem.derived_values(bench.source.layout.times, split.states.double(), {})
    happens = int(true["runaway_time"].isfinite().sum())
    assert 0 < happens < len(split)
    assert metrics["summary/peak_temperature"] == pytest.approx(2.0, rel=1e-5)
    assert metrics["compared/peak_temperature"] == len(split)
    assert metrics["compared/runaway_time"] == happens
    assert metrics["summary/runaway_time"] > 0.5  # all cross at the first step
    exact = bench.examine(Shifted(bench, [0.0, 0.0, 0.0]), nn.Identity())
    assert exact.metrics["summary/runaway_time"] < 1e-6
    assert (
        bench.examine(Shifted(bench, [0.0, 0.0, 0.0], broken=True), nn.Identity()).metrics["compared/peak_temperature"]
        == len(split) - 1
    )
    torch.testing.assert_close(
        torch.as_tensor(exact.arrays["summary_runaway_time"].values), true["runaway_time"], equal_nan=True, rtol=1e-6,
        atol=0,
    )  # fmt: skip
    assert exact.arrays["summary_peak_temperature"].attrs["role"] == "summary"
    never = bench.examine(Shifted(bench, [-9.0, 0.0, 0.0]), nn.Identity()).metrics
    assert never["compared/runaway_time"] == 0 and "summary/runaway_time" not in never


def test_what_a_solver_states_itself_comes_before_what_its_states_say(bench):
    class Stating(Shifted):
        def predict(self, module, inputs):
            prediction = super().predict(module, inputs)
            count = len(prediction.mean)
            stated = {"chance": torch.zeros(count), "summary/peak_temperature": torch.full((count,), 7.0)}
            return prediction._replace(stats=stated)

    prediction = bench.examine(Stating(bench, [0.0, 0.0, 0.0]), nn.Identity())
    states = bench.source.split("test").states
    happened = bench.problem.chance(states, {}) > 0.5
    assert prediction.metrics["outcome/accuracy"] == pytest.approx(float((~happened).double().mean()))
    assert prediction.metrics["outcome/auc"] == 0.5
    peaks = states[..., 0].amax(1)
    assert prediction.metrics["summary/peak_temperature"] == pytest.approx(float((7 - peaks).abs().mean()), rel=1e-5)
    assert prediction.metrics["mae/temperature"] == 0.0
    assert prediction.arrays["chance"].values.tolist() == [0.0] * len(states)


def test_the_map_varies_two_parameters_and_holds_the_others_mid_range(bench):
    states, parameters = map_inputs(bench.problem, bench.source.grid, 5)
    energy, place, duration = parameters.unbind(1)
    assert states.shape == (25, 3)
    torch.testing.assert_close(duration, torch.full((25,), math.sqrt(0.3 * 0.6)))  # it is drawn by its logarithm
    torch.testing.assert_close(place[:5], torch.linspace(0, 1, 5))
    torch.testing.assert_close(energy[::5], torch.linspace(0.4, 1.2, 5))
    assert (energy[:5] == energy[0]).all()
    chance = bench.examine(Mapped(bench, [0.0, 0.0, 0.0]), nn.Identity()).arrays["chance_map"]
    assert chance.dims == ("energy", "place")
    fuel = 0.8 - 0.6 * (chance["energy"] + chance["place"]) / 2.2
    np.testing.assert_allclose(chance, 1 / (1 + np.exp(-(0.4 - fuel) / 0.05)), rtol=1e-4)


class Mapped(Shifted):
    """On the map, fuel is left the less the more energy and the farther from the wall."""

    def predict(self, module, inputs):
        if len(inputs.state) == 225:
            fuel = 0.8 - 0.6 * (inputs.parameters[:, 0] + inputs.parameters[:, 1]) / 2.2
            predicted = inputs.state[:, None].repeat(1, len(inputs.times), 1)
            predicted[:, -1, 1] = fuel
            return Prediction(predicted)
        return super().predict(module, inputs)


def test_fields_of_different_units_are_validated_in_standard_deviations(bench, monkeypatch):
    """All units of the tank are 1; with others, an error of a field counts by its spread and not by its unit."""
    solver, true = Shifted(bench, [0.3, 0.0, 0.0]), bench.source.split("valid").states
    sizes = true[:, 1:].double().square().sum(2).mean(1).sqrt()
    plain = float((solver.shift.double().norm() / sizes).mean())
    assert bench.validate(solver, nn.Identity()) == pytest.approx(plain, rel=1e-3)
    fields = list(bench.problem.fields)
    mixed = [*fields[1:], _with_units(fields[0], "K")]
    monkeypatch.setattr(type(bench.problem), "fields", property(lambda self: mixed), raising=False)
    scaled = float((solver.shift.flatten() / bench.context.statistics.field_std).abs().double().mean())
    assert bench.validate(solver, nn.Identity()) == pytest.approx(scaled, rel=1e-3)
    assert scaled != pytest.approx(plain, rel=0.1)


def _with_units(field, units):
    return type(field)(field.name, field.symbol, units, field.long_name)


def test_derived_quantities_do_not_depend_on_the_times_asked_for(bench):
    """Two, eleven or all frames of the truth: the same crossing and the same peak."""
    solver, start = Shifted(bench, [0.0, 0.0, 0.0]), bench.source.split("test")
    found = []
    for count in (2, 11, 33):
        times = torch.linspace(0, float(bench.source.layout.times[-1]), count)
        inputs = Start(start.states[:, 0], start.parameters, times)
        prediction = solver.predict(nn.Identity(), inputs)
        answer = TRAJECTORIES.complete(solver, nn.Identity(), inputs, prediction, bench.problem)
        found.append(torch.stack([answer.stats[f"summary/{n}"] for n in ("runaway_time", "peak_temperature")]))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-6, atol=0, equal_nan=True)
    computed = bench.problem.derived_values(bench.source.layout.times, start.states.double(), {})
    torch.testing.assert_close(found[0][1], computed["peak_temperature"], rtol=1e-6, atol=0)
