"""The step rule of differentiable search: gradients of first and second order, its price, its draws, its state."""

import pytest
import torch
from torch import nn

from sciml.core.config import Config
from sciml.tools.search import BilevelRule, Gates, HalfSampler, Price, Relaxation, fit_table
from sciml.train import GradientRule, Slot, Space, StepRule, TrainConfig

SPACE = Space((Slot("a", ("x", "y", "z")), Slot("b", (1, 2)), Slot("c", (1, 2), needs=("b", (2,)))), lambda c: Config())
TABLE = torch.tensor([3.0, 1.0, 2.0, 0.5, 4.0, 1.0, 2.5], dtype=torch.float64)


class Weighed(nn.Module):
    """A tiny network whose output is weighed by the gates: smooth in logits and weights."""

    def __init__(self, gates):
        super().__init__()
        torch.manual_seed(1)
        self.gates = gates
        self.maps = nn.ModuleList(nn.Linear(2, 1, dtype=torch.float64) for _ in range(3))
        self.scale = nn.Parameter(torch.tensor([0.7, -0.4], dtype=torch.float64))

    def forward(self, x):
        mixed = sum(g * layer(x).tanh() for g, layer in zip(self.gates.rows["a"], self.maps, strict=True))
        return mixed * (self.gates.rows["b"] @ self.scale)


class Still(StepRule):
    """Takes no step and says which rate it would have had."""

    def __init__(self, rate):
        self.rate = rate

    def step(self, batch, along):
        return torch.zeros(())

    def logged(self):
        return {"learning_rate": self.rate}


def loss(module, batch, along):
    x, y = batch
    return (module(x) - y).square().mean()


def batch(seed):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(8, 2, generator=draw, dtype=torch.float64)
    return x, x[:, :1].sin()


def made(*, steps=20, order=1, xi=None, price=None, kind="soft", paths=None, warm=0.0, rate=0.1, loss=loss, inner=None):
    gates = Gates(SPACE)
    module = Weighed(gates)
    train = TrainConfig(steps=steps, learning_rate=0.05, clip=None, optimiser="sgd")
    return BilevelRule(
        inner or GradientRule(module, loss, train), module, loss, gates, lambda step: batch(1000 + step), seed=3,
        steps=steps, rate=rate, relaxation=Relaxation(kind, paths=paths), price=price, order=order, xi=xi, warm=warm,
    )  # fmt: skip


def cost(code):
    return code.double() @ TABLE


def run(rule, steps=6, start=0):
    for step in range(start, start + steps):
        rule.step(batch(step), step / 20)
    return [logits.detach().clone() for logits in rule.logits]


def test_no_price_is_the_plain_method_to_the_bit():
    plain, priced = made(), made(price=Price(cost, 1.0, 0.0))
    for a, b in zip(run(plain), run(priced), strict=True):
        assert torch.equal(a, b)
    assert priced.logged()["cost"] > 0, "the cost is shown, though it does not count"


def test_the_price_reaches_choices_and_not_weights():
    plain, priced = made(), made(price=Price(cost, 1.0, 5.0, ramp=0.0))
    run(plain, 1)
    run(priced, 1)
    assert not torch.equal(plain.logits[0], priced.logits[0])
    weights = []
    for price in (0.0, 1e6):
        rule = made(price=Price(cost, 1.0, price, ramp=0.0), rate=1e-30)  # choices that stay
        run(rule, 3)
        weights.append([p.detach().clone() for p in rule.module.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_the_gradient_of_the_price_is_that_of_a_softmax():
    """∂(p·c)/∂α = p ∘ (c - p·c) for a slot that always exists; by finite differences for all."""
    torch.manual_seed(0)
    logits = [torch.randn(len(slot.choices), dtype=torch.float64, requires_grad=True) for slot in SPACE.slots]

    def priced(*values):
        return cost(SPACE.mixed([value.softmax(0) for value in values]))

    assert torch.autograd.gradcheck(priced, logits)
    (slope,) = torch.autograd.grad(priced(*logits), logits[0])
    p, c = logits[0].softmax(0), TABLE[:3]
    torch.testing.assert_close(slope, p * (c - p @ c))


def test_looking_no_step_ahead_is_first_order():
    for a, b in zip(run(made()), run(made(order=2, xi=0.0)), strict=True):
        assert torch.equal(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(run(made()), run(made(order=2, xi=0.5)), strict=True))


def test_second_order_is_the_derivative_through_a_step():
    """Against autograd through w' = w - ξ ∇L_train(w, α); the weights are as before."""
    xi, rule = 0.3, made(order=2, inner=Still(0.3))
    before = [p.detach().clone() for p in rule.module.parameters()]
    begun = [logits.detach().clone() for logits in rule.logits]
    rule.step(batch(0), 0.0)
    assert all(torch.equal(a, b) for a, b in zip(before, rule.module.parameters(), strict=True))
    names = [name for name, _ in rule.module.named_parameters()]

    def value(weights, logits, data):
        for slot, row in zip(SPACE.slots, logits, strict=True):
            rule.gates.rows[slot.name] = row.softmax(0)
        answer = torch.func.functional_call(rule.module, dict(zip(names, weights, strict=True)), (data[0],))
        return (answer - data[1]).square().mean()

    weights = [p.clone().requires_grad_() for p in before]
    logits = [some.clone().requires_grad_() for some in begun]
    descent = torch.autograd.grad(value(weights, logits, batch(0)), weights, create_graph=True)
    ahead = [w - xi * g for w, g in zip(weights, descent, strict=True)]
    true = torch.autograd.grad(value(ahead, logits, batch(1000)), logits[:2])
    for mine, exact in zip(rule.logits, true, strict=False):
        torch.testing.assert_close(mine.grad, exact, rtol=1e-4, atol=1e-9)
    assert not rule.logits[2].grad.any()


@pytest.mark.parametrize("kind", ["soft", "straight_through"])
def test_resumed_is_straight(kind):
    price = Price(cost, 2.0, 0.3, target=3.0)
    straight = made(kind=kind, paths=2, price=price)
    wanted = run(straight, 6)
    first, second = made(kind=kind, paths=2, price=price), made(kind=kind, paths=2, price=price)
    run(first, 3)
    second.module.load_state_dict(first.module.state_dict())
    second.load_state_dict(first.state_dict())
    for a, b in zip(run(second, 3, start=3), wanted, strict=True):
        assert torch.equal(a, b)
    assert second.weight == straight.weight


@pytest.mark.parametrize("kind", ["soft", "straight_through"])
def test_a_high_price_finds_the_cheapest(kind):
    rule = made(steps=150, kind=kind, price=Price(cost, 1.0, 30.0), rate=0.2)
    for step in range(150):
        rule.step(batch(step), step / 150)
    assert rule.best()["a"] == "y"
    assert rule.best()["b"] == 1


def test_ascent_on_the_price_meets_a_target():
    """The expected cost of the mixture comes to the target, whatever the loss would like."""
    rule = made(steps=300, price=Price(cost, 1.0, 0.0, target=3.5), rate=0.1)
    costs = []
    for step in range(300):
        rule.step(batch(step), step / 300)
        costs.append(rule.logged()["cost"])
    assert sum(costs[-100:]) / 100 == pytest.approx(3.5, rel=0.1)


def test_draws_compute_few_candidates_and_one_for_the_weights():
    seen = []

    def watched(module, data, along):
        row = module.gates.rows["a"]
        seen.append((len(module.gates.active["a"]), row.requires_grad, row.detach().tolist()))
        return loss(module, data, along)

    made(kind="straight_through", paths=2, loss=watched).step(batch(0), 0.0)
    (choices, differentiable, row), (weights, also, _) = seen
    assert (choices, differentiable) == (2, True)
    assert (weights, also) == (1, False)
    assert sorted(row) == [0.0, 0.0, 1.0]


def test_choices_wait_until_weights_are_warm():
    rule = made(warm=0.5)
    begun = [logits.detach().clone() for logits in rule.logits]
    assert all(torch.equal(a, b) for a, b in zip(begun, run(rule, 10), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(begun, run(rule, 1, start=10), strict=True))
    assert not rule.candidate


def test_halves_share_no_sample():
    for count, size in ((100, 8), (64, 64), (3, 16), (2, 1)):
        first, second = HalfSampler(0), HalfSampler(0, second=True)
        ones = {int(i) for step in range(20) for i in first.indices(step, count, size)}
        others = {int(i) for step in range(20) for i in second.indices(step, count, size)}
        assert ones
        assert others
        assert not ones & others
        assert len(ones) + len(others) == count


def test_a_table_that_adds_up_is_learned_exactly():
    codes = torch.stack([SPACE.encode({"a": a, "b": b, "c": c}) for a in "xyz" for b in (1, 2) for c in (1, 2)])
    true = cost(codes) + 1.0
    torch.testing.assert_close(fit_table(codes, true)(codes), true, rtol=1e-6, atol=0)
