"""Ideal-gas mixtures with irreversible reactions in plain NumPy: what a network of zones evaluates a million times."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sciml.core.errors import UserError
from sciml.reference._mechanism import GAS_CONSTANT, Mechanism
from sciml.reference._rates import SMALLEST


@dataclass(frozen=True, eq=False)
class Gas:
    """The arrays of a `Mechanism` whose reactions run one way, and what they mean, without torch's cost per call.

        c_p/R = a₁ + a₂ T + … + a₅ T⁴,  h/(R T) = a₁ + a₂ T/2 + … + a₅ T⁴/5 + a₆/T,  u = h − R T/W
        q_r = A_r T^b_r exp(−E_r/(R T)) Π_k [X_k]^o_rk        [kmol/(m³ s)]

    Beyond the range of its polynomials c_p of a species is constant, as in `Mechanism`.

    Arguments:
        mechanism: where the numbers come from.

    Raises: UserError for reactions that also run backward, for third bodies and for falloff.
    """

    mechanism: Mechanism

    def __post_init__(self) -> None:
        reversible = int(self.mechanism.reversible.sum())
        if reversible:
            raise UserError(
                "a network of zones takes irreversible reactions only",
                got=f"{reversible} reversible ones",
                fix="Write each direction as a reaction of its own.",
            )
        if self.mechanism.bodies is not None or self.mechanism.sign is not None:
            raise UserError(
                "a network of zones takes elementary reactions only",
                got="third bodies, falloff or negative A",
                fix="Take a global mechanism of one or two steps, or one stirred volume (StirredReactor).",
            )

    @cached_property
    def weights(self) -> np.ndarray:
        """W, kg/kmol."""
        return self.mechanism.weights.numpy()

    @cached_property
    def specific(self) -> np.ndarray:
        """R/W, J/(kg K)."""
        return GAS_CONSTANT / self.weights

    @cached_property
    def _thermo(self) -> np.ndarray:
        """Coefficients of 1, T, … T⁵ in u and c_v: ``6`` by columns (cold, hot) x (u, c_v) x species."""
        blocks = []
        for a in self.mechanism.thermo.numpy().transpose(0, 2, 1):  # coefficient species
            zero = np.zeros_like(a[:1])
            energy = np.concatenate([a[5:6], a[:5] / np.arange(1, 6)[:, None]])
            energy[1] -= 1
            heat = np.concatenate([a[:5], zero])
            heat[0] -= 1
            blocks += [energy * self.specific, heat * self.specific]
        return np.concatenate(blocks, axis=1)

    @cached_property
    def _ranges(self) -> tuple[np.ndarray, np.ndarray]:
        return self.mechanism.coldest.numpy(), self.mechanism.hottest.numpy()

    @cached_property
    def _common(self) -> tuple[float, float]:
        """Where all polynomials hold; empty where their ranges do not meet."""
        return float(self._ranges[0].max()), float(self._ranges[1].min())

    @cached_property
    def _middle(self) -> np.ndarray:
        return self.mechanism.middle.numpy()

    @cached_property
    def _kinetics(self) -> tuple[np.ndarray, ...]:
        m = self.mechanism
        net, rates = (m.products - m.reactants).numpy(), (m.ln_a, m.exponent, m.activation / GAS_CONSTANT)
        return (net * self.weights, m.orders.numpy(), *(value.numpy() for value in rates))

    def heats(self, temperature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Specific internal energies u [J/kg] and heats c_v [J/(kg K)], each ``… species``, at T ``…`` [K]."""
        inside = bool(((temperature >= self._common[0]) & (temperature <= self._common[1])).all())
        t = temperature if inside else np.clip(temperature[..., None], *self._ranges)  # each species in its own range
        powers = np.empty((*t.shape, 6))
        powers[..., 0] = 1
        for k in range(1, 6):
            np.multiply(powers[..., k - 1], t, out=powers[..., k])
        if inside:
            values = (powers @ self._thermo).reshape(*t.shape, 2, 2, -1)
            cold = t[..., None, None] <= self._middle
        else:
            values = np.einsum("...sk,kabs->...abs", powers, self._thermo.reshape(6, 2, 2, -1))
            cold = (t <= self._middle)[..., None, :]
        both = np.where(cold, values[..., 0, :, :], values[..., 1, :, :])
        u, c = both[..., 0, :], both[..., 1, :]
        return (u if inside else u + c * (temperature[..., None] - t)), c

    def production(self, temperature: np.ndarray, concentrations: np.ndarray) -> np.ndarray:
        """Mass made per volume [kg/(m³ s)], ``… species``, at T ``…`` [K] and [X] ``… species`` [kmol/m³].

        X is clipped to X >= 0, and ``X (X + ε)^(o − 1)`` stands for X^o with o < 1, so that slopes are finite.
        """
        net, orders, log_factor, exponent, activation = self._kinetics
        x = np.maximum(concentrations, 0.0)
        t = temperature[..., None]
        rate = np.exp(log_factor - activation / t)
        if exponent.any():
            rate = rate * t**exponent
        for r, k in zip(*np.nonzero(orders), strict=True):
            order = orders[r, k]
            if order >= 1:
                rate[..., r] *= x[..., k] if order == 1 else x[..., k] ** order
            else:
                rate[..., r] *= x[..., k] * (x[..., k] + SMALLEST) ** (order - 1)
        return rate @ net
