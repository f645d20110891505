"""Incompressible flow in a closed box on a staggered grid: central momentum, limited transport, exact projection.

A state has one row per channel, all of the size of the grid: velocity along x on the right face of every cell, velocity
along y on its upper face (``channel`` 0 and 1 of a flow, the last column and row being walls), scalars at centres.
"""

import math
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from sciml.core.errors import UserError
from sciml.core.types import Grid
from sciml.reference._finite_volume import monotonised_central

Flow = Float[Tensor, "batch 2 y x"]
Scalar = Float[Tensor, "batch y x"]


@final
class StaggeredBox:
    """A rectangle with walls on which fluid rests, or moves along with a lid.

    Second order in space; kinetic energy changes by viscosity and forces only, scalars are conserved to rounding.

    Arguments:
        grid: two axes ``y x`` that end at walls.
        lid: speed of the upper wall along x.
        device: where the matrices of the projection live.

    Reference: Harlow and Welch (1965), doi:10.1063/1.1761178; the limiter is van Leer's (1977, monotonised central),
    doi:10.1016/0021-9991(77)90095-X.
    """

    def __init__(self, grid: Grid, *, lid: float = 0.0, device: torch.device | str = "cpu") -> None:
        if len(grid.axes) != 2 or any(axis.boundary != "wall" for axis in grid.axes):
            raise UserError(
                "a closed box has two axes that end at walls",
                got={axis.name: axis.boundary for axis in grid.axes},
                expected="y: wall, x: wall",
            )
        self.size, self.lid = grid.size, lid
        self.spacing = tuple(axis.spacing for axis in grid.axes)
        self._cosines = tuple(_cosines(n).to(device) for n in self.size)
        curvature = [
            ((2 - 2 * torch.cos(math.pi * torch.arange(n, dtype=torch.float64) / n)) / h**2).to(device)
            for n, h in zip(self.size, self.spacing, strict=True)
        ]
        total = curvature[0][:, None] + curvature[1]
        self._inverse = torch.where(total > 0, -1 / total, 0.0)

    def divergence(self, flow: Flow) -> Scalar:
        """∇·u at centres."""
        u, v = flow.unbind(1)
        h_y, h_x = self.spacing
        return (u - _entering(u, -1)) / h_x + (v - _entering(v, -2)) / h_y

    def project(self, flow: Flow) -> Flow:
        """The nearest flow without divergence: a gradient is taken away, by two cosine transforms."""
        c_y, c_x = (matrix.to(flow) for matrix in self._cosines)
        pressure = c_y.T @ ((c_y @ self.divergence(flow) @ c_x.T) * self._inverse.to(flow)) @ c_x
        h_y, h_x = self.spacing
        slopes = [_between(pressure, axis, lambda a, b, h=h: (b - a) / h) for axis, h in ((-1, h_x), (-2, h_y))]
        return flow - torch.stack(slopes, dim=1)

    def acceleration(self, flow: Flow, viscosity: Float[Tensor, " batch"]) -> Flow:
        """−∇·(u u) + ν ∇²u on faces, without pressure."""
        u, v = flow.unbind(1)
        h_y, h_x = self.spacing
        nu = viscosity.to(flow)[:, None, None]
        u = functional.pad(u, (1, 0))  # the left wall
        u = torch.cat([-u[:, :1], u, 2 * self.lid - u[:, -1:]], dim=1)  # beyond walls what makes the mean theirs
        v = functional.pad(v, (0, 0, 1, 0))
        v = torch.cat([-v[:, :, :1], v, -v[:, :, -1:]], dim=2)
        inner_u, inner_v = u[:, 1:-1], v[:, :, 1:-1]
        shear = (u[:, :-1] + u[:, 1:]) * (v[:, :, :-1] + v[:, :, 1:]) / 4  # at corners, as are both derivatives
        x_across = shear - nu / h_y * u.diff(dim=1)
        y_across = shear - nu / h_x * v.diff(dim=2)
        x_along = (inner_u[:, :, :-1] + inner_u[:, :, 1:]).square() / 4 - nu / h_x * inner_u.diff(dim=2)
        y_along = (inner_v[:, :-1] + inner_v[:, 1:]).square() / 4 - nu / h_y * inner_v.diff(dim=1)
        force = torch.zeros_like(flow)
        force[:, 0, :, :-1] = x_along.diff(dim=2) / -h_x - x_across[:, :, 1:-1].diff(dim=1) / h_y
        force[:, 1, :-1] = y_along.diff(dim=1) / -h_y - y_across[:, 1:-1].diff(dim=2) / h_x
        return force

    def transport(self, scalar: Scalar, flow: Flow) -> Scalar:
        """−∇·(u s): upwind fluxes of limited linear reconstructions, none through walls."""
        rates = []
        for axis, speed, h in ((-1, flow[:, 0], self.spacing[1]), (-2, flow[:, 1], self.spacing[0])):
            inner = scalar.shape[axis] - 1
            half, speed = limited_slope(scalar, axis) / 2, speed.narrow(axis, 0, inner)
            here, there = (scalar + half).narrow(axis, 0, inner), (scalar - half).narrow(axis, 1, inner)
            flux = _with_ends(speed * torch.where(speed > 0, here, there), axis)
            rates.append(flux.diff(dim=axis) / -h)
        return rates[0] + rates[1]

    def on_upper_faces(self, scalar: Scalar) -> Scalar:
        """A scalar between centres that lie above each other; zero on the wall."""
        return _between(scalar, -2, _mean)

    def at_centres(self, flow: Flow) -> Flow:
        """Both components of the velocity at centres."""
        u, v = flow.unbind(1)
        return torch.stack([_mean(u, _entering(u, -1)), _mean(v, _entering(v, -2))], dim=1)

    def on_faces(self, velocity: Flow) -> Flow:
        """Velocities at centres carried over to faces, without divergence."""
        u, v = velocity.unbind(1)
        return self.project(torch.stack([_between(u, -1, _mean), _between(v, -2, _mean)], dim=1))

    def kinetic_energy(self, flow: Flow) -> Float[Tensor, " batch"]:
        """∫ |u|²/2."""
        return flow.square().sum((1, 2, 3)) * math.prod(self.spacing) / 2

    def largest_rate(self, flow: Flow) -> Float[Tensor, " batch"]:
        """max |u|/h_x + max |v|/h_y, the inverse of the time in which the flow crosses a cell."""
        h_y, h_x = self.spacing
        u, v = flow.abs().flatten(2).amax(2).unbind(1)
        return u.clamp(min=abs(self.lid)) / h_x + v / h_y


def _cosines(n: int) -> Float[Tensor, "mode cell"]:
    """The orthonormal cosine transform (type II) as a matrix."""
    mode, cell = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)
    matrix = math.sqrt(2 / n) * torch.cos(math.pi * mode * (cell + 0.5) / n)
    matrix[0] /= math.sqrt(2)
    return matrix


def _mean(a: Scalar, b: Scalar) -> Scalar:
    return (a + b) / 2


def _with_ends(values: Scalar, axis: int) -> Scalar:
    """With a zero before the first and one after the last."""
    return functional.pad(values, (1, 1) if axis == -1 else (0, 0, 1, 1))


def _entering(faces: Scalar, axis: int) -> Scalar:
    """The values on the faces before each cell: those of the cell before, zero on the wall."""
    kept = faces.narrow(axis, 0, faces.shape[axis] - 1)
    return functional.pad(kept, (1, 0) if axis == -1 else (0, 0, 1, 0))


def _between(centres: Scalar, axis: int, how: Callable[[Scalar, Scalar], Scalar]) -> Scalar:
    """A combination of each cell with the one after it, on the face between; zero on the wall."""
    count = centres.shape[axis] - 1
    inner = how(centres.narrow(axis, 0, count), centres.narrow(axis, 1, count))
    return functional.pad(inner, (0, 1) if axis == -1 else (0, 0, 0, 1))


def limited_slope(scalar: Float[Tensor, "*batch y x"], axis: int) -> Float[Tensor, "*batch y x"]:
    """The monotonised central difference per cell along axis -1 or -2, flat at the ends.

    No linear reconstruction with it leaves the range of the neighbours.
    """
    steps = _with_ends(scalar.diff(dim=axis), axis)
    count = scalar.shape[axis]
    back, ahead = steps.narrow(axis, 0, count), steps.narrow(axis, 1, count)
    return monotonised_central(back, ahead)
