"""From a table to a page and a program: every trajectory surrogate on a CSV, a reduced model of one's own beside it."""

import csv
import sys

import numpy as np
import pytest
import torch

import sciml
from sciml.core import registry
from sciml.core.errors import DataError, UnsupportedError, UserError
from sciml.core.recorded import Recorded
from sciml.study import evaluate_run, export_run, load_run, make_request, run

TIMES = np.linspace(0.0, 1.0, 9)
QUICK = {
    "kernel_ridge": ["model.gammas=[0.03,0.3]", "model.alphas=[1e-6]"],
    "gaussian_process": ["model.restarts=0"],
    "boosted_trees": ["model.trees=20", "model.depths=[2]"],
    "mlp_regression": ["train.steps=40"],
    "neural_ode": ["train.steps=3", "task.window=5"],
    "latent_ode": ["train.steps=2"],
}
LONGER = {"boosted_trees", "gaussian_process"}
MODEL = '''"""A tank that cools: the rate is not known."""
from dataclasses import dataclass

import torch

from sciml.core.capabilities import HasReducedModel, Uncertain
from sciml.core.recorded import Recorded


@dataclass(frozen=True, kw_only=True)
class Tank(Recorded, HasReducedModel):
    uncertain: tuple[Uncertain, ...] = (Uncertain(name="rate", kind="coefficient", bound=2.0),)

    def closures(self):
        return {"rate": lambda params: torch.ones_like(params["opening"])}

    def dynamics(self, time, state, params, closures):
        return -closures["rate"](params)[:, None] * (state - 300.0)

    def encode(self, fields, params):
        return fields

    def decode(self, state, params):
        return state


PROBLEM = Tank.beside(__file__, title="A tank that cools", equation="dT/dt = -k (T - 300 K)", solver="pnode")
'''


def table(path, cases=14, seed=0):
    """T(t) = 300 + (T0 - 300) exp(-k t) with k = 0.5 + opening: what the reduced model has with another k."""
    generator = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "T0 (K)", "opening (1)", "t (s)", "T (K)"])
        for case in range(cases):
            start, opening = generator.uniform(400, 500), generator.uniform(0, 1)
            for t in TIMES:
                writer.writerow([case, start, opening, t, 300 + (start - 300) * np.exp(-(0.5 + opening) * t)])
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def source(home, tmp_path_factory):
    return table(tmp_path_factory.mktemp("table") / "cases.csv")


@pytest.fixture(scope="module")
def tank(source):
    """Imported data with a reduced model beside it."""
    folder = source.parent / "tank"
    sciml.dataset(source, out=folder)
    (folder / "__init__.py").write_text(MODEL)
    yield folder
    sys.modules.pop("sciml_problems.tank", None)


@pytest.mark.parametrize(
    "solver",
    [pytest.param(key, marks=[pytest.mark.slow] if key in LONGER else []) for key in sorted(QUICK)],
)
def test_every_trajectory_surrogate_runs_on_a_table_by_one_call(solver, source, tmp_path):
    finished = sciml.run(data=source, solver=solver, settings=[*QUICK[solver], "baselines=[]"], out=tmp_path)
    assert finished.record.status == "finished"
    assert (finished.folder / "report.html").stat().st_size > 0
    assert all(np.isfinite(value) for value in finished.metrics.values())
    loaded = load_run(finished.folder)
    assert [p.name for p in loaded.problem.parameters] == ["T0", "opening"]
    if solver in ("neural_ode", "latent_ode"):
        with pytest.raises(UnsupportedError, match=r"data-dependent steps|more than one pass"):
            export_run(finished.folder, ["torch"])
        return
    (exported,) = export_run(finished.folder, ["torch"])
    assert exported.state == "ok"
    program = torch.export.load(exported.path).module()
    start, parameters = torch.tensor([[450.0], [420.0]]), torch.tensor([[450.0, 0.3], [420.0, 0.6]])
    answer = program(start, parameters).detach()
    assert answer.shape == (2, len(TIMES), 1)
    csv_file = tmp_path / "ask.csv"
    csv_file.write_text("T,T0,opening\n450,450,0.3\n420,420,0.6\n")
    predicted = sciml.predict(finished.folder, csv_file)
    np.testing.assert_allclose(answer[..., 0].numpy(), predicted["T"], rtol=1e-5)
    np.testing.assert_allclose(predicted["time"], TIMES, atol=1e-6)


def test_a_reduced_model_beside_imported_data_is_a_problem(tank, source):
    problem = registry.find_problem(tank)
    assert isinstance(problem, Recorded)
    assert problem.title == "A tank that cools"
    assert problem.recording == registry.find_problem(tank).recording
    assert registry.folder_of(problem) == tank.resolve()


def test_it_is_trained_by_pnode_and_finds_the_rate(tank, tmp_path):
    """Closures by name; a run that asks for its code and gets no other."""
    settings = ["train.steps=80", 'baselines=["reduced_model"]', "model.calibration.points=0"]
    finished = run(make_request(tank, {"settings": settings, "out": tmp_path}))
    error, guess = (
        entry.metrics["test"]["mae/T"] for entry in (finished.record, finished.record.baselines["reduced_model"])
    )
    assert error < 0.2 * guess
    with pytest.raises(UserError, match="--problem"):
        sciml.predict(finished.folder, finished.folder / "example.nc")
    answer = sciml.predict(finished.folder, finished.folder / "example.nc", problem=tank)
    assert np.isfinite(answer["T"]).all()
    module = load_run(finished.folder, problem=tank).module
    params = module.named(torch.tensor([[450.0, 0.2], [450.0, 0.8]], dtype=torch.float64))
    features = module.features(torch.tensor([[450.0, 0.2], [450.0, 0.8]], dtype=torch.float64))
    rate = module.coefficients["rate"](params, features, None)
    assert rate.tolist() == pytest.approx([0.7, 1.3], abs=0.15)
    again = evaluate_run(finished.folder, problem=tank)
    assert again.metrics["mae/T"] == pytest.approx(error)


def test_code_without_data_beside_it_is_refused(tmp_path):
    folder = tmp_path / "lonely"
    folder.mkdir()
    (folder / "__init__.py").write_text(MODEL)
    with pytest.raises(DataError, match="holds no imported data"):
        registry.find_problem(folder)


def test_another_method_than_fits_names_those_that_do(source, tmp_path):
    words = (
        "'pnode' does not apply .* it has no reduced model; expected one of: .*kernel_ridge.*boosted_trees.*latent_ode"
    )
    with pytest.raises(UnsupportedError, match=words):
        sciml.run(data=source, solver="pnode", out=tmp_path)
