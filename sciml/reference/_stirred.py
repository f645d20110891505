"""A stirred reactor: one volume of reacting ideal gas with inflows, a nozzle and a source of heat."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.reference._mechanism import GAS_CONSTANT, Mechanism

_LEAST = 1e-300  # what is to be above zero is no less than this
_SMALL_HEAD = 1e-8  # of the radicand below which the nozzle's flow becomes linear in the pressure difference


@dataclass(frozen=True)
class Inflow:
    """A stream into a reactor.

    Arguments:
        rate: mass flow in kg/s.
        temperature: in K.
        shares: mass fractions of all species of the mechanism.

    Raises: UserError for a negative mass flow and a temperature that is not above zero.
    """

    rate: float
    temperature: float
    shares: Float[Tensor, " species"]

    def __post_init__(self) -> None:
        _check("an inflow", "a mass flow in kg/s", rate=(self.rate, 0.0, math.inf))
        _check("an inflow", "a temperature in K", temperature=(self.temperature, _LEAST, math.inf))


@dataclass(frozen=True)
class Nozzle:
    """An isentropic nozzle from a chamber into surroundings at constant pressure.

        ṁ = C_d ρ A sqrt( 2 γ r_s T / (γ - 1) · (r^(2/γ) - r^((γ + 1)/γ)) ),   r = clip(p_out / p, r*, 1)
        r* = (2 / (γ + 1))^(γ / (γ - 1)),   r_s = R Σ Y_k / W_k

    With r = r* the formula is that of choked flow, and its derivative with respect to r is zero there, so that choked
    and unchoked flow meet smoothly. Nothing flows back: ṁ = 0 for p <= p_out. The infinite slope of ṁ at p = p_out is
    taken away: sqrt(x) stands for x / sqrt(x + 1e-8).

    Arguments:
        area: of the throat, in m².
        discharge: C_d, at most 1.
        pressure: p_out, in Pa.

    Raises: UserError for numbers that cannot be.
    """

    area: float
    discharge: float
    pressure: float

    def __post_init__(self) -> None:
        _check("a nozzle", "an area in m²", area=(self.area, 0.0, math.inf))
        _check("a nozzle", "a share of the isentropic flow", discharge=(self.discharge, 0.0, 1.0))
        _check("a nozzle", "a pressure in Pa", pressure=(self.pressure, 0.0, math.inf))

    def flow(
        self,
        density: Float[Tensor, " row"],
        temperature: Float[Tensor, " row"],
        pressure: Float[Tensor, " row"],
        gamma: Float[Tensor, " row"],
    ) -> Float[Tensor, " row"]:
        """Mass flow in kg/s of a gas of density ρ (kg/m³), T (K), p (Pa) and ratio of heat capacities γ."""
        critical = (2 / (gamma + 1)) ** (gamma / (gamma - 1))
        ratio = torch.maximum((self.pressure / pressure).clamp(0.0, 1.0), critical)
        expanded = ratio ** (1 / gamma)
        head = (expanded * (expanded - ratio)).clamp_min(0.0)
        speed = (2 * gamma / (gamma - 1) * pressure / density).clamp_min(0.0).sqrt()
        return self.discharge * self.area * density * speed * head / (head + _SMALL_HEAD).sqrt()


@dataclass(frozen=True, eq=False)
class StirredReactor:
    """Constant volume V, perfectly stirred, in conserved masses and temperature.

        dm_k/dt = Σ_in ṁ_in Y_k,in - ṁ_out Y_k + V W_k ω_k
        m c_v dT/dt = Q + Σ_in ṁ_in (h_in - Σ_k u_k Y_k,in) - (p V / m) ṁ_out - V Σ_k W_k ω_k u_k
        p = R T Σ_k m_k / W_k / V,   u_k = h_k / W_k - R T / W_k,   m = Σ_k m_k

    The state is (m_1 … m_K in kg, T in K), float64. `slope` fits `sciml.ode.solve` as it is, with heat and kinetics as
    `args`; the equation is stiff, so take an implicit method.

    Arguments:
        mechanism: thermodynamics and kinetics.
        volume: V in m³.
        inflows: what comes in.
        nozzle: where it leaves; a closed reactor without one.

    Raises: UserError for a volume that is not positive or shares that do not fit the mechanism or sum to one.

    Reference: Kee, Coltrin, Glarborg, Zhu, "Chemically Reacting Flow", chapter 16 (2018).
    """

    mechanism: Mechanism
    volume: float
    inflows: Sequence[Inflow] = ()
    nozzle: Nozzle | None = None
    _streams: "_Streams" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not (self.volume > 0 and math.isfinite(self.volume)):
            raise UserError("a reactor needs a volume", got=self.volume, expected="a positive number of m³")
        for inflow in self.inflows:
            fits = len(inflow.shares) == len(self.mechanism.species)
            if not fits or abs(float(inflow.shares.sum()) - 1) > 1e-9 or bool((inflow.shares < 0).any()):
                raise UserError(
                    "the mass fractions of an inflow do not fit the mechanism",
                    got=inflow.shares.tolist(),
                    expected=f"shares of {', '.join(self.mechanism.species)} that sum to one",
                )
        shares = [inflow.shares.to(self.mechanism.weights) for inflow in self.inflows]
        table = torch.stack(shares) if shares else self.mechanism.weights.new_zeros(0, len(self.mechanism.species))
        rates = table.new_tensor([float(inflow.rate) for inflow in self.inflows])
        degrees = table.new_tensor([float(inflow.temperature) for inflow in self.inflows])
        molar = self.mechanism.heat_and_enthalpy(degrees)[1]
        object.__setattr__(self, "_streams", _Streams(rates, table, (table * molar / self.mechanism.weights).sum(1)))

    def slope(
        self,
        time: Float[Tensor, " row"],
        state: Float[Tensor, "row component"],
        heat: Float[Tensor, " row"],
        ln_a: Float[Tensor, "row reaction"] | None = None,
        activation: Float[Tensor, "row reaction"] | None = None,
        rates: Float[Tensor, "row inflow"] | None = None,
    ) -> Float[Tensor, "row component"]:
        """d(state)/dt.

        Arguments:
            time: not looked at.
            state: masses and temperature.
            heat: Q in W.
            ln_a, activation: ln A and E (J/kmol) instead of the mechanism's.
            rates: mass flows of the inflows in kg/s instead of the fixed ones.
        """
        gas, streams = self.mechanism.on(state.device), self._streams.on(state.device)
        masses, temperature = state[:, :-1], state[:, -1]
        mass, moles = masses.sum(1), masses / gas.weights
        total = moles.sum(1)
        work = GAS_CONSTANT * temperature * total  # p V
        cp, h = gas.heat_and_enthalpy(temperature)
        capacity = ((cp - GAS_CONSTANT) * moles).sum(1)  # m c_v
        energy = (h - GAS_CONSTANT * temperature[:, None]) / gas.weights
        steps = gas.progress(temperature, moles / self.volume, ln_a, activation)
        change = self.volume * (steps @ (gas.steps * gas.weights))
        power = heat
        if len(self.inflows):
            arriving = (streams.rates if rates is None else rates) @ torch.cat(
                (streams.shares, streams.enthalpy[:, None]), dim=1
            )
            change, power = change + arriving[..., :-1], power + arriving[..., -1]
        power = power - (change * energy).sum(1)
        if self.nozzle is not None:
            gamma = 1 + GAS_CONSTANT * total / capacity
            leaving = self.nozzle.flow(mass / self.volume, temperature, work / self.volume, gamma) / mass
            change, power = change - leaving[:, None] * masses, power - work * leaving
        return torch.cat((change, (power / capacity)[:, None]), dim=1)

    def mass_flow_out(self, state: Float[Tensor, "*batch component"]) -> Float[Tensor, "*batch"]:
        """What leaves through the nozzle, in kg/s."""
        flat = state.reshape(-1, state.shape[-1])
        if self.nozzle is None:
            return torch.zeros_like(state[..., -1])
        gas = self.mechanism.on(state.device)
        moles, temperature = flat[:, :-1] / gas.weights, flat[:, -1]
        capacity = ((gas.heat_and_enthalpy(temperature)[0] - GAS_CONSTANT) * moles).sum(1)
        gamma = 1 + GAS_CONSTANT * moles.sum(1) / capacity
        density = flat[:, :-1].sum(1) / self.volume
        return self.nozzle.flow(density, temperature, self.pressure(flat), gamma).reshape(state.shape[:-1])

    def pressure(self, state: Float[Tensor, "*batch component"]) -> Float[Tensor, "*batch"]:
        """p in Pa."""
        moles = (state[..., :-1] / self.mechanism.on(state.device).weights).sum(-1)
        return GAS_CONSTANT * state[..., -1] * moles / self.volume

    def energy(self, state: Float[Tensor, "*batch component"]) -> Float[Tensor, "*batch"]:
        """Internal energy m u in J, the heat of formation included."""
        gas, temperature = self.mechanism.on(state.device), state[..., -1].reshape(-1)
        molar = gas.heat_and_enthalpy(temperature)[1] - GAS_CONSTANT * temperature[:, None]
        return (state[..., :-1] / gas.weights * molar.reshape(state[..., :-1].shape)).sum(-1)

    def encode(
        self,
        temperature: Float[Tensor, "*batch"],
        pressure: Float[Tensor, "*batch"],
        shares: Float[Tensor, "*batch species"],
    ) -> Float[Tensor, "*batch component"]:
        """The state at T (K), p (Pa) and mass fractions; these are scaled to sum to one."""
        whole = shares / shares.sum(-1, keepdim=True)
        moles = (whole / self.mechanism.on(shares.device).weights).sum(-1)
        mass = pressure * self.volume / (GAS_CONSTANT * temperature * moles)
        return torch.cat((mass[..., None] * whole, temperature[..., None]), dim=-1)

    def decode(
        self, state: Float[Tensor, "*batch component"]
    ) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch species"]]:
        """T (K), p (Pa) and mass fractions, which are non-negative, sum to one and obey p = ρ R T Σ Y_k / W_k.

        A mass below zero, which an integration leaves within its tolerance, counts as none.
        """
        state = torch.cat((state[..., :-1].clamp_min(0.0), state[..., -1:]), dim=-1)
        masses = state[..., :-1]
        return state[..., -1], self.pressure(state), masses / masses.sum(-1, keepdim=True)


def _check(what: str, meaning: str, **numbers: tuple[float, float, float]) -> None:
    """Refuse numbers that are not within least and most, or not finite."""
    for name, (value, least, most) in numbers.items():
        if not (math.isfinite(value) and least <= value <= most):
            span = "above zero" if least == _LEAST else f"from 0 to {most:g}" if most < math.inf else "not below zero"
            raise UserError(f"{what} cannot have this {name}", got=f"{name} = {value:g}", expected=f"{meaning}, {span}")


@dataclass(frozen=True)
class _Streams:
    """All inflows: kg/s, mass fractions, and enthalpy in J/kg."""

    rates: Float[Tensor, " inflow"]
    shares: Float[Tensor, "inflow species"]
    enthalpy: Float[Tensor, " inflow"]

    def on(self, device: torch.device) -> "_Streams":
        """The same on a device."""
        if self.rates.device == device:
            return self
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})
