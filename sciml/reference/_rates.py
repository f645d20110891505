"""Rates of reactions in torch: powers of concentrations, third bodies, and constants that fall off with pressure."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

SMALLEST = 1e-15
"""Concentration (kmol/m³) below which X^n with n < 1 becomes linear in X; a vacuum of 1e-11 Pa at 300 K."""
_SECOND = 1e-30  # the same where only the second derivative is infinite, 1 < n < 2: nothing that can be measured
_NEVER = 1e30  # K or 1/K; in place of infinity, whose products with zero are not numbers

T = TypeVar("T")


def moved(tables: T, device: torch.device) -> T:
    """A dataclass of tensors, and of dataclasses of tensors, on another device."""
    changed: dict[str, object] = {}
    for entry in fields(tables):  # pyright: ignore[reportArgumentType] (a dataclass, as the docstring says)
        value = getattr(tables, entry.name)
        if isinstance(value, Tensor):
            changed[entry.name] = value.to(device)
        elif is_dataclass(value):
            changed[entry.name] = moved(value, device)
    return replace(tables, **changed)  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType, reportReturnType] # fmt: skip


@dataclass(frozen=True, eq=False)
class Powers:
    """Π_k X_k^n_k over the species with n_k ≠ 0, for every reaction, X clipped to X >= 0.

    With m = max(1, ⌈n⌉) it is X^m (X + ε)^(n - m). For whole n that is X^n exactly; ε = `SMALLEST` for n < 1, whose
    slope at zero is infinite without, and no concentration that matters for 1 < n < 2.

    Fields:
        factors: one row per factor: number of the species of every reaction; one more than there are for none.
        weak, strong: n - m where n < 1 and where n > 1; None where all are zero.
    """

    factors: Int[Tensor, "factor reaction"]
    weak: Float[Tensor, "reaction species"] | None
    strong: Float[Tensor, "reaction species"] | None

    def apply(
        self, constants: Float[Tensor, "row reaction"], x: Float[Tensor, "row species"]
    ) -> Float[Tensor, "row reaction"]:
        """exp(constants) Π_k X_k^n_k, for `x` that is nowhere negative."""
        if self.weak is not None:
            constants = constants + (x + SMALLEST).log() @ self.weak.T
        if self.strong is not None:
            constants = constants + (x + _SECOND).log() @ self.strong.T
        rates = torch.exp(constants)
        padded = torch.cat((x, torch.ones_like(x[:, :1])), dim=1)
        for factor in self.factors:
            rates = rates * padded[:, factor]
        return rates


def powers_of(orders: Float[Tensor, "reaction species"]) -> Powers:
    """The powers of reactions with these orders."""
    whole = torch.where(orders == 0, 0.0, orders.ceil().clamp_min(1.0))
    rest = orders - whole
    none = orders.shape[1]
    rows = [[k for k, count in enumerate(row) for _ in range(int(count))] for row in whole.tolist()]
    most = max(map(len, rows), default=0)
    numbers = [[row[i] if i < len(row) else none for row in rows] for i in range(most)]
    weak, strong = torch.where(orders < 1, rest, 0.0), torch.where(orders > 1, rest, 0.0)
    return Powers(
        torch.tensor(numbers, dtype=torch.long, device=orders.device).reshape(most, len(orders)),
        weak if bool(weak.any()) else None,
        strong if bool(strong.any()) else None,
    )


@dataclass(frozen=True, eq=False)
class ThirdBodies:
    """Reactions that go as [M] = Σ_k α_k [X_k], and others whose rate constant falls off at low pressure.

        kf = k∞ Pr / (1 + Pr) F,   Pr = k0 [M] / k∞,   k0 = A0 T^b0 exp(-E0 / R T)
        log10 F = log10 Fc / (1 + (c / (n - 0.14 c))²),   c = log10 Pr - 0.4 - 0.67 log10 Fc,   n = 0.75 - 1.27 log10 Fc
        Fc = (1 - a) exp(-T / T3) + a exp(-T / T1) + exp(-T2 / T)

    Lindemann's form is Fc = 1.

    Fields:
        plain: numbers of the reactions that go as [M].
        falling: numbers of those that fall off; `falling_efficiency` belongs to them.
        efficiency, falling_efficiency: α_k.
        ln_a, exponent, activation: of k0; ln A0, b0, E0 in J/kmol.
        broadening: a, 1 / T3, 1 / T1, T2 in K.

    Reference: Gilbert, Luther, Troe, Ber. Bunsenges. Phys. Chem. 87 (1983) 169.
    """

    plain: Int[Tensor, " plain"]
    falling: Int[Tensor, " falling"]
    efficiency: Float[Tensor, "plain species"]
    falling_efficiency: Float[Tensor, "falling species"]
    ln_a: Float[Tensor, " falling"]
    exponent: Float[Tensor, " falling"]
    activation: Float[Tensor, " falling"]
    broadening: Float[Tensor, "falling 4"]

    def factors(
        self,
        temperature: Float[Tensor, "row 1"],
        over_rt: Float[Tensor, "row 1"],
        constants: Float[Tensor, "row reaction"],
        x: Float[Tensor, "row species"],
    ) -> Float[Tensor, "row reaction"]:
        """What the rates with [M] = 1 and at high pressure are multiplied by, forward as backward.

        Arguments:
            temperature: T in K.
            over_rt: 1 / (R T) in kmol/J.
            constants: ln k∞, or ln kf.
            x: concentrations in kmol/m³, nowhere negative.
        """
        low = self.ln_a + self.exponent * temperature.log() - self.activation * over_rt
        reduced = (low - constants[:, self.falling]).exp() * (x @ self.falling_efficiency.T)
        fall = reduced / (1 + reduced) * self._broadening(temperature, reduced)
        columns = torch.cat((torch.ones_like(over_rt), x @ self.efficiency.T, fall), dim=1)
        return columns[:, self._columns(constants.shape[1])]

    def _broadening(
        self, temperature: Float[Tensor, "row 1"], reduced: Float[Tensor, "row falling"]
    ) -> Float[Tensor, "row falling"]:
        a, cold, hot, late = self.broadening.unbind(1)
        centre = (1 - a) * torch.exp(-temperature * cold) + a * torch.exp(-temperature * hot)
        centre = (centre + torch.exp(-late / temperature)).clamp_min(1e-300).log10()
        c = reduced.clamp_min(1e-300).log10() - 0.4 - 0.67 * centre
        f = c / (0.75 - 1.27 * centre - 0.14 * c)
        return 10 ** (centre / (1 + f * f))

    def _columns(self, reactions: int) -> Int[Tensor, " reaction"]:
        places = torch.zeros(reactions, dtype=torch.long, device=self.plain.device)
        places[self.plain] = 1 + torch.arange(len(self.plain), device=places.device)
        places[self.falling] = 1 + len(self.plain) + torch.arange(len(self.falling), device=places.device)
        return places


def broadening_of(coefficients: list[float]) -> list[float]:
    """(a, 1 / T3, 1 / T1, T2) of Troe's coefficients (a, T3, T1[, T2]); without any, those of Fc = 1.

    As in Cantera, a temperature of zero stands for an exponential that is not there.
    """
    if not coefficients:
        return [1.0, _NEVER, 0.0, _NEVER]
    a, cold, hot, *late = coefficients
    return [a, 1 / cold if cold else _NEVER, 1 / hot if hot else _NEVER, late[0] if late and late[0] else _NEVER]
