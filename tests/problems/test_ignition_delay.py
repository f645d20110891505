"""Ignition delays: mixtures balance, delays fall as they must, and rows that took long are kept."""

import math

import pytest
import torch

from sciml.core import registry
from sciml.data import RowsCard, read_card, row_splits

PROBLEM = registry.problem("ignition_delay")
MIDDLE = {"temperature": 1400.0, "pressure": 5e5, "equivalence_ratio": 1.0, "dilution": 0.0, "hydrogen": 0.0}


def evaluated(**changes):
    values = {name: torch.tensor([value], dtype=torch.float64) for name, value in (MIDDLE | changes).items()}
    return PROBLEM.evaluate(values)[0].tolist()


def test_delays_fall_with_temperature_pressure_and_hydrogen_and_rise_with_dilution():
    delay, burnt = evaluated()
    assert -5 < delay < -3
    assert 3000 < burnt < 4500
    assert evaluated(temperature=1500.0)[0] < delay < evaluated(temperature=1300.0)[0]
    assert evaluated(pressure=1e6)[0] < delay
    assert evaluated(hydrogen=0.4)[0] < delay
    diluted = evaluated(dilution=0.4)
    assert diluted[0] > delay
    assert diluted[1] < burnt


def test_the_activation_energy_is_that_of_methane():
    """Slope of ln τ over 1/T between 1300 and 1500 K: 40 to 60 kcal/mol, as shock tubes give for methane."""
    low, high = evaluated(temperature=1300.0)[0], evaluated(temperature=1500.0)[0]
    kcal = 1.987e-3 * (low - high) * math.log(10) / (1 / 1300 - 1 / 1500)
    assert 40 < kcal < 60


def test_what_means_nothing_gives_nothing():
    assert all(map(math.isnan, evaluated(pressure=-1.0)))
    assert all(map(math.isnan, evaluated(dilution=1.0)))


def test_rows_are_computed_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path))
    card = read_card(PROBLEM).table("tiny", RowsCard)
    small = card.model_copy(update={"samples": card.samples.model_copy(update={"train": 3, "valid": 2, "test": 2})})
    first = row_splits(PROBLEM, small)
    assert [len(rows.targets) for rows in first.values()] == [3, 2, 2]
    monkeypatch.setattr(type(PROBLEM), "evaluate", lambda self, params: pytest.fail("it was computed again"))
    for name, rows in row_splits(PROBLEM, small).items():
        assert torch.equal(rows.targets, first[name].targets)
        assert torch.equal(rows.parameters, first[name].parameters)
