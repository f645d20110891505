"""The task on operators: storage of pairs, batches, files of functions, errors with right values, refusals."""

import json
import math

import numpy as np
import pytest
import torch
import xarray

from sciml import api
from sciml.core import registry, rng
from sciml.core.errors import ConfigError, DataError, InputWarning, UnknownNameError, UserError
from sciml.data import generate_pairs, netcdf_bytes, pair_set, table_bytes
from sciml.study import RunRequest, example_inputs, predict_run, run
from sciml.tasks.operator import OPERATOR, OperatorCard, OperatorConfig, OperatorScales, Questions, pair_errors
from sciml.testing import PROBLEMS
from sciml.train import find_solver

TWO = PROBLEMS / "two_sources"


def card(**changes):
    table = {"functions": {"train": 12, "valid": 3, "test": 4}, "sensors": {"u": (7,), "p": (5,)}, "queries": (6, 5),
             "seed": 0}  # fmt: skip
    return OperatorCard(**{**table, **changes})


@pytest.fixture(scope="module")
def two():
    return registry.find_problem(TWO)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of MIONet on two functions with irregular sensors, a few steps long."""
    request = RunRequest(problem=TWO, solver="mionet", settings=("train.steps=3", "baselines=[]"),
                         out=tmp_path_factory.mktemp("operator"))  # fmt: skip
    return run(request).folder


def written(dataset, folder, name="inputs.nc"):
    path = folder / name
    path.write_bytes(netcdf_bytes(dataset))
    return path


def answer(folder, path):
    return predict_run(folder, path, problem=TWO)


# --- pairs


def test_aligned_pairs_share_queries_and_unaligned_ones_are_numbers_of_queries(two):
    aligned, own = pair_set(two, card()), pair_set(two, card(points=4))
    train, some = aligned.splits["train"], own.splits["train"]
    assert train.query is None
    assert train.values.shape == (12, 30, 2)
    assert some.query.shape == (12, 4)
    assert some.functions.shape == (12, 12), "functions are stored once, whatever the number of points"
    assert some.queries.shape == (30, 2)
    assert torch.equal(some.values, train.values.gather(1, some.query[..., None].expand(-1, -1, 2)))
    assert all(len(row.unique()) == 4 for row in some.query)
    assert own.splits["test"].query is None
    assert torch.equal(own.splits["test"].values, aligned.splits["test"].values)


def test_pairs_are_the_operator_s(two):
    pairs = pair_set(two, card()).splits["test"]
    x, t = pairs.queries.float().unbind(1)
    sensors = two.sensors("u", (7,))[:, 0]
    assert not torch.allclose(sensors.diff(), sensors.diff()[0])
    # the values of u at its sensors determine the quadratic polynomial it is
    fit = np.polynomial.polynomial.polyfit(sensors.numpy(), pairs.functions[:, :7].double().numpy().T, 2)
    u = np.polynomial.polynomial.polyval(x.numpy(), fit)
    np.testing.assert_allclose(pairs.values[..., 1].numpy(), u**2 + 0.1, atol=1e-5)
    pulse = pairs.functions[:, 7:]
    slope, start = (pulse[:, -1] - pulse[:, 0]) / 2, pulse[:, 0]
    integral = start[:, None] * (t - 1) + slope[:, None] * (t - 1) ** 2 / 2
    np.testing.assert_allclose(pairs.values[..., 0].numpy(), u * integral.numpy(), atol=1e-5)


def test_the_same_card_gives_the_same_bits_and_no_function_is_in_two_splits(two):
    generate_pairs(two, card(points=3))
    checks = {check.name: check for check in card(points=3).checks(two)}
    assert all(check.ok for check in checks.values()), checks
    assert set(checks) == {"files", "content", "values", "functions", "reproduced"}
    summary = card(points=3).summary(two, "1")
    assert summary["functions"] == {"train": 12, "valid": 3, "test": 4}
    assert summary["sensors"] == {"u": 7, "p": 5}
    assert summary["lattice"] is None


def test_one_lattice_of_sensors_and_queries_is_recognised():
    blur = registry.find_problem(PROBLEMS / "plane_blur")
    solver = find_solver("fno_map")
    bench = OPERATOR.prepare(blur, "tiny", OperatorConfig())
    assert bench.context.lattice == (16, 12)
    coarse = OPERATOR.prepare(blur, "tiny", OperatorConfig(sensors={"a": (5, 4)}))
    assert coarse.context.lattice is None
    with pytest.raises(UserError, match=r"one lattice.*20 of a.*queries: 192"):
        solver.build(blur, solver.recipe("tiny").model, coarse.context)


def test_settings_change_the_card(two):
    bench = OPERATOR.prepare(two, "tiny", OperatorConfig(functions=9, sensors={"u": (4,)}, points=2, space="constants"))
    assert len(bench.examples) == 9
    assert bench.context.sizes == (4, 5)
    assert bench.examples.pairs.query.shape == (9, 2)
    assert bench.dataset["card"]["space"] == "constants"
    assert bench.dataset["hash"] != OPERATOR.prepare(two, "tiny", OperatorConfig()).dataset["hash"]
    whole = OPERATOR.prepare(two, "tiny", OperatorConfig(points=0))
    assert whole.examples.pairs.query is None


@pytest.mark.parametrize(("changes", "error", "match"), [
    ({"sensors": {"u": (7,)}}, ConfigError, "sensors of every input"),
    ({"sensors": {"u": (7, 2), "p": (5,)}}, ConfigError, "axis by axis"),
    ({"queries": (6,)}, ConfigError, r"queries axis by axis.*2 numbers \(x, t\)"),
    ({"points": 31}, ConfigError, "more points than there are queries"),
    ({"space": "chebychev"}, UnknownNameError, "Did you mean 'chebyshev'"),
])  # fmt: skip
def test_cards_that_do_not_fit_are_refused(two, changes, error, match):
    with pytest.raises(error, match=match):
        pair_set(two, card(**changes))


def test_unknown_probes_are_refused_before_data_is_made(two):
    with pytest.raises(UnknownNameError, match="constants"):
        OPERATOR.prepare(two, "tiny", OperatorConfig(probes=("constant",)))


# --- batches and errors


@pytest.mark.parametrize("points", [None, 4])
def test_batches_are_cut_with_their_queries(two, points):
    bench = OPERATOR.prepare(two, "tiny", OperatorConfig(points=points or 0))
    batch = bench.examples.batch(torch.arange(5), rng.generator(0))
    part = batch.rows(slice(1, 3))
    assert len(batch) == 5
    assert len(part) == 2
    assert torch.equal(part.targets, batch.targets[1:3])
    assert torch.equal(part.queries, batch.queries if points is None else batch.queries[1:3])


def test_queries_that_stay_are_brought_to_the_unit_box_once(two):
    """And anew where they, or the box, are others."""
    bench = OPERATOR.prepare(two, "tiny", OperatorConfig(functions=5))
    scales = OperatorScales(bench.context, two.domain)
    queries = two.domain.lattice((3, 2))
    first = scales.unit_of_same(queries)
    assert scales.unit_of_same(queries) is first
    torch.testing.assert_close(first, scales.unit(queries), rtol=0, atol=0)
    queries[0] += 0.5 * two.domain.extent
    torch.testing.assert_close(scales.unit_of_same(queries), scales.unit(queries), rtol=0, atol=0)
    scales.extent.mul_(2)
    torch.testing.assert_close(scales.unit_of_same(queries), scales.unit(queries), rtol=0, atol=0)
    scales.double()
    other = queries.clone() + 0.1
    torch.testing.assert_close(scales.unit_of_same(other), scales.unit(other), rtol=0, atol=0)


def test_errors_have_the_values_of_their_definitions():
    true = torch.tensor([[[3.0], [4.0]], [[0.0], [2.0]]])
    predicted = true + torch.tensor([[[0.5], [0.0]], [[0.0], [1.0]]])
    aligned = pair_errors(predicted, true, aligned=True)
    assert aligned["relative_l2"] == pytest.approx((0.1 + 0.5) / 2)
    assert aligned["relative_l2/worst"] == pytest.approx(0.5)
    assert aligned["mse"] == pytest.approx(1.25 / 4)
    own = pair_errors(predicted, true, aligned=False)
    assert own["relative_l2"] == pytest.approx((1.25 / 29) ** 0.5)
    assert "relative_l2/worst" not in own
    many = torch.zeros(1, 2000, 1)
    off = many.clone()
    off[0, :2] = 10.0
    off[0, 2:] = 1.0
    assert pair_errors(off, many + 1e-30, aligned=True)["mse/trimmed"] == pytest.approx(1.0)


def test_an_image_that_is_zero_is_no_measure():
    """The squared error counts it; nothing is a share of it."""
    true = torch.tensor([[[3.0], [4.0]], [[0.0], [0.0]]])
    predicted = true + torch.tensor([[[0.5], [0.0]], [[1.0], [1.0]]])
    some = pair_errors(predicted, true, aligned=True)
    assert (some["relative_l2"], some["relative_l2/worst"]) == pytest.approx((0.1, 0.1))
    assert some["mse"] == pytest.approx(2.25 / 4)
    for aligned in (True, False):
        none = pair_errors(predicted[1:], true[1:], aligned=aligned)
        assert math.isnan(none["relative_l2"])
        assert none["mse"] == 1.0
    assert math.isnan(pair_errors(predicted * math.nan, true, aligned=True)["relative_l2"])


@pytest.mark.parametrize(("solver", "zeros"), [("deeponet", 1), ("fno_map", 3)])
def test_a_network_learns_beside_functions_whose_image_is_zero(tmp_path, monkeypatch, solver, zeros):
    """With `zeros` = 1 all images are: then the squared error chooses the weights."""
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    x = torch.linspace(0, 1, 16, dtype=torch.float64)
    k = torch.linspace(1, 3, 30, dtype=torch.float64)[:, None]
    images = torch.where(torch.arange(30)[:, None] % zeros == 0, 0.0, torch.sin(k * x) / k)
    done = api.run(data=(torch.cos(k * x), x[:, None], images), choices={"name": "some", "ranges": {"x": (0.0, 1.0)}},
                   solver=solver, settings=["baselines=['mean_map']", "train.steps=40", "train.evaluate_every=20"],
                   out=tmp_path)  # fmt: skip
    log = [json.loads(line) for line in (done.folder / "log.jsonl").read_text().splitlines()]
    assert all(math.isfinite(line["validation"]) and math.isfinite(line["loss"]) for line in log)
    scores = done.record.metrics["test"]
    assert math.isfinite(scores["mse"])
    assert (scores["relative_l2"] is None) == (zeros == 1)


def test_a_metric_of_every_field_and_space(finished):
    from sciml.study import Record

    metrics = Record.read(finished).metrics["test"]
    assert {"field/v", "field/w", "space/constants", "train/mse", "gap", "mse/trimmed"} <= set(metrics)
    assert metrics["gap"] == pytest.approx(metrics["mse"] / metrics["train/mse"])


# --- files


def test_a_run_answers_at_other_queries_than_those_of_its_training(finished, tmp_path):
    example = example_inputs(finished)
    assert set(example.data_vars) == {"u", "p"}
    assert example["u_x"].attrs["units"] == "m"
    queries = {"x": ("query", [0.123, 1.9]), "t": ("query", [1.0, 2.5])}
    source = example.drop_vars(["x", "t"]).assign_coords(queries)
    result = answer(finished, written(source, tmp_path))
    assert result["v"].shape == (1, 2)
    assert result["v"].attrs["units"] == "J"
    np.testing.assert_allclose(result["x"], [0.123, 1.9])
    single = source.isel(query=[1])
    np.testing.assert_allclose(answer(finished, written(single, tmp_path))["v"][:, 0], result["v"][:, 1], rtol=1e-5)


def test_a_file_without_queries_asks_at_those_of_the_test_functions(finished, tmp_path):
    example = example_inputs(finished)
    result = answer(finished, written(example.drop_vars(["x", "t"]), tmp_path))
    assert result.sizes["query"] == 30
    few = answer(finished, written(example.isel(query=[0, 1, 2]), tmp_path))
    np.testing.assert_allclose(result["v"][:, :3], few["v"], rtol=1e-5)


def test_modes_of_outputs_need_all_queries_of_all_functions(two):
    bench = OPERATOR.prepare(two, "tiny", OperatorConfig())
    solver = find_solver("pod_deeponet")
    with pytest.raises(UserError, match="same queries for all training functions"):
        solver.build(two, solver.recipe("tiny").model, bench.context)


def test_every_sample_may_have_queries_of_its_own(finished, tmp_path):
    example = example_inputs(finished)
    two_samples = xarray.concat([example, example], dim="sample", data_vars="minimal", coords="minimal")
    own = {"x": (("sample", "query"), [[0.1, 0.2], [1.1, 1.2]]), "t": (("sample", "query"), [[1.0, 2.0], [1.5, 2.5]])}
    source = two_samples.drop_vars(["x", "t"]).assign_coords(own)
    result = answer(finished, written(source, tmp_path))
    shared = example.drop_vars(["x", "t"]).assign_coords({"x": ("query", [1.1, 1.2]), "t": ("query", [1.5, 2.5])})
    expected = answer(finished, written(shared, tmp_path))
    np.testing.assert_allclose(result["v"][1], expected["v"][0], rtol=1e-5)


def test_sensors_in_another_order_are_sorted(finished, tmp_path):
    example = example_inputs(finished)
    expected = answer(finished, written(example, tmp_path))
    shuffled = example.isel(u_sensor=[3, 0, 6, 1, 2, 5, 4])
    np.testing.assert_allclose(answer(finished, written(shuffled, tmp_path))["v"], expected["v"], rtol=1e-6)


def test_other_units_are_converted(finished, tmp_path):
    example = example_inputs(finished)
    expected = answer(finished, written(example, tmp_path))
    grams = example.assign(u=example["u"].copy(data=1000 * example["u"].values).assign_attrs(units="g"))
    grams = grams.assign_coords(u_x=("u_sensor", 100 * example["u_x"].values, {"units": "cm"}))
    with pytest.warns(InputWarning, match="converted"):
        result = answer(finished, written(grams, tmp_path))
    np.testing.assert_allclose(result["v"], expected["v"], rtol=0, atol=1e-5 * float(abs(expected["v"]).max()))


def table_of(example, queries, samples=1):
    """The example as the table a person would write."""
    rows = ["x (m),t (s)," + ",".join(f"u_{i + 1}" for i in range(samples)) + ","
            + ",".join(f"p_{i + 1}" for i in range(samples))]  # fmt: skip
    for x, value in zip(example["u_x"].values, example["u"].values[0], strict=True):
        rows.append(f"{x},," + ",".join([f"{value}"] * samples) + "," * samples)
    for t, value in zip(example["p_t"].values, example["p"].values[0], strict=True):
        rows.append(f",{t}" + "," * samples + "," + ",".join([f"{value}"] * samples))
    for x, t in queries:
        rows.append(f"{x},{t}" + "," * (2 * samples))
    return "\n".join(rows) + "\n"


def test_a_table_of_functions_is_read_like_a_netcdf_file(finished, tmp_path):
    example = example_inputs(finished)
    path = tmp_path / "functions.csv"
    path.write_text(table_of(example, [(0.5, 1.5), (1.5, 3.0)], samples=2))
    result = answer(finished, path)
    queries = {"x": ("query", [0.5, 1.5]), "t": ("query", [1.5, 3.0])}
    expected = answer(finished, written(example.drop_vars(["x", "t"]).assign_coords(queries), tmp_path))
    assert result["v"].shape == (2, 2)
    np.testing.assert_allclose(result["v"], np.repeat(expected["v"].values, 2, axis=0), rtol=1e-5)


def test_an_example_as_a_table_is_one_that_is_read(finished, tmp_path):
    path = tmp_path / "example.csv"
    path.write_bytes(table_bytes(example_inputs(finished, table=True), "example.csv"))
    expected = answer(finished, written(example_inputs(finished), tmp_path))
    np.testing.assert_allclose(answer(finished, path)["v"], expected["v"], rtol=1e-5)


def with_cell(text, cell):
    """The value of u at its third sensor replaced."""
    lines = text.splitlines()
    header, row = lines[0].split(","), lines[3].split(",")
    row[next(i for i, name in enumerate(header) if name.startswith("u_1"))] = cell
    return "\n".join([*lines[:3], ",".join(row), *lines[4:]])


@pytest.mark.parametrize(("change", "match"), [
    (lambda text: text.replace("u_1", "w_1"), r"w_1.*functions u \(or u_1"),
    (lambda text: text.replace("p_1", "p_x"), "p_x"),
    (lambda text: text.replace("0.5,1.5", "0.5,x"), r"line 14: column 't \(s\)' does not hold a number"),
    (lambda text: text.replace("0.5,1.5", "5.5,1.5"), r"outside of the domain.*x = 5.5 m in query 0.*\[0, 2\] m"),
    (lambda text: "\n".join(text.splitlines()[:2] + text.splitlines()[3:]), "number of sensors.*got 6.*expected 7"),
    (lambda text: text.replace("x (m)", "x (s)"), "units"),
    (lambda text: text.replace("0.5,1.5", "0.5,"), "not finite"),
    (lambda text: with_cell(text, "nan"), r"number of sensors.*got 6, none at x = 0\.\d+;.*expected 7"),
    (lambda text: with_cell(text, "inf"), "'u'.*not finite"),
    (lambda text: text + ",".join(["nan"] * len(text.splitlines()[0].split(","))), "line 16: a row says nothing"),
])  # fmt: skip
def test_tables_that_do_not_fit_are_refused(finished, tmp_path, change, match):
    path = tmp_path / "functions.csv"
    path.write_text(change(table_of(example_inputs(finished), [(0.5, 1.5), (1.5, 3.0)])))
    with pytest.raises(DataError, match=match):
        answer(finished, path)


def moved(example):
    return example.assign_coords(u_x=("u_sensor", example["u_x"].values + 0.05, example["u_x"].attrs))


@pytest.mark.parametrize(("change", "match"), [
    (moved, r"'u'.*not known at the sensors of the run.*no value at x = 0\.7"),
    (lambda e: e.isel(u_sensor=slice(1, None)), "another number of sensors"),
    (lambda e: e.assign(u=e["u"] * np.nan), "'u'.*not finite"),
    (lambda e: e.assign_coords(t=("query", 10 + e["t"].values)), r"outside of the domain.*t = 11.*\[1, 3\]"),
    (lambda e: e.drop_vars("p"), "lacks p"),
    (lambda e: e.drop_vars("u_x"), "lacks u_x"),
    (lambda e: e.drop_vars("t"), "where the fields are asked for"),
    (lambda e: e.rename(u_sensor="point"), "wrong dimensions"),
])  # fmt: skip
def test_files_that_do_not_fit_are_refused(finished, tmp_path, change, match):
    path = written(change(example_inputs(finished)), tmp_path)
    with pytest.raises(DataError, match=match):
        answer(finished, path)


def test_a_solver_with_fixed_points_refuses_others(tmp_path):
    request = RunRequest(problem=PROBLEMS / "plane_blur", solver="fno_map", settings=("train.steps=1",), out=tmp_path)
    folder = run(request).folder
    example = example_inputs(folder)
    few = written(example.isel(query=[5, 17]), tmp_path)
    result = predict_run(folder, few, problem=PROBLEMS / "plane_blur")
    whole = predict_run(folder, folder / "example.nc", problem=PROBLEMS / "plane_blur")
    np.testing.assert_allclose(result["s"], whole["s"][:, [5, 17]], rtol=1e-5)
    between = example.assign_coords(x=("query", np.clip(example["x"].values + 0.01, 0, 1)))
    with pytest.raises(UserError, match=r"Fourier neural operator answers at the points of its training only"):
        predict_run(folder, written(between, tmp_path), problem=PROBLEMS / "plane_blur")
    without = predict_run(folder, written(example.drop_vars(["x", "y"]), tmp_path), problem=PROBLEMS / "plane_blur")
    np.testing.assert_allclose(without["s"], whole["s"])


def test_functions_alone_can_be_asked_in_python(two):
    bench = OPERATOR.prepare(two, "tiny", OperatorConfig())
    solver = find_solver("deeponet")
    module = solver.build(two, solver.recipe("tiny").model, bench.context).eval()
    asked = Questions(bench.splits["test"].functions, two.queries((3, 3)))
    assert solver.predict(module, asked).mean.shape == (8, 9, 2)


def test_the_page_shows_functions_and_fields(finished, tmp_path):
    from sciml.report import write_run

    text = write_run(finished, problem=registry.find_problem(TWO)).read_text(encoding="utf-8")
    assert "Functions in, fields out" in text
    assert "smallest error" in text
    assert "Input u" in text
    assert "Input p" in text
    assert "energy [J]: reference, MIONet, error" in text
    request = RunRequest(problem=PROBLEMS / "plane_blur", solver="fno_map", out=tmp_path,
                         settings=("train.steps=1", 'baselines=["mean_map"]'))  # fmt: skip
    folder = run(request).folder
    page = write_run(folder, problem=registry.find_problem(PROBLEMS / "plane_blur")).read_text(encoding="utf-8")
    assert "Input: source [K]" in page
    assert "blurred field [K]: reference, Mean field, error" in page


@pytest.mark.parametrize(("solver", "settings", "words"), [
    ("deeponet", ["model.width=1000000000"], "the network of solver 'deeponet'.*needs more memory"),
    ("fno_map", [], "on one lattice"),
])  # fmt: skip
def test_what_cannot_be_built_is_refused_before_pairs_are_made(tmp_path, monkeypatch, solver, settings, words):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    with pytest.raises(UserError, match=words):
        run(RunRequest(problem=TWO, solver=solver, settings=tuple(settings), out=tmp_path))
    assert not list(tmp_path.rglob("*.nc"))
