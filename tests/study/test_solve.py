"""A statement solved without a folder: a function of the coordinates, and nothing left behind."""

import numpy as np
import pytest
import sympy as sp
import torch

import sciml
from sciml.core import registry, rng
from sciml.core.domain import Coordinate, Domain, dirichlet, initial
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError, UserError
from sciml.core.statement import Statement

X, T = sp.symbols("x t")
SMALL = ("model.width=4", "train.steps=10", "task.points=60")


def heat(**more):
    """u_t = u_xx / 10."""
    u = sp.Function("u")(X, T)
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",),
        equations=(u.diff(T) - u.diff(X, 2) / 10,),
        conditions=(*dirichlet("u", "x"), *initial("u", sp.sin(sp.pi * X))),
        **more,
    )


def exact(points):
    x, t = points.unbind(1)
    return (torch.exp(-(torch.pi**2) * t / 10) * torch.sin(torch.pi * x))[:, None]


@pytest.fixture(scope="module")
def solved():
    return sciml.solve(heat(), settings=SMALL, reference=exact)


def test_it_is_a_function_of_the_coordinates(solved):
    x = np.linspace(0, 1, 5)
    values = solved(x=x[:, None], t=[0.0, 0.5, 1.0])["u"]
    assert values.shape == (5, 3)
    assert values.dtype == np.float64
    points = torch.cartesian_prod(torch.from_numpy(x), torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
    np.testing.assert_allclose(values.ravel(), exact(points)[:, 0], atol=0.02)
    assert solved(x=0.5, t=0)["u"].shape == ()
    assert float(solved(x=0.5, t=0)["u"]) == pytest.approx(1.0)


def test_it_reports_like_a_run(solved):
    assert solved.metrics["error/relative_l2"] < 0.02
    assert {"residual/rms", "residual/max", "condition/rms"} <= set(solved.metrics)
    assert solved.arrays["residual"].dims == ("equation", "x", "t")
    assert solved.arrays["u"].sizes == {"x": 101, "t": 101}
    assert solved.trusted and not solved.unknowns
    assert "residual/rms = " in str(solved)


def test_the_same_seed_gives_the_same_bits_and_the_process_is_left_alone(solved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = rng.state()
    again = sciml.solve(heat(), settings=SMALL, reference=exact)
    assert torch.equal(rng.state()["torch"], before["torch"])
    assert np.array_equal(again(x=0.3, t=0.7)["u"], solved(x=0.3, t=0.7)["u"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("coordinates", "words"),
    [
        ({"x": 0.5}, "got x; expected x, t"),
        ({"x": 0.5, "t": 0.5, "y": 1}, "expected x, t"),
        ({"x": [0.5, 1.5], "t": 0.0}, r"not known outside of its domain; got \[1.5, 0.0\]"),
    ],
)
def test_points_that_make_no_sense_are_refused(solved, coordinates, words):
    with pytest.raises(UserError, match=words):
        solved(**coordinates)


def test_options_that_do_not_exist_are_refused():
    with pytest.raises(UnknownNameError, match="unknown option 'step'"):
        sciml.solve(heat(), step=3)
    with pytest.raises(UnsupportedError, match="does not solve statements"):
        sciml.solve(heat(), solver="fno")
    with pytest.raises(ConfigError, match=r"train\.learning_rate"):
        sciml.solve(heat(), settings=["train.learning_rate=1"])


def recorded(x, t, **more):
    values = np.exp(-(np.pi**2) * t / 10) * np.sin(np.pi * x[:, None])
    return {"x": x[:, None], "t": t[:, None], "usol": values, **more}


def test_a_solution_is_compared_with_a_file(solved, tmp_path):
    np.savez(tmp_path / "rod.npz", **recorded(np.linspace(0, 1, 31), np.linspace(0, 0.99, 12)))
    reference = sciml.data.read(tmp_path / "rod.npz", rename={"usol": "u"})
    assert reference["u"].sizes == {"x": 31, "time": 12}
    assert solved.compare(reference)["u"] == pytest.approx(solved.metrics["error/relative_l2"], rel=0.2)
    half = reference.copy()
    half["u"] = half["u"] * 2
    assert solved.compare(half)["u"] == pytest.approx(0.5, abs=0.02)
    turned = reference.isel(x=slice(None, None, -1)).transpose()
    assert solved.compare(turned)["u"] == pytest.approx(solved.compare(reference)["u"], rel=1e-9)
    gaps = reference.where(reference["x"] > 0.2)
    assert 0 < solved.compare(gaps)["u"] < 0.02


def test_a_comparison_that_cannot_be_made_is_refused(solved, tmp_path):
    np.savez(tmp_path / "rod.npz", **recorded(np.linspace(0, 2, 31), np.linspace(0, 1, 12)))
    reference = sciml.data.read(tmp_path / "rod.npz", rename={"usol": "u"})
    with pytest.raises(UserError, match=r"not known outside of its domain; got \[.*x in \[0, 1\]"):
        solved.compare(reference)
    with pytest.raises(UserError, match=r"has none of the fields; got usol; expected u.*Rename"):
        solved.compare(reference.rename({"u": "usol"}))
    with pytest.raises(UserError, match="of u lies on other axes, or has no coordinates; got x, row"):
        solved.compare(reference.rename({"time": "row"}))
    with pytest.raises(UserError, match=r"got x, time|got x, t; expected coordinates x, t"):
        solved.compare(reference.drop_vars("time"))
    with pytest.raises(ConfigError, match="reading a file takes no 'boundary'"):
        sciml.data.read(tmp_path / "rod.npz", boundary={"x": "open"})
    with pytest.raises(UnknownNameError, match="unknown format 'np'"):
        sciml.data.read(tmp_path / "rod.npz", format="np")


@pytest.mark.slow
def test_burgers_agrees_with_a_table_of_its_solution(tmp_path):
    """The layout, grid and viscosity that DeepXDE's example reads, with values by the transform of Cole and Hopf."""
    problem = registry.find_problem("burgers")
    x, t = np.linspace(-1, 1, 256), np.linspace(0, 0.99, 100)
    points = torch.from_numpy(np.stack([axis.ravel() for axis in np.meshgrid(x, t, indexing="ij")], 1))
    values = problem.reference(points, "sharp").reshape(256, 100).numpy()
    np.savez(tmp_path / "Burgers.npz", t=t[:, None], x=x[:, None], usol=values)
    reference = sciml.data.read(tmp_path / "Burgers.npz", rename={"usol": "u"})
    solution = sciml.solve(problem.statement("sharp"), preset="small")
    assert solution.compare(reference)["u"] < 0.01
