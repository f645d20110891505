"""Runs of tasks without space through the verbs: the problem's own solver, evaluate, predict, export."""

from pathlib import Path

import numpy as np
import pytest
import xarray

from sciml.testing import PROBLEMS

SPOTS = PROBLEMS / "three_spots"
OWN = ("--problem", SPOTS)


def _set(*settings):
    return [word for setting in settings for word in ("--set", setting)]


def test_list_names_the_solver_by_default_and_the_tasks(sciml):
    listed = sciml("list", "--json").json
    assert {p["name"]: p["solver"] for p in listed["problems"]}["digits"] == "ode_net"
    assert {s["key"]: s["task"] for s in listed["solvers"]}["cnf"] == "density"
    shown = sciml("list").out
    rows = [line.split() for line in shown.splitlines()]
    support = [row for row in rows if row[:1] == ["digits"]][-1]
    assert support[:2] == ["digits", "ode_net"]
    assert "neural_ode" not in " ".join(support)
    table = shown[shown.index("Support") :].splitlines()
    assert max(len(line.rstrip()) for line in table) <= 80


def test_show_says_what_applies_to_what(sciml):
    shown = sciml("show", "densities").out
    assert all(word in shown for word in ("moons, gaussians, pinwheel", "HasDensity", "solver by default:\n    cnf"))
    answer = sciml("show", "ode_net", "--json").json
    assert answer["task"] == "classification"
    assert "digits" in answer["problems"]
    assert "densities" not in answer["problems"]
    assert "applies to:\n    digits" in sciml("show", "ode_net").out


def test_digits_run_with_their_own_solver(sciml):
    settings = _set("train.steps=2", "baselines=[]", "task.tolerances=[0.1]")
    answer = sciml("run", "digits", *settings)
    assert answer.code == 0, answer.err
    assert all(word in answer.out for word in ("ODE-Net", "accuracy", "evaluations", "digits/ode_net-tiny-s0"))
    inputs = {"intensity": (("sample", "y", "x"), np.zeros((3, 8, 8)))}
    xarray.Dataset(inputs).to_netcdf("in.nc", engine="h5netcdf")
    predicted = sciml("predict", "runs/digits/ode_net-tiny-s0", "--input", "in.nc", "--json").json
    assert predicted["sizes"] == {"sample": 3, "class": 10}


@pytest.fixture
def classifier(sciml):
    """The folder of a run of an ODE-Net on a fixture."""
    settings = _set("train.steps=2", "baselines=[]", "task.tolerances=[]")
    return sciml("run", SPOTS, "--solver", "ode_net", *settings, "--json").json["folder"]


def test_a_run_is_evaluated_and_its_page_made_again(sciml, classifier):
    examined = sciml("evaluate", classifier, *OWN, "--json").json
    for key in ("accuracy", "nll", "evaluations"):
        assert examined["metrics"][key] == pytest.approx(examined["recorded"][key])
    assert sciml("report", classifier, *OWN).code == 0
    index = sciml("report", ".")
    assert index.code == 0
    assert "accuracy" in Path("index.html").read_text(encoding="utf-8")


def test_what_integrates_cannot_be_exported_and_a_plain_network_can(sciml, classifier, refused):
    message = refused("export", classifier, *OWN)
    assert "has no data-dependent steps" in message
    assert "sciml predict" in message
    plain = sciml("run", SPOTS, "--solver", "resnet", *_set("train.steps=2", "baselines=[]"), "--json").json["folder"]
    exported = sciml("export", plain, *OWN, "--format", "torch", "--json").json
    assert [entry["state"] for entry in exported] == ["ok"]


def test_a_solver_that_does_not_apply_is_refused_with_those_that_do(refused):
    message = refused("run", SPOTS)  # it names no solver of its own
    assert "does not apply to problem 'three_spots'" in message
    assert "expected one of: " in message
    assert all(key in message for key in ("ode_net", "resnet", "cnf"))


def test_penalties_on_steps_are_refused_with_the_continuous_adjoint(refused):
    settings = _set("model.regularise.kind=er", "model.integrate.gradient=adjoint", "train.steps=1")
    message = refused("run", SPOTS, "--solver", "ode_net", *settings)
    assert "the adjoint equation knows nothing of" in message
    assert "regularise.kind=local" in message
