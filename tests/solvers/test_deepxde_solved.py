"""Examples of DeepXDE solved by the recipe ``tiny`` to a relative error of 1e-3 or better, seconds each."""

import deepxde_evolving as evolving
import deepxde_inverse as inverse
import deepxde_steady as steady
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.sparse import csr_matrix, identity
from scipy.sparse.linalg import spsolve

from sciml import solve

FOURIER = ["model.embedding.fourier=20", "model.embedding.sigma=2.0"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stated", "settings", "most"),
    [
        pytest.param(steady.ode_system, ["train.steps=100"], 2e-4, id="a system of ordinary equations"),
        pytest.param(steady.ode_2nd, ["train.steps=60"], 1e-5, id="one of second order"),
        pytest.param(steady.volterra_ide, ["train.steps=60"], 2e-5, id="an integral as a field"),
        pytest.param(steady.euler_beam, ["train.steps=40"], 1e-5, id="fourth order, a moment and a force"),
        pytest.param(steady.poisson_robin_1d, ["train.steps=40"], 1e-5, id="Robin's condition"),
        pytest.param(steady.laplace_disk, ["train.steps=10"], 3e-5, id="a disc"),
        pytest.param(steady.helmholtz_dirichlet_2d, ["train.steps=80", *FOURIER], 3e-4, id="Helmholtz"),
        pytest.param(
            steady.helmholtz_neumann_2d_hole,
            ["train.steps=80", "model.hard=false", "model.weigh.soft=100"],
            1e-3,
            id="a hole",
        ),
        pytest.param(steady.kovasznay_flow, ["train.steps=60", "task.points=600"], 2e-4, id="Navier-Stokes"),
        pytest.param(
            steady.poisson_multiscale_1d,
            ["train.steps=150", "task.points=500", "model.embedding.fourier=100", "model.embedding.sigma={x=[2,26]}"],
            1e-3,
            id="1 and 25 periods",
        ),
        pytest.param(evolving.heat, ["train.steps=30"], 1e-4, id="heat"),
        pytest.param(evolving.klein_gordon, ["train.steps=80"], 1e-6, id="a nonlinear wave"),
        pytest.param(
            evolving.diffusion_reaction, ["train.steps=80", "model.activation=sin"], 1e-3, id="five waves that decay"
        ),
    ],
)
def test_examples_with_known_solutions_are_solved(stated, settings, most):
    assert solve(stated(), settings=settings).metrics["error/relative_l2"] < most


@pytest.mark.slow
def test_viscosity_and_permeability_are_found_from_five_values():
    found = solve(
        inverse.brinkman_forchheimer(),
        observations=inverse.brinkman_seen(),
        settings=["train.steps=150"],
    )
    assert abs(found.unknowns["nu"].value / 1e-3 - 1) < 1e-4
    assert abs(found.unknowns["K"].value / 1e-3 - 1) < 1e-4


@pytest.mark.slow
def test_a_diffusivity_is_found_from_ten_values():
    found = solve(
        inverse.diffusion_1d_inverse(),
        observations=inverse.diffusion_1d_seen(),
        sigma=1e-3,
        settings=["train.steps=60"],
    )
    assert abs(found.unknowns["C"].value - 1) < 1e-4
    assert found.metrics["error/relative_l2"] < 1e-4


@pytest.mark.slow
def test_a_source_is_found_from_values_without_errors():
    found = solve(
        inverse.elliptic_inverse_field(),
        observations=inverse.elliptic_seen(),
        settings=["train.steps=150", "task.points=200"],
    )
    assert found.metrics["error/q"] < 1e-3


@pytest.mark.slow
def test_constants_of_lorenz_are_found_from_trajectories():
    found = solve(
        inverse.lorenz_inverse(),
        observations=inverse.lorenz_seen(),
        sigma=0.01,
        settings=["train.steps=150", "task.points=400"],
    )
    for name, truth in {"C": 10, "R": 15, "B": 8 / 3}.items():
        assert abs(found.unknowns[name].value / truth - 1) < 3e-4


@pytest.mark.slow
def test_prey_and_predators_come_round():
    """As the words of the plain recipe advise: frequencies of a third of the rate 20 that the equations have."""
    times = np.linspace(0, 1, 401)
    settings = ["train.steps=80", "task.points=400", "model.embedding.fourier=40", "model.embedding.sigma={t=8}"]
    solved = solve(steady.lotka_volterra(), settings=settings)
    reference = solve_ivp(
        lambda t, z: [40 * z[0] - 160 * z[0] * z[1], 80 * z[0] * z[1] - 21.2 * z[1]],
        (0, 1), [0.5, 0.075], t_eval=times, rtol=1e-10, atol=1e-12,
    ).y  # fmt: skip
    ours = solved(t=times)
    assert np.abs(np.stack([ours["r"], ours["p"]]) - reference).max() < 1e-3
    assert solved.trusted


def _on_the_l(cells):
    """u on the lattice of the L with 20 points per unit, by second-order differences on `cells` per unit."""
    line = np.arange(1, 2 * cells) / cells - 1
    x, y = np.meshgrid(line, line, indexing="ij")
    inside = (x < -1e-9) | (y < -1e-9)
    number = np.where(inside, np.cumsum(inside).reshape(inside.shape) - 1, -1)
    rows, columns = [], []
    for axis in (0, 1):
        first, second = (np.take(number, range(k, len(line) - 1 + k), axis).ravel() for k in (0, 1))
        both = (first >= 0) & (second >= 0)
        rows += [first[both], second[both]]
        columns += [second[both], first[both]]
    pairs = np.concatenate(rows), np.concatenate(columns)
    matrix = 4 * identity(inside.sum()) - csr_matrix((np.ones(len(pairs[0])), pairs), shape=(inside.sum(),) * 2)
    u = np.zeros(inside.shape)
    u[inside] = spsolve(matrix.tocsc(), np.full(inside.sum(), 1 / cells**2))
    every = slice(cells // 20 - 1, None, cells // 20)
    return x[every, every], y[every, every], u[every, every]


@pytest.mark.slow
def test_a_re_entrant_corner():
    """The corner makes the error of differences h^(4/3), which two grids remove, and three what is left of h²."""
    (x, y, coarse), (_, _, middle), (_, _, fine) = (_on_the_l(cells) for cells in (40, 80, 160))
    power = 2 ** (4 / 3)
    first, second = ((power * b - a) / (power - 1) for a, b in ((coarse, middle), (middle, fine)))
    reference = (4 * second - first) / 3
    assert np.abs(second - reference).max() < 1e-4 * reference.max() * 3
    settings = ["train.steps=60", "model.width=14", "task.points=1500"]
    inside = (x < -1e-9) | (y < -1e-9)
    ours = solve(steady.poisson_lshape(), settings=settings)(x=x[inside], y=y[inside])["u"]
    assert np.linalg.norm(ours - reference[inside]) < 1e-3 * np.linalg.norm(reference[inside])
