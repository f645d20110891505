"""Every form of reaction that is accepted against Cantera: hot and cold, from 1 to 1e-12 kmol/m³, in batches."""

import math
from pathlib import Path

import cantera
import numpy as np
import pytest
import torch

from sciml import ode
from sciml.core.errors import UserError
from sciml.reference import GAS_CONSTANT, Gas, Inflow, Mechanism, Nozzle, StirredReactor

FOLDER = Path(__file__).parent / "mechanisms"
TEMPERATURES = (300.0, 500.0, 800.0, 1000.0, 1500.0, 2200.0, 3000.0)
DENSITIES = (1.0, 1e-3, 1e-6, 1e-9, 1e-12)

HEAD = """
units: {length: m, quantity: kmol, activation-energy: J/kmol}
phases:
- name: gas
  thermo: ideal-gas
  elements: [H, O, N]
  species: [{h2o2.yaml/species: [H2, H, O, O2, OH, H2O, HO2, H2O2, N2]}]
  kinetics: gas
reactions:
"""
FORMS = {
    "first_order": "- equation: H2O2 => 2 OH\n  rate-constant: {A: 2e14, b: -0.5, Ea: 2e8}",
    "reversible": "- equation: H2 + O <=> H + OH\n  rate-constant: {A: 38.7, b: 2.7, Ea: 2.6e7}",
    "second_order": "- equation: 2 HO2 => O2 + H2O2\n  rate-constant: {A: 1.3e8, b: 0, Ea: -6.8e6}",
    "third_order": "- equation: 2 H + H2O <=> H2 + H2O\n  type: elementary\n"
    "  rate-constant: {A: 6e13, b: -1.25, Ea: 0}",
    "order_one_and_a_half": "- equation: H2 + O2 => H2O2\n  rate-constant: {A: 1e9, b: 0, Ea: 1e8}\n"
    "  orders: {H2: 1.5, O2: 1}",
    "other_order": "- equation: H2 + O2 => H2O2\n  rate-constant: {A: 1e9, b: 0, Ea: 1e8}\n  orders: {H2: 2, O2: 1}",
    "third_body": "- equation: 2 O + M <=> O2 + M\n  type: three-body\n"
    "  rate-constant: {A: 1.2e11, b: -1, Ea: 0}\n  efficiencies: {H2: 2.4, H2O: 15.4, N2: 0}",
    "one_collider": "- equation: H + O2 + N2 <=> HO2 + N2\n  rate-constant: {A: 2.6e13, b: -1.24, Ea: 0}",
    "lindemann": "- equation: 2 OH (+M) <=> H2O2 (+M)\n  type: falloff\n"
    "  low-P-rate-constant: {A: 2.3e12, b: -0.9, Ea: -7.1e6}\n"
    "  high-P-rate-constant: {A: 7.4e10, b: -0.37, Ea: 0}\n  efficiencies: {H2: 2, H2O: 6}",
    "troe": "- equation: 2 OH (+M) <=> H2O2 (+M)\n  type: falloff\n"
    "  low-P-rate-constant: {A: 2.3e12, b: -0.9, Ea: -7.1e6}\n"
    "  high-P-rate-constant: {A: 7.4e10, b: -0.37, Ea: 0}\n"
    "  Troe: {A: 0.7346, T3: 94.0, T1: 1756.0, T2: 5182.0}",
    "troe_of_three": "- equation: 2 OH (+M) <=> H2O2 (+M)\n  type: falloff\n"
    "  low-P-rate-constant: {A: 2.3e12, b: -0.9, Ea: -7.1e6}\n"
    "  high-P-rate-constant: {A: 7.4e10, b: -0.37, Ea: 0}\n  Troe: {A: 0.5, T3: 100.0, T1: 1500.0}",
    "troe_of_one_collider": "- equation: 2 OH (+N2) <=> H2O2 (+N2)\n  type: falloff\n"
    "  low-P-rate-constant: {A: 2.3e12, b: -0.9, Ea: -7.1e6}\n"
    "  high-P-rate-constant: {A: 7.4e10, b: -0.37, Ea: 0}\n  Troe: {A: 1.0, T3: 0.0, T1: 1500.0}",
    "duplicates": "- equation: HO2 + OH <=> H2O + O2\n  rate-constant: {A: 1.45e10, b: 0, Ea: -2e6}\n"
    "  duplicate: true\n- equation: HO2 + OH <=> H2O + O2\n  rate-constant: {A: 5e12, b: 0, Ea: 7.2e7}\n"
    "  duplicate: true",
    "negative_factor": "- equation: HO2 + OH <=> H2O + O2\n  rate-constant: {A: 1.45e10, b: 0, Ea: 0}\n"
    "  duplicate: true\n- equation: HO2 + OH <=> H2O + O2\n  rate-constant: {A: -5e9, b: 0, Ea: 1e6}\n"
    "  duplicate: true\n  negative-A: true",
}


def written(folder, reactions):
    """A file of a mechanism with these reactions."""
    path = folder / "mechanism.yaml"
    path.write_text(HEAD + reactions + "\n", encoding="utf-8")
    return path


def draws(gas):
    """Temperatures and concentrations over all decades, and Cantera's state of each as it is visited."""
    draw = np.random.default_rng(0)
    for temperature in TEMPERATURES:
        for density in DENSITIES:
            gas.TDY = temperature, 1.0, draw.dirichlet(np.full(gas.n_species, 0.5))
            gas.TD = temperature, gas.density * density / gas.density_mole
            yield temperature, gas.concentrations.copy()


def compare(path, rtol=1e-9):
    """Rates of progress one by one, production, equilibrium and thermodynamics of a batch."""
    gas, ours = cantera.Solution(str(path), transport_model=None), Mechanism.load(path)
    back = ours.reversible.numpy()
    t, x, rates, production, constants, heat, enthalpy, entropy = [], [], [], [], [], [], [], []
    for temperature, concentrations in draws(gas):
        t.append(temperature)
        x.append(concentrations)
        rates.append(np.append(gas.forward_rates_of_progress, gas.reverse_rates_of_progress[back]))
        production.append(gas.net_production_rates)
        constants.append(np.log(gas.equilibrium_constants[back]))
        heat.append(gas.standard_cp_R * GAS_CONSTANT)
        enthalpy.append(gas.standard_enthalpies_RT * GAS_CONSTANT * temperature)
        entropy.append((gas.standard_entropies_R + math.log(gas.P / gas.reference_pressure)) * GAS_CONSTANT)
    temperature, concentrations = torch.tensor(t).double(), torch.from_numpy(np.array(x))
    found = ours.progress(temperature, concentrations).numpy()
    np.testing.assert_allclose(found, rates, rtol=rtol, atol=1e-290)
    scale = np.abs(rates).max(1, keepdims=True)
    made = ours.production(temperature, concentrations).numpy()
    assert (np.abs(made - production) <= 10 * rtol * scale + 1e-290).all()
    np.testing.assert_allclose(ours.equilibrium_constants(temperature), constants, atol=1e-9)
    cp, h = ours.heat_and_enthalpy(temperature)
    np.testing.assert_allclose(cp, heat, rtol=1e-9)
    np.testing.assert_allclose(h, enthalpy, rtol=1e-9, atol=1e-6 * GAS_CONSTANT)
    np.testing.assert_allclose(ours.entropy(temperature), entropy, rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_reaction(form, tmp_path):
    compare(written(tmp_path, FORMS[form]))


@pytest.mark.parametrize("name", ["gri30.yaml", "h2o2.yaml"])
def test_detailed_mechanisms(name):
    compare(name)


def test_orders_below_one_to_traces(tmp_path):
    """The smoothing near zero shows below 1e-9 kmol/m³ only: by (1 − n) ε/X with ε = 1e-15."""
    path = written(
        tmp_path, "- equation: H2 + O2 => H2O2\n  rate-constant: {A: 1e9, b: 0, Ea: 1e8}\n  orders: {H2: 0.3, O2: 0.5}"
    )
    gas, ours = cantera.Solution(str(path), transport_model=None), Mechanism.load(path)
    for temperature, x in draws(gas):
        if min(x[0], x[3]) < 1e-14:
            continue
        rate = float(ours.progress(torch.tensor([temperature]).double(), torch.from_numpy(x)[None]))
        share = 0.7e-15 / x[0] + 0.5e-15 / x[3]
        assert rate == pytest.approx(gas.forward_rates_of_progress[0], rel=1.01 * share + 1e-12)


def test_gradients_with_respect_to_temperature_and_concentrations(tmp_path):
    ours = Mechanism.load(written(tmp_path, "\n".join(FORMS[k] for k in ("reversible", "third_body", "troe"))))
    draw = torch.Generator().manual_seed(0)
    t = torch.tensor([400.0, 1000.1, 2500.0], dtype=torch.float64, requires_grad=True)
    x = torch.rand(3, len(ours.species), generator=draw, dtype=torch.float64).requires_grad_()
    scale = ours.production(t, x).detach().abs().amax(1, keepdim=True)
    assert torch.autograd.gradcheck(lambda t, x: ours.production(t, x) / scale, (t, x), eps=1e-5, rtol=1e-5)
    zero = torch.zeros_like(x).requires_grad_()
    slopes = torch.autograd.grad(ours.production(t, zero).sum(), (t, zero))
    assert all(slope.isfinite().all() for slope in slopes)


def integrate(ours, start, temperature, times, atol=1e-25):
    """Concentrations at `times` at constant temperature and volume."""
    t = torch.tensor([temperature], dtype=torch.float64)
    return ode.solve(
        lambda time, x: ours.production(t.expand(len(x)), x), start, times, method="rodas4", rtol=1e-8, atol=atol
    ).check().states[0]  # fmt: skip


def test_a_reaction_of_second_order_among_traces(tmp_path):
    """X = 1e-8 of HO2: one half is left after a half-life, 1/11 after ten."""
    k = 1.3e8
    path = written(tmp_path, "- equation: 2 HO2 => O2 + H2O2\n  rate-constant: {A: 1.3e8, b: 0, Ea: 0}")
    ours = Mechanism.load(path)
    start = torch.zeros(1, len(ours.species), dtype=torch.float64)
    start[0, ours.index("N2")] = 1e5 / (GAS_CONSTANT * 500.0)
    trace = 1e-8 * start[0, ours.index("N2")].item()
    start[0, ours.index("HO2")] = trace
    half = 1 / (2 * k * trace)
    left = integrate(ours, start, 500.0, torch.tensor([0.0, half, 10 * half]).double())[:, ours.index("HO2")] / trace
    np.testing.assert_allclose(left, [1.0, 1 / 2, 1 / 11], rtol=1e-6)


@pytest.mark.parametrize("temperature", [500.0, 550.0, 600.0])
def test_equilibrium_by_a_long_integration(temperature, tmp_path):
    """H2O2 <=> 2 OH from 1e-3 in nitrogen comes to [OH]² / [H2O2] = Kc, as Cantera has it."""
    path = written(tmp_path, FORMS["troe"])
    ours, gas = Mechanism.load(path), cantera.Solution(str(path), transport_model=None)
    gas.TPX = temperature, 1e5, "N2: 0.999, H2O2: 1e-3"
    kc = 1 / gas.equilibrium_constants[0]
    start = torch.from_numpy(gas.concentrations.copy())[None]
    whole = float(start[0, ours.index("H2O2")])
    x = integrate(ours, start, temperature, torch.tensor([0.0, 1e9]).double())[-1]
    oh = (math.sqrt(kc * kc + 16 * kc * whole) - kc) / 4
    assert float(x[ours.index("OH")]) == pytest.approx(oh, rel=1e-5)


ABSENT = """
units: {length: m, quantity: kmol, activation-energy: J/kmol}
phases:
- {name: gas, thermo: ideal-gas, elements: [O, N], species: [{gri30.yaml/species: [O2, N2]}, {species: [XE]}]}
species:
- name: XE
  composition: {N: 1}
  thermo:
    model: NASA7
    temperature-ranges: [LOW, 3000.0, HIGH]
    data: [[2.5, 0, 0, 0, 0, 0, 0], [2.5, 0, 0, 0, 0, 0, 0]]
"""


@pytest.mark.parametrize(("low", "high"), [("1200.0", "6000.0"), ("6500.0", "9000.0")])
def test_each_species_keeps_to_its_own_range(low, high, tmp_path):
    """O2 and N2 in a closed box of 0.1 l with 60 J: 964.2 K, whatever an absent species was fitted for."""
    path = tmp_path / "absent.yaml"
    text = ABSENT.replace("LOW", low).replace("HIGH", high).replace("3000.0", "7000.0" if low[0] == "6" else "3000.0")
    path.write_text(text, encoding="utf-8")
    ours = Mechanism.load(path)
    box = StirredReactor(ours, 1e-4)
    shares = ours.shares_of_moles({"O2": 0.21, "N2": 0.79})[None]
    start = box.encode(*(torch.tensor([v]).double() for v in (300.0, 1e5)), shares)
    power = torch.tensor([60.0]).double()
    end = ode.solve(
        lambda time, state: box.slope(time, state, power.expand(len(time))), start,
        torch.tensor([0.0, 1.0]).double(), method="rodas4", rtol=1e-8, atol=1e-12,
    ).check().states[0, -1, -1]  # fmt: skip
    gas = cantera.Solution("gri30.yaml", transport_model=None)
    gas.TPX = 300.0, 1e5, "O2: 0.21, N2: 0.79"
    gas.UV = gas.int_energy_mass + 60.0 / (gas.density * 1e-4), gas.volume_mass
    assert pytest.approx(964.2, abs=0.1) == gas.T
    assert float(end) == pytest.approx(gas.T, rel=1e-6)
    zones = Gas(ours)
    u, c = zones.heats(np.array([[500.0, 2000.0]]))
    molar = ours.heat_and_enthalpy(torch.tensor([500.0, 2000.0]).double())
    weights, t = ours.weights.numpy(), np.array([[500.0], [2000.0]])
    np.testing.assert_allclose(u[0], (molar[1].numpy() - GAS_CONSTANT * t) / weights, rtol=1e-12)
    np.testing.assert_allclose(c[0], (molar[0].numpy() - GAS_CONSTANT) / weights, rtol=1e-12)


REFUSED = {
    "PLOG": "- equation: H2 + O2 => H2O2\n  type: pressure-dependent-Arrhenius\n  rate-constants:\n"
    "  - {P: 1e4, A: 1e9, b: 0, Ea: 1e8}\n  - {P: 1e6, A: 2e9, b: 0, Ea: 1e8}",
    "Chebyshev": "- equation: H2 + O2 => H2O2\n  type: Chebyshev\n  temperature-range: [300.0, 3000.0]\n"
    "  pressure-range: [1e3, 1e7]\n  data: [[8.0, 0.1], [0.5, 0.2]]",
    "SRI": "- equation: 2 OH (+M) <=> H2O2 (+M)\n  type: falloff\n"
    "  low-P-rate-constant: {A: 2.3e12, b: -0.9, Ea: 0}\n  high-P-rate-constant: {A: 7.4e10, b: 0, Ea: 0}\n"
    "  SRI: {A: 0.5, B: 100.0, C: 1000.0}",
    "chemically-activated": "- equation: 2 OH (+M) <=> H2O2 (+M)\n  type: chemically-activated\n"
    "  low-P-rate-constant: {A: 2.3e12, b: -0.9, Ea: 0}\n  high-P-rate-constant: {A: 7.4e10, b: 0, Ea: 0}",
    "Blowers-Masel": "- equation: H2 + O <=> H + OH\n  type: Blowers-Masel\n"
    "  rate-constant: {A: 38.7, b: 2.7, Ea0: 2.6e7, w: 1e9}",
}  # fmt: skip


@pytest.mark.parametrize("form", REFUSED)
def test_forms_that_are_not_modelled_are_named(form, tmp_path):
    path = written(tmp_path, FORMS["reversible"] + "\n" + REFUSED[form])
    with pytest.raises(UserError, match=f"reaction 2 .* of type .*{form}"):
        Mechanism.load(path)


def test_a_surface_is_not_dropped_without_a_word():
    with pytest.raises(UserError, match="surface phase"):
        Mechanism.load("ptcombust.yaml")
    with pytest.raises(UserError, match="equation of state ideal-surface"):
        Mechanism.load("ptcombust.yaml", phase="Pt_surf")
    assert "CH4" in Mechanism.load("ptcombust.yaml", phase="gas").species


@pytest.mark.parametrize("amounts", [{}, {"O2": 0.0}, {"O2": 1.0, "CH4": -0.1}, {"O2": math.nan}])
def test_amounts_that_are_no_mixture(amounts):
    with pytest.raises(UserError, match="no mixture"):
        Mechanism.load(FOLDER / "one_step.yaml").shares(amounts)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda y: Inflow(-1e-3, 300.0, y), "rate = -0.001"),
        (lambda y: Inflow(1e-3, -5.0, y), "temperature = -5"),
        (lambda y: Inflow(1e-3, 0.0, y), "temperature = 0"),
        (lambda y: Nozzle(-1e-5, 0.9, 1e5), "area = -1e-05"),
        (lambda y: Nozzle(1e-5, 9.8, 1e5), "discharge = 9.8"),
        (lambda y: Nozzle(1e-5, 0.9, -1.0), "pressure = -1"),
    ],
)
def test_inflows_and_nozzles_that_cannot_be(make, words):
    with pytest.raises(UserError, match=words):
        make(Mechanism.load(FOLDER / "one_step.yaml").shares({"O2": 1.0}))
