"""A hundred ignitions of hydrogen and air by detailed chemistry, as a CSV: every surrogate by one command each."""

import csv
import sys

import numpy as np
import pytest

import sciml
from sciml.core.errors import UnsupportedError
from sciml.study import make_request, run

pytestmark = pytest.mark.slow

TIMES = np.linspace(0.0, 400.0, 41)
MODEL = '''"""Hydrogen and air in a closed vessel by one reaction, whose rate depends on the case."""
from dataclasses import dataclass
from pathlib import Path

import torch

from sciml.core.capabilities import HasReducedModel, Uncertain
from sciml.core.recorded import Recorded
from sciml.reference import Mechanism, StirredReactor

GAS = Mechanism.load(Path(__file__).with_name("one_step.yaml"))
VESSEL = StirredReactor(GAS, volume=1e-3)
SEEN = [GAS.index(name) for name in ("H2", "O2", "H2O")]


@dataclass(frozen=True, kw_only=True)
class Vessel(Recorded, HasReducedModel):
    uncertain: tuple[Uncertain, ...] = (Uncertain(name="ln_a", kind="coefficient", bound=6.0),)

    def closures(self):
        return {"ln_a": lambda params: GAS.ln_a.to(params["phi"]).expand(len(params["phi"]), -1)}

    def dynamics(self, time, state, params, closures):
        return 1e-6 * VESSEL.slope(time, state, torch.zeros_like(params["phi"]), closures["ln_a"](params))

    def encode(self, fields, params):
        shares = torch.zeros(len(fields), len(GAS.species), dtype=fields.dtype)
        shares[:, SEEN] = fields[:, 1:]
        shares[:, GAS.index("N2")] = 1 - shares.sum(1)
        return VESSEL.encode(fields[:, 0], torch.full_like(fields[:, 0], 101325.0), shares)

    def decode(self, state, params):
        temperature, _, shares = VESSEL.decode(state)
        return torch.cat((temperature[..., None], shares[..., SEEN]), dim=-1)


PROBLEM = Vessel.beside(__file__, title="Hydrogen and air", solver="pnode")
'''
ONE_STEP = """phases:
- name: gas
  thermo: ideal-gas
  elements: [H, O, N]
  species: [{h2o2.yaml/species: [H2, O2, H2O, N2]}]
  kinetics: gas
reactions:
- equation: 2 H2 + O2 <=> 2 H2O
  rate-constant: {A: 1.0e+19, b: 0.0, Ea: 30000.0}
units: {length: cm, quantity: mol, activation-energy: cal/mol}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """100 cases by Cantera, 41 times each."""
    import cantera

    path = tmp_path_factory.mktemp("ignition") / "cases.csv"
    gas, generator = cantera.Solution("h2o2.yaml"), np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "T0 (K)", "phi", "t (us)", "T (K)", "Y_H2", "Y_O2", "Y_H2O"])
        for case in range(100):
            start, phi = generator.uniform(1000, 1200), generator.uniform(0.5, 1.5)
            gas.set_equivalence_ratio(phi, "H2", "O2:1, N2:3.76")
            gas.TP = start, cantera.one_atm
            reactor = cantera.IdealGasReactor(gas, clone=False)
            network = cantera.ReactorNet([reactor])
            for time in TIMES:
                if time:
                    network.advance(1e-6 * time)
                shares = [float(reactor.phase[name].Y[0]) for name in ("H2", "O2", "H2O")]
                writer.writerow([case, start, phi, time, reactor.T, *shares])
    return path


@pytest.fixture(autouse=True, scope="module")
def _home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.mark.parametrize(
    ("solver", "most"),
    [("kernel_ridge", 0.08), ("gaussian_process", 0.05), ("boosted_trees", 0.06), ("mlp_regression", 0.08)],
)
def test_every_regression_has_a_page_and_a_program(solver, most, source, tmp_path):
    """Relative L2 error of whole trajectories; the mean trajectory of 80 cases has 0.18."""
    finished = sciml.run(data=source, solver=solver, out=tmp_path)
    assert finished.metrics["rollout/relative_l2"] < most
    assert (finished.folder / "report.html").stat().st_size > 20_000
    assert {entry.format: entry.state for entry in sciml.export(finished.folder)} == {"torch": "ok", "onnx": "ok"}


def test_a_reduced_model_of_one_file_is_trained_on_it(source, tmp_path):
    """From a guess that is far off to an error of less than a third of it; it integrates, so it is no program."""
    folder = tmp_path / "vessel"
    sciml.dataset(source, out=folder)
    (folder / "one_step.yaml").write_text(ONE_STEP)
    (folder / "__init__.py").write_text(MODEL)
    request = {"settings": ['baselines=["reduced_model","kernel_ridge"]'], "out": tmp_path / "runs"}
    finished = run(make_request(folder, request))
    guess = finished.record.baselines["reduced_model"].metrics["test"]["rollout/relative_l2"]
    assert finished.metrics["rollout/relative_l2"] < 0.33 * guess
    with pytest.raises(UnsupportedError, match="data-dependent steps"):
        sciml.export(finished.folder, problem=folder)
    sys.modules.pop("sciml_problems.vessel", None)
