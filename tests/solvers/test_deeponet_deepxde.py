"""DeepXDE's DeepONet as a second backend: the same weights give the same answers, losses and steps."""

import contextlib
import io

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.config import override
from sciml.core.errors import UnsupportedError
from sciml.core.guests import deepxde
from sciml.solvers.deeponet import copy_deepxde_weights, make_deepxde_operator
from sciml.tasks.operator import OPERATOR, OperatorConfig
from sciml.testing import small_problem
from sciml.train import GradientRule, TrainConfig, find_solver

SOLVER = find_solver("deeponet")


def built(problem, *settings, points=0):
    bench = OPERATOR.prepare(problem, "tiny", OperatorConfig(functions=12, points=points, probes=()))
    rng.seed_everything(0)
    module = SOLVER.build(problem, override(SOLVER.recipe("tiny"), list(settings)).model, bench.context)
    return module, bench.examples.batch(torch.arange(12), rng.generator(0))


def compiled(package, module, batch, **options):
    with contextlib.redirect_stdout(io.StringIO()):
        model = make_deepxde_operator(package, module, batch, **options)
        model.compile("adam", lr=1e-3, verbose=0)
    return model


@pytest.mark.parametrize(("name", "settings", "points"), [
    ("antiderivative", (), 0),
    ("antiderivative", ('model.vanish=["lower x"]', "model.nonlinearity=tanh"), 3),
    ("advection", ("model.harmonics=2",), 0),
    ("two_sources", ("model.strategy=split_both",), 0),
    ("two_sources", ("model.strategy=split_branch",), 4),
    ("two_sources", ("model.strategy=split_trunk",), 0),
    ("two_sources", ("model.strategy=independent",), 4),
])  # fmt: skip
def test_losses_and_steps_are_equal(name, settings, points):
    problem = small_problem(name) if name == "two_sources" else registry.problem(name)
    module, batch = built(problem, *settings, points=points)
    config = TrainConfig(steps=10, learning_rate=1e-3, final_learning_rate=1e-3, warmup=0, weight_decay=0, clip=None)
    rule = GradientRule(module, SOLVER.loss, config)
    with deepxde() as package:
        model = compiled(package, module, batch)
        inputs, targets = model.data.train_next_batch(None)
        for _ in range(3):
            theirs = float(model._outputs_losses(True, inputs, targets, None)[1].sum())
            assert float(rule.step(batch, 0.0)) == pytest.approx(theirs, rel=2e-6)
            model._train_step(inputs, targets, None)
        fresh, _ = built(problem, *settings, points=points)
        copy_deepxde_weights(fresh.network, model.net, back=True)
    for mine, trained in zip(fresh.network.parameters(), module.network.parameters(), strict=True):
        torch.testing.assert_close(mine, trained, rtol=1e-4, atol=1e-6)


def test_products_written_out_as_rows_are_the_same_pairs():
    module, batch = built(registry.problem("antiderivative"))
    with deepxde() as package:
        rows, product = (compiled(package, module, batch, pointwise=flag) for flag in (True, False))
        values = [torch.as_tensor(model.predict(model.data.train_x)).flatten() for model in (rows, product)]
        assert rows.data.train_x[0].shape == (12 * 201, 100)
        assert product.data.train_x[0].shape == (12, 100)
    torch.testing.assert_close(values[0], values[1], rtol=1e-5, atol=1e-6)
    ours = module.scales.scale(module(batch.functions, batch.queries)).flatten()
    torch.testing.assert_close(values[1].cpu(), ours.detach(), rtol=1e-4, atol=1e-5)


def test_what_deepxde_does_not_have_is_refused():
    for setting in ("model.stacked=true", "model.bias=false", "model.nonlinearity=softplus"):
        module, batch = built(registry.problem("antiderivative"), setting)
        with deepxde() as package, pytest.raises(UnsupportedError, match="DeepXDE's DeepONet"):
            make_deepxde_operator(package, module, batch)


def test_a_guest_leaves_no_default_device_behind():
    """A default device costs every later call of torch some time, even if it is the CPU."""
    before = len(torch.overrides._get_current_function_mode_stack())
    with deepxde():
        pass
    assert len(torch.overrides._get_current_function_mode_stack()) == before
