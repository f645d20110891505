"""Whole runs on pairs of functions: own files, predictions that stand alone, the paper's comparison."""

import json

import numpy as np
import pytest
import torch

from sciml import api
from sciml.study import load_run

X = np.linspace(0, 1, 20)
NEW = np.array([1.17, 1.48, 1.86, 2.21, 2.57, 2.81])
QUERIES = np.linspace(0, 1, 41)[1:]


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))


def aligned():
    k = np.linspace(1, 3, 30)[:, None]
    return {"branch": np.cos(k * X), "trunk": X[:, None], "y": np.sin(k * X) / k}


def unaligned():
    draw = np.random.default_rng(0)
    k, x = draw.uniform(1, 3, 200), draw.uniform(0, 1, 200)
    return {"X_train0": np.cos(k[:, None] * X), "X_train1": x[:, None], "y_train": (np.sin(k * x) / k)[:, None]}


def two():
    k = np.linspace(1, 3, 30)[:, None]
    u, v = np.cos(k * X), np.sin(k * X) / k
    return {"branch": np.concatenate([u, v], axis=1), "trunk": X[:, None], "y": u * v}


def write_table(path, functions, queries):
    """One column per function; rows with values are sensors, the others queries."""
    names = [f"{name}_{i}" for name, values in functions.items() for i in range(len(values))]
    columns = np.concatenate(list(functions.values()))
    rows = [f"{x}," + ",".join(map(str, column)) for x, column in zip(X, columns.T, strict=True)]
    rows += [f"{x}" + "," * len(names) for x in queries]
    path.write_text("\n".join([",".join(["x", *names]), *rows]) + "\n")


def relative(predicted, true):
    return np.linalg.norm(predicted - true, axis=1) / np.linalg.norm(true, axis=1)


@pytest.mark.parametrize(
    ("arrays", "solver"), [(aligned, "deeponet"), (unaligned, "deeponet"), (aligned, "linear_map")]
)
def test_own_pairs_give_an_operator_that_is_right_on_new_functions(tmp_path, arrays, solver):
    """For k in [1, 3] that were not seen, at queries that were not seen, from a table."""
    np.savez(tmp_path / "pairs.npz", **arrays())
    settings = ["baselines=[]"] + (["train.steps=500"] if solver == "deeponet" else [])
    finished = api.run(data=tmp_path / "pairs.npz", choices={"ranges": {"x": (0, 1)}}, solver=solver,
                       settings=settings, out=tmp_path / "runs")  # fmt: skip
    write_table(tmp_path / "new.csv", {"u": np.cos(NEW[:, None] * X)}, QUERIES)
    answer = api.predict(finished.folder, tmp_path / "new.csv")
    true = np.sin(NEW[:, None] * QUERIES) / NEW[:, None]
    assert relative(answer["s"].values, true).max() < 0.05
    assert (finished.folder / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(("solver", "steps"), [pytest.param("mionet", 3000, marks=pytest.mark.slow), ("deeponet", 800)])
def test_two_functions_side_by_side_give_an_operator(tmp_path, solver, steps):
    finished = api.run(data=two(), choices={"functions": ("u", "v")}, solver=solver,
                       settings=["baselines=[]", f"train.steps={steps}"], out=tmp_path / "runs")  # fmt: skip
    u, v = np.cos(NEW[:, None] * X), np.sin(NEW[:, None] * X) / NEW[:, None]
    write_table(tmp_path / "new.csv", {"u": u, "v": v}, QUERIES)
    answer = api.predict(finished.folder, tmp_path / "new.csv")
    true = np.cos(NEW[:, None] * QUERIES) * np.sin(NEW[:, None] * QUERIES) / NEW[:, None]
    assert relative(answer["s"].values, true).max() < 0.05


def test_functions_on_a_lattice_give_an_operator(tmp_path):
    coeff = np.random.default_rng(0).uniform(3, 12, (10, 21, 21))
    finished = api.run(data={"coeff": coeff, "sol": np.sqrt(coeff)}, settings=["baselines=[]", "train.steps=100"],
                       out=tmp_path / "runs")  # fmt: skip
    assert finished.record.solver == "fno_map"
    assert finished.metrics["relative_l2"] < 0.05


def test_a_run_needs_neither_the_imported_data_nor_its_file(tmp_path, monkeypatch):
    finished = api.run(data=aligned(), settings=["baselines=[]", "train.steps=2"], out=tmp_path / "runs")
    expected = api.predict(finished.folder, finished.folder / "example.nc")
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "elsewhere"))
    again = api.predict(finished.folder, finished.folder / "example.nc")
    np.testing.assert_array_equal(again["s"], expected["s"])


def test_an_exported_operator_answers_alike_and_has_its_sensors_in_it(tmp_path):
    finished = api.run(data=two(), choices={"functions": ("u", "v")}, settings=["baselines=[]", "train.steps=2"],
                       out=tmp_path / "runs")  # fmt: skip
    exported = api.export(finished.folder, ["torch"])[0]
    assert exported.state == "ok", exported.detail
    program = torch.export.load(exported.path)
    np.testing.assert_allclose(program.state_dict["scales.sensors_1"][:, 0], X)
    loaded = load_run(finished.folder)
    functions = torch.from_numpy(two()["branch"][:3]).float()
    queries = loaded.example().queries.expand(3, -1, 1).contiguous()
    torch.testing.assert_close(program.module()(functions, queries), loaded.module(functions, queries))


@pytest.mark.parametrize("solver", ["mionet", pytest.param("deeponet_ensemble", marks=pytest.mark.slow)])
def test_two_functions_at_irregular_sensors_go_through_file_run_predict_and_export(tmp_path, solver):
    """u at 9 uneven sensors, v at 6 others: what the run answers to its own file is what its program answers."""
    k, draw = np.linspace(1, 3, 30)[:, None], np.random.default_rng(0)
    x_u, x_v = np.linspace(0, 1, 9) ** 2, np.sort(draw.uniform(0, 1, 6))
    np.savez(tmp_path / "pairs.npz", branch_u=np.cos(k * x_u), branch_v=np.sin(k * x_v), trunk=X[:, None],
             y=np.cos(k * X) * np.sin(k * X), sensors_u=x_u, sensors_v=x_v)  # fmt: skip
    finished = api.run(data=tmp_path / "pairs.npz", choices={"ranges": {"x": (0, 1)}}, solver=solver,
                       settings=["baselines=[]", "train.steps=3"], out=tmp_path / "runs")  # fmt: skip
    rows = ["x,u,v", *(f"{x},{np.cos(1.7 * x)}," for x in x_u[::-1]), *(f"{x},,{np.sin(1.7 * x)}" for x in x_v)]
    (tmp_path / "new.csv").write_text("\n".join([*rows, *(f"{x},," for x in QUERIES)]) + "\n")
    answer = api.predict(finished.folder, tmp_path / "new.csv")["s"].values[0]
    exported = api.export(finished.folder, ["torch"])[0]
    assert exported.state == "ok", exported.detail
    program = torch.export.load(exported.path)
    sensors = {name: value[:, 0].numpy() for name, value in program.state_dict.items() if ".sensors_" in name}
    assert len(sensors) == (2 if solver == "mionet" else 10)
    np.testing.assert_allclose(next(v for n, v in sensors.items() if n.endswith("sensors_0")), x_u)
    np.testing.assert_allclose(next(v for n, v in sensors.items() if n.endswith("sensors_1")), x_v)
    functions = torch.from_numpy(np.concatenate((np.cos(1.7 * x_u), np.sin(1.7 * x_v)))).float()[None]
    loaded = load_run(finished.folder)
    whole = loaded.module(functions, torch.from_numpy(QUERIES)[:, None])[0, :, 0].detach()
    np.testing.assert_allclose(answer, whole.numpy(), rtol=1e-5, atol=1e-6)
    for asked in (loaded.example().queries, torch.from_numpy(QUERIES)[:, None]):  # as many as are asked for
        again = program.module()(functions.expand(2, -1).contiguous(), asked.expand(2, -1, 1).contiguous())
        torch.testing.assert_close(again[:1], loaded.module(functions, asked), rtol=1e-5, atol=1e-6)
    arguments = json.loads((exported.path.parent / "about.json").read_text(encoding="utf-8"))["arguments"]
    assert [entry["shape"] for entry in arguments] == [["batch", 15], ["batch", "query", 1]]


@pytest.mark.slow
def test_deeponet_beats_a_plain_network_on_the_antiderivative(tmp_path):
    """10,000 functions with one value each, 20,000 steps: below 2e-5, and a tenth of a plain network 2.8x its size."""
    errors = {}
    for solver, settings in (("deeponet", []), ("fnn", ["model.width=100"])):
        finished = api.run("antiderivative", solver=solver, preset="small", out=tmp_path / "runs",
                           settings=["baselines=[]", "task.probes=[]", *settings])  # fmt: skip
        errors[solver] = finished.metrics["mse"]
        assert finished.record.parameters == {"deeponet": 7401, "fnn": 20401}[solver]
    assert errors["deeponet"] < 2e-5
    assert errors["fnn"] > 10 * errors["deeponet"]
