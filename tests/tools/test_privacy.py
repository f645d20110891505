"""Accountants against dp-accounting and closed forms; private steps; certificates that are derived again."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from torch import nn

import sciml
from sciml.core import registry
from sciml.core.errors import ConfigError, DataError, UnsupportedError
from sciml.models import LipschitzMLP
from sciml.solvers.lipschitz import LipschitzRowsSolver
from sciml.study import load_run
from sciml.tasks.regression import RegressionConfig, RowBatch
from sciml.tools.membership import advantage, separation
from sciml.tools.privacy import (
    Mechanism,
    PrivateRule,
    calibrated,
    exact_epsilon,
    pld_epsilon,
    rdp_epsilon,
    sample_gradients,
)
from sciml.train import TrainConfig

KNOWN = [  # q, sigma, T, delta and epsilon by Opacus 1.5.4 (Rényi)
    (0.01, 1.1, 10_000, 1e-5, 5.632),
    (0.1, 2.0, 300, 1e-4, 3.992),
    (0.064, 4.0, 1000, 1e-5, 2.269),
    (0.05, 1.0, 400, 1e-5, 7.420),
    (0.05, 2.0, 400, 1e-5, 2.461),
]


@pytest.mark.parametrize(("rate", "sigma", "steps", "delta", "epsilon"), KNOWN)
def test_epsilon_is_that_of_others(rate, sigma, steps, delta, epsilon):
    ours = rdp_epsilon(rate, sigma, steps, delta)
    assert ours == pytest.approx(epsilon, rel=1e-3)


@pytest.mark.parametrize(("rate", "sigma", "steps", "delta", "epsilon"), KNOWN)
def test_epsilon_is_that_of_dp_accounting(rate, sigma, steps, delta, epsilon):
    accounting = pytest.importorskip("dp_accounting")
    from sciml.tools.privacy import FRACTIONS, ORDERS

    def theirs(orders):
        accountant = accounting.rdp.RdpAccountant(orders=orders)
        accountant.compose(accounting.PoissonSampledDpEvent(rate, accounting.GaussianDpEvent(sigma)), steps)
        return accountant.get_epsilon(delta)

    assert rdp_epsilon(rate, sigma, steps, delta, ORDERS) == pytest.approx(theirs([*ORDERS]), rel=1e-6)
    ours = rdp_epsilon(rate, sigma, steps, delta)  # at other orders theirs rounds up a little
    assert theirs([*FRACTIONS, *ORDERS]) * (1 - 1e-3) < ours < theirs([*FRACTIONS, *ORDERS]) * (1 + 1e-6)
    assert 0.8 * ours < pld_epsilon(rate, sigma, steps, delta) < ours


@pytest.mark.parametrize(("sigma", "steps", "delta", "exact", "renyi"),
                         [(20.0, 100, 1e-5, 1.9931, 2.166), (5.0, 1, 1e-5, 0.7255, 0.7945)])  # fmt: skip
def test_full_batches_are_accounted_exactly(sigma, steps, delta, exact, renyi):
    assert exact_epsilon(sigma, steps, delta) == pytest.approx(exact, rel=1e-4)
    assert rdp_epsilon(1.0, sigma, steps, delta) == pytest.approx(renyi, rel=2e-3)
    mechanism = Mechanism(100, 1.0, sigma, steps, delta)
    assert mechanism.epsilon == exact_epsilon(sigma, steps, delta)


@pytest.mark.parametrize(("rate", "sigma"), [(0.01, 0.8), (0.1, 2.0), (0.5, 5.0), (1.0, 3.0)])
def test_moments_by_quadrature_are_those_of_the_sum(rate, sigma):
    from sciml.tools.privacy import log_moment, log_moments

    orders = (2, 3, 5, 8)
    sums = [log_moment(rate, sigma, order) for order in orders]
    assert log_moments(rate, sigma, orders).tolist() == pytest.approx(sums, rel=1e-9, abs=1e-12)


def test_epsilon_grows_with_steps_and_rate_and_falls_with_noise():
    base = rdp_epsilon(0.05, 1.5, 100, 1e-5)
    assert rdp_epsilon(0.05, 1.5, 200, 1e-5) > base > rdp_epsilon(0.02, 1.5, 100, 1e-5)
    assert rdp_epsilon(0.05, 2.5, 100, 1e-5) < base
    assert rdp_epsilon(0.05, 1.5, 0, 1e-5) == 0
    assert rdp_epsilon(0.05, 0.0, 1, 1e-5) == math.inf


def test_noise_is_calibrated_to_epsilon():
    bare = Mechanism(2000, 0.05, 0.0, 400, 1e-5)
    for epsilon in (0.5, 3.0, 8.0):
        found = calibrated(epsilon, bare)
        assert found.epsilon <= epsilon
        assert found.epsilon == pytest.approx(epsilon, rel=1e-3)
    with pytest.raises(ConfigError, match=r"cannot be reached with these steps.*leak.*Lower steps or batch_size"):
        calibrated(1e-4, Mechanism(2000, 1.0, 0.0, 10**6, 1e-5))
    with pytest.raises(ConfigError, match=r"delta must be less than one over"):
        Mechanism(2000, 0.1, 1.0, 10, 1e-3)


def test_noise_per_layer_leaks_as_much_as_global_noise():
    """Whitened, D layers with sigma sqrt(D) have Σ 1/σ_d² = 1/σ²; and a mechanism draws its own batches."""
    bounds = {"a": 1.0, "b": 3.0, "c": 0.5}
    layered = Mechanism(100, 0.2, 2.0, 10, 1e-4, noise="layer").deviations(bounds)
    same = Mechanism(100, 0.2, 2.0, 10, 1e-4).deviations(bounds)
    assert sum((bounds[k] / (20 * layered[k])) ** 2 for k in bounds) == pytest.approx(1 / 2.0**2)
    assert len(set(same.values())) == 1
    assert sum((bounds[k] / (20 * same[k])) ** 2 for k in bounds) == pytest.approx(1 / 2.0**2)
    sampler = Mechanism(4000, 0.2, 2.0, 10, 1e-5).sampler(0)
    sizes = [len(sampler.indices(step, 4000, 1)) for step in range(30)]
    assert np.mean(sizes) == pytest.approx(800, abs=4 * math.sqrt(640 / 30))
    assert len(set(sizes)) > 1
    with pytest.raises(ConfigError, match=r"another number of samples; got 50; expected 4000"):
        sampler.indices(0, 50, 10)


class Net(nn.Module):
    """A certified network under a Huber loss of rows."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.map = LipschitzMLP(3, 2, width=8)


def huber(module, batch, along):
    error = module.map(batch.parameters) - batch.targets
    size = error.square().sum(1).clamp_min(1e-24).sqrt()
    return torch.where(size <= 0.5, 0.5 * size.square(), 0.5 * (size - 0.25)).mean()


def batch(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return RowBatch(torch.randn(count, 3, generator=generator), 3 * torch.randn(count, 2, generator=generator))


def rule_of(net, sigma, *, certified=True, noise="global", **more):
    from sciml.train import Certified

    config = TrainConfig(steps=20, learning_rate=1e-2, weight_decay=0.0, warmup=0.0)
    chain = Certified(net.map.chain, math.inf, 0.5, {}) if certified else None
    mechanism = Mechanism(100, 0.2, sigma, 20, 1e-4, noise=noise)
    return PrivateRule(net, huber, config, mechanism=mechanism, certified=chain, **more)


def test_without_noise_it_is_projected_adam_along_the_sum_over_the_expected_batch():
    net, other, rows = Net(), Net(), batch(13)
    rule_of(net, 0.0).step(rows, 0.0)
    optimiser = torch.optim.Adam(other.parameters(), 1e-2)
    (huber(other, rows, 0.0) * 13 / 20).backward()
    optimiser.step()
    other.map.project()
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("noise", ["global", "layer"])
def test_noise_has_the_deviation_that_is_accounted_for(noise):
    """A step without samples: its gradient is the noise."""
    net = Net()
    rule = rule_of(net, 3.0, noise=noise)
    wanted, drawn = rule.mechanism.deviations(rule.bounds()), {}
    for _ in range(40):
        rule.skip(0.0)
        for name, parameter in net.named_parameters():
            drawn.setdefault(name, []).append(parameter.grad.flatten().clone())
    for name, values in drawn.items():
        every = torch.cat(values)
        assert float(every.std()) == pytest.approx(wanted[name], rel=5 / math.sqrt(2 * len(every)))
    assert [len(set(torch.cat(v).tolist())) == len(torch.cat(v)) for v in drawn.values()] == [True] * len(drawn)


def test_clipped_gradients_are_those_of_single_samples():
    net, rows = Net(), batch(9)
    loss, gradients = sample_gradients(net, huber, rows)
    torch.testing.assert_close(loss, huber(net, rows, 0.0).detach())
    for i in range(9):
        net.zero_grad()
        huber(net, rows.rows(slice(i, i + 1)), 0.0).backward()
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(gradients[name][i], parameter.grad)
    rule = rule_of(net, 0.0, certified=False, clip=1e-3)
    rule.step(rows, 0.0)
    total = torch.stack([p.grad.norm() for p in net.parameters()]).norm()
    assert float(total) <= 9 * 1e-3 / 20 * (1 + 1e-5)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning")  # of Opacus's hooks
def test_a_clipped_step_is_that_of_opacus():
    """Without noise, so that errors of the two at equal epsilon are those of one method."""
    opacus = pytest.importorskip("opacus")

    def plain():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))

    def loss(net, rows, along):
        return nn.functional.huber_loss(net(rows.parameters), rows.targets, delta=0.5)

    ours, rows, clip = plain(), batch(9), 0.05
    theirs = opacus.GradSampleModule(plain(), loss_reduction="mean")
    inner = torch.optim.SGD(theirs.parameters(), 0.0)
    optimiser = opacus.optimizers.DPOptimizer(inner, noise_multiplier=0.0, max_grad_norm=clip, expected_batch_size=20)
    loss(theirs, rows, 0.0).backward()
    optimiser.step()
    config = TrainConfig(steps=20, learning_rate=1e-2, weight_decay=0.0, warmup=0.0)
    rule = PrivateRule(ours, loss, config, mechanism=Mechanism(100, 0.2, 0.0, 20, 1e-4), clip=clip)
    rule.step(rows, 0.0)
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-7)  # Opacus adds 1e-6 to norms


def test_one_sample_changes_a_step_by_no_more_than_its_bound():
    """The released gradient with and without one row, with a clipped slope of the loss too."""
    rows = batch(12)
    for more in ({}, {"loss_clip": 0.05}):
        gradients = []
        for count in (12, 11):
            net = Net()
            rule = rule_of(net, 0.0, **more)
            rule.step(rows.rows(slice(0, count)), 0.0)
            gradients.append({name: p.grad.clone() for name, p in net.named_parameters()})
        bounds = rule_of(Net(), 0.0).bounds()
        share = (0.05 / 0.5 if more else 1.0) * (1 + 1e-6) / 20
        for name, bound in bounds.items():
            change = float((gradients[0][name] - gradients[1][name]).norm())
            assert 0 < change <= bound * share


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run of a Lipschitz network on the borehole."""
    return sciml.run(
        "borehole", solver="lipschitz_rows", settings=("train.steps=20", "model.width=8", "baselines=[]"),
        out=tmp_path_factory.mktemp("private"),
    ).folder  # fmt: skip


def test_a_certificate_is_derived_again_from_the_saved_model(run, tmp_path):
    parent = shutil.copytree(run, tmp_path / "run")
    child = sciml.tool("privacy", parent, settings=["epsilon=3", "steps=25", "delta=1e-3"])
    document = json.loads((child.folder / "certificate.json").read_text())
    assert document["epsilon"] <= 3
    assert document["epsilon"] == pytest.approx(3, rel=1e-3)
    assert document["mechanism"]["samples"] == 60
    assert {"seed", "targets", "validation"} <= document["not_covered"].keys()
    shutil.rmtree(parent)
    checked = sciml.tool("certificate", child.folder, settings=["data=true"])
    assert checked.record.findings["certificate"].metrics["certified"] == 1.0
    assert checked.record.findings["certificate"].metrics["epsilon"] == pytest.approx(document["epsilon"])
    network = load_run(child.folder).module.map
    for layer in network.chain:
        if hasattr(layer, "operator_norm"):
            assert layer.operator_norm() == pytest.approx(1.0, abs=1e-5)
    name = next(iter(document["bounds"]))
    for entry, changes in {
        "epsilon": {"epsilon": 1.0},
        "delta": {"delta": 1e-6},
        "weights": {"weights": "0" * 64},
        f"bounds.{name}": {"bounds": {**document["bounds"], name: 0.5 * document["bounds"][name]}},
        "loss_constant": {"loss_constant": 0.6},
        "epsilon'": {"mechanism": {**document["mechanism"], "sigma": 9.0}},
        "mechanism.expected_batch": {"mechanism": {**document["mechanism"], "expected_batch": 99.0}},
        "mechanism.steps": {"mechanism": {**document["mechanism"], "steps": 0}, "epsilon": 0.0},
        "mechanism.samples": {"mechanism": {**document["mechanism"], "samples": 61, "expected_batch":
                              61 * document["mechanism"]["rate"]}},
    }.items():  # fmt: skip
        (child.folder / "certificate.json").write_text(json.dumps({**document, **changes}))
        with pytest.raises(DataError, match=f"wrong in '{entry}"):
            sciml.tool("certificate", child.folder, settings=["data=true"])
    with pytest.raises((ConfigError, DataError), match=r"certificate"):
        (child.folder / "certificate.json").write_text(json.dumps({"format": "other"}))
        sciml.tool("certificate", child.folder)


def test_any_network_can_be_clipped_and_audited(run, tmp_path):
    mlp = sciml.run(
        "borehole", solver="mlp_rows", settings=("train.steps=20", "model.width=8", "baselines=[]"), out=tmp_path
    ).folder
    child = sciml.tool("privacy", mlp, settings=["delta=1e-3", "steps=10", "clip=0.5"])
    document = json.loads((child.folder / "certificate.json").read_text())
    assert document["method"] == "clip"
    assert document["bounds"] == {"all parameters together": 0.5}
    assert sciml.tool("certificate", child.folder).record.findings["certificate"].metrics["certified"] == 1.0
    audit = sciml.tool("membership", child.folder).record.findings["membership"].metrics
    assert 0.3 < audit["auc"] < 0.7
    assert sciml.tool("certificate", mlp).record.findings["certificate"].metrics["certified"] == 0.0


def test_membership_counts():
    members, others = np.array([0.1, 0.2, 0.3]), np.array([0.25, 0.4])
    assert separation(members, others) == pytest.approx(5 / 6)
    assert separation(members, members) == pytest.approx(0.5)
    assert advantage(members, others) == pytest.approx(2 / 3)
    assert advantage(others, members) == 0.0


def test_what_cannot_be_private_is_refused(run, tmp_path):
    with pytest.raises(ConfigError, match=r"epsilon 0.001 cannot be reached"):
        sciml.tool("privacy", run, settings=["epsilon=0.001", "delta=1e-5", "steps=100000000"])
    with pytest.raises(ConfigError, match=r"delta must be less than one over"):
        sciml.tool("privacy", run, settings=["delta=0.1"])
    squares = sciml.run(
        "borehole", solver="lipschitz_rows", out=tmp_path,
        settings=("train.steps=2", "model.width=8", "model.loss=squares", "baselines=[]"),
    ).folder  # fmt: skip
    with pytest.raises(UnsupportedError, match=r"no Lipschitz constant.*squared error.*model.loss=huber"):
        sciml.tool("privacy", squares, settings=["delta=1e-3"])
    clipped = sciml.tool("privacy", squares, settings=["delta=1e-3", "loss_clip=0.3", "steps=3"])
    assert json.loads((clipped.folder / "certificate.json").read_text())["loss_constant"] == pytest.approx(0.3)
    network = sciml.run("borehole", solver="mlp_rows", settings=("train.steps=2", "baselines=[]"), out=tmp_path).folder
    with pytest.raises(UnsupportedError, match=r"has no bounds on its gradients.*method=clip"):
        sciml.tool("privacy", network, settings=["method=lipschitz", "delta=1e-3"])
    batch_norm = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    from sciml.tools.privacy import refuse_coupled

    with pytest.raises(UnsupportedError, match=r"layer '1' couples the samples"):
        refuse_coupled(batch_norm)


def test_public_constants_are_kept():
    problem, solver = registry.problem("borehole"), LipschitzRowsSolver()
    bench = solver.task.prepare(problem, "tiny", RegressionConfig())
    model = solver.recipe("tiny").model.model_copy(update={"centre": (70.0, 5000.0), "spread": (50.0, 2000.0)})
    module = solver.build(problem, model, bench.context)
    assert module.units.field_mean.tolist() == [70.0, 5000.0]
    assert solver.certified(module).leaks == {}
    wrong = model.model_copy(update={"centre": (70.0,), "spread": (50.0,)})
    with pytest.raises(ConfigError, match=r"one for each of flow, velocity"):
        solver.build(problem, wrong, bench.context)
