"""Tuned layers: the fastest form, the same answers."""

import copy

import pytest
import torch
from torch import nn

from sciml.core.errors import UserError
from sciml.nn import MLP, LowRankLinear, SpectralConv, pack, structured_of
from sciml.nn.structured import Monarch, Rectangle, Rectangles, Structured
from sciml.tools.autotune import AutotuneConfig, TuningPlan, apply_tuning, plan_tuning, transfer_tuning, tune_layer
from sciml.tools.cost import Latency

QUICK = AutotuneConfig(patience=0.0)
MANY = Rectangles(
    blocks=tuple(Rectangle(rows=(4 * i, 4), columns=(4 * j, 4), rank=1) for j in range(4) for i in range(4) if i != j)
)


def build():
    return nn.Sequential(
        nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16), nn.Linear(16, 4)
    )


def structured():
    torch.manual_seed(0)
    module = build().double()
    module[0] = structured_of(module[0], MANY)
    module[2] = structured_of(module[2], Monarch(blocks=2, rank=2))
    module[4] = structured_of(module[4], MANY)
    return module.eval()


@pytest.fixture
def clock(monkeypatch):
    """``clock(prefix)`` makes the forms whose name begins so the fastest ones."""

    def favour(prefix):
        def measured(calls, patience):
            times = {name: 1.0 if name.startswith(prefix) else 2.0 for name in calls}
            return {
                name: Latency(seconds=time, spread=0.0, reference_seconds=1.0, repeats=1, passes=2)
                for name, time in times.items()
            }

        monkeypatch.setattr("sciml.tools.autotune._plan.measure_latencies", measured)

    return favour


@pytest.mark.parametrize("form", ["dense", "merged", "unchanged"])
def test_the_fastest_form_is_kept_with_the_same_answers(form, clock):
    clock(form)
    module, x = structured(), torch.randn(5, 16, dtype=torch.float64)
    expected = module(x)
    plan = plan_tuning(module, lambda: module(x), QUICK)
    assert set(plan.layers) == {"0", "2", "4"}
    assert {name for name, tuning in plan.layers.items() if tuning.form == form} >= {"0", "4"}
    assert all(tuning.after <= min(tuning.dense, tuning.before) for tuning in plan.layers.values())
    before = copy.deepcopy(module)
    tuned = transfer_tuning(module, plan)
    torch.testing.assert_close(tuned(x), expected, rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(tuned(x), expected, rtol=1e-12, atol=1e-12)
    if form == "dense":
        assert all(type(tuned[k]) is nn.Linear for k in (0, 2, 4))
    if form == "merged":
        assert all(len(tuned[k].operator.rectangles) < len(MANY.blocks) for k in (0, 4))
    rebuilt = apply_tuning(before, TuningPlan.model_validate_json(plan.model_dump_json()))
    rebuilt.load_state_dict(tuned.state_dict())
    torch.testing.assert_close(rebuilt(x), tuned(x), rtol=0, atol=0)


def test_it_is_never_slower_than_dense_as_measured():
    module = structured().float()
    tuning = tune_layer(module[0], torch.randn(8, 16), AutotuneConfig(patience=0.2))  # one measurement is noise
    assert tuning.after <= tuning.dense
    assert tuning.form == "dense", "twelve blocks of rank 1 cost more calls than one small product"


def test_convolutions_modes_and_low_rank_are_tuned_too(clock):
    clock("dense")
    torch.manual_seed(0)
    layers = [
        structured_of(
            nn.Conv2d(8, 8, 3, padding=1), Rectangles(blocks=(Rectangle(rows=(0, 4), columns=(2, 4), rank=2),))
        ),
        structured_of(SpectralConv(8, 8, modes=2), Monarch(blocks=2, rank=1)),
    ]
    module = nn.Sequential(*layers).eval()
    x = torch.randn(2, 8, 6, 6)
    expected = module(x)
    transfer_tuning(module, plan_tuning(module, lambda: module(x), QUICK))
    assert [type(layer) for layer in module] == [nn.Conv2d, SpectralConv]
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-5)
    thin = nn.Sequential(LowRankLinear(6, 6, rank=2))
    plan = plan_tuning(thin, lambda: thin(torch.randn(3, 6)), QUICK)
    assert plan.layers["0"].form == "dense"


def test_repeated_examples_are_timed_at_once(monkeypatch):
    seen = []
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: seen.append(len(x)) or x @ self.weight.T)
    module = structured()
    tune_layer(module[0], torch.randn(3, 16, dtype=torch.float64), AutotuneConfig(batch=4, patience=0.0))
    assert set(seen) == {12}


def test_modules_without_structure_and_foreign_plans():
    module, x = MLP(4, 4, width=8), torch.randn(2, 4)
    with pytest.raises(UserError, match=r"no layer of this module can be tuned.*Apply the tool structure"):
        plan_tuning(module, lambda: module(x), QUICK)
    tuned = structured()
    plan = plan_tuning(tuned, lambda: tuned(torch.randn(5, 16, dtype=torch.float64)), QUICK)
    plan = plan.model_copy(update={"layers": {"layers.7": plan.layers["0"].model_copy(update={"form": "dense"})}})
    with pytest.raises(UserError, match=r"a tuning plan does not fit this module.*layers\.7"):
        apply_tuning(module, plan)


def test_pruned_layers_stay_as_they_are(clock):
    clock("dense")
    module, x = structured(), torch.randn(5, 16, dtype=torch.float64)
    for layer in (module[0], module[2]):
        for weight in ("left", "right"):
            kept = torch.rand(getattr(layer.operator, weight).shape) < 0.5
            pack(layer.operator, weight, kept)
    assert set(plan_tuning(module, lambda: module(x), QUICK).layers) == {"4"}
    kept = torch.ones_like(module[4].operator.right, dtype=torch.bool)
    kept[:3] = False
    pack(module[4].operator, "right", kept)
    with pytest.raises(UserError, match=r"are pruned, and other forms of them would be full.*Tune first, then prune"):
        plan_tuning(module, lambda: module(x), QUICK)


def test_blocks_of_another_matrix_are_refused(clock):
    clock("merged")
    module, x = structured(), torch.randn(5, 16, dtype=torch.float64)
    plan = plan_tuning(module, lambda: module(x), QUICK)
    other = structured()
    other[0] = structured_of(build().double()[0], Monarch(blocks=2, rank=2))
    with pytest.raises(UserError, match="only blocks on rectangles can be merged"):
        transfer_tuning(other, plan)
    assert all(isinstance(other[k], Structured) for k in (0, 2, 4))
