"""Solvers of operators: closed forms that are exact, what they learn, what they refuse and why."""

import numpy as np
import pytest
import torch

from sciml.core import registry, rng
from sciml.core.config import override
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import ConfigError, UserError
from sciml.reference import ChebyshevSpace
from sciml.solvers.maps import BasisOperator, PlainNetwork
from sciml.study import RunRequest, run
from sciml.tasks.operator import OPERATOR, OperatorConfig
from sciml.testing import PROBLEMS, small_problem
from sciml.train import count_parameters, find_solver

LINE = Domain((Coordinate("x", 0.0, 1.0),))


def antiderivatives(count, points, own=False):
    """Polynomials of degree 7 and their exact integrals at queries."""
    drawn = ChebyshevSpace(LINE, size=8).draw(count, rng.generator(0))
    sensors = torch.linspace(0, 1, 12, dtype=torch.float64)[:, None]
    if not own:
        queries = torch.linspace(0, 1, points, dtype=torch.float64)[:, None]
        return drawn(sensors), queries, drawn.integral(queries)[..., None]
    queries = torch.rand(count, points, 1, generator=rng.generator(1)).double()
    values = torch.stack([drawn.rows(slice(i, i + 1)).integral(queries[i])[0] for i in range(count)])
    return drawn(sensors), queries, values[..., None]


@pytest.mark.parametrize("own", [False, True])
def test_the_best_linear_operator_recovers_a_quadrature(own):
    """A DeepONet of linear branch and fixed trunk, in closed form, is the integral of polynomials to rounding."""
    functions, queries, values = antiderivatives(400, 9 if own else 25, own)
    module = BasisOperator(sensors=12, periodic=(False,), fields=1, rank=12, terms=10).double()
    module.fit(functions, queries, values)
    new, where, true = antiderivatives(450, 17)
    error = (module(new[400:], where) - true[400:]).norm() / true[400:].norm()
    assert error < (1e-5 if own else 1e-8)  # the normal equations of unaligned data square the condition


def test_without_components_it_is_the_mean():
    functions, queries, values = antiderivatives(60, 25)
    module = BasisOperator(sensors=12, periodic=(False,), fields=1, rank=0, terms=10).double()
    module.fit(functions, queries, values)
    torch.testing.assert_close(module(functions[:2], queries), values.mean(0).expand(2, -1, -1), atol=1e-8, rtol=0)


def test_waves_stand_for_a_periodic_axis():
    module = BasisOperator(sensors=3, periodic=(True, False), fields=1, rank=1, terms=5).double()
    y = torch.rand(6, 2, generator=rng.generator(0)).double()
    torch.testing.assert_close(module.basis(y), module.basis(y + torch.tensor([1.0, 0.0])))
    x = (torch.arange(40).double() + 0.5) / 40
    gram = module.basis(torch.stack((x, x.new_zeros(40)), dim=1))[:, ::5] / 40**0.5
    off = gram.T @ gram - torch.diag((gram.T @ gram).diag())
    assert off.abs().max() < 1e-12


def test_the_plain_network_is_one_of_sensors_and_query():
    net = PlainNetwork(sensors=4, dims=2, fields=1, width=5, layers=2, nonlinearity="relu").double()
    u, y = torch.rand(3, 4).double(), torch.rand(6, 2).double()
    joined = torch.cat((u[:, None].expand(3, 6, 4), y.expand(3, 6, 2)), dim=2)
    expected = net.rest(torch.relu(net.first(joined)))
    torch.testing.assert_close(net(u, y), expected)
    torch.testing.assert_close(net(u, y.expand(3, 6, 2)), expected)
    assert (
        count_parameters(PlainNetwork(sensors=100, dims=1, fields=1, width=100, layers=2, nonlinearity="relu")) == 20401
    )


def test_the_default_solver_has_the_network_of_the_paper():
    problem = registry.problem("antiderivative")
    solver = find_solver("deeponet")
    bench = OPERATOR.prepare(problem, "tiny", OperatorConfig(functions=5))
    assert count_parameters(solver.build(problem, solver.recipe("small").model, bench.context)) == 7401


@pytest.mark.parametrize(
    ("key", "steps"), [("deeponet", 500), ("fnn", 500), pytest.param("mionet", 1000, marks=pytest.mark.slow)]
)
def test_networks_learn(key, steps, tmp_path):
    """The error falls well below that of the mean in a few hundred steps."""
    request = RunRequest(problem=PROBLEMS / "two_sources", solver=key, out=tmp_path,
                         settings=(f"train.steps={steps}", 'baselines=["mean_map"]', "task.functions=200"))  # fmt: skip
    record = run(request).record
    assert record.metrics["test"]["mse"] < 0.5 * record.baselines["mean_map"].metrics["test"]["mse"]


@pytest.mark.parametrize("key", ["fno_map", pytest.param("unet_map", marks=pytest.mark.slow), "pod_deeponet"])
def test_networks_on_a_lattice_learn(key, tmp_path):
    request = RunRequest(problem=PROBLEMS / "plane_blur", solver=key, out=tmp_path,
                         settings=("train.steps=100", 'baselines=["mean_map"]', "task.functions=60"))  # fmt: skip
    record = run(request).record
    mean = record.baselines["mean_map"].metrics["test"]["relative_l2"]
    assert record.metrics["test"]["relative_l2"] < 0.5 * mean


def test_pod_modes_are_those_of_the_training_outputs_and_survive_a_file(tmp_path):
    blur = small_problem("plane_blur")
    solver, bench = find_solver("pod_deeponet"), OPERATOR.prepare(blur, "tiny", OperatorConfig())
    module = solver.build(blur, solver.recipe("tiny").model, bench.context)
    solver.initialise(module, bench.examples)
    values = bench.splits["train"].values
    torch.testing.assert_close(
        module.scales.restore(module.network.mean[None])[0], values.mean(0), atol=1e-4, rtol=1e-4
    )
    assert 0 < float(module.network.tail) < 0.05 or module.network.modes >= len(values) - 1
    test = bench.splits["test"].values
    assert (module.scales.restore(module.network.mean[None])[0] - test.mean(0)).abs().max() > 1e-3, (
        "not of the test outputs"
    )


def test_a_constraint_holds_in_physical_units():
    problem = registry.problem("antiderivative")
    solver = find_solver("deeponet")
    bench = OPERATOR.prepare(problem, "tiny", OperatorConfig(functions=50))
    model = override(solver.recipe("tiny"), ['model.vanish=["lower x"]']).model
    module = solver.build(problem, model, bench.context)
    start = module(bench.splits["test"].functions, torch.zeros(1, 1).double())
    assert start.abs().max() == 0
    with pytest.raises(ConfigError, match="lower or upper and one of: x"):
        solver.build(problem, model.model_copy(update={"vanish": ("left x",)}), bench.context)


def test_periodic_axes_are_seen_as_waves():
    problem = registry.problem("advection")
    solver = find_solver("deeponet")
    bench = OPERATOR.prepare(problem, "tiny", OperatorConfig(functions=5, probes=()))
    module = solver.build(problem, solver.recipe("tiny").model, bench.context)
    ends = torch.tensor([[0.3, 0.0], [0.3, 1.0]]).double()
    values = module(bench.splits["test"].functions, ends)
    torch.testing.assert_close(values[:, 0], values[:, 1])


def test_networks_without_what_they_need_say_what_that_is():
    two = small_problem("two_sources")
    bench = OPERATOR.prepare(two, "tiny", OperatorConfig())
    for key, match in (("fno_map", r"one lattice.*7 of u, 5 of p"), ("unet_map", "one lattice"),
                       ("pod_deeponet", "same queries for all")):  # fmt: skip
        solver = find_solver(key)
        with pytest.raises(UserError, match=match):
            solver.build(two, solver.recipe("tiny").model, bench.context)
    assert "for which this is a DeepONet" in find_solver("mionet").supports(small_problem("plane_blur")).reason
    deeponet = find_solver("deeponet")
    with pytest.raises(UserError, match="functions on a lattice"):
        deeponet.build(two, override(deeponet.recipe("tiny"), ['model.branch="cnn"']).model, bench.context)
    with pytest.raises(ConfigError, match="one hidden layer"):
        deeponet.build(two, override(deeponet.recipe("tiny"), ["model.stacked=true", "model.branch_layers=3"]).model,
                       bench.context)  # fmt: skip


@pytest.mark.parametrize("settings", [["model.stacked=true"], ["model.bias=false"], ['model.strategy="split_trunk"'],
                                      ['model.strategy="independent"']])  # fmt: skip
def test_variants_of_the_network_can_be_built_and_answer(settings):
    two = small_problem("two_sources")
    solver = find_solver("deeponet")
    bench = OPERATOR.prepare(two, "tiny", OperatorConfig())
    module = solver.build(two, override(solver.recipe("tiny"), settings).model, bench.context)
    assert solver.predict(module, bench.example).mean.shape == (1, 30, 2)


def test_large_offsets_of_coordinates_cost_nothing():
    """Queries a million units away are moved to the unit box before they are cast to single precision."""
    far = Domain((Coordinate("x", 1e6, 1e6 + 1.0),))
    from sciml.tasks.operator import OperatorContext, OperatorScales, OperatorStatistics

    ones = torch.ones(1)
    context = OperatorContext(sensors=(torch.zeros(3, 1).double(),), queries=None, aligned=False, lattice=None,
                              statistics=OperatorStatistics(0 * ones, ones, 0 * ones, ones))  # fmt: skip
    unit = OperatorScales(context, far).unit(torch.tensor([[1e6 + 0.125], [1e6 + 0.625]]).double())
    np.testing.assert_allclose(unit[:, 0], [0.125, 0.625], atol=1e-7)


def test_the_linear_map_of_many_axes_keeps_products_of_low_degree():
    """Six axes: 28 products up to degree two, of which it fits every one exactly."""
    from sciml.solvers.maps import BasisOperator

    module = BasisOperator(sensors=3, periodic=(False,) * 6, fields=1, rank=2).double()
    assert module.weights.shape == (3, 28, 1)
    assert BasisOperator(sensors=3, periodic=(False,) * 4, fields=1, rank=2).weights.shape[1] == 3**4
    generator = torch.Generator().manual_seed(0)
    functions = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    queries = torch.rand(60, 40, 6, generator=generator, dtype=torch.float64)
    values = 1 + 2 * queries[..., 0] * queries[..., 5] - queries[..., 3] ** 2 + queries.sum(-1)
    module.fit(functions, queries, values[..., None])
    torch.testing.assert_close(module(functions, queries)[..., 0], values, atol=1e-5, rtol=0)
