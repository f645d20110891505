"""Classifiers with an equation in the middle: sizes, independence of samples, tolerances, paths."""

import pytest
import torch

from sciml.core.errors import ConfigError
from sciml.models import DiffuseConfig, IntegrateConfig, ODENet, RegulariseConfig, SDENet
from sciml.nn import ConcatConv2d, ConcatLinear, ConcatSquash
from sciml.solvers.neural_ode import ODENetSolver, SDENetSolver
from sciml.tasks.classification import Labelled, Pictures
from sciml.train import count_parameters

SHAPE = (8, 8)


UNITS = {"mean": 0.3, "std": 0.4}


def net(kind="mlp", shape=SHAPE, seed=0, **settings):
    torch.manual_seed(seed)
    settings = {"width": 6, "integrate": IntegrateConfig(rtol=1e-6, atol=1e-6)} | settings
    return ODENet(shape, 4, kind=kind, **UNITS, **settings).double()


def sde_net(seed=0, **settings):
    torch.manual_seed(seed)
    settings = {"dim": 5, "width": 6, "integrate": DiffuseConfig(step=0.25)} | settings
    return SDENet(SHAPE, 4, **UNITS, **settings).double()


def pictures(count=5, shape=SHAPE, seed=1):
    return torch.rand(count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("layer", [ConcatLinear, ConcatSquash, ConcatConv2d])
def test_layers_see_the_time_of_their_own_row(layer):
    torch.manual_seed(0)
    module = layer(3, 4)
    x = torch.randn(2, 3, 5, 5) if layer is ConcatConv2d else torch.randn(2, 3)
    time = torch.tensor([0.2, 0.9])
    together = module(time, x)
    for i in range(2):
        torch.testing.assert_close(together[i : i + 1], module(time[i : i + 1], x[i : i + 1]))
    moved = module(torch.tensor([0.2, 0.5]), x)
    assert torch.equal(moved[0], together[0])
    assert not torch.allclose(moved[1], together[1])


@pytest.mark.parametrize("layer", [ConcatLinear, ConcatSquash, ConcatConv2d])
def test_layers_are_differentiable_twice(layer):
    torch.manual_seed(0)
    module = layer(2, 2).double()
    x = torch.randn(*((2, 2, 3, 3) if layer is ConcatConv2d else (2, 2)), dtype=torch.float64, requires_grad=True)
    time = torch.tensor([0.2, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (time, x))
    assert torch.autograd.gradgradcheck(module, (time, x))


def test_the_published_sizes():
    """The convolutional net on 28 x 28 pictures, and the fully connected one of the regularised study."""
    published = ODENetSolver().recipe("paper").model
    names = ("kind", "width", "nonlinearity", "halvings", "padding")
    with torch.device("meta"):
        conv = ODENet((28, 28), 10, **{name: getattr(published, name) for name in names})
        dense = ODENet((28, 28), 10, width=100)
    assert count_parameters(conv) == 208_266
    assert count_parameters(dense) == (785 * 100 + 100) + (101 * 784 + 784) + 784 * 10 + 10
    stem = net("conv", (28, 28), width=4, halvings=2, padding=0).stem
    assert stem(torch.zeros(1, 28, 28, dtype=torch.float64)).shape == (1, 4, 6, 6)


def test_the_dense_field_by_hand():
    module = net()
    first, second = module.block.field.layers
    time, z = torch.tensor([0.3], dtype=torch.float64), torch.randn(1, 64, dtype=torch.float64)
    one = torch.ones(1, 1, dtype=torch.float64)
    hidden = torch.tanh(first.linear(torch.cat((z, 0.3 * one), 1)))
    torch.testing.assert_close(
        module.block.field(time, z), torch.tanh(second.linear(torch.cat((hidden, 0.3 * one), 1)))
    )


@pytest.mark.parametrize("kind", ["mlp", "conv"])
@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8)])
def test_a_picture_alone_is_classified_as_among_others(kind, shape):
    module, solver = net(kind, shape), ODENetSolver()
    together = solver.predict(module, Pictures(pictures(5, shape), None))
    alone = solver.predict(module, Pictures(pictures(5, shape)[3:4], None))
    torch.testing.assert_close(together.mean[3:4], alone.mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(together.mean.sum(1), torch.ones(5, dtype=torch.float64))
    assert together.stats["evaluations"].shape == (5,)
    assert bool((together.status == 0).all())


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_evaluations_grow_and_errors_fall_with_the_tolerance(kind):
    module, solver, x = net(kind), ODENetSolver(), pictures(4)
    with torch.no_grad():
        for p in module.block.parameters():
            p.mul_(2)
    reference = solver.predict(module, Pictures(x, 1e-8)).mean
    errors, costs = [], []
    for tolerance in (1e-2, 1e-4, 1e-6):  # far looser, one step is luckily exact or not
        prediction = solver.predict(module, Pictures(x, tolerance))
        errors.append(float((prediction.mean - reference).norm()))
        costs.append(float(prediction.stats["evaluations"].double().mean()))
    assert costs == sorted(costs)
    assert costs[-1] > costs[0]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(
    ("kind", "regularise"),
    [("mlp", k) for k in ("none", "er", "sr", "local", "rnode", "taynode", "steer")]
    + [("conv", k) for k in ("none", "er", "local", "rnode")],
)
def test_gradients_are_finite(kind, regularise):
    module = net(kind, regularise=RegulariseConfig(kind=regularise), nonlinearity="tanh")
    loss = ODENetSolver().loss(module, Labelled(pictures(), torch.tensor([0, 1, 2, 3, 0])), 0.2)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("build", [lambda: net("conv"), net, sde_net], ids=["conv", "mlp", "sde"])
def test_half_precision_stops_at_the_equation(build):
    """Under autocast the rest of the network may run in bfloat16; the loss stays near that in float32."""
    module = build().float()
    solver = SDENetSolver() if isinstance(module, SDENet) else ODENetSolver()
    rows = Labelled(pictures().float(), torch.tensor([0, 1, 2, 3, 0]))
    losses = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = solver.loss(module, rows)
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


def test_frozen_layers_before_the_equation_do_not_matter():
    """Normalisation over channels-last maps needs the gradient of its input on a CPU."""
    module = net("conv").to(memory_format=torch.channels_last)
    for p in module.stem.parameters():
        p.requires_grad_(False)
    x = pictures(5, (1, 8, 8)).contiguous(memory_format=torch.channels_last)
    ODENetSolver().loss(module, Labelled(x, torch.tensor([0, 1, 2, 3, 0]))).backward()
    assert all(p.grad.isfinite().all() for p in module.block.parameters())


def test_pictures_that_are_too_small_or_none_are_refused():
    with pytest.raises(ConfigError, match=r"model\.kind=mlp"):
        net("conv", (64,))
    with pytest.raises(ConfigError, match=r"lower model\.halvings"):
        net("conv", (2, 2), halvings=2)


def test_paths_are_averaged_and_repeatable():
    module, solver, x = sde_net(paths=10), SDENetSolver(), pictures()
    first, again = (solver.predict(module, Pictures(x, None)) for _ in range(2))
    assert torch.equal(first.mean, again.mean)
    assert first.mean.shape == (5, 4)
    assert first.status.shape == first.stats["evaluations"].shape == (5,)
    with torch.no_grad():
        logits = torch.stack([module(x, seed=s)[0] for s in range(32)])
        averaged = torch.stack([module(x, seed=s, paths=16)[0] for s in range(32)])
    ratio = float(averaged.var(0).mean() / logits.var(0).mean())
    assert ratio == pytest.approx(1 / 16, rel=0.6)


def test_training_draws_a_new_path_every_time():
    module, solver = sde_net(), SDENetSolver()
    rows = Labelled(pictures(), torch.tensor([0, 1, 2, 3, 0]))
    torch.manual_seed(0)
    first, second = (float(solver.loss(module, rows).detach()) for _ in range(2))
    assert first != second
    torch.manual_seed(0)
    assert float(solver.loss(module, rows).detach()) == first


@pytest.mark.parametrize("regularise", ["none", "er", "sr", "er_sr", "steer"])
def test_stochastic_gradients_are_finite(regularise):
    module = sde_net(regularise=RegulariseConfig(kind=regularise))
    loss = SDENetSolver().loss(module, Labelled(pictures(), torch.tensor([0, 1, 2, 3, 0])), 0.2)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


def test_the_published_stochastic_sizes():
    published = SDENetSolver().recipe("paper").model
    with torch.device("meta"):
        module = SDENet((784,), 10, dim=published.dim, width=published.width)
    drift = 32 * 64 + 64 + 64 * 32 + 32
    assert count_parameters(module) == 784 * 32 + 32 + drift + 32 * 32 + 32 + 32 * 10 + 10
