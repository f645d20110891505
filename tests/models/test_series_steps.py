"""Networks of series step at moments of their own: what is asked beside a time does not change its answer."""

import pytest
import torch

from sciml.core.errors import UserError
from sciml.models import GRUSeries, LatentODE

STEP = 0.5
TIMES = STEP * torch.arange(7)
GRU = {"hidden": 5, "width": 4}
LATENT = {"latent": 3, "units": 4, "recognition": 4, "gates": 4, "posterior": 4}


def gru(**settings):
    torch.manual_seed(0)
    return GRUSeries(2, **GRU, **settings).eval()


def latent(**settings):
    torch.manual_seed(0)
    return LatentODE(2, **LATENT, **settings).eval()


def answer(network, times, values, mask):
    with torch.no_grad():
        if isinstance(network, GRUSeries):
            return network(times, values, mask)
        return network.encode(times, values, mask)[0]


def observed(times, *, at):
    """Two series: one observed at the times `at`, the other at the first and third of TIMES."""
    generator = torch.Generator().manual_seed(1)
    drawn = {float(t): torch.randn(2, 2, generator=generator) for t in sorted({*at, 0.0, 2 * STEP})}
    values, mask = torch.zeros(2, len(times), 2), torch.zeros(2, len(times), dtype=torch.bool)
    for i, t in enumerate(times.tolist()):
        mask[0, i], mask[1, i] = t in at, t in (0.0, 2 * STEP)
        values[:, i] = drawn.get(t, torch.zeros(2, 2))
    return values, mask


@pytest.mark.parametrize("make", [gru, latent])
def test_an_answer_depends_on_observations_and_not_on_what_else_is_asked(make):
    network, seen = make(step=STEP), [0.0, 0.7, 1.5]
    few = torch.tensor([0.0, 0.7, 1.0, 1.5, 2.2])
    many = torch.tensor([0.0, 0.1, 0.5, 0.7, 0.9, 1.0, 1.3, 1.5, 2.0, 2.2])
    first = answer(network, few, *observed(few, at=seen))
    second = answer(network, many, *observed(many, at=seen))
    if isinstance(network, GRUSeries):
        second = second[:, torch.isin(many, few)]
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("make", [gru, latent])
def test_where_another_series_was_observed_does_not_matter(make):
    network = make(step=STEP)
    times = torch.tensor([0.0, 0.7, 1.0, 1.5])
    values, mask = observed(times, at=[0.0, 0.7])
    together = answer(network, times, values, mask)[1:]
    kept = torch.tensor([0, 2, 3])
    alone = answer(network, times[kept], values[1:, kept], mask[1:, kept])
    torch.testing.assert_close(together[:, kept] if isinstance(network, GRUSeries) else together, alone)


@pytest.mark.parametrize("make", [gru, latent])
def test_at_its_own_moments_it_steps_as_it_does_at_given_times(make):
    values, mask = observed(TIMES, at=[0.0, 1.5])
    given, own = answer(make(), TIMES, values, mask), answer(make(step=STEP), TIMES, values, mask)
    assert torch.equal(given, own)


@pytest.mark.parametrize("make", [gru, latent])
def test_a_span_of_too_many_steps_is_refused(make):
    times = torch.tensor([0.0, 1e9])
    with pytest.raises(UserError, match="too many steps"):
        answer(make(step=STEP), times, torch.zeros(1, 2, 2), torch.tensor([[True, False]]))
