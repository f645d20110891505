"""Labels of the operators: closed forms, orders of their references, symmetries."""

import math
import sys

import numpy as np
import pytest
import torch

from sciml.core import registry, rng
from sciml.core.capabilities import AppliesOperator
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import UnknownNameError
from sciml.core.functions import Functions
from sciml.core.status import Status
from sciml.data import read_card
from sciml.reference import GivenSpace, integrate_forced, interpolate, steady_diffusion
from sciml.tasks.operator import OperatorCard

NAMES = ["advection", "advection_diffusion", "advection_operator", "antiderivative", "burgers_operator", "darcy",
         "diffusion_reaction", "fractional_caputo", "ignition_operator", "legendre_transform", "nonlinear_ode",
         "pendulum", "stochastic_elliptic", "stochastic_ode", "stochastic_ode_mean", "vorticity_operator"]  # fmt: skip


def reference_of(name):
    return sys.modules[f"sciml_problems.{registry.problem(name).name}.reference"]


def given(problem, *functions, integrals=()):
    """These very functions as inputs of a problem."""
    space = GivenSpace(problem.inputs[0].domain, functions, integrals)
    return Functions(space, torch.eye(len(functions), dtype=torch.float64))


def some_queries(problem):
    """A lattice; random ones where it would have many axes, every one where they are whole numbers."""
    if len(problem.domain.axes) > 3:
        return problem.scatter(9, rng.generator(5))
    return problem.queries([int(axis.extent) + 1 if axis.whole else 9 for axis in problem.domain.axes])


def line(lower, upper, count):
    return torch.linspace(lower, upper, count, dtype=torch.float64)[:, None]


def order(errors, factor=2.0):
    return np.diff(np.log(errors)) / np.log(1 / factor)


@pytest.fixture(params=NAMES)
def problem(request):
    return registry.problem(request.param)


def test_functions_do_not_influence_each_other_and_queries_neither(problem):
    assert isinstance(problem, AppliesOperator)
    drawn = problem.draw_functions(problem.spaces[0], 3, rng.generator(0))
    queries = some_queries(problem)
    together = problem.apply(drawn, queries)
    alone = problem.apply(tuple(functions.rows(slice(1, 2)) for functions in drawn), queries)
    assert together.status.tolist() == [Status.OK] * 3
    assert together.values.dtype == torch.float64
    torch.testing.assert_close(alone.values[0], together.values[1], rtol=1e-10, atol=1e-12)
    some = torch.tensor([4, 0, 7])
    few = problem.apply(drawn, queries[some])
    if problem.name != "darcy":  # whose lattice follows that of the queries
        torch.testing.assert_close(few.values, together.values[:, some], rtol=1e-9, atol=1e-9)


def test_every_space_can_be_drawn_from_and_cards_fit(problem):
    for space in problem.spaces:
        functions = problem.draw_functions(space, 2, rng.generator(1))
        for entry, drawn in zip(problem.inputs, functions, strict=True):
            assert drawn(problem.sensors(entry.name, (5,) * len(entry.domain.axes))).isfinite().all()
            assert len(drawn) == 2
    with pytest.raises(UnknownNameError, match=problem.spaces[0]):
        problem.draw_functions("nowhere", 1, rng.generator(0))
    card = read_card(problem)
    for preset in problem.presets:
        table = card.table(preset, OperatorCard)
        assert table.functions.test >= 24
        assert set(table.sensors) == {entry.name for entry in problem.inputs}


def test_antiderivatives_are_exact():
    problem = registry.problem("antiderivative")
    x = line(0, 1, 33)
    one = given(problem, lambda p: torch.ones(len(p)).double(), lambda p: torch.cos(2 * math.pi * p[:, 0]),
                integrals=(lambda p: p[:, 0], lambda p: torch.sin(2 * math.pi * p[:, 0]) / (2 * math.pi)))  # fmt: skip
    values = problem.apply((one,), x).values
    torch.testing.assert_close(values[0], x)
    torch.testing.assert_close(values[1], torch.sin(2 * math.pi * x) / (2 * math.pi))
    for space in problem.spaces:
        drawn = problem.draw_functions(space, 4, rng.generator(0))
        fine = line(0, 1, 20_001)
        trapezoid = torch.cumulative_trapezoid(drawn[0](fine), fine[:, 0], dim=1)[:, 4999::5000]
        torch.testing.assert_close(problem.apply(drawn, fine[5000::5000]).values[..., 0], trapezoid, atol=3e-6, rtol=0)


def test_a_riccati_equation_with_a_constant_forcing_is_a_hyperbolic_tangent():
    problem = registry.problem("nonlinear_ode")
    x = line(0, 1, 21)
    values = problem.apply((given(problem, lambda p: 4.0 * torch.ones(len(p)).double()),), x).values[0]
    torch.testing.assert_close(values, 2 * torch.tanh(2 * x), atol=1e-9, rtol=0)


def test_a_solution_that_blows_up_is_a_status():
    problem = registry.problem("nonlinear_ode")
    images = problem.apply(
        (given(problem, lambda p: -16.0 * torch.ones(len(p)).double(), lambda p: p[:, 0]),), line(0, 1, 11)
    )
    assert images.status.tolist() == [Status.DIVERGED, Status.OK]
    assert images.values[0].isnan().all()
    assert images.values[1].isfinite().all()


@pytest.mark.parametrize(("name", "solve"), [("nonlinear_ode", "solutions"), ("pendulum", "angles")])
def test_the_reference_of_driven_equations_has_order_four(name, solve):
    drawn = registry.problem(name).draw_functions("grf", 5, rng.generator(2))[0]
    x = line(0, 1, 3)
    apply = getattr(reference_of(name), solve)
    exact = apply(drawn, x, step=1 / 640).values
    errors = [float((apply(drawn, x, step=1 / n).values - exact).abs().max()) for n in (20, 40, 80)]
    assert order(errors).min() > 3.7
    assert float((apply(drawn, x).values - exact).abs().max()) < 1e-8


def test_a_pendulum_at_rest_stays_and_a_small_torque_swings_it():
    problem = registry.problem("pendulum")
    t, c = line(0, 1, 11), 1e-3
    values = problem.apply(
        (given(problem, lambda p: torch.zeros(len(p)).double(), lambda p: c * torch.ones(len(p)).double()),), t
    ).values
    assert values[0].abs().max() == 0
    torch.testing.assert_close(values[1], c * (1 - torch.cos(t)), atol=c**3, rtol=0)


def test_times_may_come_in_any_order_and_start_late():
    space = GivenSpace(Domain((Coordinate("t", 0.0, 1.0),)), (lambda p: p[:, 0],))
    forcing = Functions(space, torch.ones(1, 1, dtype=torch.float64))
    times = torch.tensor([0.9, 0.2, 0.5]).double()
    images = integrate_forced(lambda y, u: u[:, None], forcing, torch.zeros(1), times, start=0.0, largest_step=0.1)
    torch.testing.assert_close(images.values[0, :, 0], times**2 / 2)


def test_diffusion_without_reaction_has_its_closed_form(monkeypatch):
    problem = registry.problem("diffusion_reaction")
    monkeypatch.setattr(reference_of("diffusion_reaction"), "RATE", 0.0)
    queries = problem.queries((5, 9))
    values = problem.apply((given(problem, lambda p: torch.sin(math.pi * p[:, 0])),), queries).values[0, :, 0]
    rate = math.pi**2 * 0.01
    t, x = queries.unbind(1)
    torch.testing.assert_close(values, torch.sin(math.pi * x) * (1 - torch.exp(-rate * t)) / rate, atol=5e-6, rtol=0)


def test_the_reference_of_diffusion_and_reaction_has_order_two():
    problem = registry.problem("diffusion_reaction")
    drawn = problem.draw_functions("grf", 3, rng.generator(0))[0]
    queries = torch.cartesian_prod(torch.tensor([0.5, 1.0]).double(), line(0, 1, 11)[:, 0])
    apply = reference_of("diffusion_reaction").fields
    exact = apply(drawn, queries, cells=320).values
    errors = [float((apply(drawn, queries, cells=n).values - exact).abs().max()) for n in (20, 40, 80)]
    assert order(errors).min() > 1.8
    assert (exact[:, queries[:, 1] == 0] == 0).all()


def test_advection_shifts_and_is_periodic():
    problem = registry.problem("advection")
    drawn = problem.draw_functions("grf", 3, rng.generator(0))
    start = torch.tensor([[0.0, 0.2], [0.3, 0.5], [1.0, 0.2], [0.0, 0.0], [0.0, 1.0]]).double()
    values = problem.apply(drawn, start).values[..., 0]
    torch.testing.assert_close(values[:, 1], values[:, 0])
    torch.testing.assert_close(values[:, 2], values[:, 0])
    torch.testing.assert_close(values[:, 3], values[:, 4])


def test_waves_move_and_decay():
    registry.problem("advection_diffusion")
    propagated = reference_of("advection_diffusion").propagated
    grid = torch.arange(64).double() / 64
    queries = torch.tensor([[0.0, 0.1], [0.4, 0.7], [1.0, 0.2]]).double()
    t, x = queries.unbind(1)
    values = propagated(torch.stack((torch.sin(2 * math.pi * grid), torch.ones(64).double())), queries)
    decay = torch.exp(-4 * math.pi**2 * 0.1 * t)
    torch.testing.assert_close(values[0], decay * torch.sin(2 * math.pi * (x - t)), atol=1e-12, rtol=0)
    torch.testing.assert_close(values[1], torch.ones(3).double())


def cole_hopf(x, time, viscosity):
    """u for u(x, 0) = sin 2πx, by quadrature of the heat kernel (Gauss-Hermite)."""
    nodes, weights = np.polynomial.hermite.hermgauss(120)
    y = x[:, None] - 2 * math.sqrt(viscosity * time) * nodes
    potential = np.exp(-(1 - np.cos(2 * math.pi * y)) / (4 * math.pi * viscosity))
    return (weights * potential * np.sin(2 * math.pi * y)).sum(1) / (weights * potential).sum(1)


def test_burgers_has_the_solution_of_cole_and_hopf():
    problem = registry.problem("burgers_operator")
    x = problem.queries((64,))
    values = problem.apply((given(problem, lambda p: 0.5 * torch.sin(2 * math.pi * p[:, 0])),), x).values[0, :, 0]
    # 0.5 sin with ν is sin with 2 ν at half the time, times 0.5
    expected = 0.5 * cole_hopf(x[:, 0].numpy(), 0.5, 0.02)
    np.testing.assert_allclose(values.numpy(), expected, atol=1e-7)


def test_burgers_keeps_its_momentum_and_has_order_four():
    problem = registry.problem("burgers_operator")
    drawn = problem.draw_functions("grf", 3, rng.generator(0))[0]
    x = problem.queries((64,))
    later = reference_of("burgers_operator").later
    exact = later(drawn, x, steps=1600)
    assert exact.mean(1).abs().max() < 1e-12
    errors = [float((later(drawn, x, steps=n) - exact).abs().max()) for n in (200, 400)]
    assert order(errors).min() > 3.7
    assert float((later(drawn, x) - exact).abs().max()) < 1e-8
    fine = later(drawn, x, points=512, steps=1600)
    assert float((fine - exact).abs().max()) < 1e-6


def test_steady_diffusion_has_order_two():
    errors = []
    for n in (9, 17, 33):
        x = torch.linspace(0, 1, n, dtype=torch.float64)
        y, x = torch.meshgrid(x, 2 * x, indexing="ij")
        a = torch.exp(x + 2 * y**2)
        u = torch.sin(math.pi * x) * torch.sin(2 * math.pi * y)
        u_x = math.pi * torch.cos(math.pi * x) * torch.sin(2 * math.pi * y)
        u_y = 2 * math.pi * torch.sin(math.pi * x) * torch.cos(2 * math.pi * y)
        source = a * (5 * math.pi**2 * u - u_x - 4 * y * u_y)
        solved = steady_diffusion(a[None], source[None], (1 / (n - 1), 2 / (n - 1)))[0]
        errors.append(float((solved - u).abs().max()))
    assert order(errors).min() > 1.9


def test_a_wall_of_two_materials_is_exact_in_one_dimension():
    """Layers across x: the flux is that of resistances in series, and u is a parabola in each."""
    a = torch.ones(1, 3, 9, dtype=torch.float64)
    a[..., 5:] = 4.0
    thin = steady_diffusion(a, torch.zeros_like(a), (1e3, 1.0))
    assert thin.abs().max() == 0
    source = torch.zeros_like(a)
    source[0, 1, 2] = 1.0
    u = steady_diffusion(a, source, (1e3, 1.0))[0, 1]
    resistances = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.625, 0.25, 0.25, 0.25], dtype=torch.float64)
    left, right = resistances[:2].sum(), resistances[2:].sum()
    torch.testing.assert_close(u[2], left * right / (left + right), rtol=1e-5, atol=0)
    torch.testing.assert_close((u[4] - u[5]) / 0.625, (u[7] - u[8]) / 0.25, rtol=1e-4, atol=0)


def test_a_uniform_permeability_gives_a_symmetric_pressure_of_known_height():
    problem = registry.problem("darcy")
    functions = given(problem, lambda p: torch.full((len(p),), 2.0).double())
    queries = problem.queries((17, 17))
    u = problem.apply((functions,), queries).values[0, :, 0].view(17, 17)
    torch.testing.assert_close(u, u.T)
    assert float(u[8, 8]) == pytest.approx(0.0736713 / 2, rel=2e-3)
    assert u[0].abs().max() == u[:, -1].abs().max() == 0


def test_interpolation_is_exact_for_multilinear_functions():
    y, x = torch.meshgrid(line(0, 1, 4)[:, 0], line(0, 1, 6)[:, 0], indexing="ij")
    points = torch.rand(20, 2, generator=rng.generator(0)).double()
    values = interpolate((1 + 2 * y - x + 3 * x * y)[None], points)
    v, u = points.unbind(1)
    torch.testing.assert_close(values[0], 1 + 2 * v - u + 3 * u * v)


def test_shots_hold_their_energy_and_equal_pulses_have_a_flat_top():
    problem = registry.problem("ignition_operator")
    times = line(0, 4e-3, 8001)
    for space in problem.spaces:
        power = problem.draw_functions(space, 3, rng.generator(0))[0]
        energy = power.coefficients.sum(1)
        assert ((energy >= 0.17) & (energy <= 0.42)).all()
        assert (power(times) >= 0).all()
        deposited = torch.cumulative_trapezoid(power(times), times[:, 0], dim=1)
        torch.testing.assert_close(power.integral(times)[:, 1:], deposited, rtol=0, atol=3e-7)  # h² P′/12 of the rule
        torch.testing.assert_close(deposited[:, -1], energy)
    top = power(line(3e-4, 1.7e-3, 9))
    torch.testing.assert_close(top, top[:, :1].expand_as(top))


def test_the_shape_of_a_shot_decides_whether_it_ignites():
    """0.3 J at once light the reactor, over two residence times they do not; without a shot it rests."""
    problem = registry.problem("ignition_operator")
    space = reference_of("ignition_operator").SPACES["uneven"]
    energies = torch.zeros(3, 8, dtype=torch.float64)
    energies[0, 3], energies[1] = 0.3, 0.3 / 8
    images = problem.apply((Functions(space, energies),), line(0, 4e-3, 41))
    at_once, spread, cold = images.values[..., 0]
    assert at_once[-1] > 3000 and 320 < spread.max() < 1500
    assert spread[-1] < 350  # two residence times after the last pulse
    torch.testing.assert_close(cold, torch.full_like(cold, 300.0), rtol=1e-6, atol=0)


def test_a_laser_that_takes_heat_away_is_a_status():
    problem = registry.problem("ignition_operator")
    powers = given(problem, lambda t: 50 * torch.cos(2000 * t[:, 0]), lambda t: 50 + 0 * t[:, 0])
    images = problem.apply((powers,), line(0, 4e-3, 5))
    assert images.status.tolist() == [Status.DIVERGED, Status.OK]
    assert images.values[0].isnan().all() and images.values[1].isfinite().all()


def test_temperatures_of_shots_have_converged():
    ref = reference_of("ignition_operator")
    drawn = registry.problem("ignition_operator").draw_functions("uneven", 2, rng.generator(3))[0]
    times = line(0, 4e-3, 101)
    exact = ref.temperatures(drawn, times, knots=4001, tolerances=((1e-9, 1e-15),)).values
    errors = (ref.temperatures(drawn, times).values - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    assert errors.max() < 5e-5
