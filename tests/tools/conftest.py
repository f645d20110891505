"""Small finished runs for tools to act on, each made once; nobody changes them."""

import shutil
from pathlib import Path

import pytest

from sciml.study import RunRequest, apply_tool, run
from sciml.testing import PROBLEMS

FIXTURES = PROBLEMS
FIELDS = ("model.levels=2", "model.waves=1", "model.width=4")
SMALL = {
    "sinenet": ("periodic_advection", FIELDS),
    "fno": ("periodic_advection", ("model.modes=4", "model.width=8")),
    "pnode": ("warm_tank", ("task.cases=4", "model.layers=3", "model.width=16")),
    "neural_ode": ("plane_rotation", ("model.width=8",)),
    "pinn": ("short_rod", ("model.width=8",)),
    "persistence": ("periodic_advection", ()),
}
SMALL["neural_ode in fixed steps"] = ("plane_rotation", ("model.width=8", "model.integrate.step=0.1"))
SMALL["pnode in fixed steps"] = ("warm_tank", (*SMALL["pnode"][1], "model.integrate.step=0.05"))
"""Solver, first word of the key, to its problem and the settings that make it small."""


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """The cache that holds the data of the runs; tests have an empty one of their own unless they ask for it."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def made(tmp_path_factory, home):
    """``made("sinenet")`` gives the folder of a finished run."""
    out, folders = tmp_path_factory.mktemp("runs"), {}

    def make(solver):
        if solver not in folders:
            problem, settings = SMALL[solver]
            steps = () if solver == "persistence" else ("train.steps=2",)
            request = RunRequest(
                problem=FIXTURES / problem,
                solver=solver.split()[0],
                settings=(*settings, *steps, "baselines=[]"),
                out=out,
            )
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SCIML_HOME", str(home))
                folders[solver] = run(request).folder
        return folders[solver]

    return make


@pytest.fixture
def problem_of():
    """``problem_of("sinenet")`` gives the folder of the problem of such a run."""
    return lambda solver: FIXTURES / SMALL[solver][0]


@pytest.fixture
def with_data(monkeypatch, home):
    """The cache with the data of the runs."""
    monkeypatch.setenv("SCIML_HOME", str(home))


@pytest.fixture(scope="session")
def thinned(made, tmp_path_factory, home):
    """The folder of a child run made by `low_rank`."""
    parent = shutil.copytree(made("neural_ode"), tmp_path_factory.mktemp("thin") / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        return apply_tool("low_rank", parent, settings=("flops=0.8",), problem=FIXTURES / SMALL["neural_ode"][0]).folder


@pytest.fixture
def copy(made, tmp_path):
    """``copy("sinenet")`` gives a copy of a run in an empty folder."""
    return lambda solver: Path(shutil.copytree(made(solver), tmp_path / "runs" / made(solver).name))


@pytest.fixture
def strangers(tmp_path, monkeypatch):
    """A package outside of this one, with a policy, a search and one entry point that fails on import."""
    site = tmp_path / "site"
    (site / "stranger_tools").mkdir(parents=True)
    (site / "stranger_tools" / "__init__.py").write_text(MODULE)
    (site / "stranger_broken.py").write_text("raise RuntimeError('no licence today')\n")
    info = site / "stranger_tools-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger-tools\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[sciml.tools]\nsign_descent = stranger_tools:SIGNS\ntwo_widths = stranger_tools:WIDTHS\n"
        "broken_tool = stranger_broken:TOOL\n[sciml.problems]\nbroken_problem = stranger_broken.problem\n"
    )
    monkeypatch.syspath_prepend(site)
    return site


MODULE = '''
import pydantic
import torch
import xarray

from sciml.core.config import Config
from sciml.core.types import Support
from sciml.tools import Findings, Policy, Search
from sciml.train import StepRule
from sciml.testing import PROBLEMS


class SignConfig(Config):
    """How far a step goes."""

    size: float = pydantic.Field(default=1e-3, gt=0)
    """Change of every weight in a step."""
    steps: int = 3
    """Steps."""


class SignRule(StepRule):
    """Every weight moves by the same amount, against the sign of its gradient."""

    def __init__(self, module, loss, size):
        self.module, self.loss, self.size, self.taken = module, loss, size, 0

    def step(self, batch, along):
        self.module.zero_grad()
        loss = self.loss(self.module, batch, along)
        loss.backward()
        with torch.no_grad():
            for parameter in self.module.parameters():
                if parameter.grad is not None:
                    parameter -= self.size * parameter.grad.sign()
        self.taken += 1
        return loss.detach()

    def state_dict(self):
        return {"taken": self.taken}

    def load_state_dict(self, state):
        self.taken = state["taken"]


class SignDescent(Policy):
    key, title, citation, config = "sign_descent", "Descent by signs", "Bernstein et al., 2018", SignConfig
    fresh = False

    def supports(self, solver):
        return Support(True) if solver.rule is not None else Support(False, "it takes no training steps")

    def training(self, config, recipe):
        return recipe.model_copy(update={"steps": config.steps, "checkpoint_every": 1, "evaluate_every": 1})

    def rule(self, subject, module, train, config):
        return SignRule(module, subject.solver.loss, config.size)


class WidthConfig(Config):
    widths: tuple[int, ...] = (4, 6)
    """What is tried."""


class TwoWidths(Search):
    key, title, citation, config = "two_widths", "Two widths", "nobody", WidthConfig

    def supports(self, solver):
        return Support(True) if solver.knob and solver.knob.name == "width" else Support(False, "it has no width")

    def search(self, subject, config, score):
        tried = {}
        for width in config.widths:
            model = subject.recipe.model.model_copy(update={"width": width})
            recipe = subject.recipe.model_copy(update={"model": model})
            tried[width] = score(recipe), recipe
        best = min(tried, key=lambda width: tried[width][0])
        scores = xarray.Dataset({"score": ("width", [tried[w][0] for w in tried])}, {"width": list(tried)})
        return tried[best][1], Findings({"tried": float(len(tried))}, scores, (f"Width {best} is best.",))


SIGNS, WIDTHS = SignDescent(), TwoWidths()
'''
