"""The tools similarity and prototypes on real runs: heads, sharing, freezing, resuming, queries, what they refuse."""

import copy

import pytest
import torch
import xarray
from torch import nn

from sciml.core.config import override
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError, UserError
from sciml.models import DeepONet
from sciml.nn import MLP
from sciml.nn.tversky import TverskyContraction, TverskyProjection, tversky_projection
from sciml.report import write_run
from sciml.study import RunRequest, apply_tool, load_run, run
from sciml.testing import PROBLEMS
from sciml.tools.similarity import (
    HeadForm,
    MeasureForm,
    SimilarityConfig,
    SimilarityPlan,
    SimilarityRewrite,
    SimilarityRule,
    apply_similarity,
)
from sciml.train import GradientRule, TrainConfig, load_weights, save_weights


def form(channels_in, channels_out, *, features=6, bank="one", prototypes="", bias=True):
    return HeadForm(
        channels_in=channels_in,
        channels_out=channels_out,
        features=features,
        bias=bias,
        bank=bank,
        prototypes=prototypes or f"{channels_out} x {channels_in}",
    )


def shared_plan(**choices):
    layers = {"layers.2": form(8, 8), "layers.4": form(8, 8), "layers.6": form(8, 3)}
    return SimilarityPlan(layers=layers, measure=MeasureForm(gate="smooth"), **choices)


def network():
    torch.manual_seed(0)
    return MLP(5, 3, width=8, layers=3)


def test_layers_share_bank_and_prototypes_and_are_stored_once(tmp_path):
    changed = apply_similarity(network(), shared_plan())
    layers = [layer for layer in changed.modules() if isinstance(layer, TverskyProjection)]
    assert len({id(layer.bank) for layer in layers}) == 1
    assert layers[0].prototypes is layers[1].prototypes
    first = 5 * 8 + 8
    assert sum(p.numel() for p in changed.parameters()) == first + 6 * 8 + 8 * 8 + 3 * 8 + (8 + 8 + 3) + 3 * 3
    path = tmp_path / "weights.safetensors"
    save_weights(changed, path)
    assert path.stat().st_size < 4 * sum(p.numel() for p in changed.parameters()) + 4000
    again = apply_similarity(network(), shared_plan(seed=1))
    x = torch.randn(4, 5)
    assert not torch.equal(again(x), changed(x))
    load_weights(again, path)
    assert torch.equal(again(x), changed(x))
    assert len({id(layer.bank) for layer in again.modules() if isinstance(layer, TverskyProjection)}) == 1


def test_a_product_of_branch_and_trunk_becomes_a_similarity_at_queries_of_both_kinds():
    torch.manual_seed(0)
    operator = DeepONet(sensors=7, dims=2, fields=3, modes=4, width=8)
    plan = SimilarityPlan(layers={"product": form(4, 1, bias=False)}, measure=MeasureForm(gate="smooth"))
    changed = apply_similarity(operator, plan)
    assert isinstance(changed.product, TverskyContraction)
    functions, queries = torch.randn(5, 7), torch.rand(6, 2)
    fields = changed(functions, queries)
    assert fields.shape == (5, 6, 3)
    torch.testing.assert_close(changed(functions, queries.expand(5, 6, 2)), fields)
    index = torch.randint(6, (5, 6))
    torch.testing.assert_close(
        changed.gathered(functions, queries, index), fields.gather(1, index[..., None].expand(-1, -1, 3))
    )


def test_a_convolution_of_one_point_is_replaced_at_every_point():
    plan = SimilarityPlan(layers={"0": form(4, 3)}, measure=MeasureForm(gate="smooth"))
    changed = apply_similarity(nn.Sequential(nn.Conv2d(4, 3, 1)), plan)
    x = torch.randn(2, 4, 5, 6)
    answer = changed(x)
    assert answer.shape == (2, 3, 5, 6)
    torch.testing.assert_close(changed(x[:, :, 2:3, 3:4]), answer[:, :, 2:3, 3:4])


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ({"layers.9": form(8, 8)}, "no layer 'layers.9'"),
        ({"layers.1": form(8, 8)}, "it is a Tanh"),
        ({"layers.2": form(7, 8)}, r"\(8, 8\) channels"),
    ],
)
def test_a_plan_of_another_network_is_refused_and_changes_nothing(layers, reason):
    module = network()
    with pytest.raises(UserError, match=reason):
        apply_similarity(module, SimilarityPlan(layers={"layers.4": form(8, 8), **layers}))
    assert isinstance(module.layers[4], nn.Linear)


class Rows:
    """A batch for a rule."""

    def __init__(self, inputs):
        self.inputs = inputs

    def __len__(self):
        return len(self.inputs)


def test_the_rule_revives_dead_features_until_the_end_and_resumes():
    def made():
        torch.manual_seed(0)
        layer = tversky_projection(4, 2, features=8, nonnegative=True)
        layer.bank.weight.data[3] = -5.0
        loss = lambda module, batch, along: module(batch.inputs).square().mean()
        train = TrainConfig(steps=4, learning_rate=1e-3, weight_decay=0.0)
        return layer, SimilarityRule(GradientRule(layer, loss, train), layer, every=2, last=2)

    layer, rule = made()
    batch = Rows(torch.rand(16, 4))
    rule.step(batch, 0.0)
    assert rule.revived == 0
    rule.step(batch, 0.25)
    assert rule.revived == 1
    layer.bank.weight.data[3] = -5.0
    other, again = made()
    other.load_state_dict(copy.deepcopy(layer.state_dict()))
    again.load_state_dict(copy.deepcopy(rule.state_dict()))
    for one in (rule, again):
        one.step(batch, 0.5)
        one.step(batch, 0.75)
    assert (rule.revived, again.revived) == (1, 1), "features that die after the last look stay"
    assert torch.equal(layer.bank.weight, other.bank.weight)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A run of a classifier with the data that it needs."""
    home = tmp_path_factory.mktemp("spots")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home / "data"))
        settings = ("model.features=6", "model.blocks=1", "model.width=6", "train.steps=20", "baselines=[]")
        request = RunRequest(problem=PROBLEMS / "three_spots", solver="resnet", settings=settings, out=home / "runs")
        yield run(request).folder


def test_a_frozen_encoder_stays_and_the_head_learns(classifier, tmp_path):
    settings = ("frozen=true", "finetune_steps=60", "features=8", "learning_rate=0.03")
    child = apply_tool("similarity", classifier, settings=settings, problem=PROBLEMS / "three_spots", out=tmp_path)
    before, after = (load_run(folder, problem=PROBLEMS / "three_spots").module for folder in (classifier, child.folder))
    assert isinstance(after.head, TverskyProjection)
    for name, value in before.state_dict().items():
        if not name.startswith("head"):
            assert torch.equal(value, after.state_dict()[name]), name
    assert child.record.metrics["test"]["accuracy"] > 0.9
    assert all(parameter.requires_grad for parameter in after.parameters())


def test_prototypes_ranks_samples_and_draws_them(classifier, tmp_path):
    child = apply_tool(
        "similarity", classifier, settings=("finetune_steps=5",), problem=PROBLEMS / "three_spots", out=tmp_path
    )
    seen = apply_tool(
        "prototypes",
        child.folder,
        settings=("query=right & top - origin", "samples=30", "top=3", "fit_steps=5"),
        problem=PROBLEMS / "three_spots",
        out=tmp_path,
    )
    entry = seen.record.findings["prototypes"]
    titles = [table.title for table in entry.tables]
    assert titles == ["Prototypes", "Samples by salience", "Samples by right & top - origin"]
    assert [row[0] for row in entry.tables[0].rows] == ["origin", "right", "top"]
    saliences = [row[2] for row in entry.tables[1].rows]
    assert saliences == sorted(saliences, reverse=True)
    with xarray.open_dataset(seen.folder / "predictions.h5", group="tools/prototypes") as arrays:
        assert arrays.sizes["sample"] == 30
        assert float(arrays.salience.max()) == pytest.approx(saliences[0], rel=1e-5)
    assert set(entry.figures[0].lines) == {"origin", "right", "top"}
    page = write_run(seen.folder).read_text()
    assert "Prototypes among the data" in page
    assert (seen.folder / "figures" / "prototypes-lines-1.svg").is_file()


@pytest.mark.parametrize(
    ("tool", "setting", "error", "words"),
    [
        ("similarity", "layers=['nowhere']", UnknownNameError, "nowhere"),
        ("similarity", "layers=['stem.0']", UnsupportedError, "Flatten"),
        ("similarity", "intersection=cosine", ConfigError, "intersection"),
        ("prototypes", "query=origin &", UserError, "expression"),
        ("prototypes", "query=left", UnknownNameError, "left"),
        ("prototypes", "layer=nowhere", UnknownNameError, "nowhere"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(classifier, tmp_path, tool, setting, error, words):
    with pytest.raises(error, match=words):
        apply_tool(tool, classifier, settings=(setting,), problem=PROBLEMS / "three_spots", out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_frozen_layers_from_scratch_and_no_steps_are_refused():
    with pytest.raises(ConfigError):
        SimilarityRewrite().plan(None, SimilarityConfig(frozen=True, start="scratch"))  # refused before the run is read
    with pytest.raises(ConfigError):
        override(SimilarityConfig(), ["finetune_steps=0"])


def test_hard_gates_are_for_labels(made, problem_of, with_data, tmp_path):
    with pytest.raises(ConfigError, match="jump"):
        apply_tool(
            "similarity", made("neural_ode"), settings=("gate=hard",), problem=problem_of("neural_ode"), out=tmp_path
        )
