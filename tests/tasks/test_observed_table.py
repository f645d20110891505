"""Tables of measurements: what is read, and what is refused with its line and column."""

import math

import pytest
import sympy as sp
import torch

from sciml.core.config import parse
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import DataError
from sciml.core.statement import Statement
from sciml.tasks.collocation import CollocationConfig, observed_in, observed_table, read_observed

X, T = sp.symbols("x t")
U, V = sp.Function("u")(X, T), sp.Function("v")(X, T)
STATEMENT = Statement(
    domain=Domain((Coordinate("x", 0.0, 1.0, units="m"), Coordinate("t", 0.0, 10.0, units="s")), time="t"),
    fields=("u", "v"),
    equations=(U.diff(T) - V, V.diff(T) + U),
)
UNITS = {"u": "K", "v": "K s-1"}


def read(path, text, sigma=None, statement=STATEMENT):
    path.write_text(text, encoding="utf-8")
    return observed_in(read_observed(path), statement, UNITS, sigma)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "seen.csv"


@pytest.mark.parametrize(
    "text",
    [
        "x,t,u\n0.5,1,2.25\n1,10,-3e0\n",
        "\ufefft;u;x\n1;2,25;0,5\n\n# a note\n10;-3;1\n",
        "u (K)\tx [m]\tt(s)\n2.25\t0.5\t1\n-3\t1\t10\n",
    ],
)
def test_columns_go_by_their_names(path, text):
    seen = read(path, text)
    assert seen.names == ("u",)
    assert seen.points.tolist() == [[0.5, 1], [1, 10]]
    assert seen.values.tolist() == [[2.25], [-3]]
    assert seen.sigma is None


def test_a_gap_is_no_observation_of_its_column_only(path):
    seen = read(path, "x,t,u,v,sigma_u,v_sigma\n0,0,1,,0.1,\n0,1,,2,,0.3\n1,1,3,4,0.2,0.4\n")
    assert seen.present.tolist() == [[True, False], [False, True], [True, True]]
    assert torch.equal(seen.sigma[seen.present], torch.tensor([0.1, 0.3, 0.2, 0.4], dtype=torch.float64))
    assert seen.sigma.isfinite().all()
    assert seen.largest() == {"u": 3.0, "v": 4.0}


def test_one_standard_deviation_may_stand_for_all(path):
    assert read(path, "x,t,u\n0,0,1\n", sigma=0.5).sigma.tolist() == [[0.5]]
    assert read(path, "x,t,u,sigma\n0,0,1,0.25\n", sigma=0.5).sigma.tolist() == [[0.25]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,t,u\n0,0,1\n\n0,zero,1\n", r"line 4, column 't' holds no finite number; got 'zero'"),
        ("x,t,u\n0,0,inf\n", r"line 2, column 'u' holds no finite number"),
        ("x,t,u\n0,0,1\n0,0\n", r"line 3 has another number of cells than the header; got 2; expected 3: x, t, u"),
        ("x,t,u\n0,,1\n", r"line 2, column 't' has a gap; expected a coordinate"),
        ("x,t,u\n0,0,1\n0,11,1\n", r"line 3 lies outside of the domain; got x = 0, t = 11; .*t in \[0, 10\]"),
        ("x (cm),t,u\n0,0,1\n", r"column 'x' has other units than the problem; got 'cm'; expected 'm'"),
        ("x,t,u (degC)\n0,0,1\n", r"column 'u' has other units .* expected 'K'"),
        ("x,t,u,sigma\n0,0,1,0\n", r"line 2, column 'sigma' is no standard deviation; got 0"),
        ("x,t,u,sigma\n0,0,1,\n", r"line 2, column 'sigma' is no standard deviation; got nan"),
        ("x,u\n0,1\n", r"lacks t; got columns x, u; expected x, t"),
        ("x,t\n0,1\n", r"lacks a column of a field \(u, v\)"),
        ("x,t,u,w\n0,0,1,2\n", r"columns that nothing is read from; got w; .*standard deviations \(sigma_u\)"),
        ("x,t,u,u\n0,0,1,2\n", r"line 1: a name stands twice"),
        ("x,t,(K)\n0,0,1\n", r"line 1: the header has a name that cannot be read; got '\(K\)'"),
        ("x,t,u,v\n0,0,1,\n", r"a column without any number; got 'v'"),
        ("x,t,u\n", "holds no rows"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(path, text, words):
    with pytest.raises(DataError, match=words):
        read(path, text)


def test_a_statement_that_says_what_is_observed_gets_all_of_it(path):
    wanting = Statement(domain=STATEMENT.domain, fields=("u", "v"), equations=STATEMENT.equations, observed=("u", "v"))
    with pytest.raises(DataError, match="lacks v"):
        read(path, "x,t,u\n0,0,1\n", statement=wanting)


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_observed(tmp_path / "missing.csv")
    (tmp_path / "binary").write_bytes(b"\x89HDF\xff\x00")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_observed(tmp_path / "binary")


def test_arrays_are_a_table_too():
    table = observed_table({"x": [0.0, 1.0], "t": torch.tensor([0.0, 2.0]), "u": [1, math.nan], "v": (3, 4)})
    seen = observed_in(table, STATEMENT, UNITS, None)
    assert seen.present.tolist() == [[True, True], [False, True]]
    with pytest.raises(DataError, match="row 1 lies outside"):
        observed_in(observed_table({"x": [0, 2], "t": [0, 0], "u": [1, 1]}), STATEMENT, UNITS, None)
    with pytest.raises(DataError, match="columns of one length; got x 2, u 1"):
        observed_table({"x": [0, 1], "u": [1]})
    with pytest.raises(DataError, match="'u' are no numbers"):
        observed_table({"x": [0, 1], "u": ["a", "b"]})
    with pytest.raises(DataError, match="not finite; got u"):
        observed_table({"x": [0, 1], "u": [1, math.inf]})


def test_a_setting_reads_its_file_once_and_keeps_what_was_in_it(path):
    path.write_text("x,t,u\n0,0,1\n0,1,\n", encoding="utf-8")
    config = CollocationConfig(observations=path)
    path.unlink()
    again = CollocationConfig.model_validate_json(config.model_dump_json())
    assert again.observations.digest == config.observations.digest
    assert again.observations.file == str(path)
    assert torch.equal(again.observations.gaps, config.observations.gaps)


def test_a_path_out_of_a_run_s_files_opens_nothing(tmp_path):
    path = tmp_path / "seen.csv"
    path.write_text("x,t,u\n0,0,1\n")
    assert parse(CollocationConfig, {"observations": str(path)}, "settings").observations is not None
    with pytest.raises(DataError, match="keeps its table of observations, not a path"):
        parse(CollocationConfig, {"observations": str(path)}, "config.json", stored=True)
