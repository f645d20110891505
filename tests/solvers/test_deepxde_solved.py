"""Examples of DeepXDE solved by the recipe ``tiny`` to a relative error of 1e-3 or better, seconds each."""

import deepxde_evolving as evolving
import deepxde_inverse as inverse
import deepxde_steady as steady
import pytest

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
