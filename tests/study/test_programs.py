"""Exported programs answer as `predict` does, for two batch sizes."""

import pytest
import torch

from sciml.core.status import Status
from sciml.models import IntegrateConfig
from sciml.solvers.pnode import PNODEConfig, StiffConfig
from sciml.tasks.trajectories import Start
from sciml.testing import trial_of

TRAJECTORIES = ("linear_ode", "kernel_ridge", "gaussian_process", "mlp_regression", "soft_trees")
ROWS = ("boosted_trees_rows", "mlp_rows")
DENSITIES = ("kde", "realnvp", "spline_flow")


def _exported(module, arguments):
    batch = torch.export.Dim("batch", min=1)
    two = tuple(torch.cat([value[:1], value[:1]]) for value in arguments)
    return torch.export.export(module, two, dynamic_shapes=tuple({0: batch} for _ in two)).module()


def _alike(program, arguments, expected):
    with torch.no_grad():
        for rows in (1, len(expected)):
            answer = program(*(value[:rows] for value in arguments))
            scale = float(expected.abs().max())
            torch.testing.assert_close(answer, expected[:rows], rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("key", TRAJECTORIES)
def test_programs_of_trajectories_answer_at_the_times_of_the_data(key):
    trial = trial_of(key)
    question, context = trial.inputs(3), trial.bench.context
    times = context.dt * torch.arange(context.frames)
    inputs = Start(question.state, question.parameters, times)
    arguments = (inputs.state, inputs.parameters)
    module = trial.solver.program(trial.module)
    _alike(_exported(module, arguments), arguments, trial.predict(inputs).mean)


@pytest.mark.parametrize("key", [*ROWS, *DENSITIES])
def test_programs_of_rows_and_densities_answer_as_predict(key):
    trial = trial_of(key)
    inputs = trial.inputs(3)
    arguments = trial.task.arguments(inputs)
    module = trial.solver.program(trial.module)
    _alike(_exported(module, arguments), arguments, trial.predict(inputs).mean)


@pytest.fixture(scope="module")
def tank():
    """Reduced model by a step that does not divide the frames' distance, by chosen steps, and three cold starts."""
    trial = trial_of("reduced_model")
    context, problem = trial.bench.context, trial.bench.problem
    assert problem.name == "warm_tank"
    inputs = Start(
        torch.tensor([[1.0, 0.8, 0.2], [1.1, 0.7, 0.3], [0.9, 0.5, 0.5]]),
        torch.tensor([[0.4, 0.1, 0.3], [0.5, 0.3, 0.6], [0.45, 0.6, 0.4]]),
        context.dt * torch.arange(context.frames),
    )
    modules = [
        trial.solver.build(problem, PNODEConfig(integrate=StiffConfig(step=step)), context)
        for step in (0.3 * context.dt, None)
    ]
    return trial.solver, *modules, inputs


def test_fixed_steps_of_a_reduced_model_answer_as_chosen_ones_do(tank):
    solver, fixed, chosen, inputs = tank
    prediction = solver.predict(fixed, inputs)
    assert prediction.status.tolist() == [Status.OK] * 3
    torch.testing.assert_close(prediction.mean, solver.predict(chosen, inputs).mean, rtol=1e-3, atol=1e-3)
    assert int(prediction.stats["evaluations"][0]) == prediction.stats["calls"] > 7 * len(inputs.times)
    _alike(solver.program(fixed), (inputs.state, inputs.parameters), prediction.mean)
    assert solver.program(chosen) is None


@pytest.mark.parametrize("method", ["rk4", "tsit5"])
def test_fixed_steps_of_a_neural_ode_answer_as_chosen_ones_do(method):
    """Also at times of one's own between the steps; the program answers at those of the data."""
    trial = trial_of("neural_ode")
    context, problem = trial.bench.context, trial.bench.problem
    inputs = trial.inputs(3)._replace(times=torch.tensor(trial.bench.context.times))
    fixed, chosen, implicit = (
        trial.solver.build(problem, trial.recipe.model.model_copy(update={"integrate": settings}), context)
        for settings in (
            IntegrateConfig(method=method, step=0.3 * context.dt),
            IntegrateConfig(rtol=1e-6, atol=1e-7),
            IntegrateConfig(method="kvaerno5", step=context.dt),
        )
    )
    fixed.load_state_dict(chosen.state_dict())
    prediction = trial.solver.predict(fixed, inputs)
    torch.testing.assert_close(prediction.mean, trial.solver.predict(chosen, inputs).mean, rtol=1e-4, atol=1e-4)
    _alike(trial.solver.program(fixed), (inputs.state, inputs.parameters), prediction.mean)
    between = inputs._replace(times=inputs.times[[0, 3, 5]])
    torch.testing.assert_close(trial.solver.predict(fixed, between).mean, prediction.mean[:, [0, 3, 5]])
    assert trial.solver.program(chosen) is trial.solver.program(implicit) is None


def test_steps_too_long_for_a_stiff_sample_have_not_converged(tank):
    solver, fixed, _, inputs = tank
    hot = inputs._replace(state=torch.tensor([4.0, 0.8, 0.2]).expand(3, -1))  # rate of the fuel 150 / s
    assert Status.OK not in solver.predict(fixed, hot).status.tolist()


@pytest.mark.slow
def test_fixed_steps_of_a_reduced_model_leave_as_a_loop(tank):
    """At breaks of every sample's own, and at answers between steps."""
    solver, fixed, _, inputs = tank
    arguments = (inputs.state, inputs.parameters)
    program = _exported(solver.program(fixed), arguments)
    _alike(program, arguments, solver.predict(fixed, inputs).mean)
    assert len(program.graph.nodes) < 400  # a loop, not every one of its steps
