"""Discovery as a run: naming after the fit, in the record and the predictions of the same folder."""

import pytest
import xarray

from sciml.core import registry
from sciml.discovery import SparseEngine, SymbolicFront
from sciml.study import RunRequest, make_discovery_request, run
from sciml.tasks.discovery import DISCOVERY, DiscoveryConfig
from sciml.train import find_solver

NAMING = "task.naming.engine=sparse"


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return run(RunRequest(problem="lotka_volterra", solver="spline_derivative", settings=(NAMING,), out=out))


def test_a_run_names_the_term_it_measured(named):
    conclusion = named.record.conclusion
    assert conclusion.details["identifiability"]["identifiable"]
    assert conclusion.details["full_equations"][0].startswith("x' = 1.3*x + (-0.90")
    assert conclusion.metrics["named/forecast"] < 0.03
    front = SymbolicFront.from_dict(conclusion.details["components"]["prey"]["front"])
    assert len(front.entries) > 1
    assert not (named.folder / "steps").exists()


SEARCH = 'task.naming.search={library=["x*y"]}'
"""One candidate: confirming the rich formulas of a term that is measured badly would take a minute."""
TINY = {
    "spline_derivative": (SEARCH,),
    "upinn": (SEARCH, "train.steps=6", "model.adam=4", "model.width=4", "model.members=2", "model.collocation=20"),
}


@pytest.mark.parametrize("solver", TINY)
def test_run_and_discover_agree_at_equal_seeds(solver, tmp_path):
    settings = [*TINY[solver], "baselines=[]"]
    naming = ("task.naming.engine=sparse", "task.naming.anyway=true")
    plain = run(
        RunRequest(problem="lotka_volterra", solver=solver, seed=3, settings=(*settings, *naming), out=tmp_path / "run")
    )
    options = {"solver": solver, "seed": 3, "settings": settings, "out": tmp_path / "discover"}
    discovery = run(make_discovery_request("lotka_volterra", options, engine="sparse", anyway=True))
    measured_only = run(
        RunRequest(problem="lotka_volterra", solver=solver, seed=3, settings=settings, out=tmp_path / "bare")
    )
    first, second = (entry.record.conclusion.details for entry in (plain, discovery))
    timeless = [{key: value for key, value in details.items() if key != "seconds"} for details in (first, second)]
    assert timeless[0] == timeless[1]
    errors = [without_times(entry.metrics) for entry in (plain, discovery, measured_only)]
    assert errors[0] == errors[1] == errors[2]
    weights = [(entry.folder / "model.safetensors").read_bytes() for entry in (plain, discovery, measured_only)]
    assert weights[0] == weights[1] == weights[2]


def without_times(metrics):
    return {key: value for key, value in metrics.items() if not key.endswith("seconds")}


class Stopped(Exception):
    """What stops a search half-way."""


def test_a_discovery_that_was_stopped_goes_on(tmp_path, monkeypatch):
    """After one of two searches: the fit is not made again, the first search is taken from the folder."""
    options = {"solver": "upinn", "settings": [*TINY["upinn"], "train.checkpoint_every=2"], "resume": True}
    searched = []

    def search(self, problem, spec=None):
        if stops and searched:
            raise Stopped
        searched.append(len(problem.y))
        return fit(self, problem, spec)

    fit = SparseEngine.fit
    monkeypatch.setattr(SparseEngine, "fit", search)
    stops = True
    request = make_discovery_request(
        "lotka_volterra", options | {"out": tmp_path / "stopped"}, engine="sparse", anyway=True, compare=False
    )
    with pytest.raises(Stopped):
        run(request)
    (folder,) = (tmp_path / "stopped" / "lotka_volterra").iterdir()
    assert (folder / "steps" / "upinn" / "front-prey.json").is_file()
    before = (folder / "log.jsonl").read_text()
    stops = False
    finished = run(request)
    assert finished.folder == folder
    assert len(searched) == 2
    assert (folder / "log.jsonl").read_text() == before
    assert not (folder / "steps").exists()
    straight = run(
        make_discovery_request(
            "lotka_volterra", options | {"out": tmp_path / "straight"}, engine="sparse", anyway=True, compare=False
        )
    )
    assert finished.record.conclusion.words == straight.record.conclusion.words
    assert without_times(finished.metrics) == without_times(straight.metrics)


def test_formulas_and_their_trial_are_among_the_predictions(named):
    with xarray.open_dataset(named.folder / "predictions.h5", group="solvers/spline_derivative") as arrays:
        assert {"formula_prey", "trial_prey", "held_prey", "hidden_prey"} <= set(arrays.variables)
        assert arrays["trial_prey"].dims == ("held_time",)
        assert float(abs(arrays["trial_prey"] - arrays["held_prey"]).max()) < 0.05
        assert arrays.sizes["sample"] == len(arrays["formula_prey"])


def test_measuring_alone_concludes_nothing(tmp_path):
    measured = run(RunRequest(problem="lotka_volterra", solver="spline_derivative", out=tmp_path))
    assert measured.record.conclusion is None


def test_naming_does_not_change_which_data_it_is():
    problem = registry.problem("lotka_volterra")
    settings = [DiscoveryConfig(), DiscoveryConfig.model_validate({"naming": {"engine": "sparse"}})]
    first, second = (DISCOVERY.prepare(problem, "tiny", config) for config in settings)
    assert first.dataset == second.dataset


def test_searches_that_were_finished_are_taken(tmp_path):
    from sciml.core.progress import SilentProgress

    said = []

    class Heard(SilentProgress):
        def log(self, message):
            said.append(message)

    problem, solver = registry.problem("lotka_volterra"), find_solver("spline_derivative")
    bench = DISCOVERY.prepare(problem, "tiny", DiscoveryConfig.model_validate({"naming": {"engine": "sparse"}}))
    module = solver.build(problem, solver.recipe("tiny").model, bench.context)
    solver.solve_closed_form(module, bench.examples)
    first, second = (bench.conclude(solver, module, tmp_path, Heard()) for _ in range(2))
    assert first.words == second.words
    assert sum("are taken from" in line for line in said) == 2
