"""The neural ODE on trajectories: what the module does with states, parameters and added components."""

import copy

import pytest
import torch

from sciml.core.config import override
from sciml.data import Statistics
from sciml.models import Dynamics, IntegrateConfig, RegulariseConfig
from sciml.solvers.neural_ode import NeuralODESolver
from sciml.tasks.trajectories import Start, TrajectoriesContext, TrajectoryBatch
from sciml.train import count_parameters

TIMES = torch.linspace(0, 1, 6, dtype=torch.float64)


def statistics(parameters=1):
    return Statistics(
        torch.tensor([0.5, -1.0]).double(),
        torch.tensor([2.0, 0.5]).double(),
        torch.full((parameters,), 3.0).double(),
        torch.full((parameters,), 4.0).double(),
    )


def model(parameters=1, seed=0, **settings):
    torch.manual_seed(seed)
    settings = {"width": 8, "integrate": IntegrateConfig(rtol=1e-8, atol=1e-8)} | settings
    return Dynamics(2, parameters=parameters, units=statistics(parameters), **settings).double()


def batch(count=6, parameters=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(count, len(TIMES), 2, dtype=torch.float64, generator=generator)
    return TrajectoryBatch(states, TIMES, torch.randn(count, parameters, dtype=torch.float64, generator=generator))


def test_added_components_start_at_zero_and_are_dropped():
    module, rows = model(augment=3), batch()
    start = module.start(rows.states[:, 0])
    assert start.shape == (6, 5)
    assert torch.equal(start[:, 2:], torch.zeros(6, 3).double())
    states, _ = module(rows.states[:, 0], rows.parameters, TIMES)
    assert states.shape == (6, 6, 2)
    inner, _ = module.block(start, TIMES, ((rows.parameters - 3.0) / 4.0,))
    assert torch.equal(inner[..., :2], states)
    assert float(inner[:, -1, 2:].detach().abs().min()) > 0


def test_added_components_let_paths_cross():
    """x -> -x on the line is no flow of dx/dt = f(x); one added component is enough for it (Dupont et al.)."""
    x = torch.linspace(-1, 1, 8)[:, None]
    rows = TrajectoryBatch(torch.stack((x, -x), 1), torch.tensor([0.0, 1.0]), torch.zeros(8, 0))
    losses = []
    for augment in (0, 1):
        torch.manual_seed(0)
        module = Dynamics(1, width=16, augment=augment, integrate=IntegrateConfig(rtol=1e-3))
        optimiser = torch.optim.Adam(module.parameters(), 3e-2)
        for _ in range(40):
            optimiser.zero_grad()
            loss = NeuralODESolver().loss(module, rows)
            loss.backward()
            optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.25  # the best that keeps the order is the mean, with error 3/7
    assert losses[1] < 0.3 * losses[0]


def test_states_are_restored_to_physical_units():
    module, rows = model(), batch()
    states = NeuralODESolver().predict(module, Start(rows.states[:, 0], rows.parameters, TIMES)).mean
    torch.testing.assert_close(states[:, 0], rows.states[:, 0])
    field = module.block.field
    slope = (states[:, 1] - states[:, 0]) / (TIMES[1] - TIMES[0])
    z = (rows.states[:, 0] - module.field_mean) / module.field_std
    expected = field(TIMES[:6], z, (rows.parameters - 3.0) / 4.0).detach() * module.field_std
    assert float((slope - expected).norm() / expected.norm()) < 0.3  # a difference over a step of 0.2
    torch.testing.assert_close(module.restore(module.standardise(states)), states)


def test_parameters_are_seen():
    module, rows, solver = model(), batch(), NeuralODESolver()
    start = Start(rows.states[:, 0], rows.parameters, TIMES)
    changed = solver.predict(module, start._replace(parameters=rows.parameters + 1)).mean
    assert not torch.allclose(solver.predict(module, start).mean, changed)
    bare = solver.predict(model(0), start._replace(parameters=torch.zeros(6, 0).double())).mean
    assert bare.shape == changed.shape


def test_cubes_are_those_of_the_physical_state():
    module, rows = model(0, features="cube"), batch(parameters=0)
    field, x = module.block.field, rows.states[:, 0]
    assert torch.equal(module.field_mean, torch.zeros(2).double())
    z = module.start(x)
    expected = field.network((x / module.field_std) ** 3)
    torch.testing.assert_close(field(TIMES, z), expected)
    mirrored = field(TIMES, -z) - field.network(-((x / module.field_std) ** 3))
    assert float(mirrored.detach().abs().max()) == 0


def test_the_published_spiral_network():
    published = NeuralODESolver().recipe("paper").model
    names = ("width", "layers", "nonlinearity", "features", "augment", "rate")
    module = Dynamics(2, **{name: getattr(published, name) for name in names})
    assert count_parameters(module) == 2 * 50 + 50 + 50 * 2 + 2
    y = torch.tensor([[2.0, 0.0]])
    first, last = module.block.field.network.layers[0], module.block.field.network.layers[2]
    expected = last(torch.tanh(first(y**3)))
    assert torch.equal(module.block.field(torch.zeros(1), y), expected)


def test_scales_are_measured_from_the_data_before_training():
    class Examples:
        def __len__(self):
            return 6

        def batch(self, indices, generator):
            return batch()

    module, solver = model(features="cube", augment=1), NeuralODESolver()
    solver.initialise(module, Examples())
    z = batch().states / statistics().field_std
    slopes = (z.diff(dim=1) / TIMES.diff()[:, None]).square().mean((0, 1)).sqrt()
    field = module.block.field
    torch.testing.assert_close(field.rate, torch.cat((slopes, slopes.mean()[None])))
    cubes = (z**3).square().mean((0, 1)).sqrt()
    torch.testing.assert_close(field.scale, torch.cat((cubes, cubes.mean()[None])))
    fixed = model(rate=2.5)
    solver.initialise(fixed, Examples())
    assert torch.equal(fixed.block.field.rate, torch.full((2,), 2.5).double())


def test_the_loss_is_the_mean_squared_error_after_the_start():
    module, rows = model(), batch()
    states, _ = module(rows.states[:, 0], rows.parameters, TIMES)
    expected = (states[:, 1:] - module.standardise(rows.states[:, 1:])).square().mean()
    assert float(NeuralODESolver().loss(module, rows).detach()) == float(expected.detach())


@pytest.mark.parametrize("gradient", ["checkpointed", "adjoint"])
def test_gradient_modes_agree(gradient):
    grads = []
    for mode in ("discrete", gradient):
        module = model(integrate=IntegrateConfig(rtol=1e-9, atol=1e-9, gradient=mode))
        NeuralODESolver().loss(module, batch()).backward()
        grads.append(torch.cat([p.grad.flatten() for p in module.parameters()]))
    assert float((grads[0] - grads[1]).norm() / grads[0].norm()) < 1e-6


def test_a_trajectory_alone_is_what_it_is_among_others():
    module, rows, solver = model(augment=1), batch(), NeuralODESolver()
    together = solver.predict(module, Start(rows.states[:, 0], rows.parameters, TIMES))
    for i in (0, 5):
        alone = solver.predict(module, Start(rows.states[i : i + 1, 0], rows.parameters[i : i + 1], TIMES))
        torch.testing.assert_close(together.mean[i : i + 1], alone.mean, rtol=1e-11, atol=1e-11)
        assert int(together.stats["evaluations"][i]) == int(alone.stats["evaluations"][0])


def test_a_tolerance_can_be_asked_for():
    module, rows, solver = model(integrate=IntegrateConfig(rtol=1e-3, atol=1e-3)), batch(), NeuralODESolver()
    start = Start(rows.states[:, 0], rows.parameters, TIMES * 5)
    exact = solver.predict(module, start._replace(tolerance=1e-11)).mean
    errors, costs = [], []
    for tolerance in (1e-2, 1e-4, 1e-6, 1e-8):
        prediction = solver.predict(module, start._replace(tolerance=tolerance))
        errors.append(float((prediction.mean - exact).norm()))
        costs.append(float(prediction.stats["evaluations"].double().mean()))
    assert errors == sorted(errors, reverse=True)
    assert costs == sorted(costs)
    assert errors[-1] < 1e-3 * errors[0]


def test_a_field_that_breaks_down_is_told_by_status():
    module, rows = model(), batch()
    with torch.no_grad():
        module.block.field.network.layers[2].bias.fill_(torch.nan)
    prediction = NeuralODESolver().predict(module, Start(rows.states[:, 0], rows.parameters, TIMES))
    assert bool((prediction.status != 0).all())


def test_a_trained_module_can_be_copied_and_its_weights_moved():
    module, other, rows = model(regularise=RegulariseConfig(kind="er")), model(seed=5), batch()
    NeuralODESolver().loss(module, rows).backward()
    assert copy.deepcopy(module).block.policy.penalty is None
    other.load_state_dict(module.state_dict())
    start = Start(rows.states[:, 0], rows.parameters, TIMES)
    a, b = (NeuralODESolver().predict(m, start).mean for m in (module, other))
    assert torch.equal(a, b)
    assert set(module.state_dict()) == {
        *(f"block.field.network.layers.{i}.{weight}" for i in (0, 2) for weight in ("weight", "bias")),
        *("block.field.rate", "block.field.scale"),
        *(f"{kind}_{weight}" for kind in ("field", "parameter") for weight in ("mean", "std")),
    }


def test_settings_reach_the_block(bare):
    recipe = override(
        NeuralODESolver().recipe("tiny"),
        ["model.regularise.kind=er", "model.regularise.coefficient=5.0", "model.integrate.method=dopri5"],
    )
    context = TrajectoriesContext(statistics=statistics(), dt=0.2, frames=6)
    module = NeuralODESolver().build(bare, recipe.model, context)
    assert module.block.method.name == "dopri5"
    assert module.block.policy.config.weight(0.7) == 5.0
