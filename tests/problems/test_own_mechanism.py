"""A user's mechanism, hydrogen and air by `h2o2.yaml`, as a problem folder of 60 lines: delays of Cantera, batched."""

import cantera
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from sciml.cli import app
from sciml.core import registry

PROBLEM = '''"""Ignition delay of hydrogen and air in a closed vessel, by Cantera's mechanism of 29 reactions."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from sciml import ode
from sciml.core.capabilities import HasFormula
from sciml.core.problem import Field, Parameter
from sciml.reference import Mechanism, StirredReactor

GAS = Mechanism.load("h2o2.yaml")
VESSEL = StirredReactor(GAS, volume=1e-3)
RISE = 400.0  # K above the start: ignition
AIR = {"H2": 2.0, "O2": 1.0, "N2": 3.76}


@dataclass(frozen=True, kw_only=True)
class HydrogenAir(HasFormula):
    """Stoichiometric hydrogen and air at constant volume; all rows are integrated as one batch."""

    costly: ClassVar[bool] = True

    def evaluate(self, params):
        temperature, pressure = params["temperature"].double(), params["pressure"].double()
        shares = GAS.shares_of_moles(AIR).expand(len(temperature), -1)
        start = VESSEL.encode(temperature, pressure, shares)
        # the last component is the temperature at the start, which the event compares with
        state = torch.cat((start, temperature[:, None]), 1)
        solution = ode.solve(
            lambda time, y: torch.cat((VESSEL.slope(time, y[:, :-1], 0 * time), 0 * y[:, :1]), 1),
            state,
            torch.tensor([0.0, 1e3], dtype=torch.float64),
            method="rodas4",
            rtol=1e-4,
            atol=torch.tensor([1e-16] * len(GAS.species) + [1e-3, 1.0], dtype=torch.float64),
            event=ode.Event(lambda time, y: y[:, -2] - y[:, -1] - RISE, direction="rising"),
        )
        return solution.event.time.log10()[:, None]


PROBLEM = HydrogenAir(
    name="hydrogen_air",
    title="Ignition delay of hydrogen and air",
    equation="m c_v dT/dt = −V Σ W_k ω_k u_k,   τ: T = T₀ + 400 K",
    fields=(Field("log_delay", "lg τ", "1", "log10 of the ignition delay in seconds"),),
    parameters=(
        Parameter("temperature", "T₀", "K", "temperature before ignition", 900.0, 1500.0),
        Parameter("pressure", "p₀", "Pa", "pressure before ignition", 1e5, 2e6, "log"),
    ),
    boundary={},
    presets=("tiny",),
    metrics=("rmse_share",),
    solver="kernel_ridge_rows",
    citation="Cantera's h2o2.yaml, after GRI-Mech 3.0",
)
'''
CARD = """title = "Ignition delay of hydrogen and air"
description = "Drawn rows of temperature and pressure."
not_modelled = "Heat losses and walls."
licence = "CC0-1.0"
citation = "own"

[presets.tiny.regression]
samples = { train = 24, valid = 8, test = 8 }
seed = 0
"""


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "hydrogen_air"
    place.mkdir()
    (place / "__init__.py").write_text(PROBLEM, encoding="utf-8")
    (place / "dataset.toml").write_text(CARD, encoding="utf-8")
    (place / "README.md").write_text("# Hydrogen and air\n\nNot modelled: heat losses.\n", encoding="utf-8")
    return place


def by_cantera(temperature, pressure):
    gas = cantera.Solution("h2o2.yaml", transport_model=None)
    gas.TPX = temperature, pressure, "H2: 2, O2: 1, N2: 3.76"
    reactor = cantera.IdealGasReactor(gas, clone=True)
    network = cantera.ReactorNet([reactor])
    network.rtol, network.atol = 1e-9, 1e-18
    while temperature + 400.0 > reactor.T:
        before, reached = network.time, reactor.T
        network.step()
    return before + (temperature + 400.0 - reached) / (reactor.T - reached) * (network.time - before)


def test_the_delays_are_those_of_cantera(folder):
    """900 to 1500 K, 1 to 20 bar, in one batch: to a tenth of a percent."""
    assert len(PROBLEM.splitlines()) <= 60
    problem = registry.find_problem(folder)
    temperature = torch.linspace(900.0, 1500.0, 7, dtype=torch.float64).repeat(3)
    pressure = torch.tensor([1e5, 5e5, 2e6], dtype=torch.float64).repeat_interleave(7)
    delays = 10 ** problem.evaluate({"temperature": temperature, "pressure": pressure})[:, 0].numpy()
    right = [by_cantera(*row) for row in zip(temperature.tolist(), pressure.tolist(), strict=True)]
    np.testing.assert_allclose(delays, right, rtol=1e-3)
    assert min(right) < 1e-6 < 0.1 < max(right)


@pytest.mark.slow
def test_the_folder_keeps_the_contracts_and_is_learned(folder, tmp_path):
    checked = CliRunner().invoke(app, ["check", str(folder)])
    assert checked.exit_code == 0, checked.output
    ran = CliRunner().invoke(app, ["run", str(folder), "--out", str(tmp_path / "runs")])
    assert ran.exit_code == 0, ran.output
