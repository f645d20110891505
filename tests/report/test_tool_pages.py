"""The page of every tool, as a browser lays it out."""

import pytest
from browser import NEEDS_CHROMIUM, check_layout, layouts_of

from sciml.core import registry
from sciml.report import write_run
from sciml.study import RunRequest, apply_tool, run
from sciml.testing import PROBLEMS
from sciml.tools import registered_tools

pytestmark = [*NEEDS_CHROMIUM, pytest.mark.slow]
RUNS = {
    "deeponet": (PROBLEMS / "two_sources", ("model.width=16", "train.steps=2")),
    "soft_trees_rows": ("borehole", ("train.steps=2", "model.trees=4")),
    "others": ("borehole", ("train.steps=2", "model.trees=4")),
    "lipschitz_rows": ("borehole", ("train.steps=2",)),
}
CHAIN = {
    "cost": ("deeponet", ("patience=0",)),
    "low_rank": ("deeponet", ("flops=0.9",)),
    "network": ("deeponet", ()),
    "watch": ("deeponet", ()),
    "prune": ("deeponet", ("method=magnitude", "patience=0")),
    "search": ("deeponet", ("nets=12", "steps=2", "patience=0", "choices={trunk_layers=[2],branch_layers=[2]}")),
    "latency": ("deeponet", ("nets=12", "patience=0", "choices={trunk_layers=[2],branch_layers=[2]}")),
    "similarity": ("deeponet", ()),
    "prototypes": ("similarity", ()),
    "structure": ("deeponet", ("flops=0.9", "fit_steps=1")),
    "autotune": ("structure", ("patience=0",)),
    "trees": ("soft_trees_rows", ()),
    "privacy": ("lipschitz_rows", ("sigma=1",)),
    "certificate": ("privacy", ()),
    "membership": ("lipschitz_rows", ()),
}
"""Tool to the run or tool whose outcome it acts on, and what makes it quick."""


def test_nothing_overflows(tmp_path, monkeypatch):
    assert CHAIN.keys() == registered_tools().keys()
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    folders, problems, pages = {}, {}, {}
    for name, (problem, settings) in RUNS.items():
        solver, seed = ("soft_trees_rows", 1) if name == "others" else (name, 0)
        settings = (*settings, "baselines=[]")
        request = RunRequest(problem=problem, solver=solver, seed=seed, settings=settings, out=tmp_path / "runs")
        folders[name], problems[name] = run(request).folder, problem
    for key, (parent, settings) in CHAIN.items():
        problem = problems[key] = problems[parent]
        others = (folders["others"],) if key == "trees" else ()
        child = apply_tool(key, folders[parent], settings=settings, others=others, problem=problem)
        folders[key] = child.folder
        pages[key] = write_run(child.folder, problem=registry.find_problem(problem))
    for layout in layouts_of(pages, tmp_path).values():
        check_layout(layout)
