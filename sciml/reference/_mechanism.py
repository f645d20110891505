"""Gas-phase mechanisms in torch: NASA7 thermodynamics and mass-action kinetics, read from a Cantera file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.core.errors import UserError
from sciml.reference._cantera_file import read_solution, tables_of
from sciml.reference._rates import Powers, ThirdBodies, moved, powers_of

GAS_CONSTANT = 8314.46261815324
"""R in J/(kmol K)."""

_COLDEST = 10.0  # K; trial states of an iteration may be colder, rate constants are not evaluated there


@dataclass(frozen=True, eq=False)
class Mechanism:
    """Species and reactions of an ideal gas; every amount is SI with kmol.

        cp/R = a1 + a2 T + a3 T² + a4 T³ + a5 T⁴,   h/R = ∫ cp/R dT + a6,   s/R = ∫ cp/(R T) dT + a7
        q_j = f_j (kf_j Π_k [X_k]^n_kj - kr_j Π_k [X_k]^ν''_kj),   kf = A T^b exp(-E / R T)
        kr = kf / Kc,   ln Kc = -ΔG°/(R T) + Σ_k ν_kj ln(p° / R T)

    f is 1 for elementary reactions, [M] = Σ_k α_k [X_k] for those with a third body, and the falloff of `ThirdBodies`
    for those that depend on pressure, whose kf is that of high pressure. Orders n_kj may be fractional and may differ
    from the stoichiometry ν'. [X]^n is exact for whole n, with X clipped to X >= 0; for n < 1, whose slope at zero is
    infinite, it is X (X + ε)^(n - 1) with ε = 1e-15 kmol/m³. Outside of its own [coldest, hottest], where its
    polynomials mean nothing, cp of a species is constant.

    Fields:
        species, elements: names.
        composition: atoms of each element in each species.
        weights: molar masses W_k in kg/kmol.
        thermo: a1 … a7 below and above the temperatures `middle`.
        coldest, hottest: range in K that the polynomials of each species cover.
        pressure: p° in Pa.
        reactants, products: stoichiometric coefficients ν', ν''.
        orders: n_kj, equal to ν' where the file says nothing else.
        ln_a, exponent, activation: ln |A| (units by the order), b, E in J/kmol.
        sign: of A, which is negative in some sums of duplicates; None where none is.
        reversible: which reactions also run backward.
        bodies: third bodies and falloff; None where there are none.
    """

    species: tuple[str, ...]
    elements: tuple[str, ...]
    composition: Float[Tensor, "element species"]
    weights: Float[Tensor, " species"]
    thermo: Float[Tensor, "2 species 7"]
    middle: Float[Tensor, " species"]
    coldest: Float[Tensor, " species"]
    hottest: Float[Tensor, " species"]
    pressure: float
    reactants: Float[Tensor, "reaction species"]
    products: Float[Tensor, "reaction species"]
    orders: Float[Tensor, "reaction species"]
    ln_a: Float[Tensor, " reaction"]
    exponent: Float[Tensor, " reaction"]
    activation: Float[Tensor, " reaction"]
    reversible: Bool[Tensor, " reaction"]
    sign: Float[Tensor, " reaction"] | None = None
    bodies: ThirdBodies | None = None

    @classmethod
    def load(cls, source: str | Path, *, phase: str | None = None) -> Mechanism:
        """Read a mechanism as Cantera does.

        Arguments:
            source: a YAML file, or the name of one that Cantera brings along, such as ``gri30.yaml``.
            phase: its name, where the file has several; None for the first, which must then stand alone or beside
                other gases.

        Raises: UserError for a file that is missing, that Cantera cannot read, or that holds something which is not
            modelled here, by name: another equation of state or thermodynamics than ideal gas with NASA7, surfaces, and
            rates of other forms than Arrhenius, third body and falloff by Lindemann or Troe (PLOG, Chebyshev, SRI).
        """
        return cls(**tables_of(read_solution(str(source), phase), str(source)))

    def on(self, device: torch.device) -> Mechanism:
        """The same mechanism on a device; itself if it is there already."""
        return self if self.weights.device == device else moved(self, device)

    def index(self, species: str) -> int:
        """Number of a species. Raises UserError for one that is not there."""
        if species not in self.species:
            raise UserError("the mechanism has no such species", got=species, expected=", ".join(self.species))
        return self.species.index(species)

    def shares(self, amounts: dict[str, float]) -> Float[Tensor, " species"]:
        """Mass fractions from masses by name, in any unit. Raises UserError where they are negative or nothing."""
        return self._shares(amounts, torch.ones_like(self.weights))

    def shares_of_moles(self, amounts: dict[str, float]) -> Float[Tensor, " species"]:
        """Mass fractions from moles by name, in any unit. Raises UserError where they are negative or nothing."""
        return self._shares(amounts, self.weights)

    def _shares(self, amounts: dict[str, float], weights: Float[Tensor, " species"]) -> Float[Tensor, " species"]:
        masses = self.weights.new_zeros(len(self.species))
        for name, amount in amounts.items():
            masses[self.index(name)] = amount
        masses = masses * weights
        if not (bool(masses.isfinite().all()) and bool((masses >= 0).all()) and float(masses.sum()) > 0):
            raise UserError("these amounts are no mixture", got=amounts,
                            expected="amounts of zero or more, not all of them zero")  # fmt: skip
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
        constants = self.forward_constants(temperature, ln_a, activation)
        forward, backward, back = self._forward.apply(constants, x), None, self._back
        if len(back):
            backward = self._backward.apply(constants[:, back] - self.equilibrium_constants(temperature), x)
        if self.bodies is not None:
            t = temperature.clamp_min(_COLDEST)[:, None]
            factors = self.bodies.factors(t, 1 / (GAS_CONSTANT * t), constants, x)
            forward = forward * factors
            backward = backward if backward is None else backward * factors[:, back]
        if self.sign is not None:
            forward = forward * self.sign
            backward = backward if backward is None else backward * self.sign[back]
        return forward if backward is None else torch.cat((forward, backward), dim=1)

    def production(
        self, temperature: Float[Tensor, " row"], concentrations: Float[Tensor, "row species"]
    ) -> Float[Tensor, "row species"]:
        """Net rates of production in kmol/(m³ s)."""
        return self.progress(temperature, concentrations) @ self.steps

    @cached_property
    def steps(self) -> Float[Tensor, "step species"]:
        """Molecules made of each species by each rate of `progress`."""
        net = self.products - self.reactants
        return torch.cat((net, -net[self._back]))

    @cached_property
    def _back(self) -> Int[Tensor, " reversible"]:
        return self.reversible.nonzero().flatten()

    @cached_property
    def _forward(self) -> Powers:
        return powers_of(self.orders)

    @cached_property
    def _backward(self) -> Powers:
        return powers_of(self.products[self._back])

    @cached_property
    def _polynomials(self) -> Float[Tensor, "2 species 16"]:
        """Coefficients below and above: five of cp/R, six of h/R, and five of s/R - a1 ln T, by powers of T."""
        a = self.thermo.unbind(2)
        heat, enthalpy = a[:5], (a[5], a[0], a[1] / 2, a[2] / 3, a[3] / 4, a[4] / 5)
        return torch.stack((*heat, *enthalpy, a[6], a[1], a[2] / 2, a[3] / 3, a[4] / 4), dim=2)

    @cached_property
    def _columns(self) -> Int[Tensor, " species"]:
        return torch.arange(len(self.middle), device=self.middle.device)

    def _thermo(
        self, temperature: Float[Tensor, " row"], *, entropy: bool = False
    ) -> tuple[Float[Tensor, "row species"], ...]:
        """cp/R, h/R and, if asked for, s/R: in the range of each species, and continued with constant cp."""
        whole = temperature[:, None]
        t = whole.clamp(self.coldest, self.hottest)
        chosen = self._polynomials[(t > self.middle).long(), self._columns].unbind(-1)
        cp = _polynomial(chosen[:5], t)
        h = torch.addcmul(_polynomial(chosen[5:11], t), cp, whole - t)
        if not entropy:
            return cp, h
        s = torch.addcmul(_polynomial(chosen[11:], t), chosen[0], t.log())
        return cp, h, torch.addcmul(s, cp, (whole.clamp_min(_COLDEST) / t).log())


def _polynomial(
    coefficients: tuple[Float[Tensor, "row species"], ...], t: Float[Tensor, "row species"]
) -> Float[Tensor, "row species"]:
    """By Horner's rule, the constant first."""
    *others, value = coefficients
    for coefficient in reversed(others):
        value = torch.addcmul(coefficient, value, t)
    return value
