"""The noisy cubic spiral: equation, moments by independent schemes, Itô's balance, the limit without noise."""

import importlib
import math

import pytest
import sympy
import torch

from sciml.core import registry
from sciml.core.capabilities import Diffuses, Evolves, capability_names
from sciml.core.rng import generator
from sciml.core.status import Status
from sciml.data import read_card
from sciml.ode import Brownian, solve_sde
from sciml.reference import ito_paths
from sciml.tasks.paths import PathsCard

PROBLEM = registry.problem("spiral_sde")
equations = importlib.import_module("sciml_problems.spiral_sde.equations")
reference = importlib.import_module("sciml_problems.spiral_sde.reference")


@pytest.fixture(scope="module")
def paths():
    return reference.paths(4000, seed=0).states


def test_it_says_what_it_is():
    assert capability_names(PROBLEM) == ("Diffuses",)
    assert isinstance(PROBLEM, Diffuses)
    assert not isinstance(PROBLEM, Evolves)
    assert PROBLEM.solver == "neural_sde"
    times = PROBLEM.times()
    assert times.shape == (30,)
    assert (float(times[0]), float(times[-1])) == (0.0, 1.0)
    assert PROBLEM.start().tolist() == [2.0, 0.0]
    assert len(PROBLEM.fields) == len(PROBLEM.start())


def test_its_card_describes_reference_paths():
    card = read_card(PROBLEM)
    assert tuple(card.presets) == PROBLEM.presets
    assert card.licence
    assert card.not_modelled
    for name in card.presets:
        preset = card.table(name, PathsCard)
        assert preset.paths.test >= 4000
        assert preset.step <= 0.005


def test_drift_and_diffusion_are_the_symbolic_equation():
    state = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    time = torch.zeros(7, dtype=torch.float64)
    forms = equations.symbolic()
    arguments = sympy.symbols("u1 u2 a b c", real=True)
    values = {
        name: torch.as_tensor(sympy.lambdify(arguments, form, "numpy")(*state.T.numpy(), 0.1, 2.0, 0.2))
        for name, form in forms.items()
    }
    drift, diffusion = PROBLEM.drift(time, state, {}), PROBLEM.diffusion(time, state, {})
    torch.testing.assert_close(drift, torch.stack([values["f1"], values["f2"]], 1), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(diffusion, torch.stack([values["g1"], values["g2"]], 1), rtol=1e-13, atol=1e-13)


def test_reference_paths_are_whole_and_fixed_by_their_seed(paths):
    assert paths.shape == (4000, 30, 2)
    assert paths.isfinite().all()
    assert (paths[:, 0] == PROBLEM.start()).all()
    first, again, other = (reference.paths(20, seed=seed, step=1 / 58) for seed in (3, 3, 4))
    assert torch.equal(first.states, again.states)
    assert not torch.equal(first.states[:, 1:], other.states[:, 1:])
    assert first.status.tolist() == [Status.OK] * 20


def by_sosri():
    return reference.paths(4000, seed=1, method="sosri", step=None, rtol=0.3, atol=0.3).states


def by_chords():
    """The reference of the dataset, which shares no code with the other two."""
    step = read_card(PROBLEM).table("tiny", PathsCard).step
    functions = [lambda t, u: PROBLEM.drift(t, u, {}), lambda t, u: PROBLEM.diffusion(t, u, {})]
    return ito_paths(
        *functions, PROBLEM.start(), PROBLEM.times(), paths=2000, step=step, generator=generator(1, "chords")
    )


@pytest.mark.parametrize("scheme", [by_sosri, by_chords])
def test_moments_of_independent_schemes_agree(paths, scheme):
    """With other noise; all 29 times, two components, mean and variance within 4 standard errors."""
    other = scheme()

    def moments(states):
        centred = states - states.mean(0)
        variance = centred.square()
        kurtosis = centred.pow(4).mean(0) - variance.mean(0) ** 2
        return (states.mean(0), variance.mean(0) / len(states)), (variance.mean(0), kurtosis / len(states))

    for (value, error), (baseline, its_error) in zip(moments(paths), moments(other), strict=True):
        score = (value - baseline)[1:].abs() / (error + its_error)[1:].sqrt()
        assert score.max() < 4


def test_the_step_of_the_reference_does_not_show():
    """Twice the step along the same Brownian motion moves moments by less than 10 000 paths can tell."""
    motion = Brownian(reference.times().tolist(), (500, 2), seed=2, dtype=torch.float64)
    fine, coarse = (
        reference.paths(500, step=step, brownian=motion).states for step in (reference.STEP, 2 * reference.STEP)
    )
    assert (fine.mean(0) - coarse.mean(0)).abs().max() < 4e-3
    assert (fine.var(0) - coarse.var(0)).abs().max() < 4e-3
    assert (fine - coarse).square().mean().sqrt() < 4e-3


def test_the_balance_of_the_quartic_holds(paths):
    """⟨Q⟩(1) - 16 = ∫ (-4a ⟨u₁⁶ + u₂⁶⟩ + 6γ² ⟨Q⟩) dt, Itô's formula; read as Stratonovich's it fails."""
    a, gamma = equations.DECAY, equations.NOISE
    quartic, sextic = paths.pow(4).sum(-1), paths.pow(6).sum(-1)
    source = -4 * a * sextic + 6 * gamma**2 * quartic
    change = quartic[:, -1] - 16 - torch.trapezoid(source, PROBLEM.times(), dim=1)
    error = float(change.std()) / math.sqrt(len(change))
    assert abs(float(change.mean())) < 4 * error
    correction = 2 * gamma**2 * float(torch.trapezoid(quartic, PROBLEM.times(), dim=1).mean())
    assert 5 * error < correction, "Stratonovich's equation differs by this much"


def test_without_noise_it_is_the_ordinary_spiral():
    """Both coordinates of one noiseless path against DOP853."""
    from scipy.integrate import solve_ivp

    def slope(t, u):
        return equations.drift(torch.tensor(u, dtype=torch.float64)[None])[0].tolist()

    exact = solve_ivp(slope, (0.0, 1.0), [2.0, 0.0], method="DOP853", rtol=1e-11, atol=1e-12, t_eval=PROBLEM.times())
    for options in ({}, {"method": "sriw1", "step": None, "rtol": 0.03, "atol": 0.03}):
        solution = reference.paths(3, noise=0.0, **options)
        assert (solution.states - torch.from_numpy(exact.y.T)).abs().max() < 5e-3
        assert (solution.states[0] == solution.states[1]).all()


def test_paths_turn_clockwise_and_part(paths):
    angle = torch.atan2(paths[..., 1], paths[..., 0])
    turn = (angle.diff(dim=1) + math.pi) % (2 * math.pi) - math.pi
    turns = -turn.sum(1) / (2 * math.pi)
    assert 0.75 < turns.mean() < 0.9
    assert turns.min() > 0.3
    assert paths.var(0)[26, 0] > 0.9


def test_the_problem_can_be_solved_by_its_own_functions():
    """What a task does: drift and diffusion with (time, state, params) in single precision."""
    solution = solve_sde(
        lambda t, u: PROBLEM.drift(t, u, {}),
        lambda t, u: PROBLEM.diffusion(t, u, {}),
        PROBLEM.start().float().expand(10, -1),
        PROBLEM.times(),
        seed=0,
        rtol=0.3,
        atol=0.3,
    )
    assert solution.ok.all()
    assert solution.states.dtype == torch.float32
