"""Tables of cases: every layout gives the numbers of the file, and every fault is named by its line."""

import time

import numpy as np
import pandas as pd
import pytest
import tables_of_cases as cases
import xarray

import sciml
from sciml.core.errors import DataError, UnknownNameError, UnsupportedError
from sciml.core.recorded import RecordedRows
from sciml.data import (
    ImportChoices,
    RowsCard,
    import_arrays,
    import_files,
    open_dataset,
    read_card,
    row_splits,
    table_bytes,
)


@pytest.fixture(autouse=True)
def _home(empty_home):
    """Every test has a cache folder of its own."""


def imported(path, **choices):
    problem = import_files([path], ImportChoices(split=(0.5, 0.25, 0.25), **choices))
    assert problem is not None
    return problem


def told(path, **choices):
    """What is recognised."""
    lines = []
    import_files([path], ImportChoices(**choices), announce=lambda plan: lines.extend(plan.words()), dry=True)
    return lines


def stored(problem):
    """All parameters and states, by the first parameter."""
    dataset = open_dataset(problem, "tiny")
    splits = [dataset.split(name) for name in ("train", "valid", "test")]
    parameters = np.concatenate([split.parameters.numpy() for split in splits])
    states = np.concatenate([split.states.numpy() for split in splits])
    order = parameters[:, 0].argsort()
    return parameters[order], states[order]


def expected(fields):
    start, rate = cases.parameters()
    order = start.argsort()
    return np.stack([start, rate], axis=1)[order], np.stack(cases.courses()[:fields], axis=2)[order]


LAYOUTS = {
    "long": (lambda folder: cases.long(folder / "long.csv"), {}, 2),
    "wide": (lambda folder: cases.wide(folder / "wide.csv"), {}, 1),
    "numbered": (
        lambda folder: cases.wide(folder / "numbered.csv", lambda n, t: f"T_{n} (K)"),
        {"times": tuple(cases.TIMES), "units": {"time": "s"}},
        1,
    ),
    "index": (lambda folder: cases.indexed(folder / "exp"), {}, 2),
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_layout_gives_the_numbers_of_the_file(layout, tmp_path):
    make, choices, fields = LAYOUTS[layout]
    problem = imported(make(tmp_path), **choices)
    assert [(field.name, field.units) for field in problem.fields] == [("T", "K"), ("Y", "1")][:fields]
    assert [entry.name for entry in problem.parameters] == ["T0", "k"]
    assert problem.parameters[0].units == "K"
    card = open_dataset(problem, "tiny").layout
    assert (card.card.dt, card.card.frames, card.about.time_units) == (pytest.approx(0.2), 6, "s")
    for got, wanted in zip(stored(problem), expected(fields), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_a_folder_with_an_index_is_that_index(tmp_path):
    cases.indexed(tmp_path / "exp")
    assert imported(tmp_path / "exp").name == "exp_index"


def test_a_changed_file_of_an_index_is_other_data(tmp_path):
    path = cases.indexed(tmp_path / "exp")
    before = imported(path)
    file = tmp_path / "exp" / "run_0.csv"
    file.write_text(file.read_text().replace("0.2,", "0.20000001,"))
    assert imported(path).recording.content != before.recording.content


def test_without_labels_a_case_begins_where_the_time_starts_again(tmp_path):
    rows = [row[1:] for row in cases.long_rows()]
    path = cases.long(tmp_path / "bare.csv", rows, cases.LONG[1:])
    assert any("time starts again, 8 in all" in line for line in told(path))
    np.testing.assert_allclose(stored(imported(path))[1], expected(2)[1], rtol=1e-6)


def test_interleaved_rows_decimal_commas_and_semicolons(tmp_path):
    rows = sorted(cases.long_rows(), key=lambda row: row[3])
    path = cases.write(tmp_path / "de.csv", cases.LONG, [[str(c).replace(".", ",") for c in row] for row in rows], ";")
    assert any("decimal commas" in line for line in told(path))
    np.testing.assert_allclose(stored(imported(path))[1], expected(2)[1], rtol=1e-6)


def test_data_frames_excel_and_parquet_are_read_alike(tmp_path):
    frame = pd.DataFrame(cases.long_rows(), columns=cases.LONG)
    frame.to_excel(tmp_path / "book.xlsx", index=False)
    frame.to_parquet(tmp_path / "table.parquet")
    split = {"split": (0.5, 0.25, 0.25)}
    problems = [imported(tmp_path / "book.xlsx"), imported(tmp_path / "table.parquet"),
                sciml.dataset(frame, **split), sciml.dataset(frame.set_index(["case", "t (s)"]), **split)]  # fmt: skip
    for problem in problems:
        np.testing.assert_allclose(stored(problem)[1], expected(2)[1], rtol=1e-6)


def test_what_is_recognised_may_be_overridden(tmp_path):
    path = cases.long(tmp_path / "long.csv")
    problem = imported(
        path, fields=("Y=kg/kg", "k"), parameters=("start",), units={"time": "ms"}, rename={"T0": "start"}
    )
    assert [(field.name, field.units) for field in problem.fields] == [("k", "1/s"), ("Y", "kg/kg")]
    assert [entry.name for entry in problem.parameters] == ["start"]
    assert read_card(problem).time_units == "ms"
    renamed = cases.write(tmp_path / "odd.csv", ["wer", "T0", "k", "wann", "T", "Y"], cases.long_rows())
    np.testing.assert_allclose(stored(imported(renamed, time="wann", case="wer"))[1], expected(2)[1], rtol=1e-6)


def test_cases_with_other_times_are_refused_or_interpolated(tmp_path):
    rows = cases.long_rows()
    rows[7][3] = 0.25
    path = cases.long(tmp_path / "long.csv", rows)
    with pytest.raises(DataError, match=r"line 9: case 'c1' has other times than case 'c0'.*--times 0:1:6"):
        imported(path)
    problem = imported(path, times=(0.0, 0.4, 0.8))
    states = stored(problem)[1]
    np.testing.assert_allclose(states, expected(2)[1][:, ::2][:, :3], rtol=1e-6)  # all of these times are in the table
    with pytest.raises(DataError, match="does not cover the times"):
        imported(path, times=(0.0, 2.0))


def test_uneven_times_are_refused_with_the_remedy(tmp_path):
    rows = cases.long_rows()
    for row in rows:
        row[3] = row[3] ** 2
    with pytest.raises(DataError, match=r"not evenly spaced.*--times 0:1:6"):
        imported(cases.long(tmp_path / "long.csv", rows))


def changed(place, value):
    def make(folder):
        rows = cases.long_rows()
        row, column = place
        rows[row][column] = value
        return cases.long(folder / "bad.csv", rows)

    return make


def doubled(folder):
    return cases.long(folder / "bad.csv", [*cases.long_rows(), cases.long_rows()[3]])


def same(folder):
    rows = cases.long_rows()
    return cases.long(folder / "bad.csv", [*rows, *(["again", *row[1:]] for row in rows[:6])])


def constant(folder):
    return cases.long(folder / "bad.csv", [[*row[:4], 3.0, 1.0] for row in cases.long_rows()])


FAULTS = {
    "text in a number column": (
        changed((4, 4), "warm"), {}, r"line 6: column 'T \(K\)' has no finite number; got 'warm'",
    ),
    "a parameter that changes": (
        changed((8, 2), 9.0), {"parameters": ("k", "T0")},
        r"line 10: parameter 'k' changes within case 'c1'; got 9, 1\.0551 before",
    ),
    "a slip": (changed((8, 2), 9.0), {}, r"'k' changes in 1 of 8 cases only.*line 10, case 'c1'"),
    "a parameter without value": (
        lambda folder: cases.long(folder / "bad.csv", [[*r[:1], "" if r[0] == "c2" else r[1], *r[2:]]
                                                       for r in cases.long_rows()]),
        {}, r"line 14: parameter 'T0' has no value",
    ),
    "a time twice": (doubled, {}, r"case 'c0' has the time 0\.6 twice, in lines 5 and 50"),
    "a missing time": (changed((2, 3), ""), {}, r"line 4: column 't \(s\)' has no finite number"),
    "a case twice": (same, {}, r"the cases in line 2 and line 50 are the same.*T0="),
    "constant targets": (constant, {"fields": ("T", "Y")}, r"nothing to learn, T, Y is the same everywhere"),
    "one case": (lambda folder: cases.long(folder / "bad.csv", cases.long_rows()[:6]), {}, "too few trajectories"),
    "an unknown column": (lambda folder: cases.long(folder / "bad.csv"), {"time": "tt"}, r"unknown column of .*'tt'"),
    "a label per row": (
        lambda folder: cases.long(folder / "bad.csv", [[i, *row[1:]] for i, row in enumerate(cases.long_rows())]),
        {}, "counts rows|different in every row",
    ),
    "numbered columns": (
        lambda folder: cases.wide(folder / "bad.csv", lambda n, t: f"T_{n}"), {},
        r"T_0 \.\.\. T_5 may be T at 6 times, or 6 quantities.*--times FIRST:LAST:6.*--layout rows",
    ),
    "no targets": (lambda folder: cases.rows(folder / "bad.csv"), {}, r"which columns are parameters.*--fields peak"),
    "one row": (
        lambda folder: cases.rows(folder / "bad.csv", 1), {"fields": ("delay",)}, "too few rows.*got 1"
    ),
    "a column without values": (
        lambda folder: cases.long(folder / "bad.csv", [[*row[:5], ""] for row in cases.long_rows()]),
        {"fields": ("T", "Y")}, "column 'Y' has no values",
    ),
    "tables without an index": (
        lambda folder: cases.long(folder / "lost" / "a.csv").parent, {}, r"holds no data files.*index\.csv"
    ),
    "a header of numbers": (
        lambda folder: cases.write(folder / "bad.csv", ["1", "2"], [[3, 4], [5, 6]]), {}, "has no header"
    ),
    "a file that is not there": (
        lambda folder: cases.indexed(folder / "exp", lambda i: f"run_{i + 1}.csv"), {},
        r"index\.csv, line 9: there is no such file; got .*run_8\.csv",
    ),
    "a path out of the folder": (
        lambda folder: cases.indexed(folder / "exp", lambda i: f"../exp2/run_{i}.csv"), {},
        r"line 2: the file lies outside of the folder of the index; got '\.\./exp2/run_0\.csv'",
    ),
    "an absolute path": (
        lambda folder: cases.indexed(folder / "exp", lambda i: f"/etc/{i}.csv"), {}, "lies outside of the folder"
    ),
    "a file twice": (
        lambda folder: cases.indexed(folder / "exp", lambda i: f"run_{min(i, 6)}.csv"), {},
        r"line 9: the file is named twice.*line 8 too",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_every_fault_is_named(fault, tmp_path, empty_home):
    make, choices, words = FAULTS[fault]
    (tmp_path / "exp2").mkdir()
    path = make(tmp_path)
    with pytest.raises((DataError, UnknownNameError), match=words):
        imported(path, **choices)
    assert not [p for p in (empty_home / "imported").glob("*") if p.name != ".lock"], "something was written"


def test_a_link_out_of_the_folder_of_an_index_is_refused(tmp_path):
    path = cases.indexed(tmp_path / "exp")
    secret = cases.write(tmp_path / "secret.csv", ["t", "T", "Y"], [[0, 1, 2], [1, 2, 3]])
    (tmp_path / "exp" / "run_3.csv").unlink()
    (tmp_path / "exp" / "run_3.csv").symlink_to(secret)
    with pytest.raises(DataError, match="line 5: the file lies outside"):
        imported(path)


def test_rows_of_parameters_and_targets(tmp_path):
    problem = imported(cases.rows(tmp_path / "map.csv"), fields=("delay", "peak"))
    assert isinstance(problem, RecordedRows)
    assert [(f.name, f.units) for f in problem.fields] == [("delay", "ms"), ("peak", "K")]
    assert [(p.name, p.units) for p in problem.parameters] == [("T0", "K"), ("k", "1/s")]
    splits = row_splits(problem, read_card(problem).table("tiny", RowsCard))
    assert {name: len(rows.targets) for name, rows in splits.items()} == {"train": 4, "valid": 2, "test": 2}
    start, rate = cases.parameters()
    every = np.concatenate([np.concatenate([r.parameters, r.targets], axis=1) for r in splits.values()])
    wanted = np.stack([start, rate, 1 / rate, start + 500], axis=1)
    np.testing.assert_array_equal(every[every[:, 0].argsort()], wanted[start.argsort()])
    frame = pd.read_csv(tmp_path / "map.csv")
    again = import_arrays(frame, ImportChoices(fields=("delay", "peak"), split=(0.5, 0.25, 0.25)))
    assert again is not None
    assert [f.units for f in again.fields] == ["ms", "K"]


def test_damaged_rows_are_found(tmp_path):
    problem = imported(cases.rows(tmp_path / "map.csv"), fields=("delay", "peak"))
    path = problem.folder / "rows.nc"
    content = bytearray(path.read_bytes())
    at = content.find(np.float64(cases.parameters()[0][0]).tobytes())
    assert at > 0
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="does not hold the numbers it was written with"):
        row_splits(problem, read_card(problem).table("tiny", RowsCard))


def test_a_case_with_an_empty_cell_is_left_out_and_counted(tmp_path):
    rows = cases.long_rows()
    rows[8][4] = ""
    problem = imported(cases.long(tmp_path / "gaps.csv", rows))
    dataset = open_dataset(problem, "tiny")
    good = {name: len(dataset.split(name).good) for name in ("train", "valid", "test")}
    assert sum(good.values()) == cases.COUNT - 1
    assert np.isfinite(cases.courses()[0]).all()


def test_answers_are_written_as_tables_and_read_back(tmp_path):
    """Units in the headers, labels, and every digit of single precision."""
    values = np.array([1 / 3, 2e-7], dtype=np.float32)
    answer = xarray.Dataset(
        {"T": ("sample", values, {"units": "K"}), "status": ("sample", np.zeros(2, np.int8))}, {"sample": ["a", "b"]}
    )
    path = tmp_path / "answer.csv"
    path.write_bytes(table_bytes(answer, str(path)))
    assert path.read_text().splitlines()[0] == "sample,T (K),status"
    assert pd.read_csv(path)["T (K)"].to_numpy().astype(np.float32).tolist() == values.tolist()
    with pytest.raises(UnsupportedError, match="T on sample, time, x"):
        table_bytes(xarray.Dataset({"T": (("sample", "time", "x"), values[:, None, None])}), "answer.csv")


def test_answers_over_time_have_a_row_for_every_time():
    content = xarray.Dataset(
        {"T": (("sample", "time"), [[1.5, 2.5], [3.5, 4.5]], {"units": "K"}), "status": ("sample", [0, 2])},
        {"sample": ["b", "a"], "time": ("time", [0.0, 0.1], {"units": "s"})},
    )
    rows = ["sample,time (s),T (K),status", "b,0.0,1.5,0", "b,0.1,2.5,0", "a,0.0,3.5,2", "a,0.1,4.5,2"]
    assert table_bytes(content, "answer.csv").decode().splitlines() == rows
    numbered = table_bytes(content.drop_vars("sample"), "answer.csv").decode().splitlines()
    assert [line.split(",")[0] for line in numbered] == ["sample", "0", "0", "1", "1"]
    single = table_bytes(content.drop_vars("sample").isel(sample=[0]), "answer.csv").decode()
    assert single.splitlines()[:2] == ["time (s),T (K),status", "0.0,1.5,0"]


def test_many_rows_are_read_in_seconds(tmp_path):
    """A hundred thousand rows; reading them costs a few microseconds per cell."""
    frame = pd.DataFrame({"case": np.repeat(np.arange(500), 200), "t": np.tile(np.arange(200) / 200, 500)})
    frame["k"] = (1 + frame["case"] / 500).round(4)
    frame["u"] = np.exp(-frame["k"] * frame["t"])
    frame.to_csv(tmp_path / "many.csv", index=False)
    before = time.process_time()
    lines = told(tmp_path / "many.csv")
    assert time.process_time() - before < 8
    assert "samples: 500 (400 train, 50 valid, 50 test)" in lines


def test_a_table_is_read_as_labelled_arrays(tmp_path):
    read = sciml.data.read(cases.indexed(tmp_path / "exp"))
    assert read["T"].dims == ("sample", "time")
    assert (read["T"].attrs["units"], read["T0"].attrs["units"], read["time"].attrs["units"]) == ("K", "K", "s")
    np.testing.assert_allclose(read["T"], cases.courses()[0], rtol=1e-12)
    rows = sciml.data.read(cases.rows(tmp_path / "map.csv"), fields=("delay",), layout="rows")
    assert rows["delay"].dims == ("sample",)
