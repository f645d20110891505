"""Scores of outcomes and constraints, and what a task says of problems that have them."""

import math
from pathlib import Path

import pytest
import torch
from rotators import TrajectoryRotator
from sklearn.metrics import roc_auc_score
from torch import nn

from sciml.core import registry
from sciml.core.types import Prediction
from sciml.train import Trajectories, TrajectoriesConfig
from sciml.train._outcome import area_under_curve, constraint_scores, named_parameters, outcome_scores
from sciml.train._trajectories import _errors, whole_error

TANK = Path(__file__).parent.parent / "fixtures" / "warm_tank"


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("tank")))
        return Trajectories.prepare(registry.problem(TANK), "tiny", TrajectoriesConfig(window=None))


class Shifted(TrajectoryRotator):
    """Answers with the truth of a split plus a constant per field; optionally NaN for the first sample."""

    def __init__(self, task, shift, broken=False):
        self.task, self.shift, self.broken = task, torch.tensor(shift), broken

    def predict(self, module, inputs):
        for name in ("test", "valid"):
            states = self.task.source.split(name).states
            if states[:, 0].equal(inputs.state):
                found = states + self.shift
                found[:, 0] = inputs.state
                if self.broken:
                    found[0, 3:] = math.nan
                return Prediction(found)
        raise AssertionError("it was asked for something else")


def test_the_area_is_that_of_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        scores = (10 * torch.rand(40, generator=generator)).round() / 10  # with ties
        positive = torch.rand(40, generator=generator) < 0.4
        assert area_under_curve(scores, positive) == pytest.approx(roc_auc_score(positive.numpy(), scores.numpy()))
    assert area_under_curve(scores, torch.ones(40, dtype=torch.bool)) is None


def test_the_truth_has_every_outcome_right_and_no_violation(task):
    found = task.examine(Shifted(task, [0.0, 0.0, 0.0]), nn.Identity()).metrics
    assert found["outcome/accuracy"] == 1.0
    assert found["outcome/auc"] == 1.0
    assert found["constraint/shares"] < 1e-6
    assert found["constraint/positivity"] < 1e-6
    assert found["mae/temperature"] == found["mae/fuel"] == 0.0
    assert "window/relative_l2" not in found


def test_errors_per_field_are_in_its_units_and_violations_are_the_largest(task):
    found = task.examine(Shifted(task, [2.0, 0.5, -0.25]), nn.Identity()).metrics
    assert found["mae/temperature"] == pytest.approx(2.0, rel=1e-5)
    assert found["mae/fuel"] == pytest.approx(0.5, rel=1e-5)
    assert found["constraint/shares"] == pytest.approx(0.25, abs=1e-5)
    lowest = float(task.source.split("test").states[:, 1:, 2].min())
    assert found["constraint/positivity"] == pytest.approx(0.25 - lowest, abs=1e-5)
    assert found["outcome/accuracy"] < 1.0


def test_a_prediction_that_breaks_down_is_wrong_and_undecided(task):
    states = task.source.split("test").states.double()
    params = named_parameters(task.problem, task.source.split("test").parameters)
    broken = states.clone()
    broken[0] = math.nan
    whole = outcome_scores(task.problem, states, states, params)
    assert outcome_scores(task.problem, broken, states, params)["outcome/accuracy"] == pytest.approx(
        1 - 1 / len(states)
    )
    assert outcome_scores(task.problem, broken, states, params)["outcome/auc"] <= whole["outcome/auc"]
    assert all(math.isnan(v) for v in constraint_scores(task.problem, broken, params).values())


def test_problems_without_outcome_or_constraints_have_no_such_scores(rotation):
    problem, states = registry.problem(rotation), torch.zeros(2, 3, 2)
    assert outcome_scores(problem, states, states, {}) == {}
    assert constraint_scores(problem, states, {}) == {}


def test_fields_of_different_units_are_validated_in_standard_deviations(task, monkeypatch):
    """All units of the tank are 1; with others, an error of a field counts by its spread and not by its unit."""
    solver, true = Shifted(task, [0.3, 0.0, 0.0]), task.source.split("valid").states
    plain = float(whole_error(_errors(true + solver.shift, true)).double().mean())
    assert task.validate(solver, nn.Identity()) == pytest.approx(plain, rel=1e-3)
    fields = list(task.problem.fields)
    mixed = [*fields[1:], _with_units(fields[0], "K")]
    monkeypatch.setattr(type(task.problem), "fields", property(lambda self: mixed), raising=False)
    scaled = float((solver.shift.flatten() / task.statistics.field_std).abs().double().mean())
    assert task.validate(solver, nn.Identity()) == pytest.approx(scaled, rel=1e-3)
    assert scaled != pytest.approx(plain, rel=0.1)


def _with_units(field, units):
    return type(field)(field.name, field.symbol, units, field.long_name)
