"""The optimiser of the gradient rule takes the steps of torch's, to the bit."""

import copy

import pytest
import torch
from torch import nn

from sciml.train import BrokenStep, GradientRule, TrainConfig


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))


def rule_of(module, **settings):
    config = TrainConfig(**{"steps": 50, "learning_rate": 1e-2, "warmup": 0.0, "clip": None, **settings})
    return GradientRule(module, lambda m, batch, along: m(batch).square().mean(), config), config


def own_steps(module, batches, config, rates):
    """The same training by torch's optimiser alone."""
    optimiser = torch.optim.AdamW(module.parameters(), weight_decay=config.weight_decay, fused=True)
    for batch, rate in zip(batches, rates, strict=True):
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        module(batch).square().mean().backward()
        optimiser.step()
    return optimiser.state_dict()["state"]


@pytest.fixture
def batches():
    return list(torch.randn(8, 6, 3, generator=torch.Generator().manual_seed(1)))


def same_state(ours, theirs):
    assert all(torch.equal(ours[k][name], theirs[k][name]) for k in theirs for name in theirs[k])
    assert {name for entry in theirs.values() for name in entry} == {"step", "exp_avg", "exp_avg_sq"}


def test_steps_and_state_are_those_of_torch(batches):
    ours, theirs = network(), network()
    rule, config = rule_of(ours, weight_decay=0.0)
    rates = []
    for batch in batches:
        rates.append(rule.logged()["learning_rate"])
        rule.step(batch, 0.0)
    state = own_steps(theirs, batches, config, rates)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    same_state(rule.state_dict()["optimiser"]["state"], state)
    assert [float(entry["step"]) for entry in state.values()] == [8.0] * 4


def test_a_saved_state_goes_on_to_the_bit_and_is_not_shared(batches):
    straight, resumed = network(), network()
    rule, _ = rule_of(straight)
    again, _ = rule_of(resumed)
    for batch in batches[:4]:
        rule.step(batch, 0.0)
    again.load_state_dict(copy.deepcopy(rule.state_dict()))
    resumed.load_state_dict(straight.state_dict())
    for batch in batches[4:]:
        rule.step(batch, 0.0)
        again.step(batch, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))
    same_state(again.state_dict()["optimiser"]["state"], rule.state_dict()["optimiser"]["state"])


class Sometimes(nn.Module):
    """A network that one weight takes part in on some batches only."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.always, self.seldom = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        return self.always(x) + (self.seldom(x) if x[0, 0] > 0 else 0.0)


def test_a_weight_without_a_gradient_stays_and_its_count_too(batches):
    ours, theirs = Sometimes(), Sometimes()
    rule, config = rule_of(ours, weight_decay=0.0)
    order = [batch if i % 3 else batch.abs() for i, batch in enumerate(batches)]
    order = [batch if i % 2 else -batch.abs() for i, batch in enumerate(order)]
    rates = []
    for batch in order:
        rates.append(rule.logged()["learning_rate"])
        rule.step(batch, 0.0)
    state = own_steps(theirs, order, config, rates)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    same_state(rule.state_dict()["optimiser"]["state"], state)
    counts = [float(entry["step"]) for entry in state.values()]
    assert max(counts) == 8 and 0 < min(counts) < 8


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("width", [5, 40_000])
def test_a_gradient_that_is_not_finite_is_no_step(clip, width):
    module = nn.Linear(1, width, bias=False)
    before = module.weight.detach().clone()
    config = TrainConfig(steps=5, clip=clip)
    steep = GradientRule(module, lambda m, batch, along: (m.weight * 0).abs().sqrt().sum(), config)  # 0 with slope ∞
    with pytest.raises(BrokenStep):
        steep.step(torch.ones(1, 1), 0.0)
    assert torch.equal(module.weight, before)
