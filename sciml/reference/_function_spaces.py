"""Spaces of functions that inputs of operators are drawn from: Gaussian fields, and given functions."""

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.domain import Domain
from sciml.core.errors import UnsupportedError, UserError
from sciml.core.functions import FunctionSpace
from sciml.reference._kernels import Kernel
from sciml.reference._legendre import check_positive, check_size, one_axis, unit_points

RELATIVE_VARIANCE = 1e-13
"""Modes with less than this share of the total variance are left out of a Gaussian field. It stands in for the jitter
of a Cholesky factor: the covariance of a smooth field on a grid is singular to rounding."""


class GaussianSpace(FunctionSpace):
    """A stationary Gaussian field of zero mean on an interval, by its Karhunen-Loève expansion.

        u(x) = Σ_k z_k φ_k(x),   φ_k(x) = λ_k^(-1/2) Σ_j √w_j v_jk k(|x - x_j|),   z_k ~ N(0, 1)

    with Gauss-Legendre nodes x_j and weights w_j, and (λ_k, v_k) the eigenpairs of √w_i k(|x_i - x_j|) √w_j (Nyström's
    method). The modes are sums of the kernel, so that a draw is one function everywhere, its integral is exact, and no
    grid enters. Between the nodes of a kernel that is not smooth, variance is missing: h / 3l of it at most for the
    exponential one, h the distance of the nodes; for the RBF one it is rounding.

    Arguments:
        domain: one axis.
        kernel: the covariance, of unit variance.
        nodes: x_j.
        modes: most modes kept; None for all that are above rounding.
        variance: of the field.

    Raises: UserError for a domain of several axes, and for a length that is short against the distance of the nodes.

    Reference: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006), section 4.3.2.
    """

    def __init__(
        self, domain: Domain, kernel: Kernel, *, nodes: int = 200, modes: int | None = None, variance: float = 1.0
    ) -> None:
        one_axis(domain)
        check_size("nodes", nodes, least=2)
        check_positive("variance", variance)
        if modes is not None:
            check_size("modes", modes)
        _check_resolved(kernel, math.pi / 2 * float(domain.extent) / nodes, nodes)
        self.domain, self.kernel, self.variance = domain, kernel, variance
        self._nodes, self._most = nodes, modes

    @property
    def num_modes(self) -> int:
        """Modes kept."""
        return self._factor[1].shape[1]

    def coefficients(self, count: int, generator: torch.Generator) -> Float[Tensor, "function mode"]:
        """Standard normal numbers."""
        return torch.randn(count, self.num_modes, generator=generator, dtype=torch.float64)

    def modes(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point mode"]:
        """√λ_k times the normalised eigenfunctions."""
        nodes, factor = self._factor
        return self.kernel(points.double() - nodes) @ factor

    def integrals(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "point mode"]:
        """In closed form, by those of the kernel."""
        nodes, factor = self._factor
        return (
            self.kernel.integral(points.double() - nodes) - self.kernel.integral(self.domain.lower - nodes)
        ) @ factor

    def covariance(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point point"]:
        """Of the values at points, as drawn: of the modes that are kept."""
        modes = self.modes(points)
        return modes @ modes.T

    @cached_property
    def _factor(self) -> tuple[Float[Tensor, " node"], Float[Tensor, "node mode"]]:
        """Nodes, and what kernels at the nodes are multiplied by to give modes."""
        unit, weights = np.polynomial.legendre.leggauss(self._nodes)
        lower, extent = float(self.domain.lower), float(self.domain.extent)
        nodes = lower + extent * torch.from_numpy((unit + 1) / 2)
        root = torch.from_numpy(np.sqrt(weights * extent / 2))
        gram = root[:, None] * self.kernel(nodes[:, None] - nodes) * root
        values, vectors = torch.linalg.eigh(gram)
        kept = values.flip(0) > RELATIVE_VARIANCE * values.sum()
        values, vectors = values.flip(0)[kept][: self._most], vectors.flip(1)[:, kept][:, : self._most]
        return nodes, math.sqrt(self.variance) * root[:, None] * vectors / values.sqrt()


def _check_resolved(kernel: Kernel, step: float, nodes: int) -> None:
    """Raise UserError where much variance is missing in the middle of the two nodes that are farthest apart.

    Values at both ends of a step h explain 2 k(h/2)² / (1 + k(h)) of the variance in its middle.
    """
    half, full = kernel(torch.tensor([step / 2, step], dtype=torch.float64)).tolist()
    missing = 1 - 2 * half * half / (1 + full)
    if missing > _MISSING:
        raise UserError("a Gaussian field of this length is not resolved by its nodes",
                        got=f"{kernel.name} of length {kernel.length:g}, {nodes} nodes up to {step:.3g} apart",
                        expected=f"at most {_MISSING:.0%} of the variance missing between them",
                        fix="Give more nodes, or a longer length.")  # fmt: skip


_MISSING = 0.1
"""Share of the variance that may be missing between the nodes."""

Curve = Callable[[Tensor], Tensor]


class GivenSpace(FunctionSpace):
    """A list of given functions, drawn in turn: probes outside of the space that was trained on.

    Arguments:
        domain: where they live.
        functions: each from points, ``point dim``, to values, ``point``.
        integrals: of the functions from the lower end; none where they are not known.
    """

    def __init__(self, domain: Domain, functions: Sequence[Curve], integrals: Sequence[Curve] = ()) -> None:
        if not functions or len(integrals) not in (0, len(functions)):
            raise UserError("given functions need one at least, and an integral each or none",
                            got=f"{len(functions)} functions, {len(integrals)} integrals")  # fmt: skip
        self.domain, self._functions, self._integrals = domain, tuple(functions), tuple(integrals)

    def coefficients(self, count: int, generator: torch.Generator) -> Float[Tensor, "function mode"]:
        """Rows of the unit matrix, again and again."""
        size = len(self._functions)
        return torch.eye(size, dtype=torch.float64)[torch.arange(count) % size]

    def modes(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point mode"]:
        """The functions."""
        return torch.stack([function(points.double()) for function in self._functions], dim=1)

    def integrals(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "point mode"]:
        """Theirs. Raises UnsupportedError where none were given."""
        if not self._integrals:
            return super().integrals(points)
        return torch.stack([function(points.double()) for function in self._integrals], dim=1)


def _check_spectrum(size: int, inverse_length: float, exponent: float, amplitude: float) -> None:
    check_size("size", size)
    for name, value in (("inverse_length", inverse_length), ("exponent", exponent), ("amplitude", amplitude)):
        check_positive(name, value)


class CosineSpace(FunctionSpace):
    """A Gaussian field on a box with zero normal derivative, u ~ N(0, σ² (-Δ + τ²)^(-α)).

        u(x) = Σ_n ξ_n √λ_n Π_i c(n_i) cos(π n_i ξ_i),   λ_n = σ² (π² |n / L|² + τ²)^(-α) / Π L_i,   c(0) = 1, c(n) = √2

    Arguments:
        domain: a box of one to three axes.
        size: modes per axis, 0 ≤ n_i < size.
        inverse_length, exponent, amplitude: τ, α, σ.
        mean: whether the constant mode is kept.

    Reference: the permeability of Darcy flow in Li et al., Fourier neural operator, arXiv:2010.08895, appendix A.3.2.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        size: int = 24,
        inverse_length: float = 3.0,
        exponent: float = 2.0,
        amplitude: float = 1.0,
        mean: bool = True,
    ) -> None:
        self.domain, dims = domain, len(domain.axes)
        _check_spectrum(size, inverse_length, exponent, amplitude)
        if not 1 <= dims <= 3:
            raise UnsupportedError("a cosine field has one to three axes", got=domain.names)
        numbers = torch.cartesian_prod(*[torch.arange(size, dtype=torch.float64)] * dims).reshape(-1, dims)
        squares = (math.pi * numbers / domain.extent).square().sum(1)
        variances = amplitude**2 * (squares + inverse_length**2) ** -exponent / float(domain.extent.prod())
        if not mean:
            variances[0] = 0.0
        order = variances.argsort(descending=True, stable=True)  # so that a truncation keeps the largest
        self._numbers = numbers[order]
        self._roots = (variances[order] * (1.0 + (self._numbers > 0)).double().prod(1)).sqrt()

    def coefficients(self, count: int, generator: torch.Generator) -> Float[Tensor, "function mode"]:
        """Standard normal numbers."""
        return torch.randn(count, len(self._roots), generator=generator, dtype=torch.float64)

    def modes(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point mode"]:
        """√λ times the normalised cosines."""
        unit = unit_points(self.domain, points)
        product = torch.ones(len(points), len(self._roots), dtype=torch.float64)
        for axis in range(unit.shape[1]):
            product *= torch.cos(math.pi * unit[:, axis, None] * self._numbers[:, axis])
        return product * self._roots


class FourierSpace(FunctionSpace):
    """A periodic Gaussian field on a box of lengths L, u ~ N(0, σ² (-Δ + τ²)^(-α)), without its mean.

        u(x) = Σ_n √(2 λ_n / Π L) (a_n cos k_n·x + b_n sin k_n·x),   λ_n = σ² (|k_n|² + τ²)^(-α),   k_n = 2π n / L

    over one n of every pair ±n with components up to N.

    Arguments:
        domain: one to three axes.
        size: N.
        inverse_length, exponent, amplitude: τ, α, σ.

    Reference: the initial states of Burgers' equation and of the flow in Li et al., arXiv:2010.08895, appendix A.3.
    """

    def __init__(
        self, domain: Domain, *, size: int = 64, inverse_length: float = 5.0, exponent: float = 2.0,
        amplitude: float = 25.0,
    ) -> None:  # fmt: skip
        self.domain, dims = domain, len(domain.axes)
        _check_spectrum(size, inverse_length, exponent, amplitude)
        if not 1 <= dims <= 3:
            raise UnsupportedError("a periodic field has one to three axes", got=domain.names)
        numbers = torch.cartesian_prod(*[torch.arange(-size, size + 1, dtype=torch.float64)] * dims).reshape(-1, dims)
        numbers = numbers[len(numbers) // 2 + 1 :]  # the second half: of n and -n the one with the first sign positive
        self._waves = 2 * math.pi * numbers / domain.extent
        variances = amplitude**2 * (self._waves.square().sum(1) + inverse_length**2) ** -exponent
        self._roots = (2 * variances / float(domain.extent.prod())).sqrt()

    def coefficients(self, count: int, generator: torch.Generator) -> Float[Tensor, "function mode"]:
        """Standard normal numbers."""
        return torch.randn(count, 2 * len(self._roots), generator=generator, dtype=torch.float64)

    def modes(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point mode"]:
        """Cosines, then sines, each times its standard deviation."""
        phase = self._phase(points)
        return torch.cat((phase.cos() * self._roots, phase.sin() * self._roots), dim=1)

    def integrals(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "point mode"]:
        """In closed form, on one axis."""
        if len(self.domain.axes) > 1:
            return super().integrals(points)
        phase, scale = self._phase(points), self._roots / self._waves[:, 0]
        return torch.cat((phase.sin() * scale, (1 - phase.cos()) * scale), dim=1)

    def _phase(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point wave"]:
        shifted = points.double() - self.domain.lower
        parts = [column[:, None] * wave for column, wave in zip(shifted.unbind(1), self._waves.unbind(1), strict=True)]
        return torch.stack(parts).sum(0)


def wasserstein2(first: Float[Tensor, "point point"], second: Float[Tensor, "point point"]) -> float:
    """2-Wasserstein distance of two Gaussian fields of equal mean, per point, from their covariances on one grid.

        W₂² = tr(K₁ + K₂ - 2 (√K₁ K₂ √K₁)^½) / N

    Arguments: covariances, symmetric and positive up to rounding.

    Returns: W₂, in the units of the field.

    Raises: UserError for what are no two covariances on one grid.

    Reference: C. R. Givens, R. M. Shortt, Michigan Math. J. 31 (1984), doi:10.1307/mmj/1029003026.
    """
    if first.shape != second.shape:
        raise UserError("the covariances are not on one grid", got=f"{tuple(first.shape)} and {tuple(second.shape)}")
    one, two = _checked_covariance(first), _checked_covariance(second)
    root = _root(one)
    between = torch.linalg.eigvalsh(root @ two @ root).clamp_min(0).sqrt().sum()
    square = (one.trace() + two.trace() - 2 * between) / len(one)
    return math.sqrt(max(0.0, float(square)))


def _checked_covariance(matrix: Float[Tensor, "point point"]) -> Float[Tensor, "point point"]:
    """In float64. Raises UserError for a matrix that is no covariance."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix) or matrix.is_complex():
        raise UserError("a covariance is a square matrix of real numbers", got=f"shape {tuple(matrix.shape)}")
    matrix = matrix.double()
    if not bool(matrix.isfinite().all()):
        raise UserError("a covariance holds numbers that are not finite", got=f"shape {tuple(matrix.shape)}")
    size = float(matrix.abs().max())
    skew = float((matrix - matrix.T).abs().max())
    lowest = float(torch.linalg.eigvalsh(matrix)[0])
    if skew > _SYMMETRY * size or lowest < -_SYMMETRY * size * len(matrix):
        raise UserError("a covariance is symmetric, and no variance is negative",
                        got=f"a difference to its transpose of {skew:.3g}, and {lowest:.3g} for the lowest eigenvalue",
                        expected="both zero up to rounding")  # fmt: skip
    return matrix


_SYMMETRY = 1e-5
"""Share of the largest number that single precision leaves between a covariance and its transpose."""


def _root(matrix: Float[Tensor, "point point"]) -> Float[Tensor, "point point"]:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
