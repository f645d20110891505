"""Finding blocks, structures within a budget, and blocks that move while a network is trained."""

import copy
import functools
import math

import pytest
import torch
from torch import nn

from sciml.core.errors import UserError
from sciml.models import CoordinateMLP
from sciml.nn import MLP, ConvBlock, LowRankLinear, SpectralConv, coordinates, dense_matrices
from sciml.nn.structured import GaudiMatrix, Rectangles, Shape, Structured, fit_rectangles, rectangles_cost
from sciml.tools.cost import count_flops
from sciml.tools.low_rank import LowRankConfig, plan_low_rank
from sciml.tools.structure import (
    FAMILIES,
    GaudiRule,
    StructureConfig,
    StructurePlan,
    apply_structure,
    compact_structure,
    find_blocks,
    fit_structure,
    plan_structure,
)
from sciml.train import GradientRule, TrainConfig

QUICK = {"fit_steps": 5}


def random(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def relative(gap, whole):
    return float(gap.abs().square().sum() / whole.abs().square().sum()) ** 0.5


def test_blocks_of_a_block_diagonal_matrix_are_found():
    """Eight blocks of rank 2, at a quarter of the multiplications: low rank misses nearly half of it."""
    blocks = [random(8, 2, seed=k) @ random(2, 8, seed=k + 10) for k in range(8)]
    dense, budget = torch.block_diag(*blocks), 64 * 64 // 4
    energy = torch.linalg.svdvals(dense).square()
    low_rank = float(energy[budget // 128 :].sum() / energy.sum()) ** 0.5
    (layout,) = find_blocks(dense[None], Shape(64, 64), [budget], steps=60)
    assert layout.error**0.5 < 0.2 * low_rank
    assert 0.9 * budget < rectangles_cost(layout.rectangles) <= budget


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_blocks_lose_no_more_than_low_rank(share):
    for dense in (
        random(24, 32),
        torch.exp(-0.1 * (torch.arange(24.0)[:, None] - torch.arange(32.0)).square()).double(),
    ):
        budget = int(share * dense.numel())
        energy = torch.linalg.svdvals(dense).square()
        (layout,) = find_blocks(dense[None], Shape(24, 32), [budget], steps=20)
        assert layout.error <= float(energy[budget // 56 :].sum() / energy.sum()) + 1e-12
        blocks = fit_rectangles(dense[None], Shape(24, 32), layout.rectangles)
        assert len(blocks) == len(layout.rectangles)


@pytest.mark.parametrize("shape", [Shape(8, 6, taps=9), Shape(6, 8, stack=10, is_complex=True)])
def test_blocks_of_kernels_and_of_modes(shape):
    kind = torch.complex128 if shape.is_complex else torch.float64
    dense = torch.randn(
        max(1, shape.stack), shape.rows, shape.width, dtype=kind, generator=torch.Generator().manual_seed(0)
    )
    (layout,) = find_blocks(dense, shape, [shape.entries // 2], steps=5)
    operator = Rectangles(blocks=tuple(layout.rectangles)).operator(shape).double()
    operator.fit(dense)
    assert operator.multiplications <= shape.entries // 2
    gap = operator.to_dense() - (dense if shape.stack else dense[0])
    assert relative(gap.detach(), dense) == pytest.approx(layout.error**0.5, rel=0.02)


def test_a_matrix_of_zeros_needs_no_blocks():
    (layout,) = find_blocks(torch.zeros(1, 8, 8, dtype=torch.float64), Shape(8, 8), [16])
    assert layout.error == 0.0
    assert rectangles_cost(layout.rectangles) == 1


class Spectral(nn.Module):
    """A small Fourier layer with a path beside it."""

    def __init__(self):
        super().__init__()
        self.lift, self.spectral = nn.Conv2d(2, 8, 1), SpectralConv(8, 8, modes=2)
        self.skip, self.project = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        v = self.lift(x)
        return self.project((self.spectral(v) + self.skip(v)).tanh())


MODULES = {
    "mlp": (lambda: MLP(4, 6, width=24, layers=2), (5, 4)),
    "convolutions": (lambda: ConvBlock(4, 12, modes=("circular", "zeros"), shortcut=True), (2, 4, 8, 8)),
    "spectral": (Spectral, (2, 2, 8, 8)),
}


@pytest.fixture(params=MODULES)
def case(request):
    torch.manual_seed(0)
    build, shape = MODULES[request.param]
    return build, build().double(), torch.randn(*shape, dtype=torch.float64)


def test_a_plan_keeps_its_budget_and_rebuilds_the_structure(case):
    build, module, x = case
    before, dense = count_flops(lambda: module(x)).products, copy.deepcopy(module)
    plan = plan_structure(module, lambda: module(x), StructureConfig(flops=0.5, **QUICK))
    structured = fit_structure(module, plan)
    with torch.no_grad():
        after = count_flops(lambda: structured(x)).products
    assert after <= 0.5 * before
    assert after / before == pytest.approx(plan.flops, rel=0.05)  # a convolution counts products with the padding too
    for name in plan.layers:
        values, now = (dense_matrices(m.get_submodule(name)) for m in (dense, structured))
        assert relative(now - values, values) ** 2 <= plan.discarded[name] * 1.02 + 1e-9
    fresh, state = build().double(), torch.get_rng_state()
    apply_structure(fresh, StructurePlan.model_validate_json(plan.model_dump_json()))
    assert torch.equal(torch.get_rng_state(), state)
    fresh.load_state_dict(structured.state_dict())
    assert torch.equal(fresh(x), structured(x))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_alone(family):
    torch.manual_seed(0)
    module, x = MLP(8, 8, width=32, layers=2).double(), torch.randn(6, 8, dtype=torch.float64)
    before = count_flops(lambda: module(x)).products
    plan = plan_structure(module, lambda: module(x), StructureConfig(flops=0.6, families=(family,), **QUICK))
    assert set(plan.families.values()) == {family}
    fit_structure(module, plan)
    with torch.no_grad():
        assert count_flops(lambda: module(x)).products <= 0.6 * before


def test_low_rank_alone_is_the_plan_of_the_tool_low_rank():
    torch.manual_seed(0)
    module, x = MLP(8, 8, width=32, layers=2), torch.randn(6, 8)
    plan = plan_structure(module, lambda: module(x), StructureConfig(flops=0.5, families=("low_rank",)))
    ranks = plan_low_rank(module, lambda: module(x), LowRankConfig(flops=0.5)).ranks
    assert {name: form.rank for name, form in plan.layers.items()} == ranks
    assert all(isinstance(fit_structure(module, plan).get_submodule(name), LowRankLinear) for name in ranks)


def test_all_families_lose_no_more_than_any_alone():
    torch.manual_seed(0)
    module, x = MLP(8, 8, width=32, layers=2), torch.randn(6, 8)

    def loss(*families):
        plan = plan_structure(module, lambda: module(x), StructureConfig(flops=0.5, families=families, **QUICK))
        return -sum(math.log1p(-share) for share in plan.discarded.values())

    assert loss("low_rank", "block_diagonal", "monarch") <= min(loss("low_rank"), loss("monarch")) + 1e-9


def test_structures_of_structured_and_factored_layers():
    torch.manual_seed(0)
    module, x = MLP(8, 8, width=32, layers=2).double(), torch.randn(6, 8, dtype=torch.float64)
    for families, share in ((("monarch",), 0.7), (("low_rank",), 0.7), (("block_sparse", "gblr"), 0.7)):
        with torch.no_grad():
            before = count_flops(lambda: module(x)).products
        config = StructureConfig(flops=share, families=families, **QUICK)
        plan = plan_structure(module, functools.partial(module, x), config)
        fit_structure(module, plan)
        with torch.no_grad():
            assert count_flops(lambda: module(x)).products <= share * before
        assert not any("operator" in name or "first" in name for name in plan.layers)
    factored = plan_low_rank(module, lambda: module(x), LowRankConfig(flops=0.8))
    assert any(isinstance(module.get_submodule(name), Structured) for name in factored.ranks)


def test_jets_of_a_structured_network_are_its_derivatives():
    module = CoordinateMLP(2, 1, width=16, layers=2, nonlinearity=nn.Tanh()).double()
    points = torch.rand(5, 2, dtype=torch.float64, requires_grad=True)
    config = StructureConfig(flops=0.6, families=("block_sparse", "monarch"))
    fit_structure(module, plan_structure(module, lambda: module(points), config))
    (slope,) = torch.autograd.grad(module(points).sum(), points)
    jet = module(coordinates(points, ("x", "t"), ("x", "t")))
    torch.testing.assert_close(torch.cat((jet["x"], jet["t"]), dim=1), slope)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"flops": 0.01}, r"budget cannot be met.*expected at least 0\.\d+"),
        *(
            ({"flops": 0.01, "families": (family,)}, r"budget cannot be met.*expected at least 0\.\d+")
            for family in ("block_sparse", "block_low_rank", "blast", "gblr")
        ),
        ({"flops": 0.01, "start": "scratch"}, r"cannot be met from scratch.*expected at least 0\.\d+"),
        ({"keep": ("lyers",)}, r"unknown layer 'lyers'.*Did you mean 'layers"),
        ({"keep": ("layers",)}, "no layer of this module can be structured"),
        ({"keep": ("layers",), "start": "scratch"}, "no layer of this module can be structured"),
    ],
)
def test_what_cannot_be_planned(settings, words):
    module, x = MLP(8, 8, width=16, layers=2), torch.randn(6, 8)
    with pytest.raises(UserError, match=words):
        plan_structure(module, lambda: module(x), StructureConfig(**QUICK, **settings))


def test_weights_that_are_not_finite_are_named():
    module, x = MLP(8, 8, width=16, layers=1), torch.randn(6, 8)
    module.layers[0].weight.data[0, 0] = torch.nan
    plan = plan_structure(module, lambda: module(x), StructureConfig(flops=0.8, families=("monarch",)))
    assert "not finite" in plan.skipped["layers.0"]


def test_a_foreign_plan_is_refused_and_changes_nothing():
    module, x = MLP(8, 8, width=16, layers=2), torch.randn(6, 8)
    plan = plan_structure(module, lambda: module(x), StructureConfig(flops=0.5, families=("block_sparse",)))
    other = MLP(8, 8, width=12, layers=1)
    before = other.state_dict().keys()
    with pytest.raises(UserError, match="a structure plan does not fit this module"):
        apply_structure(other, plan)
    assert other.state_dict().keys() == before


class Rows(tuple):
    """A batch of inputs and targets."""

    def rows(self, chosen):
        return Rows(part[chosen] for part in self)

    def __len__(self):
        return len(self[0])


STEPS = 30


def training(flops=0.4):
    """A network with blocks to learn from scratch, its rule, and a batch to fit."""
    torch.manual_seed(0)
    module, x = MLP(16, 8, width=32, layers=2), torch.randn(64, 16)
    plan = plan_structure(module, lambda: module(x), StructureConfig(flops=flops, start="scratch", cells=8))
    fit_structure(module, plan).train()
    config = TrainConfig(steps=STEPS, learning_rate=5e-3, warmup=0.0)

    def loss(network, batch, along):
        return (network(batch[0]) - batch[1]).square().mean()

    rule = GaudiRule(GradientRule(module, loss, config), module, steps=STEPS, settle=0.3, start=0.02)
    target = torch.sin(x @ torch.randn(16, 8))
    return module, plan, rule, Rows((x, target))


def take(rule, batch, steps):
    return [float(rule.step(batch, k / STEPS)) for k in steps]


def test_learned_blocks_meet_the_budget_and_stay():
    module, plan, rule, batch = training()
    assert not rule.candidate
    before = {name: copy.deepcopy(value) for name, value in module.named_parameters() if "starts" in name}
    losses = take(rule, batch, range(STEPS))
    assert rule.candidate
    assert losses[-1] < losses[0]
    moved = [
        name for name, value in module.named_parameters() if name in before and not torch.equal(value, before[name])
    ]
    assert moved, "starts were learned"
    kept = compact_structure(module, plan)
    assert 0.8 * plan.flops < kept.flops <= plan.flops + 1e-9
    assert all(isinstance(form, Rectangles) for form in kept.layers.values())
    assert not [inner for inner in module.modules() if isinstance(inner, GaudiMatrix)]
    x = batch[0]
    with torch.no_grad():
        after = count_flops(lambda: module(x)).products
        dense = count_flops(lambda: MLP(16, 8, width=32, layers=2)(x)).products
    assert after / dense == pytest.approx(kept.flops, rel=1e-6)
    rebuilt = apply_structure(MLP(16, 8, width=32, layers=2), kept)
    rebuilt.load_state_dict(module.state_dict())
    torch.testing.assert_close(rebuilt(x), module(x), rtol=0, atol=0)


def test_the_form_that_predicts_answers_as_the_learned_one():
    module, plan, rule, batch = training()
    take(rule, batch, range(STEPS))
    learned = copy.deepcopy(module).eval()
    compact_structure(module.eval(), plan)
    with torch.no_grad():
        torch.testing.assert_close(module(batch[0]), learned(batch[0]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stop", [5, 25])
def test_a_stopped_training_of_blocks_goes_on_as_if_it_had_not_stopped(stop):
    straight, _, rule, batch = training()
    take(rule, batch, range(STEPS))
    first, _, rule, batch = training()
    take(rule, batch, range(stop))
    weights, state = copy.deepcopy(first.state_dict()), copy.deepcopy(rule.state_dict())
    second, _, rule, batch = training()
    second.load_state_dict(weights)
    rule.load_state_dict(state)
    take(rule, batch, range(stop, STEPS))
    after, expected = second.state_dict(), straight.state_dict()
    assert all(torch.equal(after[name], expected[name]) for name in expected)


def test_blocks_that_never_got_a_step_settle_when_they_are_skipped():
    _, _, rule, _ = training()
    for _ in range(STEPS):
        rule.skip(0.0)
    assert rule.candidate


def test_layers_compete_for_the_budget():
    """The costs of layers are not all the same share of what they were."""
    module, _, rule, batch = training()
    take(rule, batch, range(STEPS))
    shares = [op.multiplications / op.shape.entries for op in module.modules() if isinstance(op, GaudiMatrix)]
    assert max(shares) > 1.05 * min(shares)
