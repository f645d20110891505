"""Pressure records of the combustor: transducer, interpolation, labels, the dataset they are cut from."""

import importlib

import pytest
import torch

from sciml.core import registry
from sciml.core.errors import DataError, UserError
from sciml.data import read_card
from sciml.tasks.sequences import SequencesCard, sequence_splits, sequence_times

PROBLEM, LATER = (registry.problem(name) for name in ("combustor_pressure", "combustor_pressure_forecast"))
reference = importlib.import_module("sciml_problems.combustor_pressure.reference")


def ramp(rows=3, frames=101):
    times = 1.5e-4 * torch.arange(frames, dtype=torch.float64)
    rise = 1e5 * torch.arange(1, rows + 1, dtype=torch.float64)[:, None] * (1 + times / 1.5e-2)
    return reference.Traces(times, rise, torch.arange(rows) % 2 == 0)


@pytest.fixture
def ramps(monkeypatch):
    """Records that rise linearly, in place of the combustor's."""
    monkeypatch.setattr(reference, "traces", lambda count: ramp(count))


def test_records_are_those_of_the_stored_times_and_linear_between():
    stored = ramp()
    assert torch.equal(reference.record(stored, stored.times), stored.pressure)
    between = torch.tensor([0.2e-4, 1.111e-3, 1.499e-2], dtype=torch.float64)
    torch.testing.assert_close(reference.record(stored, between)[0], 1e5 * (1 + between / 1.5e-2))
    with pytest.raises(UserError, match=r"0 to 0.015 s"):
        reference.record(stored, torch.tensor([0.0, 0.0151], dtype=torch.float64))


def test_a_forecast_is_the_record_later(ramps):
    times = sequence_times(read_card(LATER).table("tiny", SequencesCard))
    signals, targets = LATER.collection(times, 4)
    torch.testing.assert_close(targets[:, :-3], signals[:, 3:])
    assert LATER.forecasts == ("pressure",)


@pytest.mark.parametrize("problem", [PROBLEM, LATER], ids=lambda problem: problem.name)
def test_no_case_is_in_two_splits_and_all_presets_fit_the_records(problem, ramps):
    for preset in problem.presets:
        card = read_card(problem).table(preset, SequencesCard)
        splits = sequence_splits(problem, card)
        starts = torch.cat([split.signals[:, 0, 0] for split in splits.values()])
        assert len(starts.unique()) == len(starts) == sum(card.samples.model_dump().values())


def test_the_smallest_dataset_that_has_enough_cases_is_taken():
    source = registry.problem("combustor_ignition")
    assert [reference.preset_for(source, count) for count in (56, 57, 200, 201)] == ["tiny", "small", "small", "paper"]
    with pytest.raises(DataError, match="so many cases"):
        reference.preset_for(source, 5000)


@pytest.mark.slow
def test_pressure_foretells_ignition():
    """The rise after the pulse is higher where the chamber ignites; the cold pressure is the one that was set."""
    stored = PROBLEM.traces(56)
    assert stored.pressure.shape == (56, 101)
    assert 0.25 < float(stored.ignited.double().mean()) < 0.75
    cold = stored.pressure[:, :6].mean(1)
    assert 1.45e5 < float(cold.min()) < float(cold.max()) < 2.55e5
    late = stored.pressure.amax(1) / cold
    assert float(late[stored.ignited].min()) > 2 > float(late[~stored.ignited].max())
    rise = stored.pressure[:, 14:17].mean(1) / cold
    assert float(rise[stored.ignited].median()) > float(rise[~stored.ignited].median())
