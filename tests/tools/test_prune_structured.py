"""Whole channels taken out by torch-pruning, and rebuilt without it."""

import copy
import sys

import pytest
import torch
from torch import nn

from sciml import tool
from sciml.core.errors import UnsupportedError, UserError
from sciml.study import export_run, load_run
from sciml.tools.prune import PrunePlan, Slices, apply_slices

CUT = ("method=structured", "ratio=1.5", "finetune_steps=2")


def test_slices_are_rebuilt_from_indices_alone():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(1, 4), nn.Conv2d(4, 3, 1)).eval()
    plan = {
        "0": Slices(left={"weight": {0: [0, 3]}, "bias": {0: [0, 3]}}, sizes={"out_channels": 2}),
        "1": Slices(left={"weight": {0: [0, 3]}, "bias": {0: [0, 3]}}, sizes={"num_channels": 2}),
        "2": Slices(left={"weight": {1: [0, 3]}}, sizes={"in_channels": 2}),
    }
    text = PrunePlan(method="structured", masks={}, layers={}, slices=plan, tail=0.0).model_dump_json()
    smaller = apply_slices(copy.deepcopy(network), PrunePlan.model_validate_json(text).slices)
    x = torch.randn(2, 2, 6, 6)
    channels = network[0](x)[:, [0, 3]]
    expected = nn.functional.conv2d(
        nn.functional.group_norm(channels, 1), network[2].weight[:, [0, 3]], network[2].bias
    )
    torch.testing.assert_close(smaller(x), expected)
    with pytest.raises(UserError, match=r"channels of 0\.weight"):
        apply_slices(copy.deepcopy(smaller), plan)


def test_without_the_package_it_says_what_to_install(copy, problem_of, with_data, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(UnsupportedError, match=r"needs the package torch-pruning.*sciml\[structured\]"):
        tool("prune", copy("neural_ode"), settings=CUT, problem=problem_of("neural_ode"))


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["pinn", "sinenet"])
def test_a_smaller_network_predicts_and_is_exported_without_the_package(
    solver, made, with_data, problem_of, monkeypatch
):
    """SineNet concatenates skips: the layers on both sides are cut alike, or the network would not run."""
    pytest.importorskip("torch_pruning")
    problem = problem_of(solver)
    child = tool("prune", made(solver), settings=CUT, problem=problem)
    before, after = child.record.lineage
    found = child.record.findings["prune"]
    assert found.metrics["ratio"] >= 1.5
    assert after.cost.flops < before.cost.flops
    assert after.cost.parameters < before.cost.parameters
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    loaded = load_run(child.folder, problem=problem)
    assert loaded.solver.predict(loaded.module, loaded.example()).mean.isfinite().all()
    if solver == "sinenet":
        assert {entry.format: entry.state for entry in export_run(child.folder, ("torch",), problem=problem)} == {
            "torch": "ok"
        }
    smaller = tool("prune", child.folder, settings=("method=magnitude", "finetune_steps=0", "patience=0"),
                   problem=problem)  # fmt: skip
    assert [row.tool for row in smaller.record.lineage] == ["", "prune", "prune"]
