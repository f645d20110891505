"""The tables people have: read, or refused with the remedy of exactly that fault, pointing at the line of the file."""

import datetime

import numpy as np
import pytest
import torch

from sciml.core.errors import DataError, UnknownNameError, UserError
from sciml.discovery import FormulaError, HiddenPrior, TableData, TableLayout, parse_prior, read_table

TIMES = [0, 0.5, 1.25, 2, 3, 4, 5, 6, 7]
VALUES = [round(float(np.exp(-0.3 * t)), 6) for t in TIMES]
KNOWN = "T' = 0"


def text(separator=",", header=("t", "T"), decimal=".", end="", rows=None):
    lines = [separator.join(header)] if header else []
    for row in rows or zip(TIMES, VALUES, strict=True):
        lines.append(separator.join(str(cell).replace(".", decimal) for cell in row) + end)
    return "\n".join(lines) + "\n"


@pytest.fixture
def put(tmp_path):
    def write(content, name="mine.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def indexed(first):
    return [(i, t, v) for i, (t, v) in enumerate(zip(TIMES, VALUES, strict=True), start=first)]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (text(), ""),
        (text(";", decimal=","), "decimal commas"),
        (text(";"), "semicolons"),
        (text("\t"), "tabs"),
        (text("\t", decimal=","), "decimal commas"),
        (text(" "), "spaces"),
        (text("   "), "spaces"),
        (text("|"), "bars"),
        (text(end=","), "end of lines"),
        (text(header=("t", "T", ""), end=","), "end of lines"),
        ("# logger 7\n# and more\n" + text(), "line 1, 2"),
        ("# t,T\n" + text(header=()), "taken for the header"),
        (text(header=("", "t", "T"), rows=indexed(0)), "counts rows"),
        (text(header=("Unnamed: 0", "t", "T"), rows=indexed(0)), "counts rows"),
        (text(" ", rows=indexed(1)), "counts rows"),
        (text(header=("id", "t", "T"), rows=indexed(1)), "different in every row"),
        (text().replace("\n", "\r\n"), ""),
        (b"\xef\xbb\xbf" + text().encode(), ""),
        (text().encode("utf-16"), ""),
        (text().replace("\n", "\n\n"), ""),
        (text(header=("Time", "T")), "'Time' is the time"),
        (text(header=("Year", "T")), "'Year' is the time"),
        (text(header=('"t"', '"T"')), ""),
    ],
)
def test_the_same_nine_rows_come_out_of_every_notation(put, content, word):
    problem = read_table(put(content), KNOWN)
    (table,) = problem.tables
    assert table.coordinates[:, 0].tolist() == TIMES
    assert table.values[:, 0].tolist() == VALUES
    notes = problem.source.notes
    assert any(word in note for note in notes) if word else notes == () or notes[0].startswith("'T")


def test_units_of_the_header_are_kept_and_checked(put):
    for header in (("t (s)", "T (K)"), ("t [s]", "T [K]"), ("t / s", "T / K")):
        source = read_table(put(text(header=header)), KNOWN).source
        assert (source.columns, source.units, source.time_units) == (("T",), ("K",), "s")
        assert source.problem().rate_equation.coordinate_units == {"t": "s"}
    problem = read_table(put(text(header=("t (s)", "c (mg/L)"))), "c' = 0")
    assert problem.fields[0].units == "mg/L"
    odd = read_table(put(text(header=("t", "T (°C)"))), KNOWN).source
    assert odd.units == ("degC",)
    unread = read_table(put(text(header=("t", "T (a.u.!)"))), KNOWN).source
    assert unread.units == ("1",)
    assert "cannot be read" in unread.notes[0]


@pytest.mark.parametrize(
    ("form", "units"),
    [
        ("%Y-%m-%d %H:%M:%S", "s"),
        ("%Y-%m-%dT%H:%M:%S", "s"),
        ("%d.%m.%Y %H:%M", "s"),
        ("%H:%M:%S", "s"),
        ("%Y/%m/%d %H:%M", "s"),
    ],
)
def test_dates_are_counted_from_the_first(put, form, units):
    first = datetime.datetime(2024, 3, 1, 8)
    moments = [(first + datetime.timedelta(hours=t)).strftime(form) for t in TIMES]
    path = put(text(header=("Date", "T"), rows=list(zip(moments, VALUES, strict=True))))
    problem = read_table(path, KNOWN)
    assert problem.source.time_units == units
    assert problem.tables[0].coordinates[:, 0].tolist() == [3600 * t for t in TIMES]
    hours = read_table(path, KNOWN, layout=TableLayout(time="Date [h]"))
    assert hours.tables[0].coordinates[:, 0].tolist() == pytest.approx(TIMES)
    assert f"counted in h from {moments[0]}" in " ".join(hours.source.notes)


def test_days_are_counted_in_days_and_ambiguous_dates_are_refused(put):
    days = [f"2024-03-0{d}" for d in range(1, 10)]
    source = read_table(put(text(header=("date", "T"), rows=list(zip(days, VALUES, strict=True)))), KNOWN).source
    assert source.time_units == "d"
    assert source.trajectories[0][:, 0].tolist() == list(range(9))
    either = [f"0{d}/03/2024" for d in range(1, 10)]
    with pytest.raises(DataError, match="day or with the month first"):
        read_table(put(text(header=("date", "T"), rows=list(zip(either, VALUES, strict=True)))), KNOWN)


def test_thousands_are_read_with_a_word_or_refused(put):
    values = [1000.5 + 100 * t for t in range(9)]
    rows = [(t, f'"{v:,}"') for t, v in zip(TIMES, values, strict=True)]
    problem = read_table(put(text(rows=rows)), KNOWN)
    assert problem.tables[0].values[:, 0].tolist() == values
    assert "thousands" in problem.source.notes[0]
    european = put(
        text(
            ";",
            rows=[(t, f"{v:,}".translate(str.maketrans(",.", ".,"))) for t, v in zip(range(9), values, strict=True)],
        )
    )
    assert read_table(european, KNOWN).tables[0].values[:, 0].tolist() == values
    open_question = put(text(";", rows=[(t, f"1,{t}00") for t in range(9)]))
    with pytest.raises(DataError, match=r"may be 1000 or a decimal number.*--decimal"):
        read_table(open_question, KNOWN)
    assert read_table(open_question, KNOWN, layout=TableLayout(decimal=",")).tables[0].values[1, 0] == 1.1
    assert read_table(open_question, KNOWN, layout=TableLayout(decimal=".")).tables[0].values[1, 0] == 1100


@pytest.mark.parametrize("gap", ["", "NA", "nan", "NaN", "N/A", "#N/A", "null", "-"])
def test_missing_cells_are_missing_values_of_their_column_only(put, gap):
    rows = [(t, v, 2 * t * t) for t, v in zip(TIMES, VALUES, strict=True)]
    rows[3] = (rows[3][0], gap, rows[3][2])
    problem = read_table(put(text(header=("t", "T", "y"), rows=rows)), "T' = 0; y' = 0")
    (table,) = problem.tables
    assert table.seen.tolist() == [[i != 3, True] for i in range(9)]
    assert "1 missing value left out" in problem.source.notes[-1]
    again = TableData.model_validate_json(problem.source.model_dump_json())
    assert torch.equal(again.trajectories[0].isnan(), problem.source.trajectories[0].isnan())


def test_columns_of_standard_deviations_belong_to_their_columns(put):
    rows = [(t, v, 0.01 * (1 + t)) for t, v in zip(TIMES, VALUES, strict=True)]
    for name in ("sigma_T", "T_sigma", "T_err", "std_T"):
        problem = read_table(put(text(header=("t", "T", name), rows=rows)), KNOWN)
        assert problem.source.columns == ("T",)
        assert problem.tables[0].sigma[:, 0].tolist() == [row[2] for row in rows]
    stated = read_table(put(text()), KNOWN, noise="2%").tables[0].sigma
    assert stated.tolist() == pytest.approx([0.02 * float(np.std(VALUES))])
    assert read_table(put(text()), KNOWN, noise="T=0.1").tables[0].sigma.tolist() == [0.1]
    with pytest.raises(FormulaError, match="no size of noise"):
        read_table(put(text()), KNOWN, noise="much")
    with pytest.raises(UnknownNameError, match="unknown column 'x'"):
        read_table(put(text()), KNOWN, noise="x=1")


def test_long_tables_are_thinned_with_a_word(put):
    times = np.linspace(0, 5, 100_001)
    table = np.column_stack([times, np.exp(-times)])
    path = put("t,T\n" + "\n".join(f"{a:.6f},{b:.8f}" for a, b in table))
    problem = read_table(path, KNOWN)
    assert 1900 < len(problem.tables[0].values) <= 2000
    assert problem.source.notes == ("of 100001 rows one in 51 is kept",)


@pytest.mark.parametrize(
    "names", [("S", "I"), ("E", "N"), ("beta", "pi"), ("lambda", "in"), ("µ", "Q"), ("zeta", "gamma")]
)
def test_names_that_mean_something_elsewhere_are_names_here(put, names):
    rows = [(t, v, t * t) for t, v in zip(TIMES, VALUES, strict=True)]
    a, b = names
    path = put(text(header=("t", a, b), rows=rows).encode("latin-1"))
    problem = read_table(path, f"{a}' = -k*{a}*{b}; {b}' = 2*{b}")
    assert len(problem.fields) == 2
    known = problem.rate_equation.known(torch.zeros(1), torch.tensor([[3.0, 5.0]]).double())
    assert known.tolist() == [[0.0, 10.0]]


@pytest.mark.parametrize(("column", "written"), [("µ", "µ"), ("µ", "μ"), ("μ", "µ"), ("ｘ", "x")])
def test_columns_keep_their_own_spelling(put, column, written):
    """The micro sign and the letter mu are one name to Python, and two in a file."""
    rows = [(t, v, t * t) for t, v in zip(TIMES, VALUES, strict=True)]
    path = put(text(header=("t", column, "y"), rows=rows))
    prior = HiddenPrior(hidden={written: (written, "y"), "y": (written,)}, library=(f"{written}*y", written))
    problem = read_table(
        path, f"{written}' = k*{written}; y' = {written}*y", noise=f"{written}=0.1, y=0.1", prior=prior
    )
    assert problem.source.columns == (column, "y")
    assert problem.rate_equation.inputs == (column, "y")
    assert problem.source.notes == ()
    assert problem.hidden.inputs_of == {column: (column, "y"), "y": (column,)}
    known = problem.rate_equation.known(torch.zeros(1), torch.tensor([[3.0, 5.0]]).double())
    assert known.tolist() == [[0.0, 15.0]]


def test_scalars_keep_their_own_spelling(put):
    assert list(read_table(put(text()), "T' = -µ*T").multipliers) == ["µ"]
    assert str(read_table(put(text()), "T' = -µ*T", {"μ": 0.3}).known_terms[0]) == "-0.3*T"


def test_two_spellings_of_one_name_are_refused(put):
    rows = [(t, v, t * t) for t, v in zip(TIMES, VALUES, strict=True)]
    with pytest.raises(DataError, match="compatibility forms only"):
        read_table(put(text(header=("t", "µ", "μ"), rows=rows)), "µ' = 0")


def test_a_scalar_may_be_called_lambda(put):
    problem = read_table(put(text()), "T' = -lambda*T", {"lambda": 0.3})
    assert str(problem.known_terms[0]) == "-0.3*T"
    assert list(read_table(put(text()), "T' = -lambda*T").multipliers) == ["lambda"]


@pytest.mark.parametrize(
    ("content", "layout", "fault"),
    [
        (text(header=()), {}, r"no header, its first row.*--names t,x,y"),
        (text(header=("when", "T")), {}, r"no column of times.*--time NAME"),
        (text(header=("Date", "hours", "T"), rows=indexed(0)), {}, "several columns that may be.*--time Date"),
        (text(header=("t", "T")), {"time": "tt"}, "Did you mean 't'"),
        (text(header=("t", "T"), rows=[*zip(TIMES, VALUES, strict=True), (7, 1)]), {}, "twice, in lines 10 and 11"),
        ("# c\n\n" + text(rows=[*zip(TIMES, VALUES, strict=True), (6.5, 1)]), {}, "not increasing in lines 12 and 13"),
        (text(header=("t", "T"), rows=[*zip(TIMES, VALUES, strict=True), ("eight", 1)]), {}, "line 11: column 't'"),
        (text(header=("t", "T"), rows=[*zip(TIMES, VALUES, strict=True), (8, "0.1 0.2")]), {}, "line 11: column 'T'"),
        (text(decimal=","), {}, "another number of cells"),
        (text(rows=[(t, "") for t in TIMES]), {}, "column 'T' has no values"),
        (text(header=("t", "T"), rows=[(t, 5) for t in TIMES]), {}, "is constant.*a number can stand"),
        (text(header=("t", "T", "T")), {}, "empty or repeated names|another number"),
        (text(header=("x", "y"), rows=[("a", "b")] * 9), {"time": "x"}, "line 2: the time is neither"),
        (text(rows=[("s", "K"), *zip(TIMES, VALUES, strict=True)]), {}, r"units into the header, t \[s\]"),
        (text(rows=[(t, 1e300 * v) for t, v in zip(TIMES, VALUES, strict=True)]), {}, "too large.*other units"),
        (text(rows=[(t, 1e-300 * v) for t, v in zip(TIMES, VALUES, strict=True)]), {}, "too small.*other units"),
        (text(decimal="."), {"decimal": ";"}, "no decimal mark"),
        (text(), {"names": ("t",)}, "another number of columns than names"),
    ],
)  # fmt: skip
def test_other_tables_say_what_to_do(put, content, layout, fault):
    with pytest.raises(UserError, match=fault):
        read_table(put(content), KNOWN, layout=TableLayout(**layout))


def test_names_can_be_given_to_a_table_without_a_header(put):
    problem = read_table(put(text(header=())), KNOWN, layout=TableLayout(names=("t [s]", "T [K]")))
    assert problem.source.units == ("K",)
    assert len(problem.tables[0].values) == 9


def sheet(path, rows):
    import openpyxl

    book = openpyxl.Workbook()
    book.create_sheet("notes").append(["nothing"])
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_workbooks_and_parquet_files_are_read(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(zip(TIMES, VALUES, strict=True))
    book = read_table(sheet(tmp_path / "b.xlsx", [("t (s)", "T (K)"), *rows]), KNOWN)
    assert book.tables[0].values[:, 0].tolist() == VALUES
    assert book.source.units == ("K",)
    assert "--sheet" in book.source.notes[0]
    with pytest.raises(DataError, match="no sheet 'x'"):
        read_table(tmp_path / "b.xlsx", KNOWN, layout=TableLayout(sheet="x"))
    first = datetime.datetime(2024, 3, 1, 8)
    dated = [(first + datetime.timedelta(hours=t), v) for t, v in rows]
    dates = read_table(sheet(tmp_path / "d.xlsx", [("date", "T"), *dated]), KNOWN)
    assert dates.tables[0].coordinates[:, 0].tolist() == [3600 * t for t in TIMES]
    columns = {"t": [float(t) for t in TIMES], "T": [*VALUES[:8], None], "__index_level_0__": list(range(9))}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    parquet = read_table(tmp_path / "p.parquet", KNOWN)
    assert parquet.tables[0].seen.sum() == 8
    assert "index" in parquet.source.notes[0]
    for name in ("n.xlsx", "n.parquet"):
        (tmp_path / name).write_text("nothing")
        with pytest.raises(DataError, match="is no"):
            read_table(tmp_path / name, KNOWN)
    with pytest.raises(DataError, match=r"Save it as \.xlsx"):
        read_table(tmp_path / "old.xls", KNOWN)


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    import sys

    for package, name in (("openpyxl", "a.xlsx"), ("pyarrow", "a.parquet")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UserError, match=r"sciml\[tables\]"):
            read_table(tmp_path / name, KNOWN)


def test_a_prior_reads_as_it_is_written():
    prior = parse_prior(inputs="u, T", complete="a'; b", hidden="v: v; w': v, w", library="x*y, exp(-1/T), min(a, b)")
    assert prior.inputs == ("u", "T")
    assert prior.complete == ("a", "b")
    assert prior.hidden == {"v": ("v",), "w": ("v", "w")}
    assert prior.library == ("x*y", "exp(-1/T)", "min(a, b)")
    for wrong in ({"hidden": "v"}, {"hidden": "v: "}, {"hidden": "v: v; v: w"}, {"complete": "a+b"}):
        with pytest.raises(FormulaError):
            parse_prior(**wrong)
    with pytest.raises(UnknownNameError, match="Did you mean 'exp'"):
        parse_prior(operators="add,expo")


def test_an_axis_in_space_is_recognised_by_derivatives_along_it(put):
    rows = [(t, x, round(float(np.exp(-t) * np.sin(x)), 6)) for t in (0, 1, 2) for x in range(6)]
    path = put(text(header=("t", "x", "u"), rows=rows))
    for problem in (
        read_table(path, "u' = 0.1*u_xx"),
        read_table(path, "u' = 0", layout=TableLayout(space=("x",)), prior=HiddenPrior(hidden={"u": ("u", "u_xx")})),
    ):
        assert problem.boundary == {"x": "wall"}
        assert problem.tables[0].coordinates.tolist() == [[t, x] for t, x, _ in rows]
        assert problem.rate_equation.hidden_inputs[0] == "u"
    assert problem.rate_equation.hidden_inputs == ("u", "u_xx")
    with pytest.raises(DataError, match=r"a time comes twice, in lines 2 and 3.*--space x"):
        read_table(path, "x' = 0; u' = 0")
    with pytest.raises(DataError, match="come twice, in lines 2 and 20"):
        read_table(put(text(header=("t", "x", "u"), rows=[*rows, rows[0]]), "twice.csv"), "u' = u_xx")
    with pytest.raises(DataError, match="no axis 'z' in space"):
        read_table(path, "u' = 0", layout=TableLayout(space=("z",)))
    with pytest.raises(UserError, match="Give their values"):
        read_table(path, "u' = k*u_xx", prior=HiddenPrior(own=("k",)))


@pytest.mark.parametrize(
    ("known", "prior", "fault"),
    [
        ("T' = 0", {}, r"lacks an equation for y.*--inputs y"),
        ("T' = 0; y' = 0", {"inputs": ("y",)}, "no variable 'y'"),
        ("T' = 0; y' = 0", {"inputs": ("z",)}, "unknown column 'z'"),
        ("T' = 0; y' = 0", {"complete": ("T", "y")}, "nothing is left to find"),
        ("T' = 0; y' = 0", {"complete": ("T",), "hidden": {"T": ("T",)}}, "complete and to hide"),
        ("T' = 0; y' = 0", {"hidden": {"T": ("z",)}}, "unknown column 'z'"),
        ("T' = a*T; y' = 0", {"own": ("b",)}, "unknown scalar 'b'"),
        ("T' = 0; y' = 0", {"library": ("T*z",)}, "unknown name 'z'"),
        ("", {"inputs": ("T", "y")}, "none has a rate|lacks an equation"),
    ],
)
def test_priors_that_do_not_fit_the_table_say_what_is_wrong(put, known, prior, fault):
    rows = [(t, v, t * t) for t, v in zip(TIMES, VALUES, strict=True)]
    with pytest.raises(UserError, match=fault):
        read_table(put(text(header=("t", "T", "y"), rows=rows)), known, prior=HiddenPrior(**prior))
