"""Forecasters on one, two and three axes, square or not, periodic, walled or open; and what does not fit."""

import pytest
import torch

from sciml.core import registry
from sciml.core.config import override
from sciml.core.errors import ConfigError, UserError
from sciml.core.types import Axis, Grid
from sciml.data import Statistics, WindowBatch
from sciml.tasks.forecast import ForecastContext, Window
from sciml.train import find_solver

KEYS = ["sinenet", "unet", "fno", "dilresnet", "linear", "persistence"]
SMALL = {
    "sinenet": ["model.waves=1", "model.levels=1", "model.width=4"],
    "unet": ["model.width=4", "model.levels=1"],
    "fno": ["model.width=4", "model.modes=3", "model.layers=2"],
    "dilresnet": ["model.width=4", "model.blocks=1"],
    "linear": ["model.radius=1"],
}
GRIDS = {
    "line": (("x", 18, "periodic"),),
    "walled line": (("x", 10, "wall"),),
    "sheet": (("y", 10, "periodic"), ("x", 14, "periodic")),
    "channel": (("y", 10, "wall"), ("x", 12, "periodic")),
    "outlet": (("y", 12, "open"), ("x", 10, "wall")),
    "box": (("z", 8, "periodic"), ("y", 12, "wall"), ("x", 10, "periodic")),
    "block": (("z", 10, "periodic"), ("y", 8, "periodic"), ("x", 12, "periodic")),
}
PROBLEM = registry.problem("reaction_diffusion")  # one field, two parameters; its grid is not used


def make(key, axes):
    grid = Grid(tuple(Axis(name, n, 0.0, 1.0, boundary) for name, n, boundary in axes))
    ones = torch.ones(1)
    context = ForecastContext(
        grid=grid, statistics=Statistics(0 * ones, ones, torch.zeros(2), torch.ones(2)), history=2, dt=1.0, steps=2
    )
    solver = find_solver(key)
    recipe = override(solver.recipe("tiny"), SMALL.get(key, []))
    torch.manual_seed(0)
    return solver, solver.build(PROBLEM, recipe.model, context), grid


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("key", KEYS)
def test_it_forecasts_and_learns_on_the_grid(key, name):
    solver, module, grid = make(key, GRIDS[name])
    states = torch.randn(2, 3, 1, *grid.size)
    batch = WindowBatch(states[:, :2], states[:, 2:], torch.randn(2, 2), torch.ones(2))
    loss = solver.loss(module, batch)
    if key != "persistence":
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    predicted = solver.predict(module, Window(states[:, :2], torch.randn(2, 2), torch.ones(2), 2))
    assert predicted.mean.shape == (2, 2, 1, *grid.size)
    assert predicted.mean.isfinite().all()


@pytest.mark.parametrize("name", ["line", "sheet", "channel", "box", "block"])
@pytest.mark.parametrize("key", KEYS)
def test_it_commutes_with_shifts_along_periodic_axes_and_sees_where_the_others_end(key, name):
    """By two points, which every level of the small networks divides."""
    _, module, grid = make(key, GRIDS[name])
    module = module.double().eval()
    if key == "linear":  # begins as persistence, which sees nothing
        torch.nn.init.normal_(module.network.stencil.conv.weight)
    states = torch.randn(1, 2, 1, *grid.size, dtype=torch.float64)
    parameters, stride = torch.zeros(1, 2).double(), torch.ones(1).double()
    with torch.no_grad():
        answer = module(states, parameters, stride)
        for axis, periodic in enumerate(grid.periodic, start=-len(grid.size)):
            same = torch.allclose(module(states.roll(2, axis), parameters, stride), answer.roll(2, axis), atol=1e-9)
            assert same or not (periodic or key == "persistence")
            assert not same or periodic or key == "persistence"


def test_fourier_modes_may_differ_between_axes():
    solver, grid = find_solver("fno"), GRIDS["box"]
    recipe = override(solver.recipe("tiny"), ["model.width=4", "model.modes=[4, 2, 3]", "model.layers=1"])
    _, reference, shape = make("fno", grid)
    statistics = Statistics(torch.zeros(1), torch.ones(1), torch.zeros(2), torch.ones(2))
    context = ForecastContext(grid=shape, statistics=statistics, history=2, dt=1.0, steps=2)
    network = solver.build(PROBLEM, recipe.model, context).network
    assert network.spectral[0].weight.shape[0] == 8 * 4 * 3
    assert reference.network.spectral[0].weight.shape[0] == 6 * 6 * 3
    with pytest.raises(UserError, match="do not fit 3 axes"):
        solver.build(PROBLEM, override(recipe, ["model.modes=[4, 2]"]).model, context)


@pytest.mark.parametrize(
    ("key", "problem", "settings", "words"),
    [
        ("sinenet", "reaction_diffusion", ["model.levels=7"], "cannot be halved 7 times"),
        ("unet", "navier_stokes_taylor_green_3d", ["model.levels=5"], "axis z of the grid cannot be halved"),
        ("fno", "navier_stokes_taylor_green_3d", ["model.modes=[4, 9, 4]"], "does not resolve the Fourier modes"),
        ("fno", "kuramoto_sivashinsky_1d", ["model.modes=40"], "does not resolve the Fourier modes"),
        ("linear", "gray_scott", ["task.history=10"], "too short for this history"),
    ],
)
def test_what_does_not_fit_is_said_before_data_is_made(key, problem, settings, words, tmp_path, monkeypatch):
    import sciml
    from sciml import data

    monkeypatch.setattr(data, "generate", lambda *args, **options: pytest.fail("data was made"))
    with pytest.raises((UserError, ConfigError), match=words):
        sciml.run(problem, solver=key, settings=settings, out=tmp_path)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "problem", ["kuramoto_sivashinsky_1d", "navier_stokes_vorticity", "navier_stokes_taylor_green_3d"]
)
def test_the_recipes_fit_every_preset(key, problem):
    solver, content = find_solver(key), registry.problem(problem)
    for preset in ("tiny", "small"):
        recipe = solver.recipe(preset)
        solver.check_preset(content, preset, recipe.model, recipe.task)
