"""The notebooks of the documentation: their cells run, and find what the text says they find."""

import re
from pathlib import Path

import pytest

import sciml

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
CELL = re.compile(r"```\{code-cell\}\n(.*?)```", re.DOTALL)


def run(name, folder, monkeypatch):
    """Run a notebook in an empty folder; its cells and the names they leave."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SCIML_HOME", str(folder / "home"))
    cells = CELL.findall((NOTEBOOKS / f"{name}.md").read_text(encoding="utf-8"))
    names = {}
    for number, cell in enumerate(cells, start=1):
        exec(compile(cell, f"{name}.md, cell {number}", "exec"), names)
    return cells, names


def lines_of(cells, word):
    """Lines of the first cell with a word, without imports and blank ones."""
    cell = next(cell for cell in cells if word in cell)
    return [line for line in cell.splitlines() if line and not re.match(r"import |from .* import ", line)]


def test_each_kind_of_user_has_one():
    assert {page.stem for page in NOTEBOOKS.glob("*.md")} == {"benchmark", "discovery", "own_data"}
    index = (NOTEBOOKS.parent / "index.md").read_text(encoding="utf-8")
    assert all(f"notebooks/{page.stem}" in index for page in NOTEBOOKS.glob("*.md"))


def test_ten_lines_find_an_equation_in_a_data_frame(tmp_path, monkeypatch, capsys):
    cells, names = run("discovery", tmp_path, monkeypatch)
    assert len(lines_of(cells, "EquationFinder(")) <= 10
    finder = names["finder"]
    predict = dict(zip(("prey", "predators"), finder.equations_, strict=True))
    found = re.fullmatch(r"prey' = ([\d.]+)\*prey \+ \(-([\d.]+)\*predators\*prey\)", predict["prey"])
    assert found is not None
    assert [float(number) for number in found.groups()] == pytest.approx([1.3, 0.9], rel=2e-3)
    found = re.fullmatch(r"predators' = -([\d.]+)\*predators \+ \(([\d.]+)\*predators\*prey\)", predict["predators"])
    assert found is not None
    assert [float(number) for number in found.groups()] == pytest.approx([1.8, 0.8], rel=2e-3)
    assert finder.score([names["times"]], [names["truth"]]) > 0.999
    assert names["single"].equations_ == []
    assert "one trajectory is a curve" in capsys.readouterr().out


def test_ten_lines_train_a_network_on_data_of_ones_own(tmp_path, monkeypatch):
    cells, names = run("own_data", tmp_path, monkeypatch)
    training = lines_of(cells, "sciml.models.FNO(")
    assert len(training) - training.index(next(line for line in training if "FNO(" in line)) <= 10
    assert float(names["error"].mean()) < 0.1
    again = sciml.models.load("fno.safetensors")
    assert again(names["states"][32:, :1]).allclose(names["network"](names["states"][32:, :1]))
    run_metrics = names["run"].metrics
    still = names["run"].record.baselines["persistence"].metrics["test"]
    assert run_metrics["one_step/relative_l2"] < 0.5 * still["one_step/relative_l2"]
    assert names["forecast"].u.attrs["units"] == "m/s"
    assert names["forecast"].sizes["time"] == 3


@pytest.mark.slow
def test_a_benchmark_is_solved_and_checked(tmp_path, monkeypatch):
    _, names = run("benchmark", tmp_path, monkeypatch)
    assert names["run"].metrics["error/relative_l2"] < 1e-2
    assert "fno" in names["answers"]
