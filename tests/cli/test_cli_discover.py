"""`sciml discover` from the command to the page, with the cheap baseline as the solver."""

import json

import pytest
from typer.testing import CliRunner

from sciml.cli import app
from sciml.core.errors import DataError, UserError
from sciml.report import write_discovery, write_index
from sciml.study import read_discovery

runner = CliRunner()
CHEAP = ["--solver", "spline_derivative", "--engine", "sparse"]


def call(*words):
    result = runner.invoke(app, ["discover", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_problem_gives_equations_and_a_page(tmp_path):
    output = call("lotka_volterra_hidden", *CHEAP, "--out", str(tmp_path))
    assert "x' = 1.3*x + (-0.90" in output
    assert "identifiable (rank 6 of 6" in output
    folder = tmp_path / "lotka_volterra_hidden" / "discover-spline_derivative-sparse-s0"
    page = (folder / "report.html").read_text()
    assert "x&#39; = 1.3*x" in page
    assert page.count("<svg") == 8, "two fits, two scatters, two fronts, two forecasts"
    assert "http" not in page.replace("http://www.w3.org", "")
    assert (folder / "figures" / "forecast-prey.svg").is_file()
    assert read_discovery(folder)["forecast"]["relative_l2"] < 0.03
    assert "What is hidden in Lotka-Volterra" in write_index(tmp_path).read_text()
    again = runner.invoke(app, ["report", str(folder)])
    assert again.exit_code == 0
    assert (folder / "report.html").read_text() == page


def test_one_trajectory_is_flagged_on_screen_and_page(tmp_path):
    output = call("lotka_volterra_hidden", *CHEAP, "--set", "task.trajectories=1", "--out", str(tmp_path))
    assert "NOT identifiable" in output
    assert "x' =" not in output
    page = (tmp_path / "lotka_volterra_hidden" / "discover-spline_derivative-sparse-s0" / "report.html").read_text()
    assert "Not identifiable." in page


@pytest.mark.slow
def test_a_formula_can_be_had_anyway(tmp_path):
    anyway = call(
        "lotka_volterra_hidden", *CHEAP, "--set", "task.trajectories=1", "--anyway", "--json", "--out", str(tmp_path)
    )
    found = json.loads(anyway)
    assert not found["identifiability"]["identifiable"]
    assert set(found["equations"]) == {"prey", "predator"}


def test_mistakes_are_said_before_any_work(tmp_path):
    for words, fault in (
        (["--data", "none.csv", "--known", "x' = 1"], "cannot be read"),
        (["lotka_volterra_hidden", "--known", "x' = 1"], "Leave out --known"),
        (["lotka_volterra_hidden", "--engine", "operom"], "Did you mean 'operon'"),
        (["lotka_volterra_hidden", "--solver", "fno"], "does not look for hidden terms"),
        (["lotka_volterra"], "it has no hidden term"),
        ([], "either a problem or a table"),
    ):
        with pytest.raises(UserError, match=fault):
            runner.invoke(app, ["discover", *words, "--out", str(tmp_path)], catch_exceptions=False)


def test_a_folder_that_holds_none_is_an_error(tmp_path):
    with pytest.raises(DataError, match="holds no discovery"):
        write_discovery(tmp_path)
    (tmp_path / "discovery.json").write_text("[1]")
    with pytest.raises(DataError, match="can read"):
        write_discovery(tmp_path)
    (tmp_path / "discovery.json").write_text('{"schema": 1, "arrays": {"axes": [], "trajectory": "x"}}')
    with pytest.raises(DataError, match="not complete"):
        write_discovery(tmp_path)
