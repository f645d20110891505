"""The table of what can be exported, in the docs, is true."""

import re
from pathlib import Path

import pytest

from sciml.core import registry
from sciml.core.errors import UnsupportedError
from sciml.study import RunRequest, export_run, run
from sciml.testing import PROBLEMS
from sciml.train import find_solver, registered_solvers

TABLE = re.search(
    r"\| solver \| torch \| onnx \|\n.*\n((?:\|.*\n)+)", (Path(__file__).parents[2] / "docs" / "runs.md").read_text()
)


FIXTURES = PROBLEMS
PROBLEMS = (
    FIXTURES / "periodic_advection",
    FIXTURES / "plane_rotation",
    FIXTURES / "short_rod",
    FIXTURES / "warm_tank",
    "damped_oscillators",
    "digits",
    "densities",
    "spiral_sde",
    FIXTURES / "driven_decay",
    FIXTURES / "tone_pitch",
    "antiderivative",
    "burgers_operator",
    FIXTURES / "two_sources",
    "borehole",
)
"""Every solver applies to one of these."""


@pytest.mark.slow
@pytest.mark.parametrize("key", sorted(registered_solvers()))
def test_the_table_of_exports_is_true(key, tmp_path):
    """Every solver, in every format: the answers agree, or the table says what cannot be exported."""
    assert TABLE is not None
    claimed = {
        name.strip(): [cell.strip() for cell in row.split("|")[2:4]]
        for row in TABLE[1].splitlines()
        for name in row.split("|")[1].split(",")
    }
    solver = find_solver(key)
    problem = next(problem for problem in PROBLEMS if solver.supports(registry.find_problem(problem)).ok)
    fitting = {"levels": 2, "modes": 4}
    model = dict(solver.recipe("tiny").model)
    settings = [f"model.{name}={value}" for name, value in fitting.items() if name in model]
    made = run(
        RunRequest(problem=problem, solver=key, settings=["train.steps=1", "baselines=[]", *settings], out=tmp_path)
    )
    assert made is not None
    if claimed[key] == ["–", "–"]:
        with pytest.raises(UnsupportedError, match="more than one pass"):
            export_run(made.folder, problem=problem)
    else:
        exports = export_run(made.folder, problem=problem)
        assert [entry.state for entry in exports] == claimed[key], [entry.detail for entry in exports]
