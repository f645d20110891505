"""Physics-informed DeepONet: derivatives against autograd, built-in conditions, learning without outputs, refusals."""

import dataclasses

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.config import override
from sciml.core.derivatives import autograd_derivatives
from sciml.core.errors import UnsupportedError
from sciml.study import RunRequest, run
from sciml.tasks.operator import OPERATOR, OperatorConfig, PairExamples
from sciml.train import find_solver

SOLVER = find_solver("pi_deeponet")
STATED = ("antiderivative", "nonlinear_ode", "pendulum", "diffusion_reaction", "advection", "advection_diffusion")


def built(name, *settings, functions=4):
    """A module in float64 and its bench."""
    problem = registry.problem(name)
    bench = OPERATOR.prepare(problem, "tiny", OperatorConfig(functions=functions, points=0, probes=()))
    model = override(SOLVER.recipe("tiny"), ["model.points=9", "model.face_points=5", *settings]).model
    rng.seed_everything(0)
    return SOLVER.build(problem, model, bench.context).double(), bench


def by_autograd(module, functions, sites, evaluate):
    """What `evaluate` gives with derivatives of the whole operator by repeated reverse mode, function by function."""
    statement, rows = module.physics.statement, []
    for i in range(len(functions)):
        derivatives = autograd_derivatives(
            lambda points, i=i: module(functions[i : i + 1], points)[0], sites.points, statement.fields, statement.names
        )
        inputs = {name: functions[i] @ spline for name, spline in sites.splines.items()}
        rows.append(evaluate(sites.points, derivatives, inputs))
    return torch.cat(rows)


@pytest.mark.parametrize("settings", [(), ("model.hard=false",), ("model.strategy=split_trunk", "model.bias=false")])
@pytest.mark.parametrize("name", ["pendulum", "diffusion_reaction", "advection_diffusion"])
def test_residuals_on_all_pairs_are_those_of_autograd(name, settings):
    module, bench = built(name, *settings)
    functions, physics = bench.splits["train"].functions.double(), module.physics
    inside, faces = physics.sites(module.scales.field_std)
    expected = by_autograd(module, functions, inside, physics.statement.residual)
    torch.testing.assert_close(physics.residual(module.operator, functions), expected, rtol=1e-9, atol=1e-9)
    faults = physics.faults(module.operator, functions)
    assert len(faults) == len(faces) == len(physics.ansatz.soft)
    for (index, sites), fault in zip(faces.items(), faults, strict=True):
        wanted = by_autograd(module, functions, sites, lambda *a, index=index: physics.statement.fault(index, *a))
        torch.testing.assert_close(fault, wanted, rtol=1e-9, atol=1e-9)


def test_conditions_without_inputs_hold_by_construction():
    module, bench = built("diffusion_reaction")
    faces = torch.tensor([[0.0, 0.3], [0.4, 0.0], [0.7, 1.0]]).double()
    inside = torch.tensor([[0.5, 0.5]]).double()
    functions = bench.splits["test"].functions[:3].double()
    assert module(functions, faces).abs().max() == 0
    assert module(functions, inside).abs().min() > 0
    assert not module.physics.ansatz.soft
    assert built("advection_diffusion")[0].physics.ansatz.soft == [0], "the initial shape is an input function"


def test_outputs_of_the_pairs_are_not_read_without_data():
    module, bench = built("antiderivative", functions=8)
    batch = bench.examples.batch(torch.arange(8), rng.generator(0))
    blind = dataclasses.replace(batch, targets=torch.full_like(batch.targets, torch.nan))
    batch, blind = (dataclasses.replace(b, functions=b.functions.double()) for b in (batch, blind))
    assert torch.equal(SOLVER.loss(module, batch), SOLVER.loss(module, blind))
    assert SOLVER.score(module, blind) == pytest.approx(float(SOLVER.loss(module, blind).detach()))
    assert module.scales.field_std == 1
    assert module.scales.field_mean == 0
    informed, bench = built("antiderivative", "model.data=2.0", functions=8)
    batch = dataclasses.replace(batch, targets=batch.targets.double())
    extra = SOLVER.loss(informed, batch) - informed.violation(batch.functions)
    gap = (informed(batch.functions, batch.queries) - batch.targets) / informed.scales.field_std
    assert float(extra.detach()) == pytest.approx(2 * float(gap.detach().square().mean()))
    assert SOLVER.score(informed, batch) is None


def test_the_score_chooses_and_the_error_is_watched(tmp_path):
    problem = registry.problem("antiderivative")
    bench = OPERATOR.prepare(problem, "tiny", OperatorConfig(functions=4, probes=()))
    module = SOLVER.build(problem, SOLVER.recipe("tiny").model, bench.context)
    batch = PairExamples(bench.splits["valid"]).batch(torch.arange(len(bench.splits["valid"])), rng.generator(0))
    assert bench.validate(SOLVER, module) == pytest.approx(SOLVER.score(module, batch), rel=1e-5)
    assert 0 < bench.watch(SOLVER, module)["error"] < 10
    deeponet = find_solver("deeponet")
    plain = deeponet.build(problem, deeponet.recipe("tiny").model, bench.context)
    assert bench.watch(deeponet, plain) == {}


def test_problems_without_an_equation_are_refused():
    assert "states no differential equation" in SOLVER.supports(registry.problem("darcy")).reason
    problem = registry.problem("darcy")
    bench = OPERATOR.prepare(problem, "tiny", OperatorConfig(functions=3, probes=()))
    with pytest.raises(UnsupportedError, match=r"no equation to learn from.*deeponet"):
        SOLVER.build(problem, SOLVER.recipe("tiny").model, bench.context)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bound"), [("antiderivative", 0.15), ("pendulum", 0.2), ("diffusion_reaction", 0.25)])
def test_operators_are_learned_without_outputs(name, bound, tmp_path):
    """From the equation alone; the mean of the outputs, which it is not told, has an error of 1."""
    request = RunRequest(problem=name, solver="pi_deeponet", out=tmp_path,
                         settings=("train.steps=1500", 'baselines=["mean_map"]', "task.probes=[]"))  # fmt: skip
    record = run(request).record
    assert record.metrics["test"]["relative_l2"] < bound
    assert record.baselines["mean_map"].metrics["test"]["relative_l2"] > 0.8


@pytest.mark.parametrize("name", STATED)
def test_references_solve_the_stated_equations(name):
    """Central differences of the labels, far from faces, make the residual small against its terms."""
    problem = registry.problem(name)
    statement, step = problem.operator_statement(), 0.02
    functions = problem.draw_functions(problem.spaces[0], 3, rng.generator(0))
    line = torch.tensor([0.3, 0.5, 0.7]).double()
    points = torch.cartesian_prod(*[line] * len(statement.names)).reshape(-1, len(statement.names))
    shifts = torch.eye(len(statement.names)).double() * step

    def at(offset):
        return problem.apply(functions, points + offset).values[..., 0]

    def derivative(field, order):
        axis = [statement.names.index(letter) for letter in order]
        if not axis:
            return at(0 * shifts[0]).flatten()
        lower, upper, here = at(-shifts[axis[0]]), at(shifts[axis[0]]), at(0 * shifts[0])
        values = (upper - lower) / (2 * step) if len(axis) == 1 else (upper - 2 * here + lower) / step**2
        return values.flatten()

    (name,) = statement.inputs
    inputs = {name: functions[0](statement.arguments(name, points)).flatten()}
    everywhere = points.repeat(3, 1)
    terms = statement.terms(everywhere, derivative, inputs)[0]
    assert statement.residual(everywhere, derivative, inputs).norm() < 0.05 * terms.norm(dim=0).max()
