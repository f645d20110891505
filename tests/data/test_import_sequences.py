"""Series of one's own: tables and arrays as sequences, with signals, numbers and classes to answer with; forecasts."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from sciml.core.errors import DataError, UserError
from sciml.core.recorded import RecordedSequences, read_recorded
from sciml.data import ImportChoices, import_arrays, import_files, read_card, read_sequences
from sciml.tasks.sequences import SEQUENCES, SequencesCard, SequencesConfig, sequence_splits
from sciml.train import find_solver

RNG = np.random.default_rng(0)
U, Y, MASS = RNG.normal(size=(20, 12)), RNG.normal(size=(20, 12)), RNG.uniform(1, 2, 20)
EVEN = 0.1 * np.arange(12)
KIND = np.array(["light" if m < 1.5 else "heavy" for m in MASS])


def long_table(times=EVEN):
    rows = [
        {"case": i, "time (s)": t, "force (N)": U[i, k], "x (mm)": Y[i, k], "mass (kg)": MASS[i], "kind": KIND[i]}
        for i in range(20)
        for k, t in enumerate(times)
    ]
    return pd.DataFrame(rows)


def imported(data, tmp_path, **choices):
    problem = import_arrays(data, ImportChoices(**choices), out=tmp_path / "own")
    assert isinstance(problem, RecordedSequences)
    return problem, read_sequences(problem)


def joined(stored):
    order = torch.cat([split.signals for split in stored.splits.values()])
    return order, torch.cat([split.targets for split in stored.splits.values()])


def test_a_long_table_answered_with_a_signal(tmp_path):
    problem, stored = imported(long_table(), tmp_path, targets=("x",))
    assert (problem.target, problem.uneven, problem.solver) == ("signal", False, "lssl")
    assert [(f.name, f.units) for f in problem.signals] == [("force", "N")]
    assert [(f.name, f.units) for f in problem.fields] == [("x", "mm")]
    signals, targets = joined(stored)
    which = [int(np.abs(U - row.numpy()).sum(1).argmin()) for row in signals[..., 0]]
    assert sorted(which) == list(range(20))
    np.testing.assert_allclose(signals[..., 0], U[which], rtol=1e-6)
    np.testing.assert_allclose(targets[..., 0], Y[which], rtol=1e-6)
    card = read_card(problem).table("tiny", SequencesCard)
    assert (card.length, card.dt, read_card(problem).time_units) == (12, pytest.approx(0.1), "s")
    assert all(check.ok for check in card.checks(problem))
    assert torch.equal(sequence_splits(read_recorded(problem.folder), card)["test"].targets,
                       stored.splits["test"].targets)  # fmt: skip


def test_numbers_and_classes_per_sequence(tmp_path):
    problem, stored = imported(long_table(), tmp_path / "a", targets=("mass",))
    assert problem.target == "value" and [f.name for f in problem.signals] == ["force", "x"]
    signals, targets = joined(stored)
    which = [int(np.abs(U - row.numpy()).sum(1).argmin()) for row in signals[..., 0]]
    np.testing.assert_allclose(targets[:, 0], MASS[which], rtol=1e-6)
    problem, stored = imported(long_table(), tmp_path / "b", label="kind")
    assert problem.target == "class" and problem.classes == ("heavy", "light")
    signals, targets = joined(stored)
    which = [int(np.abs(U - row.numpy()).sum(1).argmin()) for row in signals[..., 0]]
    assert [problem.classes[k] for k in targets] == KIND[which].tolist()


def test_a_forecast_is_the_signal_later(tmp_path):
    problem, stored = imported(long_table(), tmp_path, ahead=3, targets=("x",))
    assert problem.forecasts == ("x",) and [f.name for f in problem.signals] == ["force", "x"]
    signals, targets = joined(stored)
    assert signals.shape == (20, 9, 2)
    torch.testing.assert_close(targets[:, :-3, 0], signals[:, 3:, 1])
    bench = SEQUENCES.prepare(problem, "tiny", SequencesConfig(strides=()))
    solver = find_solver("lagged_ridge")
    module = solver.build(problem, solver.recipe("tiny").model, bench.context)
    assert "skill" in bench.examine(solver, module).metrics


@pytest.mark.parametrize("kind", ["S5", "U5", "vlen"])
def test_classes_that_are_texts_beside_arrays(tmp_path, kind):
    path = tmp_path / ("series.npz" if kind == "U5" else "series.h5")

    def write(texts):
        if kind == "U5":
            np.savez(path, u=U, kind=texts.astype("U5"))
            return
        with h5py.File(path, "w") as file:
            file["u"] = U
            dtype = h5py.string_dtype() if kind == "vlen" else "S5"
            file.create_dataset("kind", data=texts.astype("S5").tolist(), dtype=dtype)

    choices = ImportChoices(dims=("sample", "time"), label="kind")
    write(KIND)
    assert import_files([path], choices, out=tmp_path / "own").classes == ("heavy", "light")
    write(KIND[:-1])
    with pytest.raises(DataError, match="no class for every sequence"):
        import_files([path], choices, out=tmp_path / "other")


def test_arrays_in_files(tmp_path):
    path = tmp_path / "series.npz"
    np.savez(path, u=U, y=Y, label=np.arange(20) % 3, t=0.5 * np.arange(12))
    choices = ImportChoices(dims=("sample", "time"), label="label")
    problem = import_files([path], choices, out=tmp_path / "own")
    assert problem.classes == ("0", "1", "2") and [f.name for f in problem.signals] == ["u", "y"]
    wide = pd.DataFrame({f"u@{0.1 * k:.1f}s": U[:, k] for k in range(12)} | {"mass (kg)": MASS})
    problem, stored = imported(wide, tmp_path / "wide", targets=("mass",))
    assert problem.target == "value" and stored.times.tolist() == pytest.approx((0.1 * np.arange(12)).tolist())


def test_uneven_times_are_for_solvers_that_read_them(tmp_path):
    times = np.cumsum(RNG.uniform(0.1, 0.5, 12))
    problem, stored = imported(long_table(times), tmp_path, targets=("x",))
    assert problem.uneven and problem.solver == "s5"
    np.testing.assert_allclose(stored.times, times - times[0])
    refused = {key: find_solver(key).supports(problem) for key in ("lssl", "s4", "s4d", "lstm", "transformer")}
    assert not any(support.ok for support in refused.values())
    assert "uneven" in refused["lssl"].reason
    assert find_solver("s5").supports(problem).ok and find_solver("lagged_ridge").supports(problem).ok
    bench = SEQUENCES.prepare(problem, "tiny", SequencesConfig())
    np.testing.assert_allclose(bench.times, stored.times)


@pytest.mark.parametrize(
    ("choices", "change", "words"),
    [
        ({"targets": ("y",)}, None, "unknown target"),
        ({"targets": ("x", "mass")}, None, "not both"),
        ({"targets": ("force", "x")}, None, "no signal beside"),
        ({"ahead": 12}, None, "longer than a sequence"),
        ({"ahead": 2, "targets": ("mass",)}, None, "only signals are forecast"),
        ({"label": "mass"}, None, "no classes"),
        ({"label": "kind"}, lambda t: t.assign(kind=["a", "b"] * 120), "changes within a case"),
        ({"targets": ("x",)}, lambda t: t.assign(**{"force (N)": [np.nan, *t["force (N)"][1:]]}), "gaps"),
    ],
)
def test_what_cannot_be_sequences_is_refused(choices, change, words, tmp_path):
    table = long_table() if change is None else change(long_table())
    with pytest.raises(UserError, match=words):
        import_arrays(table, ImportChoices(**choices), out=tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_a_damaged_file_is_noticed(tmp_path):
    problem, _ = imported(long_table(), tmp_path, targets=("x",))
    path = problem.folder / "sequences.nc"
    content = bytearray(path.read_bytes())
    place = bytes(content).index(np.float32(U[0, 0]).tobytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="numbers it was written with"):
        read_sequences(problem)
    path.unlink()
    with pytest.raises(DataError, match="does not hold"):
        read_sequences(problem)


def test_tables_of_inputs(tmp_path):
    """Rows of several cases below each other, in any order; other times per case are refused."""
    problem, _ = imported(long_table(), tmp_path, targets=("x",))
    bench = SEQUENCES.prepare(problem, "tiny", SequencesConfig())
    table = long_table()[["case", "time (s)", "force (N)"]].query("case < 2").sample(frac=1, random_state=0)
    table.to_csv(tmp_path / "in.csv", index=False)
    inputs = SEQUENCES.read_inputs(tmp_path / "in.csv", problem, bench.context, None)
    order = [int(table["case"].iloc[0]), 1 - int(table["case"].iloc[0])]
    np.testing.assert_allclose(inputs.signals[..., 0], U[order], rtol=1e-6)
    table.iloc[1:].to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(DataError, match="other times"):
        SEQUENCES.read_inputs(tmp_path / "in.csv", problem, bench.context, None)
