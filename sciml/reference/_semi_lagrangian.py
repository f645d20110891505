"""The splitting scheme that public data sets of buoyant smoke were made with: first order, and one step per frame.

It is here so that these data can be made again, not because it can be trusted: smoke is not conserved, and at their
step its error is a third of the solution.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.types import Grid
from sciml.reference._staggered import Flow, Scalar, StaggeredBox


@final
class SemiLagrangianSmoke:
    """Smoke and flow in a closed box: backward tracing, buoyancy, explicit viscosity and one projection per step.

    Beyond walls velocities count as zero on a further row of values, smoke as that of the outermost cells.

    Arguments:
        grid: two axes ``y x`` that end at walls.
        dt: the step; explicit viscosity wants ν dt (1/h_x² + 1/h_y²) ≤ 1/2.

    Reference: the setting of Gupta and Brandstetter, arXiv:2209.15616, appendix B (equations and parameters only).
    """

    def __init__(self, grid: Grid, dt: float, device: torch.device | str = "cpu") -> None:
        self.box, self.dt = StaggeredBox(grid, device=device), dt
        rows, columns = (torch.arange(n, dtype=torch.float64, device=device) for n in grid.size)
        self._rows, self._columns = rows[:, None], columns

    def step(
        self,
        smoke: Scalar,
        flow: Flow,
        buoyancy: Float[Tensor, " batch"],
        viscosity: Float[Tensor, " batch"],
    ) -> tuple[Scalar, Flow]:
        """Smoke and velocity one `dt` later."""
        u, v = flow.unbind(1)
        h_y, h_x = self.box.spacing
        speed = self.box.at_centres(flow)
        smoke = self._trace(smoke, speed[:, 0], speed[:, 1], is_closed=False)
        inner_u, inner_v = u[:, :, :-1], v[:, :-1]
        v_there = _mean_of_four(v, along=-1)  # at faces of u
        u_there = _mean_of_four(u, along=-2)
        moved_u = self._trace(inner_u, inner_u, v_there, is_closed=True)
        moved_v = self._trace(inner_v, u_there, inner_v, is_closed=True)
        lift = buoyancy[:, None, None] * (smoke[:, :-1] + smoke[:, 1:]) / 2
        moved = (moved_u, moved_v + self.dt * lift)
        nu = viscosity[:, None, None] * self.dt
        diffused = [w + nu * (_second_difference(w, -1) / h_x**2 + _second_difference(w, -2) / h_y**2) for w in moved]
        walls = torch.zeros_like(flow)
        walls[:, 0, :, :-1], walls[:, 1, :-1] = diffused
        return smoke, self.box.project(walls)

    def _trace(self, values: Scalar, u: Scalar, v: Scalar, *, is_closed: bool) -> Scalar:
        """`values` at the places where their points were a step ago, bilinearly; zero outside if `is_closed`."""
        h_y, h_x = self.box.spacing
        rows, columns = values.shape[-2:]
        y, x = self._rows[:rows] - self.dt / h_y * v, self._columns[:columns] - self.dt / h_x * u
        if is_closed:
            values = torch.nn.functional.pad(values, (1, 1, 1, 1))
            y, x, rows, columns = y + 1, x + 1, rows + 2, columns + 2
        y, x = y.clamp(0, rows - 1), x.clamp(0, columns - 1)
        low_y, low_x = y.floor().clamp(max=rows - 2).long(), x.floor().clamp(max=columns - 2).long()
        share_y, share_x = y - low_y, x - low_x
        flat = values.flatten(1)

        def at(row: Tensor, column: Tensor) -> Tensor:
            return flat.gather(1, (row * columns + column).flatten(1)).view_as(row)

        lower = (1 - share_x) * at(low_y, low_x) + share_x * at(low_y, low_x + 1)
        upper = (1 - share_x) * at(low_y + 1, low_x) + share_x * at(low_y + 1, low_x + 1)
        return (1 - share_y) * lower + share_y * upper


def _mean_of_four(faces: Scalar, along: int) -> Scalar:
    """One component between its faces, at the inner faces of the other; `along` is the axis of these."""
    across = -3 - along
    first = torch.zeros_like(faces.narrow(across, 0, 1))
    pairs = torch.cat([first, faces], dim=across)
    rows = (pairs.narrow(across, 0, faces.shape[across]) + pairs.narrow(across, 1, faces.shape[across])) / 2
    count = faces.shape[along] - 1
    return (rows.narrow(along, 0, count) + rows.narrow(along, 1, count)) / 2


def _second_difference(values: Scalar, axis: int) -> Scalar:
    """With zeros beyond both ends."""
    edge = torch.zeros_like(values.narrow(axis, 0, 1))
    return torch.cat([edge, values, edge], dim=axis).diff(dim=axis).diff(dim=axis)
