"""Runs merged by `trees`: what the child keeps, what is refused, and that matching matters for trained trees."""

import shutil

import numpy as np
import pytest
import torch

import sciml
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError
from sciml.models import SoftTreesRegressor
from sciml.study import evaluate_run, load_run, read_config
from sciml.tools.trees import aligned, average, barrier, interpolated, match_activations, match_weights

SMALL = ("model.trees=8", "train.steps=30", "train.evaluate_every=10", "baselines=[]")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """``made("a", seed=1, settings)`` gives the folder of a small run on the borehole."""
    out, folders = tmp_path_factory.mktemp("sites"), {}

    def make(name, *settings, seed=0, solver="soft_trees", preset="tiny"):
        if name not in folders:
            folders[name] = sciml.run(
                "borehole", solver=solver, seed=seed, preset=preset, settings=(*SMALL, *settings), out=out / name
            ).folder
        return folders[name]

    return make


def sites(made):
    return [made(f"site{i}", "task.sites=2", f"task.site={i}", "task.split_by=well_radius", seed=i) for i in range(2)]


def test_a_merged_run_lives_without_its_parents(made, tmp_path):
    first, second = (shutil.copytree(folder, tmp_path / f"run{i}") for i, folder in enumerate(sites(made)))
    child = sciml.tool("trees", first, others=[second], settings=["points=5"])
    step = read_config(child.folder).lineage[-1]
    assert [entry.run for entry in step.others] == ["run1"]
    assert [row.run for row in child.record.lineage] == ["run0", "run0-trees"]
    numbers = child.record.findings["trees"].metrics
    assert numbers["best_loss"] <= numbers["mean_loss"] <= numbers["worst_loss"]
    assert numbers["barrier"] == numbers["barrier_all"]
    again = sciml.tool("trees", first, others=[second], settings=["points=5"], resume=True)
    assert again.folder == child.folder
    with pytest.raises(ConfigError, match=r"started with other runs"):
        sciml.tool("trees", first, others=[made("third", seed=7)], settings=["points=5"], resume=True)
    merged = load_run(child.folder).module.map
    one, two = (load_run(folder).module.map for folder in (first, second))
    shutil.rmtree(first)
    shutil.rmtree(second)
    expected = average((one, aligned(two, match_weights(two, one))), (0.5, 0.5))
    for ours, theirs in zip(merged.tables(), expected.tables(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert evaluate_run(child.folder).metrics["rmse_share"] == pytest.approx(child.record.metrics["test"]["rmse_share"])


def test_rounds_train_every_site_on_its_own_rows(made, tmp_path):
    first, second = (shutil.copytree(folder, tmp_path / f"run{i}") for i, folder in enumerate(sites(made)))
    plain = sciml.tool("trees", first, others=[second], settings=["points=0"])
    rounds = sciml.tool("trees", first, others=[second], settings=["points=0", "rounds=3", "local_steps=40"])
    before, after = (child.record.findings["trees"].metrics["merged_loss"] for child in (plain, rounds))
    assert after < 0.7 * before
    assert not (rounds.folder / "stages").exists()
    assert rounds.record.lineage[-1].train_seconds > 0


def test_three_runs_are_merged_too(made):
    folders = [*sites(made), made("third", seed=7)]
    numbers = (
        sciml.tool("trees", folders[0], others=folders[1:], settings=["points=3"]).record.findings["trees"].metrics
    )
    assert numbers["runs"] == 3


def test_the_rows_of_sites_are_disjoint_and_skewed(made):
    rows = [load_run(folder).bench().splits for folder in sites(made)]
    whole = load_run(made("third", seed=7)).bench().splits
    for split in ("train", "valid"):
        radii = [table[split].parameters[:, 0] for table in rows]
        assert radii[0].max() < radii[1].min()
        assert len(radii[0]) + len(radii[1]) == len(whole[split].parameters)
    assert torch.equal(rows[0]["test"].parameters, whole["test"].parameters)
    contexts = [load_run(folder).context.model_dump_json() for folder in (*sites(made), made("third", seed=7))]
    assert len(set(contexts)) == 1


def test_what_cannot_be_merged_is_refused(made, tmp_path):
    first, second = sites(made)
    with pytest.raises(ConfigError, match=r"merges several runs.*--with RUN"):
        sciml.tool("trees", first)
    with pytest.raises(ConfigError, match=r"acts on one run.*Leave out --with"):
        sciml.tool("cost", first, others=[second])
    with pytest.raises(ConfigError, match=r"merged with itself"):
        sciml.tool("trees", first, others=[first])
    with pytest.raises(UnsupportedError, match=r"their models differ; got model.depth=3; expected model.depth=2"):
        sciml.tool("trees", first, others=[made("deep", "model.depth=3")])
    with pytest.raises(UnsupportedError, match=r"not in the same units.*one dataset"):
        sciml.tool("trees", first, others=[made("other data", preset="small")])
    network = sciml.run("borehole", solver="mlp_rows", settings=("train.steps=2", "baselines=[]"), out=tmp_path).folder
    with pytest.raises(UnsupportedError, match=r"its networks are no soft trees"):
        sciml.tool("trees", network, others=[first])
    with pytest.raises(UnsupportedError, match=r"another solver"):
        sciml.tool("trees", first, others=[network])
    with pytest.raises(ConfigError, match=r"less than sites"):
        sciml.run("borehole", solver="soft_trees", settings=("task.sites=2", "task.site=2"), out=tmp_path)
    with pytest.raises(UnknownNameError, match=r"unknown parameter 'radius'.*Did you mean 'well_radius'"):
        sciml.run("borehole", solver="soft_trees", settings=("task.sites=2", "task.split_by=radius"), out=tmp_path)


@pytest.fixture(scope="module")
def pair():
    """Two ensembles trained from different seeds on the same rows, and test rows in standardised units."""
    generator = np.random.default_rng(0)
    x = generator.uniform(-1.7, 1.7, (1200, 4))
    y = np.sin(1.5 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.3 * x[:, 3]
    fitted = [SoftTreesRegressor(trees=48, steps=250, seed=seed).fit(x[:800], y[:800]) for seed in (0, 1)]
    scaled = torch.from_numpy((x[800:] - x[:800].mean(0)) / x[:800].std(0))
    return [entry.map_ for entry in fitted], scaled, torch.from_numpy((y[800:] - y[:800].mean()) / y[:800].std())


def test_matching_removes_most_of_the_barrier_between_trained_trees(pair):
    (first, second), x, y = pair
    shares = torch.linspace(0, 1, 9, dtype=torch.float64)

    def height(matching):
        moved = aligned(second, matching)
        lines = [interpolated(first, moved, share) for share in shares.tolist()]
        return barrier(shares, torch.stack([(net(x)[:, 0].detach() - y).square().mean() for net in lines]))

    naive, order, every = (height(match_weights(second, first, kind)) for kind in ("none", "permutation", "all"))
    assert naive > 20 * every
    assert naive > 2 * order
    assert order > every
    outputs = [height(match_activations(second, first, x, kind)) for kind in ("permutation", "all")]
    assert outputs[0] > 10 * outputs[1]
