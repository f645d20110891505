"""The task of sequences: scores that are what they say, other sampling rates, files, refusals, pages."""

import json
import math

import numpy as np
import pytest
import torch
import xarray
from torch import nn

from sciml.api import run
from sciml.core import registry, rng
from sciml.core.errors import DataError, UserError
from sciml.core.types import Prediction
from sciml.data import table_bytes
from sciml.study import evaluate_run, example_inputs, export_run, predict_run
from sciml.tasks.sequences import (
    SEQUENCES,
    SequenceModel,
    SequencesConfig,
    SequencesContext,
    SequencesSolver,
    Signals,
    StateSpaces,
    step_of,
    uniform_step,
)
from sciml.testing import PROBLEMS
from sciml.train import find_solver, registered_solvers

NAMES = ("driven_decay", "two_tones", "tone_pitch")


def prepared(name, **settings):
    return SEQUENCES.prepare(registry.find_problem(PROBLEMS / name), "tiny", SequencesConfig(**settings))


@pytest.fixture(scope="module")
def benches():
    return {name: prepared(name) for name in NAMES}


class Answers(SequencesSolver):
    """A solver whose answers are a function of the inputs."""

    key, title, citation, claim, rule = "answers", "Answers", "none", "", None

    def __init__(self, answer):
        self.answer = answer

    def recipe(self, preset):
        raise AssertionError

    def build(self, problem, model, context):
        raise AssertionError

    def loss(self, module, batch, along=1.0):
        raise AssertionError

    def predict(self, module, inputs):
        mean = self.answer(inputs)
        return Prediction(mean, None, torch.zeros(len(mean), dtype=torch.int64))


def knowing(bench, change):
    """Answers from the truth of the test split, whatever times of it are asked for."""
    split, times = bench.splits["test"], bench.times

    def answer(inputs):
        rows = torch.stack([(times - time).abs().argmin() for time in inputs.times])
        return change(split.targets[:, rows] if bench.problem.target == "signal" else split.targets)

    return Answers(answer)


def test_examples_are_the_training_sequences_with_noise_of_the_size_asked_for(benches):
    bench = benches["two_tones"]
    rows = torch.tensor([4, 0])
    batch = bench.examples.batch(rows, rng.generator(0))
    assert torch.equal(batch.signals, bench.splits["train"].signals[rows])
    assert torch.equal(batch.targets, bench.splits["train"].targets[rows])
    assert torch.equal(batch.rows(slice(1, 2)).times, bench.times)
    noisy = prepared("two_tones", noise=0.5).examples
    every = torch.arange(48)
    added = noisy.batch(every, rng.generator(1)).signals - bench.splits["train"].signals
    torch.testing.assert_close(added.std((0, 1)), 0.5 * bench.context.signals.field_std, rtol=0.05, atol=0)
    assert torch.equal(noisy.batch(every, rng.generator(1)).signals, noisy.batch(every, rng.generator(1)).signals)


def second_lost(targets):
    targets = targets.clone()
    targets[1] = torch.nan
    return targets


def test_scores_of_signals_and_values(benches):
    """An error of one tenth of the spread of every target; the mean; the truth."""
    for name in ("driven_decay", "tone_pitch"):
        bench = benches[name]
        mean, std = bench.context.targets.field_mean, bench.context.targets.field_std
        exact = bench.examine(knowing(bench, lambda t: t), nn.Identity()).metrics
        assert exact["nrmse"] == 0 and exact["r2"] == 1 and exact["stride_2/nrmse"] == 0
        off = bench.examine(knowing(bench, lambda t, std=std: t + 0.1 * std), nn.Identity()).metrics
        assert off["nrmse"] == pytest.approx(0.1, rel=1e-4)
        assert off["stride_2/nrmse"] == pytest.approx(0.1, rel=1e-4)
        ignorant = bench.examine(knowing(bench, lambda t, mean=mean: 0 * t + mean), nn.Identity()).metrics
        assert ignorant["nrmse"] == pytest.approx(1, abs=0.35)
        assert ignorant["r2"] <= 1e-6
        broken = bench.examine(knowing(bench, second_lost), nn.Identity())
        assert broken.status == {"ok": len(bench.splits["test"].targets) - 1, "diverged": 1}
        assert math.isnan(broken.metrics["nrmse"])


def test_scores_of_classes(benches):
    bench = benches["two_tones"]

    def sure(labels, wrong=0):
        chosen = labels.clone()
        chosen[:wrong] = (chosen[:wrong] + 1) % 3
        return 0.7 * nn.functional.one_hot(chosen, 3).float() + 0.1

    scores = bench.examine(knowing(bench, lambda t: sure(t, 3)), nn.Identity()).metrics
    assert scores["accuracy"] == 0.75 and scores["error"] == 0.25 and scores["stride_2/error"] == 0.25
    assert scores["nll"] == pytest.approx(-(9 * math.log(0.8) + 3 * math.log(0.1)) / 12, rel=1e-6)
    assert bench.validate(Answers(lambda inputs: torch.full((12, 3), 1 / 3)), nn.Identity()) == pytest.approx(
        math.log(3)
    )
    assert bench.validate(Answers(lambda inputs: torch.full((12, 3), torch.nan)), nn.Identity()) == math.inf


def test_strides_keep_the_last_time_and_their_times(benches):
    asked = []

    def answer(inputs):
        asked.append(inputs.times)
        return torch.zeros(8, len(inputs.times), 1)

    prepared("driven_decay", strides=(2, 3)).examine(Answers(answer), nn.Identity())
    assert [len(times) for times in asked[:5]] == [40, 20, 20, 14, 14]  # told and not told
    torch.testing.assert_close(asked[1], 0.1 * torch.arange(1, 40, 2).double())
    torch.testing.assert_close(asked[3], 0.1 * torch.arange(0, 40, 3).double())


def test_time_steps(benches):
    times = 5.0 + 0.3 * torch.arange(6, dtype=torch.float64)
    assert uniform_step(times) == pytest.approx(0.3)
    assert step_of(Signals(torch.zeros(1, 6, 1), times), 0.1) == 3.0
    assert step_of(Signals(torch.zeros(1, 6, 1), times), 0.2) == pytest.approx(1.5)
    times[3] += 0.01
    assert uniform_step(times) is None
    with pytest.raises(UserError, match="not equidistant"):
        step_of(Signals(torch.zeros(1, 6, 1), times), 0.1)


@pytest.mark.parametrize(
    "key", ["lssl", "s4", "s4d", "lstm", "sequence_gru", "transformer", "causal_cnn", "log_spectrum"]
)
def test_uniform_solvers_refuse_irregular_times(benches, key):
    solver = find_solver(key)
    bench = benches["two_tones"]
    module = solver.build(bench.problem, solver.recipe("tiny").model, bench.context)
    inputs = bench.example._replace(times=bench.times**1.1)
    with pytest.raises(UserError, match="equal steps"):
        solver.predict(module, inputs)


def test_s5_reads_irregular_times(benches):
    """A force that is held over stretches, given at their ends: the answer there is that of all times."""
    bench, solver = benches["driven_decay"], find_solver("s5")
    rng.seed_everything(1)
    model = solver.recipe("tiny").model.model_copy(update={"mean_inputs": False, "depth": 1})
    module = solver.build(bench.problem, model, bench.context)
    lengths = torch.tensor([1, 3, 2, 5, 1, 1, 4, 7, 2, 6])
    held = bench.splits["test"].signals[:, :10]
    fine = solver.predict(module, Signals(held.repeat_interleave(lengths, 1), 0.1 * torch.arange(32).double())).mean
    ends = lengths.cumsum(0) - 1
    coarse = solver.predict(module, Signals(held, 0.1 * ends.double())).mean
    torch.testing.assert_close(coarse, fine[:, ends], rtol=1e-4, atol=1e-3)


def test_a_network_of_state_space_layers_is_watched(benches):
    bench = benches["driven_decay"]
    for key, watched in (("lssl", True), ("s4d", True), ("s5", True), ("lstm", False)):
        solver = find_solver(key)
        module = solver.build(bench.problem, solver.recipe("tiny").model, bench.context)
        assert isinstance(module, SequenceModel)
        assert isinstance(module.network, StateSpaces) is watched
        values = bench.watch(solver, module)
        assert set(values) == ({"spectral_radius"} if watched else set())
        assert all(0 < value < 1 for value in values.values())


def test_what_is_not_finite_is_named(benches):
    bench = benches["two_tones"]
    solver = find_solver("lssl")
    module = solver.build(bench.problem, solver.recipe("tiny").model, bench.context)
    batch = bench.examples.batch(torch.arange(4), rng.generator(0))
    assert "loss" in bench.explain(solver, module, batch)
    batch.signals[1, 3, 1] = torch.nan
    assert bench.explain(solver, module, batch) == "data of signal right"
    clean = bench.examples.batch(torch.arange(4), rng.generator(0))
    with torch.no_grad():
        module.network.head.bias.fill_(torch.inf)
    assert "4 of 4 samples" in bench.explain(solver, module, clean)


def test_the_context_survives_json(benches):
    for bench in benches.values():
        again = SequencesContext.model_validate_json(bench.context.model_dump_json())
        assert torch.equal(again.targets.field_std, bench.context.targets.field_std)
        assert again.dt == bench.context.dt


def written(bench, path, **changes):
    source = SEQUENCES.write_inputs(bench.example, bench.problem, bench.context)
    changes.get("change", lambda s: s)(source).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.drop_vars("time"), "lacks time"),
        (lambda s: s.assign_coords(time=("time", np.zeros(40))), "times of"),
        (lambda s: s.assign(force=s["force"].isel(time=0, drop=True)), "wrong shape"),
        (lambda s: s.assign(force=s["force"].where(s["time"] > 1)), "not finite"),
        (lambda s: s.rename(force="push"), "lacks force"),
        (lambda s: s.assign(force=(s["force"].dims, s["force"].values, {"units": "K"})), "units"),
    ],
)
def test_files_that_do_not_fit_are_refused(benches, tmp_path, change, words):
    bench = benches["driven_decay"]
    path = written(bench, tmp_path / "in.nc", change=change)
    with pytest.raises(DataError, match=words):
        SEQUENCES.read_inputs(path, bench.problem, bench.context, None)
    with pytest.raises(DataError, match="Leave out"):
        SEQUENCES.read_inputs(path, bench.problem, bench.context, 3)


def test_files_of_any_length_step_and_unit(benches, tmp_path):
    bench = benches["driven_decay"]
    times = 1e6 + 0.25 * np.arange(7)
    force = xarray.DataArray(1e3 * np.ones(7), dims="time", attrs={"units": "mN"})
    path = tmp_path / "in.nc"
    time = ("time", times[::-1] / 60, {"units": "min"})
    xarray.Dataset({"force": force}, {"time": time}).to_netcdf(path, engine="h5netcdf")
    with pytest.warns(UserWarning, match="converted"):
        inputs = SEQUENCES.read_inputs(path, bench.problem, bench.context, None)
    assert inputs.signals.shape == (1, 7, 1)
    assert float(inputs.signals[0, 0, 0]) == pytest.approx(1)
    assert step_of(inputs, bench.context.dt) == pytest.approx(2.5, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_has_a_page_answers_files_and_can_be_exported(name, tmp_path):
    settings = ("train.steps=4", "train.evaluate_every=2", "model.features=4", "model.state=4", 'baselines=["lstm"]')
    folder = run(PROBLEMS / name, solver="lssl", settings=settings, out=tmp_path).folder
    record = json.loads((folder / "record.json").read_text())
    assert record["task"] == "sequences"
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert all(0 < line["spectral_radius"] < 1 for line in log)
    page = (folder / "report.html").read_text()
    title = {
        "driven_decay": "A typical answer",
        "two_tones": "Confusion matrix",
        "tone_pitch": "Predicted against true",
    }
    assert title[name] in page
    problem = PROBLEMS / name
    assert evaluate_run(folder, problem=problem).metrics["prediction/seconds"] > 0
    if name == "driven_decay":
        exported = export_run(folder, problem=problem)
        assert {entry.format: entry.state for entry in exported} == {"torch": "ok", "onnx": "ok"}, exported
        rows = [f"{case},{0.1 * i:.1f},{i}" for case in ("zeta", "alpha") for i in range(5)]
        (tmp_path / "in.csv").write_text("\n".join(["case,time,force", *rows]))
        answer = predict_run(folder, tmp_path / "in.csv", problem=problem)
        assert answer["sample"].values.tolist() == ["zeta", "alpha"]
        (tmp_path / "example.csv").write_bytes(table_bytes(example_inputs(folder, table=True), "example.csv"))
        expected = predict_run(folder, folder / "example.nc", problem=problem)
        again = predict_run(folder, tmp_path / "example.csv", problem=problem)
        np.testing.assert_allclose(again["position"], expected["position"], rtol=1e-4, atol=1e-5)


def test_every_solver_of_the_task_is_a_solver_of_sequences():
    keys = {key for key, solver in registered_solvers().items() if solver.task is SEQUENCES}
    assert {"lssl", "s4d", "s5", "lstm", "causal_cnn", "lagged_ridge", "log_spectrum"} <= keys


def test_an_untold_rate_is_scored_against_the_same_targets(benches):
    """The truth at times told is exact; answers that go by the number of a time are not."""
    bench = benches["driven_decay"]
    split = bench.splits["test"]
    asked = []

    def answer(inputs):
        asked.append(inputs.times)
        return split.targets[:, 1::2] if len(inputs.times) == 20 else split.targets

    scores = bench.examine(Answers(answer), nn.Identity()).metrics
    assert scores["stride_2/nrmse"] == scores["stride_2/unscaled_nrmse"] == 0
    torch.testing.assert_close(asked[1], bench.times[1::2])
    torch.testing.assert_close(asked[2], bench.times[:20])


def test_lost_times_are_bridged_or_left_out(benches):
    """30 % of 40 times: solvers of irregular times see 29, others straight lines, and both are scored at the 29."""
    bench = prepared("driven_decay", strides=(), losses=(0.3,))
    split, asked = bench.splits["test"], []

    def answer(inputs):
        asked.append(inputs)
        rows = torch.stack([(bench.times - time).abs().argmin() for time in inputs.times])
        return split.targets[:, rows]

    solver = find_solver("s5")
    module = solver.build(bench.problem, solver.recipe("tiny").model, bench.context)
    assert bench.examine(Answers(answer), module).metrics["lost_30/nrmse"] == 0
    irregular = asked[1]
    assert len(irregular.times) == 29 and float(irregular.times[-1]) == float(bench.times[-1])
    asked.clear()
    assert bench.examine(Answers(answer), nn.Identity()).metrics["lost_30/nrmse"] == 0
    bridged = asked[1]
    kept = torch.isin(bench.times, irregular.times)
    assert torch.equal(bridged.times, bench.times)
    torch.testing.assert_close(bridged.signals[:, kept], split.signals[:, kept])
    gap = int((~kept).nonzero()[0, 0])
    before, after = (i for i in (gap - 1, int(kept[gap:].nonzero()[0, 0]) + gap))
    share = (gap - before) / (after - before)
    torch.testing.assert_close(
        bridged.signals[:, gap], torch.lerp(split.signals[:, before], split.signals[:, after], share)
    )
