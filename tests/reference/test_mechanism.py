"""Mechanisms against Cantera: thermodynamics, rate constants, rates; what is refused."""

from pathlib import Path

import cantera
import numpy as np
import pytest
import torch

from sciml.core.errors import UserError
from sciml.reference import GAS_CONSTANT, Mechanism

FOLDER = Path(__file__).parent / "mechanisms"
NAMES = ("one_step", "two_step")
TEMPERATURES = np.array([300.0, 500.0, 999.9, 1000.0, 1000.1, 1500.0, 2200.0, 3000.0])


@pytest.fixture(scope="module", params=NAMES)
def both(request):
    """Ours and Cantera's reading of the same file."""
    path = FOLDER / f"{request.param}.yaml"
    return Mechanism.load(path), cantera.Solution(str(path), transport_model=None)


def test_thermodynamics(both):
    ours, gas = both
    t = torch.from_numpy(TEMPERATURES)
    cp, h = ours.heat_and_enthalpy(t)
    s = ours.entropy(t)
    for row, temperature in enumerate(TEMPERATURES):
        gas.TP = temperature, gas.reference_pressure
        np.testing.assert_allclose(cp[row], gas.standard_cp_R * GAS_CONSTANT, rtol=1e-6)
        np.testing.assert_allclose(h[row], gas.standard_enthalpies_RT * GAS_CONSTANT * temperature, rtol=1e-6)
        np.testing.assert_allclose(s[row], gas.standard_entropies_R * GAS_CONSTANT, rtol=1e-6)
    assert ours.species == tuple(gas.species_names)
    np.testing.assert_allclose(ours.weights, gas.molecular_weights, rtol=1e-12)


def test_the_heat_of_combustion_of_methane(both):
    ours = both[0]
    h = ours.heat_and_enthalpy(torch.tensor([298.15], dtype=torch.float64))[1][0] / 1e6
    at = ours.index
    assert float(h[at("CO2")] + 2 * h[at("H2O")] - h[at("CH4")] - 2 * h[at("O2")]) == pytest.approx(-802.56, abs=0.3)


def test_heat_capacity_is_the_slope_of_enthalpy_everywhere(both):
    """Also in the constant continuation below and above the polynomials."""
    ours = both[0]
    t = torch.tensor([100.0, 250.0, 800.0, 1200.0, 3400.0, 4200.0], dtype=torch.float64, requires_grad=True)
    cp, h = ours.heat_and_enthalpy(t)
    for k in range(len(ours.species)):
        (slope,) = torch.autograd.grad(h[:, k].sum(), t, retain_graph=True)
        torch.testing.assert_close(slope, cp[:, k], rtol=1e-9, atol=0)
    (slope,) = torch.autograd.grad(ours.entropy(t)[:, 0].sum(), t)
    torch.testing.assert_close(slope, cp[:, 0] / t, rtol=1e-9, atol=0)
    for k, hottest in enumerate(ours.hottest):
        if hottest < 4200.0:
            assert torch.equal(cp[-1, k], ours.heat_and_enthalpy(hottest[None])[0][0, k])


def test_rates(both):
    """Forward and reverse constants and net production at mixtures of everything."""
    ours, gas = both
    draw = np.random.default_rng(0)
    for temperature in TEMPERATURES:
        shares = draw.dirichlet(np.ones(len(ours.species)))
        gas.TPY = temperature, 3e5, shares
        t = torch.tensor([temperature], dtype=torch.float64)
        x = torch.from_numpy(gas.concentrations.copy())[None]
        forward = ours.forward_constants(t)[0].exp()
        np.testing.assert_allclose(forward, gas.forward_rate_constants, rtol=1e-9)
        back = ours.reversible.nonzero().flatten()
        reverse = (forward[back].log() - ours.equilibrium_constants(t)[0]).exp()
        np.testing.assert_allclose(reverse, gas.reverse_rate_constants[back.numpy()], rtol=1e-6)
        rates = (ours.progress(t, x) @ ours.steps)[0]
        scale = np.abs(gas.net_production_rates).max()
        np.testing.assert_allclose(rates, gas.net_production_rates, rtol=1e-5, atol=1e-9 * scale)


def test_elements_and_mass_are_conserved_by_every_step(both):
    ours = both[0]
    assert (ours.steps @ ours.composition.T).abs().max() < 1e-12
    assert (ours.steps @ ours.weights).abs().max() < 1e-10


def test_fractional_orders_at_and_below_zero():
    """Rates vanish with what is consumed, with a finite slope; negative concentrations count as none."""
    ours = Mechanism.load(FOLDER / "one_step.yaml")
    t = torch.full((4,), 2500.0, dtype=torch.float64)
    x = torch.tensor([[1e-2, 0.0], [0.0, 1e-2], [1e-2, -1e-3], [1e-2, 1e-12]], dtype=torch.float64)
    x = torch.cat((x, torch.zeros(4, 2, dtype=torch.float64)), dim=1).requires_grad_()
    rate = ours.progress(t, x)[:, 0]
    assert rate[:3].tolist() == [0.0, 0.0, 0.0]
    assert rate[3] > 0
    (slope,) = torch.autograd.grad(rate.sum(), x)
    assert slope.isfinite().all()
    assert slope[2, 1] == 0


def test_other_constants_for_every_row():
    ours = Mechanism.load(FOLDER / "two_step.yaml")
    t, x = torch.full((2,), 1500.0).double(), torch.full((2, 6), 1e-3).double()
    ln_a = ours.ln_a + torch.tensor([[0.0, 0.0], [0.7, 0.0]], dtype=torch.float64)
    energy = ours.activation + torch.tensor([[0.0, 0.0], [0.0, 1e6]], dtype=torch.float64)
    rates = ours.progress(t, x, ln_a, energy)
    torch.testing.assert_close(rates[0], ours.progress(t, x)[0])
    factor = np.exp([0.7, -1e6 / (GAS_CONSTANT * 1500.0)])
    np.testing.assert_allclose(rates[1, :2] / rates[0, :2], factor, rtol=1e-12)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.yaml", "missing"),
        ("water.yaml", "equation of state"),
        ("airNASA9.yaml", "NASA7"),
    ],
)
def test_what_is_refused(source, words):
    with pytest.raises(UserError, match=words):
        Mechanism.load(source)


def test_a_broken_file_is_cantera_s_error_in_our_words(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text((FOLDER / "one_step.yaml").read_text().replace("CH4 + 2 O2", "CH4 + 3 O2"), encoding="utf-8")
    with pytest.raises(UserError, match="cannot read the mechanism") as caught:
        Mechanism.load(broken)
    assert "balance" in str(caught.value)
    broken.write_text("not: [yaml", encoding="utf-8")
    with pytest.raises(UserError, match="cannot read the mechanism"):
        Mechanism.load(broken)


def test_an_unknown_species_is_named():
    ours = Mechanism.load(FOLDER / "one_step.yaml")
    with pytest.raises(UserError, match="CH4, O2"):
        ours.shares({"CH5": 1.0})
