"""Frequencies by axis, an ansatz that leaves the start fast, restarts, and words where the plain recipe fails."""

import math
import re

import deepxde_evolving as evolving
import deepxde_steady as steady
import pytest
import sympy as sp
import torch

from sciml import solve
from sciml.core.ansatz import Ansatz
from sciml.core.domain import Condition, Coordinate, Domain, dirichlet, initial
from sciml.core.errors import ConfigError, UserError
from sciml.core.rates import rates
from sciml.core.statement import Statement
from sciml.nn import CoordinateEmbedding
from sciml.solvers.pinn import PINN, PINNConfig, PINNRule
from sciml.tasks.collocation import CollocationBatch

X, T = sp.symbols("x t")
BAR = Domain((Coordinate("x", -1.0, 1.0), Coordinate("t", 0.0, 2.0)), time="t")
RING = Domain((Coordinate("x", -1.0, 1.0, periodic=True), Coordinate("t", 0.0, 2.0)), time="t")


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (steady.poisson_multiscale_1d, {"x": 25 * math.pi}),
        (steady.lotka_volterra, {"t": 20}),
        (steady.euler_beam, {"x": math.pi / 2}),
        (evolving.wave_1d, {"x": math.pi, "t": 10 * math.pi}),
        (evolving.klein_gordon, {"t": 3 * math.pi}),
    ],
)
def test_an_equation_says_how_fast_its_solution_varies(stated, expected):
    found = rates(stated())
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=0.35)


def test_random_frequencies_have_the_spread_of_their_axis():
    torch.manual_seed(0)
    rows = CoordinateEmbedding(BAR, fourier=4000, sigma={"x": 2.0, "t": 30.0}).random
    assert rows.std(0).tolist() == pytest.approx([2, 30], rel=0.1)
    bands = CoordinateEmbedding(BAR, fourier=4000, sigma={"x": (1.0, 50.0), "t": 3.0}).random
    assert bands[::2].std(0).tolist() == pytest.approx([1, 3], rel=0.1)
    assert bands[1::2].std(0).tolist() == pytest.approx([50, 3], rel=0.1)
    waves = CoordinateEmbedding(RING, fourier=4000, harmonics=2, sigma={"x": 2.0, "t": 30.0}).random
    assert waves.std(0).tolist() == pytest.approx([30, 2, 2, 2, 2], rel=0.1)  # t, then cosines and sines of x
    torch.manual_seed(1)
    one = CoordinateEmbedding(BAR, fourier=10, sigma=2.0).random
    torch.manual_seed(1)
    assert torch.equal(one, CoordinateEmbedding(BAR, fourier=10, sigma={"x": 2.0, "t": 2.0}).random)


@pytest.mark.parametrize(
    ("sigma", "words"),
    [
        ("{x=3}", "not of all axes; got x; expected x, t"),
        ("{x=3,t=1,z=1}", "not of all axes"),
        ("{x=[1,2,3],t=[1,2]}", "2 pairs for 6 combinations"),
        ("{x=[],t=1}", "2 pairs for 0 combinations"),
        ("{x=-1,t=1}", "greater than 0"),
    ],
)
def test_frequencies_that_fit_no_axis_are_refused(sigma, words):
    u = sp.Function("u")(X, T)
    statement = Statement(domain=BAR, fields=("u",), equations=(u.diff(T) - u.diff(X, 2),),
                          conditions=(*dirichlet("u", "x"), *initial("u", 1 - X**2)))  # fmt: skip
    with pytest.raises(UserError, match=words):
        solve(statement, settings=["model.embedding.fourier=4", f"model.embedding.sigma={sigma}", "train.steps=1"])


def test_an_ansatz_leaves_the_start_as_fast_as_it_is_asked_to():
    statement = evolving.wave_1d()
    slow, fast = Ansatz(statement), Ansatz(statement, onset=0.05)
    points = torch.tensor([[0.5, 0.0], [0.5, 0.05], [0.5, 1.0]], dtype=torch.float64)
    for ansatz, expected in ((slow, [0, 0.0025, 1]), (fast, [0, math.tanh(1) ** 2, 1])):
        lift, cut = ansatz.parts(points, ("", "t"))
        assert (cut[""][:, 0] / cut[""][2, 0]).tolist() == pytest.approx(expected, abs=1e-8)
        assert (lift["t"][0], cut["t"][0]) == (0, 0)  # the start and its velocity hold whatever the network is


def test_the_plain_recipe_says_that_it_failed_and_what_may_help():
    failed = solve(evolving.wave_1d(), settings=["train.steps=2", "task.points=100", "model.width=5"])
    (words,) = failed.words
    assert not failed.trusted
    assert "Not met: the equation" in words
    assert "10 periods along t" in words
    assert "model.embedding.sigma={x=1.0,t=10}" in words
    assert "model.onset=0.05" in words  # without it the same features leave an error of 0.46 for five periods
    assert failed.metrics["residual/relative"] > 0.1


def test_a_residual_that_vanishes_at_the_training_points_only_is_seen():
    """Eight points and 200 weights: the equation holds at the points, and nowhere else."""
    missed = solve(steady.poisson_dirichlet_1d_exactbc(), settings=["train.steps=60", "task.points=8"])
    assert "At the 8 training points the residual is" in missed.words[0]
    assert "task.points=" in missed.words[0]


def test_a_kink_is_named_where_the_equation_is_met_on_average():
    """u'' jumps at 0.4: nearly all of the residual is there, and no smooth statement has such a word."""
    u, line = sp.Function("u")(X), Domain((Coordinate("x", 0.0, 1.0),))
    settings = ["train.steps=15", "task.points=60", "model.width=6"]
    for source in (sp.Heaviside(X - 0.4), sp.Integer(1)):
        statement = Statement(domain=line, fields=("u",), equations=(u.diff(X, 2) - source,),
                              conditions=dirichlet("u", "x"))  # fmt: skip
        (words,) = solve(statement, settings=settings).words
        assert ("kinks or jumps" in words) == ("residual lies near x = 0.4" in words) == (source != 1)


@pytest.mark.slow
def test_a_start_that_jumps_is_better_begun_as_an_error_function():
    """Heat with D = 0.1 from a step, against its Fourier series: the run says the remedy, and the remedy works."""
    diffusivity, begin = 0.1, 0.01
    u, step = sp.Function("u")(X, T), sp.Heaviside(X - sp.Rational(1, 2))
    width = 2 * math.sqrt(diffusivity * begin)
    rounded = sum(f * sp.erf((X - a) / width) / 2 for f, a in ((1, 0.5), (-2, 1.0), (1, 1.5)))  # mirrored at x = 1
    modes = torch.arange(1, 400, dtype=torch.float64)[:, None] * math.pi
    x = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    weights = 2 / modes * (torch.cos(modes / 2) - torch.cos(modes))
    errors, words = [], []
    for first, start in ((0.0, step), (begin, rounded)):
        statement = Statement(
            domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", first, 1.0)), time="t"),
            fields=("u",),
            equations=(u.diff(T) - diffusivity * u.diff(X, 2),),
            conditions=(*dirichlet("u", "x"), *initial("u", start)),
            singular_corners=True,
        )
        solution = solve(statement, settings=["train.steps=60"])
        words.append(" ".join(solution.words))
        for time in (0.05, 0.3, 1.0):
            exact = (weights * torch.sin(modes * x) * torch.exp(-diffusivity * modes**2 * time)).sum(0)
            value = torch.as_tensor(solution(x=x.numpy(), t=time)["u"]).double().flatten()
            errors.append(float((value - exact).norm() / exact.norm()))
    assert "Not met" in words[0]
    assert "erf((x - a)/w)" in words[0]
    assert "Not met" not in words[1]
    assert max(errors[3:]) < 0.01 < min(errors[:3])


def test_a_corner_that_holds_all_that_is_missed_is_named():
    """u = 1 and u_y = -3 u at one corner: singular there, and right elsewhere."""
    x, y = sp.symbols("x y")
    u = sp.Function("u")(x, y)
    plate = Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 1.0))),
        fields=("u",),
        equations=(u.diff(x, 2) + u.diff(y, 2),),
        conditions=(Condition("u", "x", "lower", 1), Condition("u", "x", "upper", -2 * u, 1),
                    Condition("u", "y", "upper", -3 * u, 1), Condition("u", "y", "lower", 0, 1)),
    )  # fmt: skip
    solved = solve(plate, settings=["train.steps=40", "task.points=200", "task.face_points=40", "model.width=8"])
    assert not solved.trusted
    assert re.search(r"% of the squared residual lies near x = 0\.0\d*, y = 0\.9\d*; elsewhere it is", solved.words[-1])
    assert float(solved(x=0.5, y=0.5)["u"]) == pytest.approx(0.5316, abs=0.003)  # by finite differences


def _module():
    torch.manual_seed(0)
    config = PINNConfig(width=4, layers=1, optimise={"method": "lbfgs", "restarts": 1, "engine": "taylor"})
    return PINN(config, steady.poisson_dirichlet_1d())


class _Points:
    def __init__(self):
        self.all = CollocationBatch(torch.linspace(-1, 1, 12, dtype=torch.float64)[:, None], {})

    def __len__(self):
        return 12

    def batch(self, indices, generator):
        return self.all


def test_a_training_begins_anew_from_other_weights_at_half_time():
    module, points = _module(), _Points()
    rule = PINNRule(module, points, 6)
    before = [p.detach().clone() for p in module.parameters()]
    losses = [float(rule.step(points.all, 0.0)) for _ in range(3)]
    state = rule.state_dict()
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    losses += [float(rule.step(points.all, 0.0)) for _ in range(3)]
    assert losses[2] < losses[0] and losses[3] > losses[2] and losses[5] < losses[3]
    assert losses[3] != losses[0]
    assert not any(torch.equal(p, q) for p, q in zip(module.parameters(), before, strict=True))
    again = _module()
    other = PINNRule(again, points, 6)
    again.load_state_dict(weights)
    other.load_state_dict(state)
    assert [float(other.step(points.all, 0.0)) for _ in range(3)] == losses[3:]


def test_the_best_of_several_trainings_is_kept():
    """The first of three is the short training itself, so that what is kept can be no worse than chance makes it."""
    settings = ["train.steps=24", "task.points=60", "model.width=6", "model.optimise.restarts=2"]
    kept = solve(steady.poisson_dirichlet_1d(), settings=settings)
    once = solve(steady.poisson_dirichlet_1d(), settings=[*settings[:-1], "train.steps=8"])
    assert kept.metrics["residual/rms"] <= 1.5 * once.metrics["residual/rms"]


def test_restarts_are_counted():
    with pytest.raises(ConfigError, match="restarts"):
        solve(steady.poisson_dirichlet_1d(), settings=["model.optimise.restarts=-1"])
