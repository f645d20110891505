"""Gas-phase mechanisms in torch: NASA7 thermodynamics, Arrhenius kinetics, read from a Cantera file."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.core.errors import UserError

GAS_CONSTANT = 8314.46261815324
"""R in J/(kmol K)."""

SMALLEST = 1e-9
"""Concentration (kmol/m³) below which a reaction of fractional order becomes one of first order."""

_COLDEST = 10.0  # K; trial states of an iteration may be colder, rate constants are not evaluated there


@dataclass(frozen=True, eq=False)
class Mechanism:
    """Species and reactions of an ideal gas; every amount is SI with kmol.

        cp/R = a1 + a2 T + a3 T² + a4 T³ + a5 T⁴,   h/R = ∫ cp/R dT + a6,   s/R = ∫ cp/(R T) dT + a7
        q_j = kf_j Π_k [X_k]^n_kj - kr_j Π_k [X_k]^ν''_kj,   kf = A T^b exp(-E / R T)
        kr = kf / Kc,   ln Kc = -ΔG°/(R T) + Σ_k ν_kj ln(p° / R T)

    Orders n_kj may be fractional and may differ from the stoichiometry ν'. X^n has an infinite slope at zero for n < 1,
    so [X]^n stands for X (X + ε)^(n - 1) with X clipped to X >= 0 and ε = `SMALLEST`: exact for n = 1, relative
    deviation |n - 1| ε / X. Outside of [coldest, hottest], where the polynomials mean nothing, cp is constant.

    Fields:
        species, elements: names.
        composition: atoms of each element in each species.
        weights: molar masses W_k in kg/kmol.
        thermo: a1 … a7 below and above the temperatures `middle`.
        coldest, hottest: range in K that all polynomials cover.
        pressure: p° in Pa.
        reactants, products: stoichiometric coefficients ν', ν''.
        orders: n_kj, equal to ν' where the file says nothing else.
        ln_a, exponent, activation: ln A (units by the order), b, E in J/kmol.
        reversible: which reactions also run backward.
    """

    species: tuple[str, ...]
    elements: tuple[str, ...]
    composition: Float[Tensor, "element species"]
    weights: Float[Tensor, " species"]
    thermo: Float[Tensor, "2 species 7"]
    middle: Float[Tensor, " species"]
    coldest: float
    hottest: float
    pressure: float
    reactants: Float[Tensor, "reaction species"]
    products: Float[Tensor, "reaction species"]
    orders: Float[Tensor, "reaction species"]
    ln_a: Float[Tensor, " reaction"]
    exponent: Float[Tensor, " reaction"]
    activation: Float[Tensor, " reaction"]
    reversible: Bool[Tensor, " reaction"]

    @classmethod
    def load(cls, source: str | Path) -> "Mechanism":
        """Read a mechanism as Cantera does.

        Arguments:
            source: a YAML file, or the name of one that Cantera brings along.

        Raises: UserError for a file that is missing, that Cantera cannot read, or that holds something which is not
            modelled here: another equation of state or thermodynamics than ideal gas with NASA7, a rate that is not
            Arrhenius, third bodies, falloff, rates that are not positive.
        """
        import cantera

        if not Path(source).is_file() and not _delivered(cantera, str(source)):
            raise UserError(
                "the mechanism file is missing", got=str(source),
                fix="Give the path of a YAML mechanism, or the name of one of Cantera's own, such as gri30.yaml.",
            )  # fmt: skip
        try:
            gas = cantera.Solution(str(source), transport_model=None)
        except cantera.CanteraError as error:
            words = [line.strip(" |*>") for line in str(error).splitlines()]
            raise UserError(
                f"Cantera cannot read the mechanism {source}", got=" ".join(filter(None, words))[:600]
            ) from None
        return _translate(gas, str(source))

    def on(self, device: torch.device) -> "Mechanism":
        """The same mechanism on a device; itself if it is there already."""
        if self.weights.device == device:
            return self
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: v.to(device) for name, v in tensors.items() if isinstance(v, Tensor)})

    def index(self, species: str) -> int:
        """Number of a species. Raises UserError for one that is not there."""
        if species not in self.species:
            raise UserError("the mechanism has no such species", got=species, expected=", ".join(self.species))
        return self.species.index(species)

    def shares(self, amounts: dict[str, float]) -> Float[Tensor, " species"]:
        """Mass fractions from masses by name, in any unit."""
        masses = self.weights.new_zeros(len(self.species))
        for name, amount in amounts.items():
            masses[self.index(name)] = amount
        return masses / masses.sum()

    def heat_and_enthalpy(
        self, temperature: Float[Tensor, " row"]
    ) -> tuple[Float[Tensor, "row species"], Float[Tensor, "row species"]]:
        """Molar cp in J/(kmol K) and molar h in J/kmol, the heat of formation included."""
        cp, h = self._thermo(temperature)[:2]
        return GAS_CONSTANT * cp, GAS_CONSTANT * h

    def entropy(self, temperature: Float[Tensor, " row"]) -> Float[Tensor, "row species"]:
        """Molar entropy at p° in J/(kmol K)."""
        return GAS_CONSTANT * self._thermo(temperature, entropy=True)[2]

    def forward_constants(
        self,
        temperature: Float[Tensor, " row"],
        ln_a: Float[Tensor, "row reaction"] | None = None,
        activation: Float[Tensor, "row reaction"] | None = None,
    ) -> Float[Tensor, "row reaction"]:
        """ln kf, with other ln A and E (J/kmol) where they are given."""
        t = temperature.clamp_min(_COLDEST)[:, None]
        a, e = self.ln_a if ln_a is None else ln_a, self.activation if activation is None else activation
        return a + self.exponent * t.log() - e / (GAS_CONSTANT * t)

    def equilibrium_constants(self, temperature: Float[Tensor, " row"]) -> Float[Tensor, "row reversible"]:
        """ln Kc of the reversible reactions, in concentrations."""
        t = temperature.clamp_min(_COLDEST)
        _, h, s = self._thermo(t, entropy=True)
        net = (self.products - self.reactants)[self._back]
        molecules = net.sum(1)
        return (s - h / t[:, None]) @ net.T + molecules * (self.pressure / (GAS_CONSTANT * t)).log()[:, None]

    def progress(
        self,
        temperature: Float[Tensor, " row"],
        concentrations: Float[Tensor, "row species"],
        ln_a: Float[Tensor, "row reaction"] | None = None,
        activation: Float[Tensor, "row reaction"] | None = None,
    ) -> Float[Tensor, "row step"]:
        """Rates in kmol/(m³ s) of all reactions forward, followed by those of the reversible ones backward."""
        x = concentrations.clamp_min(0.0)
        logs = (x + SMALLEST).log()
        forward = self.forward_constants(temperature, ln_a, activation)
        rates = self._forward.apply(forward, x, logs)
        if not len(self._back):
            return rates
        backward = forward[:, self._back] - self.equilibrium_constants(temperature)
        return torch.cat((rates, self._backward.apply(backward, x, logs)), dim=1)

    @cached_property
    def steps(self) -> Float[Tensor, "step species"]:
        """Molecules made of each species by each rate of `progress`."""
        net = self.products - self.reactants
        return torch.cat((net, -net[self._back]))

    @cached_property
    def _back(self) -> Int[Tensor, " reversible"]:
        return self.reversible.nonzero().flatten()

    @cached_property
    def _forward(self) -> "_Powers":
        return _powers(self.orders)

    @cached_property
    def _backward(self) -> "_Powers":
        return _powers(self.products[self._back])

    @cached_property
    def _basis(self) -> Float[Tensor, "6 column"]:
        return _integrals(self.thermo)

    def _thermo(
        self, temperature: Float[Tensor, " row"], *, entropy: bool = False
    ) -> tuple[Float[Tensor, "row species"], ...]:
        """cp/R, h/R and, if asked for, s/R."""
        t = temperature.clamp(self.coldest, self.hottest)
        square = t * t
        fourth = square * square
        basis = torch.stack((torch.ones_like(t), t, square, square * t, fourth, fourth * t), dim=1)
        kinds, species = 3 if entropy else 2, len(self.middle)
        both = (basis @ self._basis[:, : 2 * kinds * species]).view(len(t), kinds, 2, species)
        below, above = both.unbind(2)
        cold = t[:, None] <= self.middle
        branch = torch.where(cold[:, None], below, above)
        cp, h = branch[:, 0], torch.addcmul(branch[:, 1], branch[:, 0], (temperature - t)[:, None])
        if not entropy:
            return cp, h
        a1 = torch.where(cold, self.thermo[0, :, 0], self.thermo[1, :, 0])
        ratio = (temperature.clamp_min(_COLDEST) / t).log()
        return cp, h, branch[:, 2] + a1 * t.log()[:, None] + cp * ratio[:, None]


@dataclass(frozen=True)
class _Powers:
    """Π_k X_k (X_k + ε)^(n_k - 1) over the species with n_k ≠ 0, for every reaction.

    Fields:
        excess: n_k - 1, zero for species that do not matter.
        factors: one row per factor: number of the species of every reaction; one more than there are for none.
    """

    excess: Float[Tensor, "reaction species"]
    factors: Int[Tensor, "factor reaction"]

    def apply(
        self, constants: Float[Tensor, "row reaction"], x: Float[Tensor, "row species"], logs: Tensor
    ) -> Float[Tensor, "row reaction"]:
        """exp(constants) Π_k [X_k]^n_k."""
        rates = torch.exp(constants + logs @ self.excess.T)
        padded = torch.cat((x, torch.ones_like(x[:, :1])), dim=1)
        for factor in self.factors:
            rates = rates * padded[:, factor]
        return rates


def _powers(orders: Float[Tensor, "reaction species"]) -> _Powers:
    matter = orders != 0
    most = int(matter.sum(1).max()) if len(orders) else 0
    none = orders.shape[1]
    rows = [row.nonzero().flatten().tolist() for row in matter]
    factors = [[row[i] if i < len(row) else none for row in rows] for i in range(most)]
    numbers = torch.tensor(factors, dtype=torch.long, device=orders.device).reshape(most, len(orders))
    return _Powers(torch.where(matter, orders - 1, 0.0), numbers)


def _integrals(thermo: Float[Tensor, "2 species 7"]) -> Float[Tensor, "6 column"]:
    """Coefficients of 1, T, … T⁵; columns are cp/R, h/R, s/R - a1 ln T, in each species below, then above."""
    a = thermo.flatten(0, 1).T
    zero = torch.zeros_like(a[0])
    cp = torch.stack((*a[:5], zero))
    h = torch.stack((a[5], a[0], a[1] / 2, a[2] / 3, a[3] / 4, a[4] / 5))
    s = torch.stack((a[6], a[1], a[2] / 2, a[3] / 3, a[4] / 4, zero))
    return torch.cat((cp, h, s), dim=1)


def _delivered(cantera: Any, name: str) -> bool:
    return any((Path(folder) / name).is_file() for folder in cantera.get_data_directories())


def _translate(gas: Any, source: str) -> Mechanism:
    """The mechanism of a `cantera.Solution`, or a UserError that names what is not modelled."""
    if gas.thermo_model != "ideal-gas":
        raise _refused(source, f"the equation of state {gas.thermo_model}", "ideal-gas")
    for species in gas.species():
        if species.input_data["thermo"]["model"] != "NASA7" or len(species.thermo.coeffs) != 15:
            raise _refused(source, f"thermodynamics of {species.name}", "NASA7 polynomials on two ranges")
    for number, reaction in enumerate(gas.reactions(), start=1):
        _check_reaction(source, number, reaction)
    polynomials = [species.thermo for species in gas.species()]
    coefficients = torch.tensor([p.coeffs.tolist() for p in polynomials], dtype=torch.float64)
    pressures = {p.reference_pressure for p in polynomials}
    if len(pressures) > 1:
        raise _refused(source, f"reference pressures {sorted(pressures)}", "one for all species")
    reactions = gas.reactions()
    reactants = _table([r.reactants for r in reactions], gas.species_names)
    changed = _table([{**r.reactants, **r.orders} for r in reactions], gas.species_names)
    rates = [r.rate for r in reactions]
    atoms = [[gas.n_atoms(k, e) for k in gas.species_names] for e in gas.element_names]
    return Mechanism(
        species=tuple(gas.species_names),
        elements=tuple(gas.element_names),
        composition=torch.tensor(atoms, dtype=torch.float64).reshape(len(atoms), len(gas.species_names)),
        weights=_column(gas.molecular_weights.tolist()),
        thermo=torch.stack((coefficients[:, 8:15], coefficients[:, 1:8])),
        middle=coefficients[:, 0].contiguous(),
        coldest=max(p.min_temp for p in polynomials),
        hottest=min(p.max_temp for p in polynomials),
        pressure=pressures.pop(),
        reactants=reactants,
        products=_table([r.products for r in reactions], gas.species_names),
        orders=changed,
        ln_a=_column([r.pre_exponential_factor for r in rates]).log(),
        exponent=_column([r.temperature_exponent for r in rates]),
        activation=_column([r.activation_energy for r in rates]),
        reversible=torch.tensor([bool(r.reversible) for r in reactions], dtype=torch.bool),
    )


def _check_reaction(source: str, number: int, reaction: Any) -> None:
    name = f"reaction {number} ({reaction.equation})"
    if reaction.third_body is not None or reaction.rate.type != "Arrhenius":
        kind = reaction.reaction_type
        raise _refused(source, f"{name} of type {kind}", "elementary Arrhenius rates without third bodies")
    if not reaction.rate.pre_exponential_factor > 0:
        raise _refused(source, f"{name} with A = {reaction.rate.pre_exponential_factor}", "A > 0")


def _refused(source: str, got: str, expected: str) -> UserError:
    return UserError(
        f"the mechanism {source} holds what is not modelled here", got=got, expected=expected,
        fix="Take a global mechanism of one or two steps, or integrate this one with Cantera.",
    )  # fmt: skip


def _table(rows: Sequence[dict[str, float]], species: Sequence[str]) -> Float[Tensor, "reaction species"]:
    values = [[row.get(name, 0.0) for name in species] for row in rows]
    return torch.tensor(values, dtype=torch.float64).reshape(len(rows), len(species))


def _column(values: Sequence[float]) -> Float[Tensor, " reaction"]:
    return torch.tensor(values, dtype=torch.float64)
