"""A neural ODE that sees the time: what is switched on by the clock, windows at their own times, the default."""

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.errors import UnsupportedError
from sciml.data import Statistics
from sciml.models import Dynamics, IntegrateConfig, RegulariseConfig
from sciml.solvers.neural_ode import DynamicsConfig, NeuralODESolver
from sciml.tasks.trajectories import TRAJECTORIES, Start, TrajectoriesConfig, TrajectoriesContext, TrajectoryBatch
from sciml.testing import PROBLEMS

TANK = PROBLEMS / "warm_tank"
NONE = torch.zeros(0)
STATISTICS = Statistics(torch.zeros(1), torch.ones(1), NONE, NONE)
SOLVER = NeuralODESolver()


def make(clock, **settings):
    torch.manual_seed(0)
    return Dynamics(1, width=12, clock=clock, integrate=IntegrateConfig(rtol=1e-3, atol=1e-3), **settings)


def rests_then_moves():
    """x = 0 until t = 1, then x = t − 1: no autonomous equation can leave the rest."""
    times = torch.linspace(0, 2, 5)
    return TrajectoryBatch((times - 1).clamp_min(0)[None, :, None], times, torch.zeros(1, 0))


@pytest.mark.parametrize(("clock", "learns"), [(True, True), (False, False)])
def test_only_with_a_clock_is_something_learnt_that_begins_by_itself(clock, learns):
    module, rows = make(clock), rests_then_moves()
    if clock:
        module.block.field.end.fill_(2.0)
    optimiser = torch.optim.Adam(module.parameters(), 3e-2)
    for _ in range(50):
        optimiser.zero_grad()
        loss = SOLVER.loss(module, rows)
        loss.backward()
        optimiser.step()
    start = float(rows.states[:, 1:].square().mean())
    assert (float(loss.detach()) < 0.05 * start) == learns


def test_a_window_is_integrated_from_its_own_time():
    module, whole = make(True), rests_then_moves()
    window = TrajectoryBatch(whole.states[:, 2:], whole.times[:3], whole.parameters, whole.times[2:3])
    torch.testing.assert_close(window.moments[0], whole.times[2:])
    predicted = SOLVER.predict(module, Start(window.states[:, 0], window.parameters, whole.times[2:])).mean
    expected = (predicted[:, 1:] - window.states[:, 1:]).square().mean()
    torch.testing.assert_close(SOLVER.loss(module.eval(), window), expected)
    early = SOLVER.loss(module, TrajectoryBatch(window.states, window.times, window.parameters))
    assert not torch.isclose(early, expected)
    late = window.rows(slice(0, 1)).to("cpu")
    assert torch.equal(late.moments, window.moments)


def test_the_clock_is_on_where_a_source_acts_by_it(rotation, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path))
    bench = TRAJECTORIES.prepare(registry.find_problem(TANK), "tiny", TrajectoriesConfig(window=5))
    batch = bench.examples.batch(torch.arange(len(bench.examples)), rng.generator(0))
    torch.testing.assert_close(batch.moments[:, -1].max(), torch.tensor(8.0))
    torch.testing.assert_close(batch.moments[3], 0.75 + batch.times)
    for clock, expected in ((None, True), (False, False)):
        config = DynamicsConfig(width=4, rate=1.0, clock=clock)
        module = SOLVER.build(bench.problem, config, bench.context)
        assert ("block.field.end" in module.state_dict()) == expected
    module = SOLVER.build(bench.problem, DynamicsConfig(width=4), bench.context)
    SOLVER.initialise(module, bench.examples)
    assert float(module.block.field.end) == pytest.approx(8.0)
    plain = SOLVER.build(
        registry.find_problem(rotation),
        DynamicsConfig(width=4),
        bench.context.model_copy(update={"statistics": STATISTICS}),
    )
    assert not plain.clock


def test_what_the_clock_switches_on_is_never_stepped_over():
    """A unit of everything within two thousandths, between times that the problem names: two frames are enough."""

    class Pulse(torch.nn.Module):
        """The first of the pieces that the problem names, and no other."""

        def forward(self, time, state, *parameters):
            return (
                torch.where((time >= begin) & (time < end), 1 / (end - begin), 0.0).to(state)[:, None].expand_as(state)
            )

    problem = registry.find_problem(TANK)
    values = {entry.name: torch.tensor([entry.high], dtype=torch.float64) for entry in problem.parameters}
    values["duration"].fill_(1e-3)
    count = len(problem.fields)
    statistics = Statistics(torch.zeros(count), torch.ones(count), torch.zeros(len(values)), torch.ones(len(values)))
    context = TrajectoriesContext(statistics=statistics, dt=0.1, frames=80)
    module = SOLVER.build(problem, DynamicsConfig(width=4, rate=1.0), context)
    begin, end = problem.forcing_times(values)[0, :2]
    module.block.field = Pulse()
    state, parameters = torch.zeros(1, count), torch.stack(list(values.values()), 1)
    for times in ([0.0, 8.0], [0.0, 4.0, 8.0], [0.3, 7.9]):
        ends = module.eval()(state, parameters, torch.tensor(times, dtype=torch.float64))[0][0, -1]
        torch.testing.assert_close(ends, torch.ones(count), rtol=1e-3, atol=0)
    module.forcing = None
    assert not module(state, parameters, torch.tensor([0.0, 8.0]).double())[0].any()  # plain steps miss it


def test_penalties_on_forced_steps_are_refused_before_any_work():
    context = TrajectoriesContext(statistics=STATISTICS, dt=0.1, frames=80)
    config = DynamicsConfig(width=4, regularise=RegulariseConfig(kind="er"))
    with pytest.raises(UnsupportedError, match=r"forced at known times.*regularise.kind=er.*clock=false"):
        SOLVER.build(registry.find_problem(TANK), config, context)
