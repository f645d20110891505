"""Regressions from parameters to whole trajectories: they interpolate, generalise, and see the training split only."""

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.capabilities import Evolves, HasTrajectories
from sciml.core.errors import ConfigError, UserError
from sciml.core.problem import Field, Parameter, Problem
from sciml.core.status import Status
from sciml.data import Statistics
from sciml.nn import Units
from sciml.solvers.baselines import (
    GaussianProcess,
    GaussianProcessConfig,
    GaussianProcessSolver,
    KernelRidgeConfig,
    KernelRidgeSolver,
    MLPRegressionConfig,
    MLPRegressionSolver,
)
from sciml.tasks.trajectories import TRAJECTORIES, Start, TrajectoriesConfig, TrajectoriesContext, TrajectoryBatch
from sciml.testing import PROBLEMS
from sciml.train import TrainConfig, Trainer

TANK = PROBLEMS / "warm_tank"
TIMES = torch.linspace(0, 2, 21)
CLOSED = (
    (KernelRidgeSolver(), KernelRidgeConfig(samples=40, frames=24, gammas=(0.03, 0.3), alphas=(1e-8, 1e-4))),
    (GaussianProcessSolver(), GaussianProcessConfig(samples=40, frames=24, modes=6, restarts=0)),
)
PROBLEM = HasTrajectories(
    name="waves",
    title="waves",
    equation="",
    fields=(Field("a", "a", "1", "a"), Field("b", "b", "1", "b")),
    parameters=(Parameter("rate", "r", "1", "rate", 1.0, 2.0), Parameter("size", "s", "1", "size", 1.0, 2.0)),
    boundary={},
    citation="",
)


class Examples:
    """Whole trajectories (s cos r t, 3 + s sin r t) of drawn (r, s)."""

    def __init__(self, count, seed=0):
        draw = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed))
        self.parameters, self.times = 1 + draw, TIMES
        angle = self.parameters[:, :1] * TIMES
        size = self.parameters[:, 1:]
        self.states = torch.stack((size * angle.cos(), 3 + size * angle.sin()), dim=2)

    def __len__(self):
        return len(self.states)

    def batch(self, indices, generator):
        return TrajectoryBatch(self.states[indices], self.times, self.parameters[indices])

    def context(self):
        moments = [v for x in (self.states.flatten(0, 1), self.parameters) for v in (x.mean(0), x.std(0))]
        return TrajectoriesContext(statistics=Statistics(*moments), dt=0.1, frames=len(TIMES))

    def start(self):
        return Start(self.states[:, 0], self.parameters, self.times)


def fitted(solver, model, examples):
    rng.seed_everything(0)
    module = solver.build(PROBLEM, model, examples.context())
    assert solver.solve_closed_form(module, examples)
    return module


@pytest.mark.parametrize(("solver", "model"), CLOSED, ids=lambda v: getattr(v, "key", ""))
def test_it_learns_a_smooth_family(solver, model):
    known, other = Examples(40), Examples(50, seed=1)
    prediction = solver.predict(fitted(solver, model, known), other.start())
    assert (prediction.status == Status.OK).all()
    assert float((prediction.mean - other.states).abs().mean()) < 0.01
    assert torch.equal(prediction.mean[:, 0], other.states[:, 0])


def test_kernel_ridge_without_penalty_interpolates():
    """The error at the training points goes to zero with the penalty."""
    known, errors = Examples(12), []
    for alpha in (1e-2, 1e-4, 1e-10):
        model = KernelRidgeConfig(samples=12, frames=24, gammas=(0.3,), alphas=(alpha,), folds=3, degree=1)
        module = fitted(KernelRidgeSolver(), model, known)
        errors.append(float((KernelRidgeSolver().predict(module, known.start()).mean - known.states).abs().max()))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 1e-5


def test_a_gaussian_process_doubts_far_from_its_points():
    solver, known = GaussianProcessSolver(), Examples(30)
    module = fitted(solver, CLOSED[1][1], known)
    spread = [
        solver.predict(module, known.start()._replace(parameters=known.parameters + shift)).spread[:, -1].mean()
        for shift in (0.0, 2.0)
    ]
    assert spread[1] > 5 * spread[0]


def test_the_network_learns_by_the_trainer(tmp_path):
    known, solver = Examples(30), MLPRegressionSolver()
    rng.seed_everything(0)
    module = solver.build(PROBLEM, MLPRegressionConfig(width=16, layers=2), known.context())
    solver.initialise(module, known)
    other = Examples(20, seed=1)

    def score(candidate):
        return float((solver.predict(candidate, other.start()).mean - other.states).abs().mean())

    before = score(module)
    config = TrainConfig(steps=150, batch_size=15, learning_rate=2e-2, evaluate_every=50)
    Trainer(module, solver.loss, known, score, config, folder=tmp_path, seed=0, identity={}).fit()
    assert score(module) < 0.15 * before


@pytest.mark.parametrize(("solver", "model"), CLOSED, ids=lambda v: getattr(v, "key", ""))
def test_between_and_beyond_the_training_times(solver, model):
    """Linear in between; refused beyond, for nothing is known there."""
    known = Examples(20)
    module = fitted(solver, model, known)
    frames = solver.predict(module, known.start()).mean
    middle = known.start()._replace(times=torch.tensor([0.0, 0.45, 2.0]))
    torch.testing.assert_close(solver.predict(module, middle).mean[:, 1], frames[:, 4:6].mean(1), rtol=1e-4, atol=1e-5)
    with pytest.raises(UserError, match=r"times after those of training.*got 2.5; expected between 0 and 2"):
        solver.predict(module, known.start()._replace(times=torch.tensor([0.0, 1.0, 2.5])))


@pytest.mark.parametrize(("solver", "model"), CLOSED, ids=lambda v: getattr(v, "key", ""))
def test_nothing_of_another_split_is_seen(solver, model, monkeypatch):
    """Scalers, modes and points come from the training split: other splits may hold anything."""
    tank = registry.find_problem(TANK)
    bench = TRAJECTORIES.prepare(tank, "tiny", TrajectoriesConfig(window=None))
    train = bench.source.split("train")
    expected = train.states[train.good].double().mean((0, 1))
    torch.testing.assert_close(bench.context.statistics.field_mean.double(), expected, rtol=1e-5, atol=0)
    parameters = train.parameters[train.good].double().std(0, correction=0)
    torch.testing.assert_close(bench.context.statistics.parameter_std.double(), parameters, rtol=1e-5, atol=0)
    model = model.model_copy(update={"frames": 40})

    def weights():
        module = solver.build(tank, model, bench.context)
        solver.solve_closed_form(module, bench.examples)
        return module.state_dict()

    first, split = weights(), type(bench.source).split
    monkeypatch.setattr(
        type(bench.source), "split",
        lambda self, name: split(self, name) if name == "train" else pytest.fail(f"it asked for {name}"),
    )  # fmt: skip
    again = weights()
    assert all(torch.equal(first[key], again[key]) for key in first)
    count = len(train.good)
    module = solver.build(tank, model, bench.context)
    points = first["map.points"] if "map.points" in first else first["coefficients.points"][0]
    known = module.frames.units.known(train.parameters[train.good])
    torch.testing.assert_close(points[:count].float(), known, rtol=1e-5, atol=1e-6)
    assert (points[count:] == 0).all()


def test_too_many_frames_are_refused():
    with pytest.raises(ConfigError, match=r"model\.frames=8"):
        fitted(KernelRidgeSolver(), KernelRidgeConfig(samples=4, frames=8), Examples(4))


def test_more_trajectories_than_room_are_thinned_out():
    module = fitted(
        KernelRidgeSolver(), KernelRidgeConfig(samples=10, frames=24, gammas=(0.3,), alphas=(1e-4,)), Examples(30)
    )
    assert (module.map.points.abs().sum(1) > 0).all()


def test_without_parameters_there_is_nothing_to_regress_on():
    class Free(Evolves):
        grid = initial = simulate = None

    free = Free(name="free", title="", equation="", fields=PROBLEM.fields, boundary={}, citation="")
    assert "no parameters" in KernelRidgeSolver().supports(free).reason
    bare = Problem(name="bare", title="", equation="", fields=PROBLEM.fields, boundary={}, citation="")
    assert "no trajectories" in KernelRidgeSolver().supports(bare).reason


def test_a_gaussian_process_states_derived_quantities_by_processes_of_their_own():
    """Of the peak, which is a smooth function of the parameters, better than its own trajectories' peaks are."""
    tank = registry.find_problem(TANK)
    times = torch.linspace(0, 8, 33, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    draws = [tank.draw(generator) for _ in range(40)]
    params = {name: torch.stack([draw[name] for draw in draws]) for name in draws[0]}
    start = tank.initial(params, tank.grid(()), generator).expand(40, -1)
    states = tank.simulate(params, start, times, tank.grid(())).states
    columns = torch.stack(list(params.values()), 1).float()
    moments = [v for x in (states.flatten(0, 1), columns) for v in (x.mean(0).float(), x.std(0).float())]
    module = GaussianProcess(GaussianProcessConfig(samples=30, frames=40, modes=1), Units(Statistics(*moments)), tank)
    module.learn(TrajectoryBatch(states[:30].float(), times.float(), columns[:30]))
    solver, inputs = GaussianProcessSolver(), Start(states[30:, 0].float(), columns[30:], times.float())
    prediction = solver.predict(module, inputs)
    truth = tank.derived_values(times, states[30:], {name: value[30:] for name, value in params.items()})
    computed = tank.derived_values(
        times, prediction.mean.double(), {name: value[30:] for name, value in params.items()}
    )
    stated = prediction.stats["summary/peak_temperature"]
    errors = [float((v - truth["peak_temperature"]).abs().mean()) for v in (stated, computed["peak_temperature"])]
    assert errors[0] < 0.7 * errors[1]
    assert torch.equal(prediction.stats["summary/runaway_time"].isnan(), computed["runaway_time"].isnan())
