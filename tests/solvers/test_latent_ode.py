"""The latent ODE: what it sees of a series, what it ignores, its bound."""

import pytest
import torch

from sciml.models import IntegrateConfig, LatentODE, RegulariseConfig
from sciml.nn import GatedUnit
from sciml.solvers.neural_ode import LatentODESolver
from sciml.tasks.series import Observed, SeriesBatch
from sciml.train import count_parameters

TIMES = torch.linspace(0, 3, 12, dtype=torch.float64)


def model(seed=0, **settings):
    torch.manual_seed(seed)
    settings = {"latent": 4, "units": 8, "recognition": 6, "gates": 8, "posterior": 8} | settings
    units = {"mean": torch.full((3,), 0.5), "std": torch.full((3,), 2.0)}
    return LatentODE(3, **units, **settings).double()


def batch(count=5, seed=2):
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randn(count, len(TIMES), 3, dtype=torch.float64, generator=generator)
    mask = torch.rand(count, len(TIMES), generator=generator) < 0.4
    mask[:, 3] = True
    mask[:, 9:] = False
    return SeriesBatch(TIMES, torch.where(mask[..., None], targets, 0.0), mask, targets, torch.zeros(count, 0).double())


@pytest.mark.parametrize("reads", ["times", "observations"])
def test_values_where_nothing_was_seen_do_not_matter(reads):
    module, rows = model(reads=reads), batch()
    plain = module.encode(TIMES, rows.values, rows.mask)
    noise = 1e3 * torch.randn(rows.values.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for other in (noise, torch.full_like(noise, torch.nan)):
        changed = torch.where(rows.mask[..., None], rows.values, other)
        assert all(torch.equal(a, b) for a, b in zip(module.encode(TIMES, changed, rows.mask), plain, strict=True))
    seen = rows.values + rows.mask[..., None] * 1e-3
    assert not torch.equal(module.encode(TIMES, seen, rows.mask)[0], plain[0])


@pytest.mark.parametrize("reads", ["times", "observations"])
def test_every_series_is_read_for_itself(reads):
    module, rows = model(reads=reads), batch()
    solver = LatentODESolver()
    together = solver.predict(module, rows.inputs()).mean
    for i in range(len(rows)):
        alone = solver.predict(module, rows.rows(slice(i, i + 1)).inputs()).mean
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-10, atol=1e-10)


def test_times_without_any_observation_can_be_left_out():
    module, rows = model(reads="observations"), batch()
    kept = rows.mask.any(0)
    kept[0] = True
    fewer = module.encode(TIMES[kept], rows.values[:, kept], rows.mask[:, kept])
    assert all(torch.equal(a, b) for a, b in zip(fewer, module.encode(TIMES, rows.values, rows.mask), strict=True))


def test_gaps_between_observations_are_seen():
    module, rows = model(), batch()
    assert not torch.equal(
        module.encode(TIMES, rows.values, rows.mask)[0], module.encode(TIMES**1.2, rows.values, rows.mask)[0]
    )
    shifted = module.encode(TIMES + 7, rows.values, rows.mask)[0]
    torch.testing.assert_close(shifted, module.encode(TIMES, rows.values, rows.mask)[0])


@pytest.mark.parametrize("reads", ["times", "observations"])
def test_when_a_series_was_first_seen_matters(reads):
    """Equal values and gaps, the second series 5 s later, both asked for from t = 0: z(0) differs."""
    module, times = model(reads=reads), torch.arange(12, dtype=torch.float64)
    pattern = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    values, mask = torch.zeros(2, 12, 3, dtype=torch.float64), torch.zeros(2, 12, dtype=torch.bool)
    for row, first in enumerate((0, 5)):
        values[row, first : first + 4], mask[row, first : first + 4] = pattern, True
    seen = module.encode(times, values, mask)[0].detach()
    assert float((seen[0] - seen[1]).abs().max()) > 1e-3


@pytest.mark.parametrize("reads", ["times", "observations"])
def test_times_asked_for_in_between_change_nothing(reads):
    """A time at which nothing was seen is put between any two: the values at the old times stay."""
    module = model(reads=reads, step=3 / 11, integrate=IntegrateConfig(rtol=1e-9, atol=1e-9))
    rows, solver = batch(), LatentODESolver()
    more = torch.cat((TIMES, (TIMES[1:] + TIMES[:-1]) / 2)).sort().values
    old = torch.searchsorted(more, TIMES)
    values, mask = rows.values.new_zeros(5, len(more), 3), torch.zeros(5, len(more), dtype=torch.bool)
    values[:, old], mask[:, old] = rows.values, rows.mask
    asked = Observed(more, values, mask, rows.parameters)
    plain = solver.predict(module, rows.inputs()).mean
    torch.testing.assert_close(solver.predict(module, asked).mean[:, old], plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("reads", ["times", "observations"])
def test_later_times_do_not_change_earlier_predictions(reads):
    module, rows = model(reads=reads, integrate=IntegrateConfig(rtol=1e-9, atol=1e-9)), batch()
    solver, whole = LatentODESolver(), batch().inputs()
    shorter = Observed(TIMES[:9], rows.values[:, :9], rows.mask[:, :9], rows.parameters)
    torch.testing.assert_close(
        solver.predict(module, whole).mean[:, :9], solver.predict(module, shorter).mean, rtol=1e-6, atol=1e-6
    )


def test_the_bound_by_hand():
    module, rows, solver = model(sigma=0.2, kl_delay=0.0, kl_rate=2.0), batch(), LatentODESolver()
    torch.manual_seed(9)
    loss = float(solver.loss(module, rows, 0.5).detach())
    torch.manual_seed(9)
    mean, log_variance = module.encode(TIMES, rows.values, rows.mask)
    latent = torch.distributions.Normal(mean, (log_variance / 2).exp())
    noise = torch.randn_like(mean)
    series, _ = module(mean + latent.stddev * noise, TIMES)
    likelihood = torch.distributions.Normal(series, 0.2)
    log_p = likelihood.log_prob((rows.targets - 0.5) / 2.0) - likelihood.log_prob(series)
    prior = torch.distributions.kl_divergence(latent, torch.distributions.Normal(0.0, 1.0)).sum(1)
    weight = 1 - torch.exp(torch.tensor(-1.0))
    bound = -(log_p.sum((1, 2)) - weight * prior).mean() / 36
    assert loss == pytest.approx(float(bound.detach()), rel=1e-6)


def test_the_prior_comes_in_gradually():
    module = model(kl_delay=0.1, kl_rate=3.0)
    weights = [module.prior_weight(i / 10) for i in range(11)]
    assert weights[:2] == [0.0, 0.0]
    assert weights == sorted(weights)
    assert 0.9 < weights[-1] < 1
    published = LatentODESolver().recipe("paper").model
    paper = model(kl_delay=published.kl_delay, kl_rate=published.kl_rate)
    assert paper.prior_weight(200 / 300) == pytest.approx(1 - 0.99**190, rel=1e-3)


def test_predictions_are_certain_and_in_physical_units():
    module, rows, solver = model(), batch(), LatentODESolver()
    state = torch.get_rng_state()
    first = solver.predict(module, rows.inputs())
    assert torch.equal(first.mean, solver.predict(module, rows.inputs()).mean)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.mean.shape == rows.targets.shape
    mean, _ = module.encode(TIMES, rows.values, rows.mask)
    torch.testing.assert_close(first.mean[:, 0], 2.0 * module.decode(mean).detach() + 0.5)
    assert set(first.stats) == {"evaluations", "calls"}


def test_the_rate_is_measured_before_training():
    class Examples:
        def __len__(self):
            return 5

        def batch(self, indices, generator):
            return batch()

    module, solver = model(), LatentODESolver()
    assert float(module.rate) == 1.0
    solver.initialise(module, Examples())
    slopes = ((batch().targets - 0.5) / 2.0).diff(dim=1) / TIMES.diff()[:, None]
    assert float(module.rate) == pytest.approx(float(slopes.square().mean().sqrt()))
    fixed = model(rate=3.0)
    solver.initialise(fixed, Examples())
    assert float(fixed.rate) == 3.0


def test_the_published_sizes():
    """Recognition 2·50 + 39 inputs for 37 channels, 100-50-40, four blocks 20-50-20, an affine decoder to 37."""
    names = ("latent", "units", "blocks", "bounded", "recognition", "gates", "posterior", "decoder")
    published = LatentODESolver().recipe("paper").model
    with torch.device("meta"):
        module = LatentODE(37, **{name: getattr(published, name) for name in names})
    unit = 2 * (139 * 40 + 40 + 40 * 50 + 50) + 139 * 40 + 40 + 40 * 100 + 100
    middle = 100 * 50 + 50 + 50 * 40 + 40
    dynamics = 4 * (20 * 50 + 50 + 50 * 20 + 20)
    assert count_parameters(module) == unit + middle + dynamics + 20 * 37 + 37


def test_a_unit_keeps_its_state_where_nothing_was_seen():
    torch.manual_seed(0)
    unit = GatedUnit(3, 2, width=4)
    state, x = torch.randn(4, 6), torch.randn(4, 2)
    seen = torch.tensor([True, False, True, False])
    after = unit(state, x, seen)
    assert torch.equal(after[~seen], state[~seen])
    assert not torch.equal(after[seen], state[seen])
    both = torch.cat((state, x), 1)
    update, reset = (torch.sigmoid(gate(both)) for gate in unit.gates)
    mean, spread = state.chunk(2, dim=1)
    new = unit.candidate(torch.cat((reset * mean, reset * spread, x), 1))
    expected = torch.cat(((1 - update) * new[:, :3] + update * mean, (1 - update) * new[:, 3:] + update * spread), 1)
    torch.testing.assert_close(after[seen], expected[seen])


def test_half_precision_stays_near():
    module, rows, losses = model(), batch(), []
    module, single = module.float(), {name: v.float() for name, v in vars(rows).items() if name != "mask"}
    rows = SeriesBatch(**single, mask=rows.mask)
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = LatentODESolver().loss(module, rows)
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


@pytest.mark.parametrize("kind", ["er", "sr", "local", "steer", "rnode"])
def test_latent_dynamics_can_be_regularised(kind):
    module, rows = model(regularise=RegulariseConfig(kind=kind)), batch()
    loss = LatentODESolver().loss(module, rows, 0.0)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
