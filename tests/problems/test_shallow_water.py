"""The shallow-water reference: equation, exact solutions, conservation, convergence, symmetries, range of the data."""

import importlib
import math

import pytest
import sympy
import torch

from sciml.core import registry
from sciml.core.capabilities import Evolves
from sciml.core.errors import UserError
from sciml.core.rng import generator
from sciml.core.status import Status
from sciml.data import PresetCard, read_card
from sciml.reference import Fourier, resample

PROBLEM = registry.problem("shallow_water")
equations = importlib.import_module("sciml_problems.shallow_water.equations")
reference = importlib.import_module("sciml_problems.shallow_water.reference")

GRID = PROBLEM.grid((32, 32))
Y, X = torch.meshgrid(*(axis.points() for axis in GRID.axes), indexing="ij")
K = 2 * math.pi / equations.EXTENT


def make_params(rossby=0.5, froude=0.2, depth=1.0, batch=1):
    values = {"rossby": rossby, "froude": froude, "depth": depth}
    return {name: torch.full((batch,), value, dtype=torch.float64) for name, value in values.items()}


def draw(count, grid=GRID, seed=0):
    """Parameters and initial states of `count` random trajectories."""
    draws, states = [], []
    for index in range(count):
        randomness = generator(seed, index)
        draws.append(PROBLEM.draw(randomness))
        states.append(PROBLEM.initial(draws[-1], grid, randomness))
    return {name: torch.stack([d[name] for d in draws]) for name in draws[0]}, torch.stack(states)


def run(params, initial, times, *, points=32, **options):
    """The solver on `points`² internal points, fewer than the problem's own 64² where a test can afford it."""
    times = torch.as_tensor(times, dtype=torch.float64)
    return reference.simulate(params, initial, times, GRID, internal=PROBLEM.grid((points, points)), **options)


def relative(a, b):
    return float((a - b).norm() / b.norm())


@pytest.fixture(scope="module")
def flows():
    """Four random flows at 32² over the frames of the tiny preset, as the problem makes them."""
    card = read_card(PROBLEM).table("tiny", PresetCard)
    params, initial = draw(4)
    times = torch.arange(card.frames, dtype=torch.float64) * card.dt
    return params, initial, times, PROBLEM.simulate(params, initial, times, GRID)


# --- the equation ---------------------------------------------------------------------------------------------------


def test_tendency_is_the_symbolic_equation():
    """Sympy differentiates band-limited fields exactly; the Fourier tendency must agree to round-off."""
    x, y, f, g, nu = sympy.symbols("x y f g nu", real=True)
    k = sympy.Float(K, 30)
    fields = {
        "h": 1 + sympy.Rational(1, 5) * sympy.cos(k * x + 2 * k * y) + sympy.sin(3 * k * y) / 10,
        "u": sympy.sin(2 * k * y) / 3 + sympy.cos(k * x - k * y) / 4,
        "v": sympy.cos(3 * k * x) / 5 - sympy.sin(k * x + k * y) / 2,
    }
    numbers = {f: 0.7, g: equations.GRAVITY, nu: 0.01}
    functions = {sympy.Function(name)(x, y): value for name, value in fields.items()}

    def evaluate(expression):
        return torch.as_tensor(sympy.lambdify((x, y), expression, "numpy")(X.numpy(), Y.numpy()))

    expected = torch.stack(
        [evaluate(rhs.subs(functions).doit().subs(numbers)) for rhs in equations.symbolic().values()]
    )
    fourier = Fourier(GRID)
    state = fourier.forward(torch.stack([evaluate(value) for value in fields.values()])[None])
    f_row = torch.tensor([0.7], dtype=torch.float64)
    actual = fourier.inverse(equations.tendency(state, f_row, fourier, viscosity=0.01))[0]
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


# --- exact solutions ------------------------------------------------------------------------------------------------


def test_lake_at_rest_stays_at_rest():
    initial = torch.zeros(1, 3, 32, 32, dtype=torch.float64)
    initial[:, 0] = 0.95
    states = PROBLEM.simulate(make_params(), initial, torch.tensor([0.0, 5.0, 10.0]).double(), GRID).states
    assert (states[:, :, 0] - 0.95).abs().max() < 1e-15
    assert (states[:, :, 1:] == 0).all()


@pytest.mark.parametrize("mode", [(0, 1), (2, 1), (3, -4)])
@pytest.mark.parametrize("rossby", [0.3, math.inf])
def test_small_waves_follow_the_poincare_dispersion_relation(mode, rossby):
    """ω² = f² + g H k²; without rotation the phase speed is sqrt(g H). Amplitude 1e-7 keeps it linear."""
    depth, amplitude, time = 0.9, 1e-7, 6.0
    params = make_params(rossby=rossby, depth=depth)
    f = float(equations.coriolis(params))
    kx, ky = K * mode[1], K * mode[0]
    k = math.hypot(kx, ky)
    omega = math.sqrt(f**2 + equations.GRAVITY * depth * k**2)
    if rossby == math.inf:
        assert omega / k == pytest.approx(math.sqrt(depth), rel=1e-15)

    def wave(t):
        phase = kx * X + ky * Y - omega * t
        along, across = omega / k * torch.cos(phase), f / k * torch.sin(phase)  # velocity along k and 90° left of it
        u, v = (kx * along - ky * across) / k, (ky * along + kx * across) / k
        return torch.stack([torch.cos(phase) * depth, u, v])[None] * amplitude / depth

    rest = torch.zeros(1, 3, 32, 32, dtype=torch.float64)
    rest[:, 0] = depth
    final = run(params, rest + wave(0.0), [0.0, time], courant=0.15, viscosity=0.0).states[:, -1]
    assert relative(final - rest, wave(time)) < 1e-5


def test_geostrophic_jet_is_steady():
    """u(y) with g dh/dy = −f u solves the full nonlinear equations without viscosity, whatever its strength."""
    params = make_params(rossby=0.4, froude=0.3)
    f = float(equations.coriolis(params))
    u = 0.3 * torch.cos(2 * K * Y)
    h = 1 - f / equations.GRAVITY * 0.3 * torch.sin(2 * K * Y) / (2 * K)
    initial = torch.stack([h, u, torch.zeros_like(u)])[None]
    states = run(params, initial, [0.0, 10.0], viscosity=0.0).states
    torch.testing.assert_close(states[:, 1], initial, rtol=0, atol=1e-12)


def test_vortices_start_in_nonlinear_balance():
    """The balance equation leaves no tendency of the divergence; geostrophy alone would leave an order-Ro one."""
    randomness = generator(3)
    params = PROBLEM.draw(randomness)
    grid = PROBLEM.grid((64, 64))
    initial = reference.initial_state(params, grid, randomness, wave_fraction=0.0)
    fourier = Fourier(grid)
    ik_y, ik_x = fourier.ik
    f = equations.coriolis(params)
    _, u, v = fourier.inverse(equations.tendency(fourier.forward(initial[None]), f[None], fourier, viscosity=0.0))[0]
    change = fourier.inverse(ik_x * fourier.forward(u) + ik_y * fourier.forward(v))
    vorticity = fourier.derivative(initial[2], 1) - fourier.derivative(initial[1], 0)
    assert change.norm() < 1e-11 * (f * vorticity).norm()


def test_added_waves_carry_no_linear_potential_vorticity():
    params = {name: value[0] for name, value in make_params().items()}
    with_waves = reference.initial_state(params, GRID, generator(4))
    waves = with_waves - reference.initial_state(params, GRID, generator(4), wave_fraction=0.0)
    fourier = Fourier(GRID)
    zeta = fourier.derivative(waves[2], 1) - fourier.derivative(waves[1], 0)
    stretching = equations.coriolis(params) * waves[0] / params["depth"]
    assert stretching.norm() > 1e-3
    assert relative(zeta, stretching) < 1e-11
    speed = waves[1:].square().sum(0).mean().sqrt()
    assert float(speed / equations.velocity_scale(params)) == pytest.approx(reference.WAVE_FRACTION, rel=1e-12)


# --- conservation ---------------------------------------------------------------------------------------------------


def test_mass_is_exact(flows):
    params, _, _, trajectory = flows
    mass = equations.mass(trajectory.states, params, GRID)
    assert (mass / mass[:, :1] - 1).abs().max() < 1e-13
    torch.testing.assert_close(mass[:, 0], params["depth"], rtol=1e-13, atol=0)


def test_energy_and_potential_enstrophy_are_conserved_without_viscosity():
    """Smooth flow over one turnover time: what is left is the truncation of the spectrum, not a leak."""
    params, initial = draw(2)
    states = run(params, initial, [0.0, 2.0], points=64, viscosity=0.0, courant=1.2).states
    for invariant in (equations.energy, equations.potential_enstrophy):
        before, after = invariant(states, params, GRID).unbind(1)
        assert (after / before - 1).abs().max() < 1e-7


def test_viscosity_only_takes_energy(flows):
    params, _, _, trajectory = flows
    energy = equations.energy(trajectory.states, params, GRID)
    assert (energy[:, -1] < energy[:, 0]).all()


def test_stored_data_keeps_its_invariants_within_the_declared_tolerance(flows):
    params, _, _, trajectory = flows
    for invariant in PROBLEM.invariants:
        values = invariant.compute(trajectory.states.float(), params, GRID).double()
        drift = (values / values[:, :1] - 1).abs().max()
        assert drift < invariant.tolerance, invariant.name


# --- convergence ----------------------------------------------------------------------------------------------------


def test_time_stepping_is_of_fourth_order():
    params, initial = draw(1)
    times = [0.0, 2.0]
    truth = run(params, initial, times, courant=0.1).states[:, -1]
    runs = [run(params, initial, times, courant=courant) for courant in (1.6, 0.8, 0.4)]
    errors = torch.tensor([relative(r.states[:, -1], truth) for r in runs], dtype=torch.float64)
    steps = torch.cat([r.stats["steps"] for r in runs]).double()
    slopes = errors.log().diff() / -steps.log().diff()
    assert (slopes - 4).abs().max() < 0.25


def test_space_is_resolved_spectrally():
    """The error falls faster than any fixed power; at 64² points it is below 1e-4."""
    params, initial = draw(1)
    truth = run(params, initial, [0.0, 3.5], points=96).states[:, -1]
    errors = [relative(run(params, initial, [0.0, 3.5], points=n).states[:, -1], truth) for n in (32, 48, 64)]
    orders = [
        math.log(coarse / fine) / math.log(n / m)
        for coarse, fine, m, n in zip(errors, errors[1:], (32, 48), (48, 64), strict=False)
    ]
    assert min(orders) > 4
    assert errors[-1] < 1e-4


def test_coarse_data_is_the_truncation_of_fine_data(flows):
    """32² and 64² store the same run: the coarse frames are the fine ones without their finest modes."""
    params, initial, times, coarse = flows
    fine_grid = PROBLEM.grid((64, 64))
    fine_initial = draw(4, fine_grid)[1]
    torch.testing.assert_close(fine_initial[..., ::2, ::2], initial, rtol=0, atol=1e-12)
    fine = PROBLEM.simulate(params, fine_initial, times[:3], fine_grid)
    torch.testing.assert_close(resample(fine.states, (32, 32)), coarse.states[:, :3], rtol=0, atol=1e-10)


# --- symmetries and rows --------------------------------------------------------------------------------------------


def test_shift_equivariance():
    params, initial = draw(1)
    times = [0.0, 2.0]
    shifted = run(params, initial.roll((5, -9), dims=(-2, -1)), times).states
    expected = run(params, initial, times).states.roll((5, -9), dims=(-2, -1))
    torch.testing.assert_close(shifted, expected, rtol=0, atol=1e-12)


def rotate(states):
    """Quarter turn anticlockwise of (h, u, v): the point (x, y) goes to (−y, x), the vector (u, v) to (−v, u)."""
    h, u, v = (torch.flip(c.transpose(-2, -1), dims=(-1,)).roll(1, -1) for c in states.unbind(-3))
    return torch.stack([h, -v, u], dim=-3)


def mirror(states):
    """Reflection y → −y of (h, u, v), which turns the sense of rotation around."""
    h, u, v = (torch.flip(c, dims=(-2,)).roll(1, -2) for c in states.unbind(-3))
    return torch.stack([h, u, -v], dim=-3)


def test_rotation_symmetry():
    params, initial = draw(1)
    turned = run(params, rotate(initial), [0.0, 2.0]).states
    torch.testing.assert_close(turned, rotate(run(params, initial, [0.0, 2.0]).states), rtol=0, atol=1e-12)


def test_reflection_symmetry_needs_the_opposite_rotation():
    params, initial = draw(1)
    expected = mirror(run(params, initial, [0.0, 2.0]).states)
    opposite = params | {"rossby": -params["rossby"]}
    torch.testing.assert_close(run(opposite, mirror(initial), [0.0, 2.0]).states, expected, rtol=0, atol=1e-12)
    assert relative(run(params, mirror(initial), [0.0, 2.0]).states, expected) > 1e-2


def test_rows_do_not_influence_each_other():
    params, initial = draw(3)
    together = run(params, initial, [0.0, 2.0, 4.0])
    for row in range(3):
        alone = run({name: value[row : row + 1] for name, value in params.items()}, initial[row : row + 1], [0, 2, 4])
        torch.testing.assert_close(alone.states[0], together.states[row], rtol=0, atol=1e-12)
        assert alone.stats["steps"][0] == together.stats["steps"][row]


def test_same_batch_same_bits():
    params, initial = draw(3)
    first, second = (run(params, initial, [0.0, 2.0]).states for _ in range(2))
    assert torch.equal(first, second)


def test_a_sample_that_breaks_down_is_reported_and_the_others_are_not_touched():
    params, initial = draw(3)
    expected = run({name: value[:1] for name, value in params.items()}, initial[:1], [0.0, 2.0, 4.0]).states[0]
    broken = initial.clone()
    broken[1, 1:] *= 60  # far supersonic: it shocks and runs dry
    broken[2, 0] -= 2  # a negative layer
    result = run(params, broken, [0.0, 2.0, 4.0])
    assert result.status.tolist() == [Status.OK, Status.DIVERGED, Status.DIVERGED]
    torch.testing.assert_close(result.states[0], expected, rtol=0, atol=1e-12)
    assert torch.isfinite(result.states[1, 0]).all()
    assert torch.isnan(result.states[1, 1:]).all()
    assert torch.isnan(result.states[2]).all()


# --- the problem as data --------------------------------------------------------------------------------------------


def test_declaration():
    assert isinstance(PROBLEM, Evolves)
    assert [field.name for field in PROBLEM.fields] == ["h", "u", "v"]
    assert set(PROBLEM.presets) <= set(read_card(PROBLEM).presets)
    for name in PROBLEM.presets:
        preset = read_card(PROBLEM).table(name, PresetCard)
        assert PROBLEM.grid(preset.grid).size == preset.grid


def test_draws_lie_in_the_stated_ranges_and_set_the_flow():
    for index in range(50):
        randomness = generator(11, index)
        params = PROBLEM.draw(randomness)
        for parameter in PROBLEM.parameters:
            assert parameter.low <= params[parameter.name] <= parameter.high
        h, u, v = reference.initial_state(params, GRID, randomness, wave_fraction=0.0)
        speed = (u**2 + v**2).mean().sqrt()
        f = equations.coriolis(params)
        assert float(speed / (equations.GRAVITY * h.mean()).sqrt()) == pytest.approx(float(params["froude"]), rel=1e-12)
        assert float(speed / (f * equations.EDDY_LENGTH)) == pytest.approx(float(params["rossby"]), rel=1e-12)


def test_layer_is_thick_enough_initially():
    """The deepest cyclones of 200 draws leave at least a tenth of the layer: nobody starts dry."""
    params, initial = draw(200, seed=5)
    assert (initial[:, 0].amin((-2, -1)) / params["depth"]).min() > 0.1


def test_flow_moves_three_to_six_cells_between_frames_at_64_points():
    """rms speed × dt / dx, the mean over frames and trajectories; the gravity waves stay below a third of the box."""
    card = read_card(PROBLEM).table("tiny", PresetCard)
    grid = PROBLEM.grid((64, 64))
    params, initial = draw(5, grid, seed=1)
    times = torch.arange(0, card.frames, 3, dtype=torch.float64) * card.dt
    states = PROBLEM.simulate(params, initial, times, grid).states
    speed = states[:, :, 1:].square().sum(2).mean((-2, -1)).sqrt().mean()
    assert 3 < float(speed) * card.dt / grid.axes[0].spacing < 6
    assert float(params["depth"].sqrt().mean()) * card.dt / equations.EXTENT < 1 / 3


@pytest.mark.parametrize("size", [(32,), (32, 64), (33, 33), (30, 30), ()])
def test_sizes_that_do_not_fit_are_refused(size):
    with pytest.raises(UserError, match="at least 32"):
        PROBLEM.grid(size)


def test_no_layer_beyond_the_ranges_starts_dry():
    grid = PROBLEM.grid((32, 32))
    for index in range(60):
        randomness = generator(0, PROBLEM.name, "beyond", index)
        params = PROBLEM.draw_beyond(randomness)
        assert PROBLEM.initial(params, grid, randomness)[0].min() > 0.05
