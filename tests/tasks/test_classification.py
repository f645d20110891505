"""The task of telling classes apart: splits, examples, honest scores, the sweep over tolerances, files."""

import math

import numpy as np
import pytest
import torch
import xarray
from spotters import Affine, Answers, Constant, NoConfig, register
from torch import nn

from sciml.api import predict as predict_file
from sciml.api import run
from sciml.core import registry, rng
from sciml.core.errors import ConfigError, DataError, UnknownNameError
from sciml.study import evaluate_run, export_run
from sciml.tasks.classification import CLASSIFICATION, ClassificationConfig, ClassificationContext, Pictures
from sciml.testing import PROBLEMS

SPOTS = PROBLEMS / "three_spots"
NONE = ClassificationConfig(tolerances=())


@pytest.fixture(scope="module")
def problem():
    return registry.find_problem(SPOTS)


@pytest.fixture(scope="module")
def bench(problem):
    return CLASSIFICATION.prepare(problem, "tiny", NONE)


@pytest.fixture(scope="module")
def digits():
    return CLASSIFICATION.prepare(registry.problem("digits"), "tiny", NONE)


def nearest(inputs, tolerance):
    """Certain of the nearest centre, which is right for points that do not stray far."""
    centres = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 4.0]], dtype=inputs.dtype)
    chosen = (inputs[:, None] - centres).norm(dim=2).argmin(1)
    return nn.functional.one_hot(chosen, 3).to(inputs.dtype), {}


def test_examples_are_the_training_samples(bench):
    assert len(bench.examples) == 60
    train = bench.splits["train"]
    batch = bench.examples.batch(torch.tensor([3, 0, 59]), rng.generator(0))
    assert torch.equal(batch.inputs, train.features[[3, 0, 59]])
    assert torch.equal(batch.labels, train.labels[[3, 0, 59]])
    assert len(batch) == 3
    rows = batch.rows(slice(1, 3)).to("cpu")
    assert torch.equal(rows.labels, batch.labels[1:])
    torch.testing.assert_close(bench.context.statistics.field_mean, train.features.mean(0))
    torch.testing.assert_close(bench.context.statistics.field_std, train.features.std(0, correction=0))


def test_noise_is_in_deviations_of_each_field_and_drawn_anew(problem, bench):
    noisy = CLASSIFICATION.prepare(problem, "tiny", ClassificationConfig(noise=0.2))
    rows = torch.arange(60).repeat(200)
    first, again, other = (noisy.examples.batch(rows, rng.generator(seed)).inputs for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    errors = first - bench.splits["train"].features[rows]
    torch.testing.assert_close(errors.std(0), 0.2 * bench.context.statistics.field_std, rtol=0.03, atol=0)


def test_shifted_pictures_are_pictures_moved_by_whole_points(digits):
    moved = CLASSIFICATION.prepare(registry.problem("digits"), "tiny", ClassificationConfig(shift=2)).examples
    rows = torch.arange(300)
    pictures, originals = moved.batch(rows, rng.generator(0)).inputs, digits.splits["train"].features[:300]
    seen = set()
    for picture, original in zip(pictures[:, 0], originals[:, 0], strict=True):
        framed = torch.zeros(12, 12)
        framed[2:10, 2:10] = original
        fits = [(y, x) for y in range(5) for x in range(5) if torch.equal(framed[y : y + 8, x : x + 8], picture)]
        assert fits
        seen |= {fits[0]} if len(fits) == 1 else set()
    assert len(seen) == 25  # every direction, the original place included


def test_a_perfect_and_an_ignorant_classifier_get_what_they_deserve(bench):
    examination = bench.examine(Answers(nearest), nn.Identity())
    assert examination.metrics["accuracy"] == 1
    assert examination.metrics["error"] == 0
    assert examination.metrics["nll"] == 0
    assert examination.metrics["prediction/seconds"] > 0
    assert examination.status == {"ok": 30}
    assert "evaluations" not in examination.metrics
    module = Affine().build(bench.problem, NoConfig(), bench.context)
    ignorant = bench.examine(Constant(), module)
    assert ignorant.metrics["nll"] == pytest.approx(math.log(3), rel=1e-6)
    assert ignorant.metrics["accuracy"] == pytest.approx(1 / 3, abs=0.04)  # class 0 has a third of the samples
    assert bench.validate(Constant(), module) == pytest.approx(math.log(3), rel=1e-6)


def test_scores_are_what_their_names_say(bench):
    """Right in every second sample, with a probability of 0.7."""

    def doubtful(inputs, tolerance):
        right, stats = nearest(inputs, tolerance)
        chosen = torch.where((torch.arange(len(inputs)) % 2 == 0)[:, None], right, right.roll(1, dims=1))
        return 0.7 * chosen + 0.15 * (1 - chosen), stats

    examination = bench.examine(Answers(doubtful), nn.Identity())
    assert examination.metrics["accuracy"] == 0.5
    assert examination.metrics["nll"] == pytest.approx(-(math.log(0.7) + math.log(0.15)) / 2, rel=1e-6)
    assert examination.arrays["predicted"].values[0] == examination.arrays["label"].values[0]


def test_predictions_that_are_not_finite_are_errors_and_counted(bench):
    def broken(inputs, tolerance):
        right, stats = nearest(inputs, tolerance)
        right[:3] = torch.nan
        return right, stats

    examination = bench.examine(Answers(broken), nn.Identity())
    assert examination.status == {"ok": 27, "diverged": 3}
    assert examination.metrics["accuracy"] == 0.9
    assert math.isnan(examination.metrics["nll"])
    assert examination.arrays["predicted"].values[:4].tolist() == [-1, -1, -1, bench.splits["test"].labels[3]]
    assert bench.validate(Answers(broken), nn.Identity()) == math.inf


def test_an_impossible_truth_costs_much_but_not_everything(bench):
    examination = bench.examine(Answers(lambda x, t: (nearest(x, t)[0].roll(1, dims=1), {})), nn.Identity())
    assert examination.metrics["accuracy"] == 0
    assert examination.metrics["nll"] == pytest.approx(87.34, abs=0.01)


class Tolerant:
    """Wrong by the tolerance in one direction, cheaper the larger it is; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, inputs, tolerance):
        self.asked.append((inputs.dtype, tolerance))
        used = 1e-3 if tolerance is None else tolerance
        right, _ = nearest(inputs, tolerance)
        wrong = right.roll(1, dims=1)
        mixed = (1 - used) * right + used * wrong
        return mixed, {"evaluations": torch.full((len(inputs),), round(-10 * math.log10(used))), "calls": 7}


def test_the_sweep_shows_what_a_tolerance_costs_and_changes(problem):
    swept, solver = CLASSIFICATION.prepare(problem, "tiny", ClassificationConfig()), Tolerant()
    metrics = swept.examine(Answers(solver), nn.Identity()).metrics
    assert metrics["evaluations"] == 30
    assert metrics["calls"] == 7
    for exponent in range(1, 7):
        key = f"tolerance_1e-{exponent}"
        assert metrics[f"{key}/evaluations"] == 10 * exponent
        assert metrics[f"{key}/error"] == 0
        # both probabilities move by the tolerance: √2 tol per sample, of norm 1
        expected = math.sqrt(2) * (10.0**-exponent - 1e-8)
        assert metrics[f"{key}/difference"] == pytest.approx(expected, rel=1e-5)
    assert [t for dtype, t in solver.asked if dtype == torch.float64] == [1e-8, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
    assert all(dtype == torch.float32 for dtype, t in solver.asked if t is None)


def test_the_sweep_leaves_the_module_as_it_is(problem):
    class Counting(Affine):
        def predict(self, module, inputs):
            prediction = super().predict(module, inputs)
            return prediction._replace(stats={"evaluations": torch.ones(len(prediction.mean))})

    swept = CLASSIFICATION.prepare(problem, "tiny", ClassificationConfig(tolerances=(1e-2,)))
    module = Counting().build(problem, NoConfig(), swept.context)
    prediction = swept.examine(Counting(), module).metrics
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert prediction["tolerance_1e-2/difference"] == 0
    assert sum(key.startswith("tolerance") for key in prediction) == 3


def test_there_is_no_sweep_where_it_is_not_wanted_or_nothing_is_counted(bench, problem):
    assert not [key for key in bench.examine(Answers(Tolerant()), nn.Identity()).metrics if "tolerance" in key]
    swept = CLASSIFICATION.prepare(problem, "tiny", ClassificationConfig())
    assert not [key for key in swept.examine(Answers(nearest), nn.Identity()).metrics if "tolerance" in key]


def test_tolerances_in_words(problem):
    wanted = {0.1: "1e-1", 1e-6: "1e-6", 3e-4: "3e-4", 2.0: "2e0"}
    settings = ClassificationConfig(tolerances=sorted(wanted, reverse=True))
    metrics = CLASSIFICATION.prepare(problem, "tiny", settings).examine(Answers(Tolerant()), nn.Identity()).metrics
    assert {key.split("/")[0] for key in metrics if "tolerance" in key} == {f"tolerance_{w}" for w in wanted.values()}


def test_arrays_and_truth_are_labelled(bench, digits):
    arrays, truth = bench.examine(Answers(Tolerant()), nn.Identity()).arrays, bench.truth()
    assert arrays["probability"].dims == ("sample", "class")
    assert arrays["class"].values.tolist() == ["origin", "right", "top"]
    np.testing.assert_array_equal(arrays["label"], truth["label"])
    assert arrays["evaluations"].values.tolist() == [30] * 30
    assert truth["x"].attrs["units"] == "m"
    np.testing.assert_array_equal(truth["y"], bench.splits["test"].features[:, 1])
    pictures = digits.truth()
    assert pictures["intensity"].dims == ("sample", "y", "x")
    assert pictures["intensity"].shape == (449, 8, 8)


def test_explain_names_what_is_not_finite(bench):
    batch = bench.examples.batch(torch.arange(4), rng.generator(0))
    assert bench.explain(Answers(nearest), nn.Identity(), batch) == "the loss or its gradient (but no probability)"
    broken = Answers(lambda x, t: (nearest(x, t)[0] * torch.nan, {}))
    assert bench.explain(broken, nn.Identity(), batch) == "prediction for 4 of 4 samples"
    batch.inputs[1, 0] = torch.inf
    assert bench.explain(Answers(nearest), nn.Identity(), batch) == "data of field x"


def test_data_is_named_by_card_version_and_samples(problem, bench):
    again = CLASSIFICATION.prepare(problem, "tiny", NONE)
    assert again.dataset == bench.dataset
    assert bench.dataset["card"] == {
        "samples": {"train": 60, "valid": 24, "test": 30},
        "seed": 0,
        "cost": "nothing",
    }
    assert len(bench.dataset["hash"]) == 64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerances": (1e-3, 1e-2)}, "must fall"),
        ({"tolerances": (1e-2, 1e-12)}, "none below 1e-10"),
        ({"noise": -1.0}, "noise"),
        ({"shift": -1}, "shift"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ClassificationConfig(**settings)


def test_a_field_that_is_not_there_cannot_be_read(problem):
    with pytest.raises(UnknownNameError, match=r"unknown field 'z\*'"):
        CLASSIFICATION.prepare(problem, "tiny", ClassificationConfig(inputs=("x", "z*")))


def test_what_cannot_be_prepared_is_explained(problem):
    with pytest.raises(ConfigError, match=r"too large for these samples; got task.shift=1, samples of shape \(2,\)"):
        CLASSIFICATION.prepare(problem, "tiny", ClassificationConfig(shift=1))
    with pytest.raises(ConfigError, match=r"too large for these samples; got task.shift=8"):
        CLASSIFICATION.prepare(registry.problem("digits"), "tiny", ClassificationConfig(shift=8))


def write(path, **changes):
    variables = {"x": ("sample", [0.1, 5.0]), "y": ("sample", [0.0, 1.0])} | changes
    kept = {name: value for name, value in variables.items() if value is not None}
    xarray.Dataset(kept).to_netcdf(path, engine="h5netcdf")
    return path


def read(bench, path, steps=None):
    return CLASSIFICATION.read_inputs(path, bench.problem, bench.context, steps)


def test_samples_are_read_and_answers_described(bench, digits, tmp_path):
    samples = read(bench, write(tmp_path / "a.nc"))
    assert isinstance(samples, Pictures)
    torch.testing.assert_close(samples.inputs, torch.tensor([[0.1, 0.0], [5.0, 1.0]]))
    answer = Answers(nearest).predict(nn.Identity(), samples)
    described = CLASSIFICATION.describe(samples, answer, bench.problem, bench.context)
    assert described["predicted"].values.tolist() == [0, 1]
    assert described["status"].values.tolist() == [0, 0]
    single = write(tmp_path / "b.nc", x=1.0, y=0.0)
    assert read(bench, single).inputs.tolist() == [[1.0, 0.0]]
    pictures = np.random.default_rng(0).random((8, 8, 3))
    turned = write(tmp_path / "c.nc", x=None, y=None, intensity=(("x", "y", "sample"), pictures))
    np.testing.assert_allclose(read(digits, turned).inputs[:, 0], pictures.transpose(2, 1, 0), rtol=1e-6)


@pytest.mark.parametrize("name", ["bench", "digits"])
def test_inputs_are_written_as_they_are_read(request, name, tmp_path):
    bench = request.getfixturevalue(name)
    inputs = CLASSIFICATION.inputs(bench.examples.batch(torch.arange(3), rng.generator(0)))
    for samples in (inputs, bench.example):
        file = CLASSIFICATION.write_inputs(samples, bench.problem, bench.context)
        file.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
        assert torch.equal(read(bench, tmp_path / "a.nc").inputs, samples.inputs)


@pytest.mark.parametrize(("inputs", "kept"), [(("y",), [1]), (("[xy]",), [0, 1]), (("y", "x"), [0, 1]), ((), [0, 1])])
def test_some_fields_can_be_read_alone(problem, bench, inputs, kept, tmp_path):
    some = CLASSIFICATION.prepare(problem, "tiny", ClassificationConfig(inputs=inputs, noise=0.1))
    assert some.context.shape == (len(kept),)
    assert torch.equal(some.splits["test"].features, bench.splits["test"].features[:, kept])
    assert torch.equal(some.splits["test"].labels, bench.splits["test"].labels)
    assert torch.equal(some.context.statistics.field_mean, bench.context.statistics.field_mean[kept])
    assert some.examples.batch(torch.arange(3), rng.generator(0)).inputs.shape == (3, len(kept))
    names = ["xy"[place] for place in kept]
    assert [column.name for column in CLASSIFICATION.columns(problem, some.context)[0]] == names
    assert {name for name in ("x", "y") if name in some.truth()} == set(names)
    written = CLASSIFICATION.write_inputs(some.example, problem, some.context)
    assert set(written.data_vars) == set(names)
    written.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    assert torch.equal(CLASSIFICATION.read_inputs(tmp_path / "a.nc", problem, some.context, None).inputs,
                       some.example.inputs)  # fmt: skip


@pytest.mark.parametrize("solver", ["resnet", "soft_trees_classes"])
def test_a_run_on_some_fields_predicts_from_these_alone(solver, tmp_path):
    made = run(str(SPOTS), solver=solver, preset="tiny", out=tmp_path, progress=None,
               settings=["task.inputs=['x']", "train.steps=20", "baselines=[]"])  # fmt: skip
    file = tmp_path / "a.nc"
    xarray.Dataset({"x": ("sample", [0.1, 5.9])}).to_netcdf(file, engine="h5netcdf")
    found = predict_file(made.folder, file, problem=SPOTS)
    assert found["probability"].shape == (2, 3)


def test_every_draw_shares_the_samples_out_anew(problem, bench):
    parts = [CLASSIFICATION.prepare(problem, "tiny", ClassificationConfig(draw=draw)) for draw in (0, 1, 1, 2)]
    tests = [part.splits["test"].features for part in parts]
    assert torch.equal(tests[0], bench.splits["test"].features)
    assert torch.equal(tests[1], tests[2])
    assert not torch.equal(tests[0], tests[1])
    assert not torch.equal(tests[1], tests[3])
    assert [part.dataset["hash"] == bench.dataset["hash"] for part in parts] == [True, False, False, False]
    for part in parts:
        assert torch.bincount(part.splits["test"].labels).tolist() == [10, 5, 15]


def test_the_context_survives_json(digits):
    context = ClassificationContext.model_validate_json(digits.context.model_dump_json())
    assert context.shape == (1, 8, 8)
    assert torch.equal(context.statistics.field_mean, digits.context.statistics.field_mean)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": None}, "lacks y; got variables x; expected x, y"),
        ({"x": ("sample", [1.0, np.nan])}, "'x' in .* holds values that are not finite"),
        ({"x": (("sample", "k"), np.ones((2, 3)))}, "field 'x' in .* has the wrong shape; got sample 2, k 3; expected"),
        ({"x": ("sample", ["a", "b"])}, "'x' in .* does not hold real numbers"),
    ],
)
def test_bad_files_are_explained(bench, tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        read(bench, write(tmp_path / "a.nc", **changes))


def test_pictures_of_another_size_and_steps_are_refused(digits, tmp_path):
    path = write(tmp_path / "a.nc", x=None, y=None, intensity=(("sample", "y", "x"), np.ones((2, 8, 9))))
    with pytest.raises(DataError, match=r"got sample 2, y 8, x 9; expected sample \(any number\), y 8, x 8"):
        read(digits, path)
    with pytest.raises(DataError, match="without a time axis; got 3 steps"):
        read(digits, path, 3)


def test_a_run_from_nothing_to_a_page(monkeypatch, tmp_path):
    register(monkeypatch, Affine(), Constant())
    finished = run("digits", solver="affine", out=tmp_path)
    assert finished.metrics["accuracy"] > 0.9
    record = finished.record
    assert record.status == "finished"
    assert record.baselines["constant"].metrics["test"]["accuracy"] < 0.2
    assert record.dataset.hash == CLASSIFICATION.prepare(registry.problem("digits"), "tiny", NONE).dataset["hash"]
    page = (finished.folder / "report.html").read_text()
    assert "Handwritten digits" in page
    again = evaluate_run(finished.folder)
    assert again.metrics["nll"] == again.recorded["nll"]
    pictures = (("sample", "y", "x"), registry.problem("digits").samples()[0][:5, 0].numpy())
    predicted = predict_file(finished.folder, write(tmp_path / "a.nc", x=None, y=None, intensity=pictures))
    assert predicted["predicted"].values.tolist() == [0, 1, 2, 3, 4]
    assert [entry.state for entry in export_run(finished.folder, ("torch",))] == ["ok"]
