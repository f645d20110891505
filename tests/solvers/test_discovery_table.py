import numpy as np
import pytest
import torch

from sciml.core.errors import DataError, UserError
from sciml.discovery import FormulaError, TableData, parse_values, read_table

KNOWN = "x' = a*x; y' = -d*y"


def orbits(count=4, points=16, noise=0.003, seed=0):
    from scipy.integrate import solve_ivp

    random = np.random.default_rng(seed)
    lines = ["t,x,y,trajectory"]
    for k, start in enumerate(((0.44, 4.6), (1.5, 1.0), (3.0, 2.0), (1.0, 3.0))[:count]):
        times = np.linspace(0, 3, points)

        def rate(_, u):
            return 1.3 * u[0] - 0.9 * u[0] * u[1], -1.8 * u[1] + 0.8 * u[0] * u[1]

        states = solve_ivp(rate, (0, 3), start, t_eval=times, rtol=1e-9).y
        states = states * (1 + noise * random.normal(size=states.shape))
        lines += [f"{t:.4f},{x:.6f},{y:.6f},{k}" for t, x, y in zip(times, *states, strict=True)]
    return lines


@pytest.fixture
def write(tmp_path):
    def put(lines):
        path = tmp_path / "mine.csv"
        path.write_text("\n".join(lines) if isinstance(lines, list) else lines)
        return path

    return put


def test_a_table_gives_the_equation_and_its_scalars(write, discovered):
    problem = read_table(write(orbits()), KNOWN)
    assert len(problem.tables) == 3, "the last of four is held out"
    record = discovered(problem.source)
    details = record.conclusion.details
    assert details["scalars"]["a"] == pytest.approx(1.3, rel=0.02)
    assert details["scalars"]["d"] == pytest.approx(1.8, rel=0.02)
    assert details["scalar_words"][0].startswith("a = 1.3")
    assert details["forecast"]["relative_l2"] < 0.03
    assert details["full_equations"][0].startswith("x' = 1.3")
    assert details["full_equations"][0].count("x*y") == 1
    assert any("a, d" in note for note in details["identifiability"]["notes"])


def test_scalars_can_be_given(write, discovered):
    problem = read_table(write(orbits()), KNOWN, parse_values(["a=1.3", "d=1.8"]))
    assert problem.multipliers == {}
    equations = discovered(problem.source).conclusion.details["equations"]
    assert all(formula.endswith("*x*y") for formula in equations.values())


def test_a_single_trajectory_is_flagged(write, discovered):
    details = discovered(read_table(write(orbits(count=1)), KNOWN).source).conclusion.details
    assert not details["identifiability"]["identifiable"]
    assert details["components"] == {}


def test_a_table_comes_back_from_what_a_run_keeps(write):
    problem = read_table(write(orbits()), KNOWN, {"a": 1.3})
    again = TableData.model_validate_json(problem.source.model_dump_json()).problem()
    assert again.source.digest == problem.source.digest
    assert (again.known_terms, again.multipliers) == (problem.known_terms, problem.multipliers)
    assert all(torch.equal(a.values, b.values) for a, b in zip(again.tables, problem.tables, strict=True))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"columns": ("x", "__import__")}, "cannot be called"),
        ({"columns": ("x", "x")}, "cannot be called"),
        ({"columns": ("x",)}, "wrong shape"),
        ({"trajectories": (torch.zeros(9, 3).double(),)}, "not in order"),
    ],
)
def test_a_stored_table_that_is_not_in_order_is_refused(changes, fault):
    rows = torch.arange(27.0).view(9, 3).double()
    whole = {"title": "mine", "columns": ("x", "y"), "known": KNOWN, "trajectories": (rows,)}
    TableData(**whole)
    with pytest.raises(UserError, match=fault):
        TableData(**{**whole, **changes})


def test_points_and_noise_of_a_table_are_its_own(write, discovered):
    source = read_table(write(orbits()), KNOWN).source
    with pytest.raises(UserError, match=r"Leave out task\.points"):
        discovered(source, points=8)
    with pytest.raises(UserError, match=r"Leave out task\.draw"):
        discovered(source, draw=1)


def change(row, text):
    lines = orbits(count=1)
    lines[row] = text
    return lines


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (change(3, ",0.4,1.0,0"), "line 4: the time is missing"),
        (change(3, "0.4,inf,1.0,0"), "line 4: column 'x' has no finite number"),
        (change(3, "0.4,one,1.0,0"), "line 4: column 'x' has no finite number"),
        (change(3, "0.4,1_000,1.0,0"), "no finite number"),
        (change(3, "0.4,1.0,0"), "another number of cells"),
        (change(3, "9.0,1.0,1.0,0"), "times are not increasing"),
        (change(3, "0.2000,1.0,1.0,0"), "a time comes twice"),
        (["t&x&y", *(f"{t}&{t**2}&{t}" for t in range(9))], "Separate the cells by commas"),
        (["t,exp,y", *(f"{t},{t**2},{t}" for t in range(9))], "Call it exp_"),
        (orbits(count=1)[:5], "too few points"),
        (["t,x,y", *(f"{t},{t**2},1.5" for t in range(9))], "column 'y' is constant"),
        (["time2,x,y", *(f"{t},{t**2},{t}" for t in range(9))], "no column of times"),
        (["t,x,x", *(f"{t},{t**2},{t}" for t in range(9))], "repeated names"),
        (["t,2x,y", *(f"{t},{t**2},{t}" for t in range(9))], "no usable columns"),
        (["t", *(f"{t}" for t in range(9))], "no usable columns"),
        (["t,x,y"], "no rows"),
        ("", "no rows"),
    ],
)
def test_tables_that_are_not_in_order_say_what_is_wrong(write, lines, fault):
    with pytest.raises(DataError, match=fault):
        read_table(write(lines), KNOWN)


def test_a_missing_or_binary_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "none.csv", KNOWN)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x01" * 9)
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "b.csv", KNOWN)


@pytest.mark.parametrize(
    ("known", "fault"),
    [
        ("", "lacks an equation"),
        ("x' = a*x", "lacks an equation for y"),
        ("x' = a*x; y' = __import__('os')", "does not parse|not allowed|unknown function"),
        ("x' = x/(k + x); y' = 0", "does not enter the known part as a factor"),
        ("x' = a*z'; y' = 0", "does not parse"),
        ("x' = a*X; y' = 0", "or is it the column 'x'"),
        ("x' = exp*x; y' = 0", "is a function"),
    ],
)
def test_known_parts_that_are_not_in_order_say_what_is_wrong(write, known, fault):
    with pytest.raises(FormulaError, match=fault):
        read_table(write(orbits(count=1)), known)


def test_values_are_checked(write):
    for text in ("a", "a=", "a=x", "2=3", "a=inf"):
        with pytest.raises(FormulaError, match="gives no value"):
            parse_values([text])
    with pytest.raises(FormulaError, match="does not occur"):
        read_table(write(orbits(count=1)), KNOWN, {"b": 1.0})
    with pytest.raises(FormulaError, match="is a column"):
        read_table(write(orbits(count=1)), KNOWN, {"x": 1.0})


def test_the_verb_needs_one_source(tmp_path):
    import sciml

    with pytest.raises(UserError, match="either a problem or a table"):
        sciml.discover(out=tmp_path)
    with pytest.raises(UserError, match="does not look for hidden terms"):
        sciml.discover("lotka_volterra", solver="unet", out=tmp_path)
