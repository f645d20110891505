"""Boosted trees of an outcome: the same as the library's, saved as tensors, honest about what they cannot tell."""

import pytest
import torch

from sciml.core import registry
from sciml.data import Statistics
from sciml.nn import Units
from sciml.solvers.baselines import BoostedTreesConfig, BoostedTreesOfModes, BoostedTreesSolver
from sciml.tasks.trajectories import TRAJECTORIES, Start, TrajectoriesConfig, TrajectoriesContext, TrajectoryBatch
from sciml.testing import PROBLEMS

TANK = PROBLEMS / "warm_tank"
SOLVER, TIMES = BoostedTreesSolver(), torch.linspace(0, 8, 5)
CONFIG = BoostedTreesConfig(trees=40, frames=8, depths=(1, 2), folds=3)


class Runaways:
    """Tanks whose fuel is gone at the end where E (1 + x) > 1.2, or always, or never."""

    def __init__(self, count, outcome=None, seed=0):
        draw = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))
        self.parameters = torch.tensor([0.4, 0.0, 0.3]) + draw * torch.tensor([0.8, 1.0, 0.3])
        happens = self.parameters[:, 0] * (1 + self.parameters[:, 1]) > 1.2
        self.happens = happens if outcome is None else torch.full_like(happens, outcome)
        burnt = self.happens[:, None].float() * TIMES / 8
        noise = 0.01 * torch.randn(count, 1, generator=torch.Generator().manual_seed(seed + 1))
        self.states = torch.stack((1 + 3 * burnt + noise, 0.8 * (1 - burnt), 0.2 + 0.8 * burnt), dim=2)

    def __len__(self):
        return len(self.states)

    def batch(self, indices, generator):
        return TrajectoryBatch(self.states[indices], TIMES, self.parameters[indices])

    def start(self):
        return Start(self.states[:, 0], self.parameters, TIMES)

    def fitted(self, config=CONFIG):
        problem = registry.find_problem(TANK)
        moments = [v for x in (self.states.flatten(0, 1), self.parameters) for v in (x.mean(0), x.std(0) + 1e-6)]
        context = TrajectoriesContext(statistics=Statistics(*moments), dt=2.0, frames=len(TIMES))
        module = SOLVER.build(problem, config, context)
        assert SOLVER.solve_closed_form(module, self)
        return module


def test_chances_are_those_of_the_library():
    from sklearn.ensemble import GradientBoostingClassifier

    seen, new = Runaways(120), Runaways(200, seed=5)
    module = seen.fitted(BoostedTreesConfig(trees=17, frames=8, depths=(3,), folds=3))
    grown = int((module.map.value != 0).any(-1).sum())
    estimator = GradientBoostingClassifier(
        n_estimators=grown, max_depth=3, learning_rate=0.1, min_samples_leaf=3, random_state=0
    )
    scaled = [module.frames.units.known(p).numpy() for p in (seen.parameters, new.parameters)]
    estimator.fit(scaled[0], seen.happens.numpy())
    expected = torch.from_numpy(estimator.predict_proba(scaled[1])[:, 1])
    torch.testing.assert_close(SOLVER.predict(module, new.start()).stats["chance"], expected, rtol=1e-9, atol=1e-9)


def test_outcomes_are_told_apart_and_trajectories_are_the_means():
    seen, new = Runaways(160), Runaways(300, seed=5)
    module = seen.fitted()
    prediction = SOLVER.predict(module, new.start())
    predicted = prediction.stats["chance"] > 0.5
    assert float((predicted == new.happens).double().mean()) > 0.85
    for outcome in (False, True):
        mean = seen.states[seen.happens == outcome].mean(0)
        rows = prediction.mean[predicted == outcome]
        torch.testing.assert_close(rows[:, 1:], mean[1:].expand(len(rows), -1, -1), rtol=1e-4, atol=1e-4)
    assert torch.equal(prediction.mean[:, 0], new.states[:, 0])
    assert prediction.status.tolist() == [0] * 300


def test_noise_is_not_learnt():
    """Labels that have nothing to do with the parameters: cross-validation keeps few trees."""
    seen = Runaways(60)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(3))
    seen.states, seen.happens = seen.states[order], seen.happens[order]
    module = seen.fitted()
    assert int((module.map.value != 0).any(-1).sum()) < 20


@pytest.mark.parametrize("outcome", [True, False])
def test_one_outcome_alone_is_what_it_predicts(outcome):
    seen = Runaways(10, outcome)
    prediction = SOLVER.predict(seen.fitted(), seen.start())
    assert ((prediction.stats["chance"] > 0.5) == outcome).all()
    assert ((prediction.stats["chance"] - 0.5).abs() < 0.499).all()  # ten cases are no certainty
    torch.testing.assert_close(prediction.mean[0, 1:], seen.states.mean(0)[1:], rtol=1e-4, atol=1e-4)


def test_weights_hold_everything():
    seen = Runaways(60)
    module, other = seen.fitted(), Runaways(60, seed=9).fitted()
    other.load_state_dict(module.state_dict())
    a, b = (SOLVER.predict(m, seen.start()) for m in (module, other))
    assert torch.equal(a.mean, b.mean) and torch.equal(a.stats["chance"], b.stats["chance"])


def test_without_an_outcome_it_learns_whole_trajectories():
    """u = A exp(-k t) (1, 2): trees of the coefficients in the modes beat the mean, and are the library's."""
    draw = torch.rand(150, 2, generator=torch.Generator().manual_seed(2))
    parameters, times = 1 + draw, torch.linspace(0, 1, 6)
    course = parameters[:, :1] * torch.exp(-parameters[:, 1:] * times)
    states = torch.stack((course, 2 * course), dim=2)
    seen, new = slice(0, 100), slice(100, 150)
    moments = [v for x in (states[seen].flatten(0, 1), parameters[seen]) for v in (x.mean(0), x.std(0))]
    module = BoostedTreesOfModes(BoostedTreesConfig(trees=60, frames=8, folds=3, modes=3), Units(Statistics(*moments)))
    module.learn(TrajectoryBatch(states[seen], times, parameters[seen]))
    prediction = SOLVER.predict(module, Start(states[new, 0], parameters[new], times))
    error = (prediction.mean - states[new]).abs().mean()
    assert error < 0.25 * (states[seen].mean(0) - states[new]).abs().mean()
    assert "chance" not in prediction.stats
    program = SOLVER.program(module)
    torch.testing.assert_close(program(states[new, 0], parameters[new]), prediction.mean)


def test_in_the_task_its_chance_is_what_is_scored(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path))
    bench = TRAJECTORIES.prepare(registry.find_problem(TANK), "tiny", TrajectoriesConfig(window=None))
    config = BoostedTreesConfig(trees=20, frames=64, depths=(1,), folds=3)
    module = SOLVER.build(bench.problem, config, bench.context)
    SOLVER.solve_closed_form(module, bench.examples)
    examination = bench.examine(SOLVER, module)
    test = bench.source.split("test")
    start = Start(test.states[:, 0], test.parameters, bench.source.layout.times.float())
    chance = SOLVER.predict(module, start).stats["chance"]
    true = bench.problem.chance(test.states, {}) > 0.5
    assert examination.metrics["outcome/accuracy"] == float(((chance > 0.5) == true).double().mean())
    assert examination.arrays["chance"].values.tolist() == chance.tolist()
