"""Settings of the PINN that would change nothing are refused, with the reason."""

import pytest
import sympy as sp

from sciml import solve
from sciml.core import registry
from sciml.core.config import override
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import ConfigError
from sciml.core.statement import Statement
from sciml.study import RunRequest, refuse_ignored, run
from sciml.train import find_solver

PINN = find_solver("pinn")


def refuse(problem, *settings, preset="tiny"):
    recipe = override(PINN.recipe(preset), list(settings))
    refuse_ignored(PINN, recipe, settings, registry.problem(problem))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["model.optimise.learning_rate=0.1"], "gauss_newton has no learning rate"),
        (["model.optimise.decay=0.5", "model.optimise.method=lbfgs"], "lbfgs has no learning rate"),
        (["model.optimise.damping=3", "model.optimise.method=adam"], "setting of gauss_newton, and the method is adam"),
        (["model.optimise.history=9"], "setting of lbfgs"),
        (["model.optimise.engine=autograd"], "always in Taylor mode"),
        (["model.optimise.compile=true"], "only engine=traced is compiled"),
        (["model.optimise.warm=9", "model.optimise.method=adam"], "the method is adam already"),
        (["model.embedding.sigma=3"], "no Fourier features"),
        (["model.embedding.harmonics=3"], "no axis is periodic"),
        (["model.weigh.balance_every=3"], "not balanced"),
        (["model.weigh.chunks=3"], "no causal weights"),
        (["model.weigh.causal=1"], "no axis of time"),
        (["model.weigh.soft=3"], "all conditions are built in"),
        (["model.onset=0.1"], "no initial condition is built in"),
        (["model.adapt.power=3"], "do not follow the residual"),
        (["model.adapt.add=3", "model.adapt.kind=rad"], "model.adapt.kind=rad does not read it"),
        (["model.adapt.kind=rad", "task.resample=true"], "every step draws new points"),
        (["model.adapt.kind=rad", "train.steps=50"], "points change every 50 steps"),
        (["model.width=9", "model.widths=[8,8]"], "model.widths gives all layers"),
        (["train.batch_size=20"], "gauss_newton takes all points at every step"),
        (["task.face_points=20"], "all conditions are built in"),
    ],
)
def test_a_setting_without_effect_is_refused(settings, words):
    with pytest.raises(ConfigError, match=f"{settings[0].partition('=')[0]} has no effect: .*{words}"):
        refuse("poisson", "task.case=square", *settings)


@pytest.mark.parametrize(
    ("problem", "settings"),
    [
        ("poisson", ["model.optimise.learning_rate=0.1", "model.optimise.warm=20"]),
        ("poisson", ["model.optimise.method=adam", "train.batch_size=20", "model.optimise.engine=autograd"]),
        ("poisson", ["model.embedding.fourier=4", "model.embedding.sigma=3"]),
        ("poisson", ["model.hard=false", "model.weigh.soft=3", "task.face_points=30", "task.case=square"]),
        ("heat", ["model.weigh.causal=1", "model.weigh.chunks=8", "model.onset=0.1"]),
        ("diffusion_inverse", ["model.weigh.soft=3"]),
        ("cavity", ["task.case=plain", "model.weigh.soft=3", "task.face_points=30"]),
        ("heat", ["task.resample=true", "train.batch_size=20"]),
    ],
)
def test_one_with_effect_is_not(problem, settings):
    refuse(problem, *settings)


def test_waves_of_a_periodic_axis_have_an_effect():
    x = sp.Symbol("x")
    u = sp.Function("u")(x)
    ring = Domain((Coordinate("x", 0.0, 1.0, periodic=True),))
    statement = Statement(domain=ring, fields=("u",), equations=(u.diff(x, 2) - u + 1,))
    solved = solve(statement, settings=["model.embedding.harmonics=4", "model.width=3", "train.steps=1"])
    assert solved.module.embedding.size == 8


def test_it_is_refused_before_any_work_and_by_other_solvers_alone(tmp_path):
    with pytest.raises(ConfigError, match="damping has no effect"):
        settings = ("model.optimise.damping=3", "model.optimise.method=soap")
        run(RunRequest(problem="poisson", settings=settings, out=tmp_path))
    assert not list(tmp_path.iterdir())
    tree = find_solver("gaussian_process")
    assert tree.idle_reason("model.length", registry.problem("poisson"), tree.recipe("tiny")) == ""
