"""Problems with measurements and without a solution: nothing asks for a reference, and the page says so."""

import json
import shutil

import numpy as np
import pytest
import torch

from sciml.core import registry
from sciml.core.capabilities import HasResidual
from sciml.core.errors import ConfigError, DataError
from sciml.core.progress import SilentProgress
from sciml.core.types import Prediction
from sciml.data import read_card
from sciml.report import write_run
from sciml.study import RunRequest, evaluate_run, load_run, run
from sciml.tasks.collocation import COLLOCATION, CollocationCard, CollocationConfig, CollocationSolver
from sciml.testing import PROBLEMS, small_problem

SLOPE = PROBLEMS / "measured_slope"
SMALL = ("train.steps=8", "model.width=4")


class Known(CollocationSolver):
    """u = -C sinh(1 - x)/cosh 1 for one C, and another one as the number found."""

    key = title = citation = claim = "known"

    def __init__(self, of_field, of_number):
        self.of_field, self.of_number = of_field, of_number

    def supports(self, problem):
        raise NotImplementedError

    recipe = build = loss = supports

    def predict(self, module, inputs):
        return Prediction(self.fields(module, inputs.points).float())

    def fields(self, module, points):
        return -self.of_field * (1 - points).sinh() / torch.cosh(torch.tensor(1.0))

    def numbers(self, module):
        return {"C": torch.tensor(self.of_number)}


@pytest.fixture
def bench():
    return COLLOCATION.prepare(small_problem("measured_slope"), "tiny", CollocationConfig())


def concluded(bench, solver, tmp_path):
    return bench.conclude(solver, torch.nn.Identity(), tmp_path, SilentProgress())


def test_measurements_of_a_problem_lie_beside_its_card(bench):
    assert bench.seen.names == ("u",)
    assert bench.seen.sigma.flatten().tolist() == [3e-4] * 4
    batch = bench.examples.batch(torch.arange(len(bench.examples)), torch.Generator())
    assert torch.equal(batch.observed, bench.seen.points)
    assert bench.reference is None


def test_nothing_asks_for_a_reference(bench, tmp_path):
    """The residual and the data select weights; errors are left out of log, metrics and truth."""
    right, wrong = Known(2.0, 2.0), Known(1.5, 1.5)
    module = torch.nn.Identity()
    assert bench.validate(right, module) < 1e-3 < bench.validate(wrong, module)
    assert bench.watch(right, module) == {}
    found = bench.examine(right, module).metrics
    assert not [key for key in found if key.startswith(("error/", "unknown/"))]
    assert found["residual/rms"] < 1e-6
    assert set(bench.truth().data_vars) == {"observed_x", "observed_u"}


@pytest.mark.parametrize(
    ("field", "number", "met"),
    [
        (2.0, 2.0, {"data": True, "equation": True, "conditions": True}),
        (1.5, 1.5, {"data": False, "equation": True, "conditions": True}),
        (2.0, 1.0, {"data": True, "equation": True, "conditions": False}),
    ],
)
def test_data_equation_and_conditions_are_judged_apart(bench, tmp_path, field, number, met):
    conclusion = concluded(bench, Known(field, number), tmp_path)
    assert {check["what"]: check["met"] for check in conclusion.details["checks"]} == met
    assert conclusion.details["trusted"] == all(met.values())
    assert conclusion.metrics["found/C"] == number
    assert ("not to be trusted" in conclusion.words[-1]) == (not all(met.values()))


def test_a_problem_without_data_and_unknown_numbers_concludes_whether_it_is_solved(tmp_path):
    bench = COLLOCATION.prepare(registry.problem("poisson"), "tiny", CollocationConfig(points=5))
    solver = Known(1.0, 1.0)
    solver.numbers = lambda module: {}
    conclusion = concluded(bench, solver, tmp_path)
    assert {check["what"]: check["met"] for check in conclusion.details["checks"]}["equation"] is False
    assert conclusion.details["numbers"] == {}
    assert not conclusion.details["trusted"]
    assert "Training longer (train.steps)" in conclusion.details["verdict"]
    assert "not to be trusted" in conclusion.words[-1]


def test_other_measurements_are_other_data(tmp_path):
    problem, file = small_problem("measured_slope"), tmp_path / "my.csv"
    made = {}
    for name, last in (("one", -0.327), ("two", -0.328)):
        file.write_text(f"x,u\n0,-1.523\n0.75,{last}\n", encoding="utf-8")
        made[name] = COLLOCATION.prepare(problem, "tiny", CollocationConfig(observations=file, sigma=0.1))
    card = COLLOCATION.prepare(problem, "tiny", CollocationConfig())
    assert len({bench.dataset["hash"] for bench in (card, *made.values())}) == 3
    assert made["one"].seen.sigma.flatten().tolist() == [0.1, 0.1]


def test_made_up_observations_need_a_reference(tmp_path, bench):
    card = read_card(bench.problem).table("tiny", CollocationCard)
    with pytest.raises(ConfigError, match="nobody knows the solution"):
        type(bench)(bench.problem, card.model_copy(update={"observations": 5}), CollocationConfig())
    with pytest.raises(ConfigError, match="file without folders"):
        card.model_copy(update={"observations": "../x.csv"}).measured(bench.problem)
    with pytest.raises(ConfigError, match=r"task\.sigma"):
        COLLOCATION.prepare(registry.problem("poisson"), "tiny", CollocationConfig(sigma=1.0))


def test_the_reference_by_default_is_the_solution_of_the_statement(bench):
    rod, points = small_problem("short_rod"), torch.rand(5, 2, dtype=torch.float64)
    assert torch.equal(HasResidual.reference(rod, points, "rod"), rod.reference(points, "rod"))
    assert bench.problem.reference(torch.rand(5, 1, dtype=torch.float64), "slope") is None


def test_the_card_is_checked_without_a_reference(bench, tmp_path):
    checks = read_card(bench.problem).table("tiny", CollocationCard).checks(bench.problem)
    assert [(check.ok, check.detail) for check in checks] == [
        (True, "none: nobody knows the solution"),
        (True, "4 of u"),
    ]
    folder = tmp_path / "measured_slope"
    shutil.copytree(SLOPE, folder)
    (folder / "measured.csv").write_text("x,u\n0,one\n", encoding="utf-8")
    problem = registry.find_problem(folder)
    (fault,) = [c for c in read_card(problem).table("tiny", CollocationCard).checks(problem) if not c.ok]
    assert "line 2, column 'u'" in fault.detail
    registry.find_problem(SLOPE)


def test_a_run_with_a_file_stands_alone_and_its_page_says_what_is_not_known(tmp_path, monkeypatch):
    """The file may go: what was in it is in the run. The command on the page names it."""
    monkeypatch.setenv("SCIML_HOME", str(tmp_path))
    file = tmp_path / "my.csv"
    file.write_text("x (m);u (K)\n0;-1,523\n0,25;-1,066\n0,5;-0,675\n0,75;-0,327\n", encoding="utf-8")
    made = run(RunRequest(problem=SLOPE, settings=(*SMALL, f"task.observations={file}"), out=tmp_path / "runs"))
    file.unlink()
    assert made.record.conclusion.metrics["found/C"] == pytest.approx(2.0, abs=0.1)
    again = evaluate_run(made.folder, problem=SLOPE)
    assert again.metrics["residual/rms"] == again.recorded["residual/rms"]
    page = write_run(made.folder, problem=small_problem("measured_slope")).read_text(encoding="utf-8")
    assert "Nobody knows the solution" in page
    assert "<p>C = " in page
    assert f"task.observations=&#34;{file}&#34;" in page
    log = [json.loads(line) for line in (made.folder / "log.jsonl").read_text().splitlines()]
    assert all("error" not in line for line in log)


def test_a_scaled_network_comes_back_from_its_run(tmp_path, monkeypatch):
    """Scales are in the context: predictions of a loaded run are those of the run."""
    monkeypatch.setenv("SCIML_HOME", str(tmp_path))
    file = tmp_path / "large.csv"
    file.write_text("x,u\n0,-1523\n0.25,-1066\n0.5,-675\n0.75,-327\n", encoding="utf-8")
    settings = ("train.steps=30", "model.width=5", f"task.observations={file}")
    made = run(RunRequest(problem=SLOPE, settings=settings, out=tmp_path / "runs"))
    loaded = load_run(made.folder, problem=SLOPE)
    assert loaded.context.scales.fields["u"] == pytest.approx(1523)
    assert float(loaded.solver.numbers(loaded.module)["C"].detach()) == pytest.approx(2000, rel=0.01)
    points = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    with torch.no_grad():
        np.testing.assert_allclose(loaded.solver.fields(loaded.module, points)[:, 0], [-1523, 0], atol=20)


def test_a_bad_file_ends_a_run_before_it_starts(tmp_path):
    (tmp_path / "bad.csv").write_text("x,u\n0,-1\n2,-1\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 3 lies outside"):
        run(RunRequest(problem=SLOPE, settings=(f"task.observations={tmp_path / 'bad.csv'}",), out=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
