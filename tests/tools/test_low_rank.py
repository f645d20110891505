"""Ranks for a budget, and modules rebuilt from plans."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn

from sciml.core.errors import UnknownNameError, UserError
from sciml.models import CoordinateMLP
from sciml.nn import MLP, ConvBlock, LowRankLinear, SpectralConv, coordinates, discarded_energy, matrices
from sciml.tools.cost import count_flops
from sciml.tools.low_rank import (
    LowRankConfig,
    LowRankPlan,
    apply_low_rank,
    choose_ranks,
    factor_low_rank,
    plan_low_rank,
)


class Spectral(nn.Module):
    """A small Fourier layer with a path beside it."""

    def __init__(self):
        super().__init__()
        self.lift, self.spectral = nn.Conv2d(2, 8, 1), SpectralConv(8, 8, modes=3)
        self.skip, self.project = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        v = self.lift(x)
        return self.project((self.spectral(v) + self.skip(v)).tanh())


MODULES = {
    "mlp": (lambda: MLP(4, 3, width=24, layers=3), (5, 4)),
    "convolutions": (lambda: ConvBlock(3, 12, modes=("circular", "zeros"), shortcut=True), (2, 3, 8, 8)),
    "spectral": (Spectral, (2, 2, 8, 8)),
    "coordinates": (lambda: CoordinateMLP(2, 1, width=16, layers=2, nonlinearity=nn.Tanh(), factorised=True), (9, 2)),
}


@pytest.fixture(params=MODULES)
def case(request):
    torch.manual_seed(0)
    build, shape = MODULES[request.param]
    return build, build().double(), torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("share", [0.5, 0.7, 1.0])
def test_a_plan_keeps_its_budget_as_counted_before_and_after(case, share):
    _, module, x = case
    before = count_flops(lambda: module(x)).products
    plan = plan_low_rank(module, lambda: module(x), LowRankConfig(flops=share))
    factor_low_rank(module, plan)
    after = count_flops(lambda: module(x)).products
    assert after / before == pytest.approx(plan.flops, rel=1e-12)
    assert after <= share * before
    assert LowRankPlan.model_validate_json(plan.model_dump_json()) == plan
    if share == 1.0:
        assert not plan.ranks


def test_the_plan_alone_rebuilds_the_structure(case):
    build, module, x = case
    plan = plan_low_rank(module, lambda: module(x), LowRankConfig(flops=0.6))
    factored = factor_low_rank(module, plan)
    fresh = build().double()
    state = torch.get_rng_state()
    apply_low_rank(fresh, LowRankPlan.model_validate_json(plan.model_dump_json()))
    assert torch.equal(torch.get_rng_state(), state)
    assert fresh.state_dict().keys() == factored.state_dict().keys()
    fresh.load_state_dict(factored.state_dict())
    assert torch.equal(fresh(x), factored(x))


def test_discarded_is_the_error_of_every_layer(case):
    _, module, x = case
    dense = copy.deepcopy(module)
    plan = plan_low_rank(module, lambda: module(x), LowRankConfig(flops=0.5))
    factor_low_rank(module, plan)
    for name in plan.ranks:
        before, after = (matrices(m.get_submodule(name)).values for m in (dense, module))
        error = (after - before).abs().square().sum() / before.abs().square().sum()
        assert float(error) == pytest.approx(plan.discarded[name], rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("budget", [0.35, 0.45, 0.6, 0.8, 0.95])
def test_ranks_are_close_to_the_best_of_all(budget):
    """Against every choice; a step of one layer may be missed where the budget cuts it."""
    torch.manual_seed(1)
    module = nn.ModuleDict({name: nn.Linear(8, 10) for name in "abc"}).double()
    with torch.no_grad():  # spectra that fall at different rates
        for layer, rate in zip(module.values(), (0.2, 0.6, 1.2), strict=True):
            left, sigma, right = torch.linalg.svd(layer.weight, full_matrices=False)
            layer.weight.copy_(left * sigma * torch.exp(-rate * torch.arange(8.0)) @ right)
    flops = {"a": 1000, "b": 1600, "c": 800, "other": 600}
    plan = choose_ranks(module, flops, budget, {"other": "it is no matrix"})
    errors = {
        name: (-torch.log1p(-discarded_energy(matrices(layer).values)[1:])).tolist() for name, layer in module.items()
    }
    options = {
        name: [(r * 18 / 80 * n, errors[name][r - 1]) for r in range(1, 5)] + [(n, 0.0)]
        for name, n in flops.items()
        if name in errors
    }
    best = min(
        sum(error for _, error in choice)
        for choice in itertools.product(*options.values())
        if 600 + sum(cost for cost, _ in choice) <= budget * 4000 + 1e-6
    )
    assert plan.flops <= budget + 1e-9
    assert sum(-math.log1p(-share) for share in plan.discarded.values()) <= best + 0.1


def test_a_budget_out_of_reach_names_the_least():
    module, x = MLP(4, 3, width=24, layers=2), torch.randn(5, 4)
    with pytest.raises(UserError, match=r"got flops=0.05; expected at least (0\.\d+)") as raised:
        plan_low_rank(module, lambda: module(x), LowRankConfig(flops=0.05))
    least = raised.value.expected.removeprefix("at least ")
    assert set(plan_low_rank(module, lambda: module(x), LowRankConfig(flops=float(least))).ranks.values()) == {1}


def test_layers_left_alone_are_listed_with_the_reason():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.middle, self.last = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 6)
            self.unused, self.narrow = nn.Linear(6, 6), nn.Linear(6, 1)
            self.read, self.tied, self.tied_too = nn.Linear(6, 6), nn.Linear(16, 16), nn.Linear(16, 16)
            self.tied_too.weight = self.tied.weight
            self.grouped, self.cell = nn.Conv1d(4, 4, 1, groups=2), nn.GRUCell(6, 6)

        def forward(self, x):
            h = self.last(self.tied_too(self.tied(self.middle(self.first(x)))))
            h = self.cell(nn.functional.linear(h, self.read.weight)) + self.narrow(h)
            return self.grouped(h.expand(4, 6))

    module, x = Mixed(), torch.randn(1, 6)
    config = LowRankConfig(flops=0.9, keep_first=True, keep=("last",))
    plan = plan_low_rank(module, lambda: module(x), config)
    assert plan.ranks.keys() == {"middle"}
    reasons = {
        "first": "called first",
        "last": "configuration",
        "unused": "does not call it",
        "read": "does not call it",
        "narrow": "1 x 6 matrix is not cheaper",
        "tied": "shares its weight with tied_too",
        "tied_too": "shares its weight with tied",
        "grouped": "2 groups",
        "cell": "GRUCell",
    }
    assert plan.skipped.keys() == reasons.keys()
    assert all(reason in plan.skipped[name] for name, reason in reasons.items())
    with pytest.raises(UnknownNameError, match=r"'lst'.*Did you mean 'last'"):
        plan_low_rank(module, lambda: module(x), LowRankConfig(keep=("lst",)))
    bad = copy.deepcopy(module)
    bad.middle.weight.data[0, 0] = torch.nan
    with pytest.raises(UserError, match="middle: its weight holds values that are not finite"):
        plan_low_rank(bad, lambda: bad(x), config)
    with pytest.raises(UserError, match="the whole module"):
        plan_low_rank(module.middle, lambda: module.middle(torch.randn(1, 16)), LowRankConfig())


def test_a_layer_used_under_two_names_is_one_layer():
    shared = nn.Linear(12, 12)
    module, x = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared, nn.Tanh(), shared)}), torch.randn(2, 12)
    plan = plan_low_rank(module, lambda: module["b"](module["a"](x)), LowRankConfig(flops=0.5))
    assert plan.ranks.keys() == {"a"}
    factor_low_rank(module, plan)
    assert module["a"] is module["b"][0] is module["b"][2]
    assert isinstance(module["a"], LowRankLinear)


def test_a_factored_module_can_be_factored_further():
    module, x = MLP(6, 6, width=20, layers=2).double(), torch.randn(4, 6, dtype=torch.float64)
    for share in (0.6, 0.5):
        plan = plan_low_rank(module, lambda: module(x), LowRankConfig(flops=share))
        before = count_flops(lambda: module(x)).products
        factor_low_rank(module, plan)
        assert count_flops(lambda: module(x)).products <= share * before
        assert all("first" not in name for name in plan.ranks)
    assert all(not isinstance(m.first, LowRankLinear) for m in module.modules() if isinstance(m, LowRankLinear))


def test_jets_of_a_factored_network_are_its_derivatives():
    module = CoordinateMLP(2, 1, width=16, layers=2, nonlinearity=nn.Tanh()).double()
    points = torch.rand(5, 2, dtype=torch.float64, requires_grad=True)
    factor_low_rank(module, plan_low_rank(module, lambda: module(points), LowRankConfig(flops=0.6)))
    (slope,) = torch.autograd.grad(module(points).sum(), points)
    jet = module(coordinates(points, ("x", "t"), ("x", "t")))
    torch.testing.assert_close(torch.cat((jet["x"], jet["t"]), dim=1), slope)


@pytest.mark.parametrize(
    ("ranks", "reason"),
    [
        ({"layers.9": 2}, "no layer 'layers.9'"),
        ({"layers.0": 1, "layers.1": 2}, "'layers.1' cannot be factored: the class Tanh"),
        ({"layers.0": 1, "layers.2": 40}, "got rank 40"),
        ({"": 1}, "no layer ''"),
    ],
)
def test_a_foreign_plan_is_refused_and_changes_nothing(ranks, reason):
    module = MLP(4, 3, width=24)
    with pytest.raises(UserError, match=reason):
        apply_low_rank(module, LowRankPlan(ranks=ranks))
    assert module.state_dict().keys() == MLP(4, 3, width=24).state_dict().keys()
