import json

import numpy as np
import pytest
import torch

from sciml.data import (
    Moments,
    Statistics,
    compute_statistics,
    generate,
    load_statistics,
    make_layout,
    open_dataset,
    save_statistics,
)


def test_statistics_are_those_of_the_training_split(dataset):
    train, statistics = dataset.split("train"), dataset.statistics
    states = train.states.double().transpose(1, 2).flatten(2)
    torch.testing.assert_close(statistics.field_mean, states.mean((0, 2)).float())
    torch.testing.assert_close(statistics.field_std, states.transpose(0, 1).flatten(1).std(1, correction=0).float())
    torch.testing.assert_close(statistics.parameter_mean, train.parameters.mean(0))
    torch.testing.assert_close(statistics.parameter_std, train.parameters.std(0, correction=0))
    standard = (train.states - statistics.field_mean[:, None, None]) / statistics.field_std[:, None, None]
    torch.testing.assert_close(standard * statistics.field_std[:, None, None] + statistics.field_mean[:, None, None],
                               train.states, rtol=1e-6, atol=1e-6)  # fmt: skip


def test_other_splits_do_not_enter(copied, toy):
    layout = make_layout(toy, "tiny")
    for name in ("valid", "test"):
        for piece in layout.pieces(name):
            layout.path(piece).unlink()
    again = compute_statistics(layout)
    assert all(torch.equal(value, getattr(again, name)) for name, value in vars(copied.statistics).items())


def test_failed_trajectories_do_not_enter(failing, empty_home):
    opened = generate(failing, "tiny")
    train = opened.split("train")
    good = train.states[train.good]
    assert good.isfinite().all()
    torch.testing.assert_close(opened.statistics.field_mean, good.mean((0, 1, 3, 4)))
    torch.testing.assert_close(opened.statistics.parameter_mean, train.parameters[train.good].mean(0))


def test_a_constant_has_standard_deviation_one(variant, empty_home):
    problem = variant("constant_advection", {"0.2, 0.8": "0.3, 0.3"})
    statistics = generate(problem, "tiny").statistics
    assert statistics.parameter_mean.tolist() == [pytest.approx(0.3)]
    assert statistics.parameter_std.tolist() == [1.0]


def test_merging_blocks_keeps_the_digits():
    values = 1e6 + np.random.default_rng(0).normal(size=10_000)
    moments = Moments()
    for block in np.array_split(values, [3, 17, 5000]):
        moments.add(block)
    assert moments.mean == pytest.approx(values.mean(), rel=1e-14)
    assert moments.std == pytest.approx(values.std(), rel=1e-9)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "[]",
        "{}",
        "not json",
        '{"digest": "other"}',
        b"\xff\xfe",
        "zero std",
        "nan mean",
        "huge mean",
        "nested",
        "other digest",
    ],
)
def test_lost_or_damaged_statistics_are_computed_anew(copied, toy, content):
    path, layout = copied.folder / "statistics.json", make_layout(toy, "tiny")
    before = path.read_bytes()
    table = json.loads(before)
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "zero std":
        table["fields"]["a"]["std"] = 0.0
        path.write_text(json.dumps(table))
    elif content == "nested":
        path.write_text("[" * 100_000)
    elif content in ("nan mean", "huge mean"):
        table["fields"]["a"]["mean"] = float("nan") if content == "nan mean" else 10**400
        path.write_text(json.dumps(table))
    elif content == "other digest":
        path.write_text(json.dumps(table | {"digest": "0" * 64}))
    else:
        path.write_text(content)
    assert load_statistics(layout) is None
    open_dataset(toy, "tiny")
    assert path.read_bytes() == before


def test_statistics_survive_a_round_trip(copied, toy):
    layout = make_layout(toy, "tiny")
    odd = Statistics(torch.tensor([0.1, -1e-30]), torch.tensor([3e38, 2e-38]), torch.tensor([7.0]), torch.tensor([1.0]))
    save_statistics(layout, odd)
    again = load_statistics(layout)
    assert again is not None
    assert all(torch.equal(value, getattr(again, name)) for name, value in vars(odd).items())
