"""Spherical harmonics on grids of latitude and longitude: scalars, and vectors by their curl and divergence.

    f(λ, φ) = Σ_{|m|≤l≤L} f_lm P_lm(sin φ) exp(i m λ),      ½ ∫ P_lm² d(sin φ) = 1

Fields are real, so coefficients ``degree order`` of m >= 0 are kept; those with l < m are zero. f_00 is the mean over
the sphere, and the mean of f² is Σ |f_lm|² over m of both signs.
"""

import math
from typing import Literal, final

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.core.types import Axis, Grid
from sciml.reference._legendre import gauss

Values = Float[Tensor, "*batch latitude longitude"]
Modes = Complex[Tensor, "*batch degree order"]

LATITUDE, LONGITUDE = "latitude", "longitude"
"""Names of the axes of a grid of the sphere, in storage order."""


def sphere_grid(latitudes: int, longitudes: int) -> Grid:
    """The sphere on cells of equal angles: latitudes at their middle, none at a pole; longitudes from 0 degrees."""
    return Grid(
        (
            Axis(LATITUDE, latitudes, -90.0, 90.0, boundary="open", units="degrees_north"),
            Axis(LONGITUDE, longitudes, 0.0, 360.0, units="degrees_east"),
        )
    )


@final
class SphericalHarmonics:
    """The transform between values on a grid and coefficients up to degree L (triangular truncation).

    Coefficients are the least-squares fit with the weights of the grid's quadrature. On Gauss's latitudes that is his
    weighted sum, and the product of two fields is free of aliasing with ``2 latitudes > 3 L`` and ``longitudes > 3 L``.
    On latitudes of equal distance, as data is stored, it is exact for fields that hold degrees up to L. Vectors are
    expanded in harmonics of spin one, so nothing is singular at the poles.

    Arguments:
        truncation: L.
        latitudes, longitudes: points of the grid, more than L, and more than 2 L.
        nodes: ``gauss``, or ``uniform`` for ``(i + ½) 180°/latitudes`` from the south pole.
        device: where the matrices live.

    Attributes:
        latitude: of the grid, radians, from south to north; `longitude` likewise, from 0.
        weights: share of the sphere that a latitude stands for; they sum to one.
        degree: l as a column ``degree 1``.

    Raises: UserError for a grid that does not hold the truncation.

    Reference: D. A. Varshalovich, A. N. Moskalev and V. K. Khersonskii, Quantum Theory of Angular Momentum (1988),
    chapters 5 and 7; L. Fejér, Math. Z. 37 (1933) 287-309 (weights).
    """

    latitude: Float[Tensor, " latitude"]
    longitude: Float[Tensor, " longitude"]
    weights: Float[Tensor, " latitude"]
    degree: Float[Tensor, "degree one"]

    def __init__(
        self,
        truncation: int,
        latitudes: int,
        longitudes: int,
        *,
        nodes: Literal["gauss", "uniform"] = "gauss",
        device: torch.device | str = "cpu",
    ) -> None:
        if truncation < 1 or latitudes <= truncation or longitudes <= 2 * truncation:
            raise UserError(
                "this grid does not hold the harmonics of the truncation",
                got=f"degrees up to {truncation} on {latitudes} latitudes and {longitudes} longitudes",
                expected=f"more than {truncation} latitudes and {2 * truncation} longitudes, degrees from 1 on",
            )
        self.truncation, self.size = truncation, (latitudes, longitudes)
        sines, weights = gauss(latitudes) if nodes == "gauss" else _uniform(latitudes)
        functions, slopes = _legendre_functions(sines, truncation)
        orders = torch.arange(truncation + 1, dtype=torch.float64)[:, None, None]
        cosines = (1 - sines**2).sqrt()
        bases = (functions, (orders * functions - slopes) / cosines, -(orders * functions + slopes) / cosines)
        self._synthesis = torch.stack(bases).transpose(-1, -2).contiguous().to(device)  # kind order latitude degree
        self._analysis = torch.stack([_analysis(basis, weights / 2) for basis in bases]).to(device)
        self.latitude = torch.asin(sines).to(device)
        self.longitude = (2 * math.pi / longitudes * torch.arange(longitudes, dtype=torch.float64)).to(device)
        self.weights = (weights / 2).to(device)
        self.degree = torch.arange(truncation + 1, dtype=torch.float64)[:, None].to(device)
        self.minus_laplacian = self.degree * (self.degree + 1)
        """l (l + 1), the eigenvalues of −∇² on the unit sphere, ``degree 1``."""

    def forward(self, values: Values) -> Modes:
        """Coefficients of a scalar."""
        return self._transform(self._analysis[0], self._fourier(values))

    def inverse(self, modes: Modes) -> Values:
        """The scalar of coefficients."""
        return self._values(self._transform(self._synthesis[0], modes))

    def forward_vector(self, vectors: Float[Tensor, "*batch two latitude longitude"]) -> tuple[Modes, Modes]:
        """Coefficients of ``k·∇×`` and ``∇·`` on the unit sphere of a vector (eastward, northward)."""
        east, north = self._fourier(vectors).unbind(-3)
        plus = self._transform(self._analysis[1], east - 1j * north)
        minus = self._transform(self._analysis[2], east + 1j * north)
        scale = -self.minus_laplacian / 2
        return scale * (plus + minus), -1j * scale * (plus - minus)

    def inverse_vector(self, curl: Modes, divergence: Modes) -> Float[Tensor, "*batch two latitude longitude"]:
        """The vector (eastward, northward) with this curl and divergence; their means, which are none, are ignored."""
        inverse = -1 / self.minus_laplacian.clamp(min=1)
        stream, potential = inverse * curl, 1j * inverse * divergence
        plus = self._transform(self._synthesis[1], stream + potential)
        minus = self._transform(self._synthesis[2], stream - potential)
        return self._values(torch.stack([(plus + minus) / 2, 0.5j * (plus - minus)], dim=-3))

    def mean(self, values: Values) -> Float[Tensor, "*batch"]:
        """Mean over the sphere."""
        return values.mean(-1) @ self.weights.to(values.dtype)

    def _fourier(self, values: Float[Tensor, "*batch latitude longitude"]) -> Complex[Tensor, "*batch latitude order"]:
        return torch.fft.rfft(values, norm="forward")[..., : self.truncation + 1]

    def _values(self, columns: Complex[Tensor, "*batch latitude order"]) -> Values:
        return torch.fft.irfft(columns, n=self.size[1], norm="forward")

    def _transform(
        self, matrices: Float[Tensor, "order after before"], columns: Complex[Tensor, "*batch before order"]
    ) -> Complex[Tensor, "*batch after order"]:
        """A matrix per order; real and imaginary parts of all fields are its right-hand sides."""
        batch = columns.shape[:-2]
        parts = torch.view_as_real(columns).reshape(-1, *columns.shape[-2:], 2)
        right = parts.permute(2, 1, 0, 3).reshape(len(matrices), columns.shape[-2], -1)
        done = (matrices @ right).view(len(matrices), matrices.shape[1], -1, 2).permute(2, 1, 0, 3)
        return torch.view_as_complex(done.contiguous()).view(*batch, matrices.shape[1], len(matrices))


def with_truncation(modes: Modes, truncation: int) -> Modes:
    """Coefficients cut off at, or filled up with zeros to, another truncation."""
    more = truncation + 1 - modes.shape[-1]
    return nn.functional.pad(modes, (0, more, 0, more))


def _uniform(count: int) -> tuple[Float[Tensor, " node"], Float[Tensor, " node"]]:
    """Sines of latitudes at equal distances, and the weights of Fejér's first rule, which sum to two."""
    colatitude = math.pi * (torch.arange(count, dtype=torch.float64) + 0.5) / count
    k = torch.arange(1, count // 2 + 1, dtype=torch.float64)[:, None]
    weights = 2 / count * (1 - 2 * (torch.cos(2 * k * colatitude) / (4 * k**2 - 1)).sum(0))
    return -torch.cos(colatitude), weights


def _legendre_functions(
    sines: Float[Tensor, " latitude"], truncation: int
) -> tuple[Float[Tensor, "order degree latitude"], Float[Tensor, "order degree latitude"]]:
    """P_lm and (1 − μ²) dP_lm/dμ at sines μ, zero for l < m.

    ε_lm = sqrt((l² − m²)/(4 l² − 1)),  ε_{l+1,m} P_{l+1,m} = μ P_lm − ε_lm P_{l−1,m},
    (1 − μ²) P'_lm = (l + 1) ε_lm P_{l−1,m} − l ε_{l+1,m} P_{l+1,m}
    """
    order = torch.arange(truncation + 1, dtype=torch.float64)[:, None]
    degree = torch.arange(truncation + 2, dtype=torch.float64)  # the slope of the last needs one more
    epsilon = ((degree**2 - order**2).clamp(min=0) / (4 * degree**2 - 1)).sqrt().nan_to_num(nan=0.0)
    functions = torch.zeros(truncation + 1, truncation + 2, len(sines), dtype=torch.float64)
    sector = torch.ones_like(sines)
    for n in range(truncation + 2):
        if n > 0:
            before = epsilon[:n, n - 1, None] * functions[:n, n - 2] if n > 1 else 0.0
            functions[:n, n] = (sines * functions[:n, n - 1] - before) / epsilon[:n, n, None]
            sector = math.sqrt((2 * n + 1) / (2 * n)) * (1 - sines**2).sqrt() * sector
        if n <= truncation:
            functions[n, n] = sector
    lower = torch.cat([torch.zeros_like(functions[:, :1]), functions[:, :truncation]], dim=1)
    inner = degree[: truncation + 1, None]
    slopes = (inner + 1) * epsilon[:, : truncation + 1, None] * lower
    slopes = slopes - inner * epsilon[:, 1 : truncation + 2, None] * functions[:, 1 : truncation + 2]
    return functions[:, : truncation + 1].contiguous(), slopes


def _analysis(
    basis: Float[Tensor, "order degree latitude"], weights: Float[Tensor, " latitude"]
) -> Float[Tensor, "order degree latitude"]:
    """Matrices from values to coefficients: the least-squares fit with these weights.

    On Gauss's latitudes these are his weighted sums; the fit mends the rounding of nodes and weights too.
    """
    weighted = basis * weights
    gram = weighted @ basis.transpose(-1, -2)
    unused = (gram.diagonal(dim1=-2, dim2=-1) == 0).double()
    return torch.linalg.solve(gram + torch.diag_embed(unused), weighted)
