"""Penalties on learned equations: their values, their gradients, what they refuse."""

import math

import pytest
import torch
from torch import nn

from sciml import ode
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError
from sciml.models import (
    PUBLISHED_COEFFICIENTS,
    DiffuseConfig,
    IntegrateConfig,
    ODEBlock,
    RegulariseConfig,
    SDEBlock,
    WithIntegral,
    jittered_times,
    local_error,
    steps_penalty,
)
from sciml.nn import ConcatLinear, TimeMLP

UNIT = torch.tensor([0.0, 1.0], dtype=torch.float64)
KINDS = sorted(PUBLISHED_COEFFICIENTS)


class Linear(nn.Module):
    """dz/dt = A z."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = nn.Parameter(torch.tensor(matrix, dtype=torch.float64))

    def forward(self, time, state):
        return state @ self.matrix.T


class Constant(nn.Module):
    """dz/dt = c."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value, dtype=torch.float64))

    def forward(self, time, state):
        return self.value.expand_as(state)


def field(dim=3, seed=0, width=16):
    torch.manual_seed(seed)
    return TimeMLP([ConcatLinear(dim, width), ConcatLinear(width, dim)], last=True).double()


def block(kind="none", f=None, *, rtol=1e-6, watched=None, gradient="discrete", method="tsit5", step=None, **settings):
    return ODEBlock(
        field() if f is None else f,
        integrate=IntegrateConfig(method=method, rtol=rtol, atol=rtol, gradient=gradient, step=step),
        regularise=RegulariseConfig(kind=kind, **settings),
        watched=watched,
    )


def start(batch=8, dim=3, seed=1):
    return torch.randn(batch, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def penalty(layer, y0, times=UNIT):
    """R of one training solve."""
    layer.train()
    layer(y0, times)
    value, layer.policy.penalty = layer.policy.penalty, None
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_lambda_zero_and_evaluation_are_the_plain_solve_bit_for_bit(kind):
    y0 = start()
    gradients = []
    for config in (RegulariseConfig(), RegulariseConfig(kind=kind, coefficient=0.0)):
        torch.manual_seed(4)
        layer = ODEBlock(field(), integrate=IntegrateConfig(), regularise=config)
        layer.train(not config.steers)  # steer changes the times of training, whatever its coefficient
        states, _ = layer(y0, UNIT)
        loss = layer.policy.add_to(states[:, -1].square().mean(), 0.3)
        loss.backward()
        gradients.append([loss.detach(), *(p.grad for p in layer.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    layer = block(kind).eval()
    assert torch.equal(layer(y0, UNIT)[0], block()(y0, UNIT)[0])
    assert layer.policy.penalty is None


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains(kind):
    layer = block(kind)
    states, solution = layer(start(), UNIT)
    assert states.shape == (8, 2, 3)
    loss = layer.policy.add_to(states[:, -1].square().mean(), 0.0)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in layer.parameters())
    assert layer.policy.penalty is None
    assert (layer.solves, layer.calls) == (1 + (kind == "local_biased"), layer.calls)
    assert layer.calls >= solution.stats.calls


def test_annealing_goes_from_the_first_to_the_last_coefficient():
    config = RegulariseConfig(kind="er", coefficient=100.0, final_coefficient=10.0)
    weights = [config.weight(i / 10) for i in range(11)]
    assert weights[0] == 100.0
    assert weights[-1] == pytest.approx(10.0)
    assert weights[5] == pytest.approx(math.sqrt(1000.0))
    assert weights == sorted(weights, reverse=True)
    rising = RegulariseConfig(kind="er", coefficient=1.0, final_coefficient=4.0)
    assert [rising.weight(a) for a in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 2.0, 4.0])
    constant = RegulariseConfig(kind="er", coefficient=3.0)
    assert {constant.weight(a) for a in (0.0, 0.4, 1.0)} == {3.0}
    assert RegulariseConfig(kind="er").weight(0.0) == PUBLISHED_COEFFICIENTS["er"][0]
    with pytest.raises(ConfigError, match="final_coefficient needs a positive coefficient"):
        RegulariseConfig(kind="er", final_coefficient=1.0)


def recorded(f, y0, *, step=None):
    return ode.solve(f, y0, UNIT, method="tsit5", rtol=1e-6, atol=1e-6, step=step, record=True).steps


@pytest.mark.parametrize("form", ["paper", "code"])
def test_the_formulas_by_hand(form):
    steps = recorded(field(), start(4))
    s, expected = 3.5068, {"er": [], "er2": [], "sr": [], "er_sr": []}
    for row in range(4):
        n = int(steps.taken[row].sum())
        e, h, k = (v[row, :n].detach().tolist() for v in (steps.error, steps.size, steps.stiffness))
        if form == "paper":
            expected["er"].append(sum(a * b for a, b in zip(e, h, strict=True)))
            expected["er2"].append(sum(a * a for a in e))
            expected["sr"].append(sum(a * b for a, b in zip(k, h, strict=True)))
            expected["er_sr"].append(expected["er"][-1] + 0.5 * expected["sr"][-1])
        else:
            expected["er"].append(sum(a * b for a, b in zip(e, h, strict=True)) / n)
            expected["er2"].append(sum(a * a for a in e) / n)
            expected["sr"].append(max(k) / s)
            expected["er_sr"].append(expected["er"][-1] + 0.5 * sum(k) / n / s)
    for kind, values in expected.items():
        config = RegulariseConfig(kind=kind, form=form, stiffness=0.5)
        assert float(steps_penalty(config, steps, s).detach()) == pytest.approx(sum(values) / 4, rel=1e-12)


def test_nothing_is_penalised_where_the_field_is_constant():
    for kind in ("er", "er2", "sr", "er_sr", "local", "local_biased", "taynode"):
        f = Constant([1.0, -2.0])
        cost = penalty(block(kind, f), torch.zeros(2, 2, dtype=torch.float64))
        cost.backward()
        assert float(cost.detach()) < 1e-8
        assert float(f.value.grad.abs().max()) < 1e-6
    cost = penalty(block("rnode", Constant([1.0, -2.0])), torch.zeros(2, 2, dtype=torch.float64))
    assert float(cost.detach()) == pytest.approx(2.5)  # only the speed, (1 + 4) / 2


def agree_with_differences(value, weight):
    """d(value)/d(weight) along a direction, by autograd and by central differences."""
    direction = torch.randn(weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    (gradient,) = torch.autograd.grad(value(), weight)
    sides = []
    with torch.no_grad():
        for sign in (1, -1):
            weight.add_(sign * 1e-5 * direction)
            sides.append(float(value()))
            weight.sub_(sign * 1e-5 * direction)
    assert float((gradient * direction).sum()) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-5)


def lively(seed=0):
    """A field whose steps of 0.25 have errors far above rounding."""
    f = field(seed=seed)
    with torch.no_grad():
        for p in f.parameters():
            p.mul_(4)
    return f


CASES = [(k, f) for k in ("er", "er2", "sr", "er_sr") for f in ("paper", "code")] + [
    ("rnode", "code"),
    ("taynode", "code"),
]


@pytest.mark.parametrize(("kind", "form"), CASES)
def test_gradients_are_those_of_differences_on_a_frozen_grid(kind, form):
    y0, layer = start(3), block(kind, lively(), form=form, step=0.25)

    def value():
        torch.manual_seed(3)
        return penalty(layer, y0)

    agree_with_differences(value, layer.field.layers[0].linear.weight)


def test_gradients_of_a_local_step_are_those_of_differences():
    f, z = lively(), start(3)
    time, end = torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    length = torch.full_like(time, 0.25)
    settings = {"method": ode.find_method("tsit5"), "tolerance": ode.Tolerance(1e-6, 1e-6)}
    agree_with_differences(
        lambda: local_error(f, time, z, end, length, (), **settings).mean(), f.layers[0].linear.weight
    )


def test_lengths_are_constants():
    """With adaptive steps the gradient is that of E alone, at the lengths that were taken."""
    f, y0 = field(), start(4)
    steps = recorded(f, y0)
    by_hand = ((steps.error * steps.size.detach()).sum(1) / steps.taken.sum(1)).mean()
    wanted = torch.autograd.grad(by_hand, list(f.parameters()))
    grads = torch.autograd.grad(penalty(block("er", f), y0), list(f.parameters()))
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-14) for a, b in zip(grads, wanted, strict=True))


@pytest.mark.parametrize("kind", ["er", "sr"])
def test_descending_the_penalty_saves_evaluations(kind):
    layer, y0 = block(kind, lively(seed=2)), start(8)
    optimiser = torch.optim.Adam(layer.parameters(), 3e-2)

    def evaluations():
        return float(layer.eval()(y0, UNIT)[1].stats.evaluations.double().mean())

    before, history = evaluations(), []
    for _ in range(25):
        optimiser.zero_grad()
        cost = penalty(layer, y0)
        cost.backward()
        optimiser.step()
        history.append(float(cost.detach()))
    assert history[-1] < 0.8 * history[0]
    assert evaluations() < 0.88 * before


@pytest.mark.parametrize("kind", ["local", "local_biased"])
def test_the_local_estimate_agrees_with_the_whole_grid(kind):
    """On a fine fixed grid the mean of E |h| of steps from random times is that over the grid, within 3 s.e."""
    f, y0, step = field(), start(1), 0.02
    layer = block(kind, f, step=step)
    steps = recorded(f, y0, step=step)
    error = (steps.error * steps.size).detach()
    torch.manual_seed(0)
    with torch.no_grad():
        repeated = y0.expand(1000, -1)
        layer.train()
        draws = local_draws(layer, repeated)
    share = (len(draws) ** -0.5) * draws.std()
    inner = draws[draws > 0]  # steps cut short by the end count less
    assert abs(float(inner.mean() - error.mean())) < 3 * float(share) + 0.02 * float(error.mean())


def local_draws(layer, y0):
    """The values whose mean the local penalty is."""
    kept = []

    def spy(*args, **kwargs):
        kept.append(local_error(*args, **kwargs))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sciml.models._ode_block.local_error", spy)
        penalty(layer, y0)
    return kept[0]


def test_biased_steps_of_taken_length_estimate_er():
    f, y0 = field(), start(1)
    steps = recorded(f, y0)
    expected = float((steps.error * steps.size).detach().sum() / steps.taken.sum())
    layer = block("local_biased", f, length="taken")
    torch.manual_seed(0)
    with torch.no_grad():
        draws = local_draws(layer, y0.expand(500, -1))
    assert abs(float(draws.mean()) - expected) < 3 * float(draws.std()) / 500**0.5 + 1e-3 * expected


@pytest.mark.parametrize("kind", ["local", "local_biased"])
def test_the_source_of_a_local_step_gets_no_gradient(kind):
    y0 = start().requires_grad_()
    cost = penalty(block(kind), y0)
    assert torch.autograd.grad(cost, y0, allow_unused=True) == (None,)


@pytest.mark.parametrize("kind", ["local", "local_biased"])
@pytest.mark.parametrize("gradient", ["checkpointed", "adjoint"])
def test_local_penalties_are_the_same_under_every_gradient(kind, gradient):
    results = []
    for mode in ("discrete", gradient):
        layer = block(kind, gradient=mode, rtol=1e-7)
        torch.manual_seed(5)
        states, _ = layer(start(), UNIT)
        loss = layer.policy.add_to(states[:, -1].square().mean(), 0.0)
        loss.backward()
        results.append([loss.detach(), *(p.grad for p in layer.parameters())])
    assert all(float((a - b).norm() / b.norm()) < 1e-4 for a, b in zip(*results, strict=True))


def test_local_states_are_those_of_the_plain_solve():
    """One more time does not change the answers at the times asked for, forward or backward."""
    times = torch.tensor([0.0, 0.3, 0.5, 1.0], dtype=torch.float64)
    for wanted in (times, times.flip(0)):
        plain, _ = block()(start(), wanted)
        states, _ = block("local")(start(), wanted)
        assert states.shape == plain.shape
        torch.testing.assert_close(states, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["er", "er2", "sr", "er_sr", "steer_er", "steer_sr"])
def test_heuristics_and_the_adjoint_are_refused_with_the_way_out(kind):
    with pytest.raises(UnsupportedError, match=r"gradient would be lost.*discrete.*regularise\.kind=local"):
        block(kind, gradient="adjoint")
    block(kind, gradient="adjoint", coefficient=0.0)


def test_what_a_method_cannot_tell_is_refused():
    with pytest.raises(UnsupportedError, match="rk4 has none"):
        block("er", method="rk4", step=0.1)
    with pytest.raises(UnsupportedError, match="stiffness estimate, and method bosh3 has none"):
        block("sr", method="bosh3")
    with pytest.raises(UnknownNameError, match="tsit5"):
        block(method="tsit")
    parts = nn.Linear(2, 2), nn.Linear(2, 2)
    for kind in ("local", "local_biased", "rnode", "taynode"):
        with pytest.raises(UnsupportedError, match="ordinary differential equations"):
            SDEBlock(*parts, integrate=DiffuseConfig(), regularise=RegulariseConfig(kind=kind))
    with pytest.raises(UnsupportedError, match="milstein does not provide"):
        SDEBlock(*parts, integrate=DiffuseConfig(method="milstein"), regularise=RegulariseConfig(kind="er"))


def test_steer_jitters_the_end_within_its_range():
    times = torch.tensor([0.0, 1.0])
    torch.manual_seed(0)
    ends = torch.stack([jittered_times(times, 0.5) for _ in range(300)])
    assert bool((ends[:, 0] == 0).all())
    assert bool((ends[:, 1] > 0.5).all()) and bool((ends[:, 1] < 1.5).all())
    assert float(ends[:, 1].mean()) == pytest.approx(1.0, abs=3 * 0.2887 / 300**0.5)
    several = jittered_times(torch.tensor([2.0, 1.5, 0.0]), 0.9)
    assert bool((several.diff() < 0).all())
    layer = block("steer", Constant([1.0, 0.0]))
    ends = torch.cat([layer(torch.zeros(1, 2, dtype=torch.float64), UNIT)[0][:, -1, 0] for _ in range(20)])
    assert float(ends.detach().std()) > 0.1
    end = layer.eval()(torch.zeros(1, 2, dtype=torch.float64), UNIT)[0][0, -1, 0]
    assert float(end.detach()) == pytest.approx(1.0)


def test_the_integrals_of_a_linear_field():
    """Speed and Jacobian of dz/dt = A z in closed form: ∫ ‖A e^{At} z‖² and ‖εᵀ A‖²; acceleration A² z."""
    matrix = torch.tensor([[-0.3, 1.0], [-1.0, -0.3]], dtype=torch.float64)
    y0 = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    grid = torch.linspace(0, 1, 2001, dtype=torch.float64)
    path = torch.linalg.matrix_exp(matrix * grid[:, None, None]) @ y0[0]
    speed = torch.trapezoid((path @ matrix.T).square().sum(1), grid) / 2
    bending = torch.trapezoid((path @ (matrix @ matrix).T).square().sum(1), grid) / 2
    f = Linear(matrix.tolist())
    assert float(penalty(block("taynode", f, rtol=1e-9), y0).detach()) == pytest.approx(float(bending), rel=1e-6)
    frobenius = float(matrix.square().sum()) / 2  # A Aᵀ is a multiple of one here, so every ε gives this
    cost = float(penalty(block("rnode", f, rtol=1e-9, jacobian=2.0), y0).detach())
    assert cost == pytest.approx(float(speed) + 2.0 * frobenius, rel=1e-6)
    only = float(penalty(block("rnode", f, rtol=1e-9, jacobian=0.0), y0, UNIT.flip(0)).detach())
    back = torch.linalg.matrix_exp(-matrix * grid[:, None, None]) @ y0[0]
    assert only == pytest.approx(float(torch.trapezoid((back @ matrix.T).square().sum(1), grid) / 2), rel=1e-6)


def test_the_jacobian_estimate_is_unbiased():
    torch.manual_seed(0)
    matrix = torch.randn(4, 4, dtype=torch.float64)
    wrapped = WithIntegral(Linear(matrix.tolist()), torch.Size([4]), kind="rnode", watched=4, jacobian=1.0)
    signs = 2 * torch.randint(0, 2, (256, 4)) - 1
    values = wrapped(torch.zeros(256, dtype=torch.float64), torch.zeros(256, 5, dtype=torch.float64), signs)[:, -1]
    error = 3 * float(values.std().detach()) / 256**0.5
    assert float(values.mean().detach()) == pytest.approx(float(matrix.square().sum()) / 4, abs=error)


def test_acceleration_knows_the_time():
    """dz/dt = t z has d²z/dt² = (1 + t²) z."""

    class Growing(nn.Module):
        def forward(self, time, state):
            return time[:, None] * state

    wrapped = WithIntegral(Growing(), torch.Size([1]), kind="taynode", watched=1, jacobian=1.0)
    time, state = torch.tensor([0.5, 2.0], dtype=torch.float64), torch.tensor([3.0, 1.0], dtype=torch.float64)
    packed = torch.stack((state, torch.zeros(2, dtype=torch.float64)), 1)
    integrand = wrapped(time, packed, torch.ones(2, 1))[:, -1]
    torch.testing.assert_close(integrand.detach(), ((1 + time**2) * state) ** 2)


def test_watched_components_alone_are_penalised():
    f = Linear([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    y0 = torch.tensor([[1.0, 0.0, 2.0]], dtype=torch.float64)
    cost = float(penalty(block("rnode", f, watched=2, rtol=1e-9), y0).detach())
    assert cost == pytest.approx((1 + 2) / 2, rel=1e-6)


def test_sde_steps_are_penalised():
    torch.manual_seed(0)
    parts = [nn.Linear(2, 2) for _ in range(2)]

    class Part(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, time, state):
            return self.network(state)

    layer = SDEBlock(*map(Part, parts), integrate=DiffuseConfig(), regularise=RegulariseConfig(kind="er"))
    y0 = torch.ones(5, 2)
    states, solution = layer(y0, torch.tensor([0.0, 1.0]), seed=3)
    value = layer.policy.penalty
    loss = layer.policy.add_to(states[:, -1].square().mean(), 0.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(
        float((states[:, -1].square().mean() + 100.0 * value).detach()), rel=1e-6
    )
    assert float(value.detach()) == pytest.approx(
        float(((solution.steps.error * solution.steps.size).sum(1) / solution.steps.taken.sum(1)).mean().detach())
    )
    assert all(p.grad.isfinite().all() and p.grad.any() for p in layer.parameters())
    plain = SDEBlock(layer.drift, layer.diffusion, integrate=DiffuseConfig())
    assert torch.equal(
        plain(y0, torch.tensor([0.0, 1.0]), seed=3)[0], layer.eval()(y0, torch.tensor([0.0, 1.0]), seed=3)[0]
    )
