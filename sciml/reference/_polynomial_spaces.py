"""Spaces of polynomials that inputs of operators are drawn from."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.domain import Domain
from sciml.core.errors import UserError
from sciml.core.functions import FunctionSpace
from sciml.reference._legendre import (
    check_positive,
    check_size,
    legendre,
    legendre_integrals,
    one_axis,
    unit_points,
)


class ChebyshevSpace(FunctionSpace):
    """u(x) = Σ_{k<N} a_k T_k(2 ξ - 1) with ξ = (x - lower) / extent and a_k ~ U[-M, M].

    Arguments:
        domain: one axis.
        size: N.
        bound: M.
    """

    def __init__(self, domain: Domain, *, size: int = 20, bound: float = 1.0) -> None:
        one_axis(domain)
        check_size("size", size)
        check_positive("bound", bound)
        self.domain, self.size, self.bound = domain, size, bound

    def coefficients(self, count: int, generator: torch.Generator) -> Float[Tensor, "function mode"]:
        """Uniform numbers."""
        return _uniform(count, self.size, self.bound, generator)

    def modes(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point mode"]:
        """T_k = cos(k arccos z)."""
        return _chebyshev(2 * unit_points(self.domain, points) - 1, self.size)

    def integrals(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "point mode"]:
        """∫ T_k = T_{k+1} / 2(k+1) - T_{k-1} / 2(k-1), and z and z²/2 for the first two."""
        z = 2 * unit_points(self.domain, points) - 1
        scale = float(self.domain.extent) / 2
        return scale * (_chebyshev_integrals(z, self.size) - _chebyshev_integrals(-torch.ones_like(z[:1]), self.size))


class PowerSpace(FunctionSpace):
    """u(x) = Σ_{k<N} a_k ξ^k with ξ = (x - lower) / extent and a_k ~ U[-M, M].

    Arguments as `ChebyshevSpace`.
    """

    def __init__(self, domain: Domain, *, size: int = 100, bound: float = 1.0) -> None:
        one_axis(domain)
        check_size("size", size)
        check_positive("bound", bound)
        self.domain, self.size, self.bound = domain, size, bound

    def coefficients(self, count: int, generator: torch.Generator) -> Float[Tensor, "function mode"]:
        """Uniform numbers."""
        return _uniform(count, self.size, self.bound, generator)

    def modes(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point mode"]:
        """Powers."""
        return unit_points(self.domain, points) ** torch.arange(self.size, dtype=torch.float64)

    def integrals(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "point mode"]:
        """ξ^(k+1) / (k+1), times the extent."""
        powers = torch.arange(1, self.size + 1, dtype=torch.float64)
        return float(self.domain.extent) * unit_points(self.domain, points) ** powers / powers


class LegendreSpace(FunctionSpace):
    """u(x) = Σ_{k<N} a_k P_k(2 ξ - 1) with ξ = (x - lower) / extent and a_k ~ U[-M, M].

    Arguments as `ChebyshevSpace`.
    """

    def __init__(self, domain: Domain, *, size: int = 11, bound: float = 1.0) -> None:
        one_axis(domain)
        check_size("size", size)
        check_positive("bound", bound)
        self.domain, self.size, self.bound = domain, size, bound

    def coefficients(self, count: int, generator: torch.Generator) -> Float[Tensor, "function mode"]:
        """Uniform numbers."""
        return _uniform(count, self.size, self.bound, generator)

    def modes(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point mode"]:
        """Legendre polynomials."""
        return legendre(2 * unit_points(self.domain, points)[:, 0] - 1, self.size)

    def integrals(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "point mode"]:
        """∫ P_k = (P_{k+1} - P_{k-1}) / (2k + 1)."""
        scale = float(self.domain.extent) / 2
        return scale * legendre_integrals(2 * unit_points(self.domain, points)[:, 0] - 1, self.size)


class FractonomialSpace(FunctionSpace):
    """Poly-fractonomials: u(x) = Σ_{k<N} a_k ξ^μ P_k^(-μ, μ)(2 ξ - 1) with ξ = (x - lower) / extent, a_k ~ U[-M, M].

    Near the lower end they start like ξ^μ, as solutions of fractional equations do. They are sums of powers
    ξ^(μ + m), see `powers`.

    Arguments:
        domain: one axis.
        order: μ between 0 and 1.
        size: N, at most 16: sums of powers lose a digit with every other one.
        bound: M.

    Reference: M. Zayernouri, G. E. Karniadakis, J. Comput. Phys. 252 (2013) 495, doi:10.1016/j.jcp.2013.06.031.
    """

    def __init__(self, domain: Domain, *, order: float, size: int = 11, bound: float = 1.0) -> None:
        one_axis(domain)
        check_size("size", size)
        check_positive("order", order)
        check_positive("bound", bound)
        if not order < 1 or size > 16:
            raise UserError("poly-fractonomials have an order between 0 and 1 and at most 16 terms",
                            got=f"order {order}, {size} terms")  # fmt: skip
        self.domain, self.order, self.size, self.bound = domain, order, size, bound

    @property
    def exponents(self) -> Float[Tensor, " power"]:
        """μ, μ + 1, ..., of the powers of ξ that the functions are made of."""
        return self.order + torch.arange(self.size, dtype=torch.float64)

    @property
    def powers(self) -> Float[Tensor, "mode power"]:
        """What every mode has of every power:

        P_n^(-μ, μ)(2 ξ - 1) = (-1)^n Γ(n+μ+1) / (n! Γ(μ+1)) Σ_m (-n)_m (n+1)_m / ((μ+1)_m m!) ξ^m.
        """
        table = torch.zeros(self.size, self.size, dtype=torch.float64)
        for n in range(self.size):
            term = (-1) ** n * math.exp(
                math.lgamma(n + self.order + 1) - math.lgamma(n + 1) - math.lgamma(self.order + 1)
            )
            for m in range(n + 1):
                table[n, m] = term
                term *= (m - n) * (n + 1 + m) / ((self.order + 1 + m) * (m + 1))
        return table

    def coefficients(self, count: int, generator: torch.Generator) -> Float[Tensor, "function mode"]:
        """Uniform numbers."""
        return _uniform(count, self.size, self.bound, generator)

    def modes(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point mode"]:
        """Sums of powers."""
        return unit_points(self.domain, points) ** self.exponents @ self.powers.T

    def integrals(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "point mode"]:
        """Power by power."""
        higher = self.exponents + 1
        raised = unit_points(self.domain, points) ** higher / higher
        return float(self.domain.extent) * raised @ self.powers.T


def _uniform(count: int, size: int, bound: float, generator: torch.Generator) -> Tensor:
    return bound * (2 * torch.rand(count, size, generator=generator, dtype=torch.float64) - 1)


def _chebyshev(z: Float[Tensor, "point 1"], size: int) -> Float[Tensor, "point mode"]:
    return torch.cos(torch.arange(size, dtype=torch.float64) * torch.arccos(z.clamp(-1, 1)))


def _chebyshev_integrals(z: Float[Tensor, "point 1"], size: int) -> Float[Tensor, "point mode"]:
    """Antiderivatives by z, up to a constant."""
    values = _chebyshev(z, size + 1)
    columns = [values[:, 1], values[:, 1].square() / 2]
    columns += [values[:, k + 1] / (2 * (k + 1)) - values[:, k - 1] / (2 * (k - 1)) for k in range(2, size)]
    return torch.stack(columns[:size], dim=1)
