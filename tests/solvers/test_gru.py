"""The recurrent baseline: what it may see, and that it learns."""

import dataclasses

import pytest
import torch

from sciml.core.capabilities import HasTrajectories
from sciml.core.problem import Field
from sciml.data import Statistics
from sciml.solvers.baselines import GRUConfig, GRUSolver
from sciml.tasks.series import SeriesBatch, SeriesContext
from sciml.train import count_parameters, match_parameters

PROBLEM = HasTrajectories(
    name="plane",
    title="plane",
    equation="",
    fields=(Field("a", "a", "1", "a"), Field("b", "b", "1", "b")),
    boundary={},
    citation="",
)
SOLVER = GRUSolver()


def waves(count=64, times=24, seed=0, observed=0.4, horizon=16, dt=0.5):
    """Oscillations of different phases, seen at some of the first `horizon` times."""
    generator = torch.Generator().manual_seed(seed)
    phase = 6.28 * torch.rand(count, 1, generator=generator)
    t = dt * torch.arange(times)
    targets = 3 + 2 * torch.stack((torch.sin(t + phase), torch.cos(t + phase)), dim=2)
    mask = torch.rand(count, times, generator=generator) < observed
    mask[:, horizon:] = False
    mask[:, 0] = True
    return SeriesBatch(t, torch.where(mask[:, :, None], targets, 0.0), mask, targets, torch.zeros(count, 0))


def build(batch, **model):
    torch.manual_seed(0)
    flat = batch.targets.flatten(0, 1)
    statistics = Statistics(flat.mean(0), flat.std(0), torch.zeros(0), torch.ones(0))
    context = SeriesContext(statistics=statistics, times=batch.times, dt=float(batch.times[1]))
    module = SOLVER.build(PROBLEM, GRUConfig(**model), context)

    class Examples:
        def batch(self, indices, generator):
            return batch.rows(slice(int(indices[0]), int(indices[-1]) + 1))

        def __len__(self):
            return len(batch)

    SOLVER.initialise(module, Examples())
    return module


def predict(module, batch):
    return SOLVER.predict(module, batch.inputs()).mean


@pytest.fixture(params=[False, True], ids=["forward", "look_ahead"])
def look_ahead(request):
    return request.param


def test_it_answers_at_every_time_in_physical_units(look_ahead):
    batch = waves(count=5)
    prediction = SOLVER.predict(build(batch, look_ahead=look_ahead), batch.inputs())
    assert prediction.mean.shape == batch.targets.shape
    assert prediction.mean.dtype == torch.float32
    assert prediction.status.tolist() == [0] * 5
    assert (prediction.mean.mean() - 3).abs() < 2, "an untrained network stays near the mean of the data"


def test_values_that_were_not_seen_do_not_matter(look_ahead):
    batch = waves(count=5)
    module = build(batch, look_ahead=look_ahead)
    other = torch.where(batch.mask[:, :, None], batch.values, torch.nan)
    spoiled = dataclasses.replace(batch, values=other, targets=torch.zeros_like(batch.targets))
    assert torch.equal(predict(module, spoiled), predict(module, batch))


def test_values_that_were_seen_do_matter(look_ahead):
    batch = waves(count=5)
    module = build(batch, look_ahead=look_ahead)
    moved = dataclasses.replace(batch, values=batch.values + batch.mask[:, :, None])
    assert ((predict(module, moved) - predict(module, batch)).abs().amax((1, 2)) > 1e-3).all()


def test_rows_are_independent(look_ahead):
    batch = waves(count=5)
    module = build(batch, look_ahead=look_ahead)
    torch.testing.assert_close(predict(module, batch.rows(slice(2, 3))), predict(module, batch)[2:3])


def test_without_looking_ahead_later_observations_change_nothing_before_them():
    batch = waves(count=5)
    earlier = dataclasses.replace(batch, mask=batch.mask & (torch.arange(24) < 8))
    for look_ahead, same in ((False, True), (True, False)):
        module = build(batch, look_ahead=look_ahead)
        a, b = predict(module, batch), predict(module, earlier)
        assert torch.equal(a[:, :8], b[:, :8]) is same
        assert not torch.equal(a[:, 16:], b[:, 16:])


def test_the_unit_of_time_does_not_matter(look_ahead):
    batch = waves(count=5)
    slow = dataclasses.replace(batch, times=1000 * batch.times)
    a, b = predict(build(batch, look_ahead=look_ahead), batch), predict(build(slow, look_ahead=look_ahead), slow)
    torch.testing.assert_close(a, b)


def test_asking_for_later_times_leaves_the_first_answers_alone(look_ahead):
    batch = waves(count=5)
    module = build(batch, look_ahead=look_ahead)
    cut = {name: getattr(batch, name)[:, :18] for name in ("values", "mask", "targets")}
    short = dataclasses.replace(batch, times=batch.times[:18], **cut)
    torch.testing.assert_close(predict(module, short), predict(module, batch)[:, :18])


def test_gradients_are_finite(look_ahead):
    batch = waves(count=5)
    module = build(batch, look_ahead=look_ahead)
    SOLVER.loss(module, batch).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


def test_its_knob_sets_its_size():
    batch = waves(count=2)
    statistics = Statistics(torch.zeros(2), torch.ones(2), torch.zeros(0), torch.ones(0))
    context = SeriesContext(statistics=statistics, times=batch.times, dt=0.5)
    model = match_parameters(SOLVER, PROBLEM, GRUConfig(), context, 60_000)
    assert abs(count_parameters(build(batch, **model.model_dump())) - 60_000) < 2000


def test_it_learns_to_complete_and_to_continue_a_wave():
    """Trained on other phases it beats the mean of the data everywhere, also beyond the last observation."""
    batch, test = waves(count=64, times=16, horizon=11), waves(count=64, times=16, horizon=11, seed=1)
    module = build(batch)
    optimiser = torch.optim.Adam(module.parameters(), lr=2e-2)
    for _ in range(60):
        optimiser.zero_grad()
        SOLVER.loss(module, batch).backward()
        optimiser.step()
    error = (predict(module, test) - test.targets) / test.targets.std()
    assert error[:, :11].square().mean().sqrt() < 0.25
    assert error[:, 11:].square().mean().sqrt() < 0.4
