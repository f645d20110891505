"""All tools on one lineage: searched, structured, pruned, certified, and looked at."""

import shutil

import pytest

import sciml
from sciml.study import load_run


@pytest.mark.slow
def test_searched_structured_pruned_certified_and_inspected(tmp_path):
    """Each step acts on what the one before left; the last run stands alone, and its certificate holds."""
    folder = sciml.run(
        "borehole", solver="mlp_rows", settings=("train.steps=20", "model.width=16", "baselines=[]"), out=tmp_path
    ).folder
    steps = {
        "search": ("nets=12", "patience=0", "steps=4", "choices={layers=[2]}"),
        "structure": ("flops=0.9", "families=['block_diagonal']", "finetune_steps=2"),
        "prune": ("method=magnitude", "ratio=2", "finetune_steps=2"),
        "privacy": ("epsilon=3", "delta=1e-3", "steps=10", "method=clip"),
        "certificate": ("data=true",),
        "network": (),
    }
    runs = [folder]
    for tool, settings in steps.items():
        child = sciml.tool(tool, runs[-1], settings=list(settings))
        runs.append(child.folder)
    *before, last = runs
    for folder in before:
        shutil.rmtree(folder)
    record = child.record
    assert [row.tool for row in record.lineage] == ["", *steps]
    assert record.findings["certificate"].metrics["certified"] == 1.0
    assert record.findings["privacy"].metrics["epsilon"] <= 3
    assert record.findings["network"].metrics["layers"] >= 2
    assert record.lineage[3].cost.parameters < record.lineage[2].cost.parameters < record.lineage[1].cost.parameters
    nodes = next(table for table in record.findings["network"].tables if table.title == "Links and nodes")
    module = load_run(last).module
    layers = {f"map.layers.{place}": layer for place, layer in enumerate(module.map.layers) if hasattr(layer, "weight")}
    assert {row[0] for row in nodes.rows if not str(row[0]).startswith("input of")} == set(layers)
    for row in nodes.rows:
        if row[0] in layers:
            weight = layers[row[0]].weight.detach().double()
            links = weight[weight != 0]
            assert row[2] == pytest.approx(float(links.mean()), rel=1e-5)
            assert 0 < len(links) <= weight.numel()
