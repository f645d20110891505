"""`sciml discover` from the command to the page, with the cheap baseline as the solver."""

import json
import shlex

import numpy as np
import pytest
from typer.testing import CliRunner

import sciml
from sciml.cli import app
from sciml.core.errors import DataError, UserError
from sciml.report import write_index, write_run
from sciml.study import RECORD, Record, evaluate_run, load_run, predict_run

runner = CliRunner()
CHEAP = ["--solver", "spline_derivative", "--engine", "sparse"]
RUN = "spline_derivative-tiny-s0"


def call(*words):
    result = runner.invoke(app, ["discover", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_problem_gives_equations_and_a_page(tmp_path):
    output = call("lotka_volterra", *CHEAP, "--out", str(tmp_path))
    assert "x' = 1.3*x + (-0.90" in output
    assert "identifiable (rank 6 of 6" in output
    assert "prey: constant -0.9" in output
    folder = tmp_path / "lotka_volterra" / RUN
    page = (folder / "report.html").read_text()
    assert "x&#39; = 1.3*x" in page
    assert page.count("<svg") == 8, "two fits, two scatters, two fronts, two forecasts"
    assert "http" not in page.replace("http://www.w3.org", "")
    assert (folder / "figures" / "forecast-prey.svg").is_file()
    assert Record.read(folder).conclusion.details["forecast"]["relative_l2"] < 0.03
    index = write_index(tmp_path).read_text()
    assert "Spline derivative on lotka volterra" in index
    assert "y&#39; = -1.8*y + (0.8" in index
    again = runner.invoke(app, ["report", str(folder)])
    assert again.exit_code == 0
    assert (folder / "report.html").read_text() == page
    finished = call("lotka_volterra", *CHEAP, "--resume", "--out", str(tmp_path))
    assert "x' = 1.3*x + (-0.90" in finished
    assert len(list((tmp_path / "lotka_volterra").iterdir())) == 1


def test_one_trajectory_is_flagged_on_screen_and_page(tmp_path):
    output = call("lotka_volterra", *CHEAP, "--set", "task.trajectories=1", "--out", str(tmp_path))
    assert "NOT identifiable" in output
    assert "x' =" not in output
    page = (tmp_path / "lotka_volterra" / RUN / "report.html").read_text()
    assert "Not identifiable." in page


def test_the_baseline_is_named_by_the_same_engine(tmp_path):
    settings = ["--set", "train.steps=3", "--set", "model.adam=2", "--set", "model.width=4"]
    settings += ["--set", 'task.naming.search={library=["x*y"]}']
    words = ["lotka_volterra", "-s", "upinn", "-e", "sparse", "--seeds", "2", "--anyway", *settings]
    output = call(*words, "--out", str(tmp_path), "--json")
    record = json.loads(output[output.index("{") :])["record"]
    assert record["model"]["members"] == 2
    assert set(record["baselines"]) == {"spline_derivative"}
    details = record["baselines"]["spline_derivative"]["conclusion"]["details"]
    assert details["engine"] == "sparse"
    assert details["equations"]["prey"].endswith("*x*y")
    assert record["conclusion"]["details"]["equations"]
    page = (tmp_path / "lotka_volterra" / "upinn-tiny-s0" / "report.html").read_text()
    assert "Formulas by solver" in page


@pytest.mark.slow
def test_a_formula_can_be_had_anyway(tmp_path):
    anyway = call(
        "lotka_volterra", *CHEAP, "--set", "task.trajectories=1", "--anyway", "--json", "--out", str(tmp_path)
    )
    details = json.loads(anyway)["record"]["conclusion"]["details"]
    assert not details["identifiability"]["identifiable"]
    assert set(details["equations"]) == {"prey", "predator"}


def write_orbits(path):
    """Three exact trajectories of x' = x y, y' = - x y."""
    lines = ["t,x,y,trajectory"]
    for k, total in enumerate((1.0, 2.0, 3.0)):
        times = np.linspace(0, 2, 20)
        grown = np.exp(total * times)
        x = total * grown / (grown + 4)
        lines += [f"{t:.17g},{a:.17g},{total - a:.17g},{k}" for t, a in zip(times, x, strict=True)]
    path.write_text("\n".join(lines))
    return path


def test_a_table_makes_a_run_that_stands_alone(tmp_path, monkeypatch):
    table = write_orbits(tmp_path / "mine.csv")
    finished = sciml.discover(
        data=table, known="x' = 0; y' = 0", solver="spline_derivative", engine="sparse", out=tmp_path
    )
    equations = finished.record.conclusion.details["equations"]
    assert all(formula.endswith("*x*y") for formula in equations.values())
    table.unlink()
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "elsewhere"))
    loaded = load_run(finished.folder)
    assert loaded.problem.title == "mine.csv"
    answer = predict_run(finished.folder, finished.folder / "example.nc")
    assert set(answer.data_vars) >= {"hidden_x", "hidden_y"}
    assert evaluate_run(finished.folder).outcomes == {"ok": 302}
    page = write_run(finished.folder).read_text()
    assert "dx/dt = 0 + hidden" in page
    assert shlex.quote("x' = 0; y' = 0").split("'")[0] in page
    with pytest.raises(UserError, match="a run on a table of its own"):
        load_run(finished.folder, problem="lotka_volterra")


def test_a_spreadsheet_with_an_input_is_read_with_a_word(tmp_path):
    """T' = 0.4 (T_amb − T) per hour, with decimal commas, dates, a gap and a comment above the header."""
    from scipy.integrate import solve_ivp

    hours, lines = np.arange(14) / 2, ["# logger 7", "Nr;Datum;T (K);T_amb (K)"]
    around = 295 + 8 * np.sin(hours)
    for k, start in enumerate((300.0, 320.0)):
        values = solve_ivp(lambda t, x: 0.4 * (295 + 8 * np.sin(t) - x), (0, 6.5), [start], t_eval=hours, rtol=1e-9).y[
            0
        ]
        for i, (inner, outer) in enumerate(zip(values, around, strict=True)):
            date = f"2024-03-01 {8 + i // 2:02}:{30 * (i % 2):02}"
            lines.append(f"{k};{date};{'NA' if i == 5 else f'{inner:.4f}'};{outer:.4f}".replace(".", ","))
    path = tmp_path / "export.csv"
    path.write_text("\n".join(lines), encoding="latin-1")
    roles = ["--trajectory", "Nr", "--time", "Datum [h]", "--inputs", "T_amb", "--library", "T,T_amb"]
    output = call("--data", str(path), "--known", "T' = 0", *CHEAP, *roles, "--alone", "--out", str(tmp_path))
    (line,) = (line for line in output.splitlines() if line.startswith("T' = 0 + ("))
    first, second = (part.partition("*") for part in line[len("T' = 0 + (") : -1].replace("- ", "+ -").split(" + "))
    assert (first[2], second[2]) in {("T", "T_amb"), ("T_amb", "T")}
    assert sorted([float(first[0]), float(second[0])]) == pytest.approx([-0.4, 0.4], rel=0.03)
    for word in ("semicolons", "decimal commas", "counted in h", "2 missing values", "tells trajectories apart"):
        assert word in output


def test_mistakes_are_said_before_any_work(tmp_path):
    for words, fault in (
        (["--data", "none.csv", "--known", "x' = 1"], "cannot be read"),
        (["lotka_volterra", "--known", "x' = 1"], "Leave out --known"),
        (["lotka_volterra", "--noise", "2%"], "need a table"),
        (["lotka_volterra", "--engine", "operom"], "Did you mean 'operon'"),
        (["lotka_volterra", "--solver", "fno"], "does not look for hidden terms"),
        (["lotka_volterra", *CHEAP, "--seeds", "2"], "unknown setting 'model.members'"),
        (["van_der_pol"], "it has no hidden term"),
        ([], "either a problem or a table"),
    ):
        with pytest.raises(UserError, match=fault):
            runner.invoke(app, ["discover", *words, "--out", str(tmp_path)], catch_exceptions=False)
    assert not list(tmp_path.iterdir())


def test_a_conclusion_that_is_damaged_is_an_error(tmp_path):
    call("lotka_volterra", *CHEAP, "--set", "task.trajectories=1", "--out", str(tmp_path))
    folder = tmp_path / "lotka_volterra" / RUN
    record = json.loads((folder / RECORD).read_text())
    for damage in ({"components": "x"}, {"identifiability": None}):
        details = record["conclusion"]["details"] | damage
        damaged = record | {"conclusion": record["conclusion"] | {"details": details}}
        (folder / RECORD).write_text(json.dumps(damaged))
        with pytest.raises(DataError, match=r"conclusion|lacks"):
            write_run(folder)
