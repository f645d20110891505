"""A statement solved without a folder: a function of the coordinates, and nothing left behind."""

import numpy as np
import pytest
import sympy as sp
import torch

import sciml
from sciml.core import rng
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
