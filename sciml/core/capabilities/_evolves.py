"""What can be simulated."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities._has_trajectories import HasTrajectories
from sciml.core.types import Grid, Params, Trajectory


class Evolves(HasTrajectories):
    """Can be simulated in time by a trusted classical solver."""

    @abstractmethod
    def grid(self, size: Sequence[int]) -> Grid:
        """The problem's domain on `size` points per axis (``()`` for an ODE). Raises UserError for a bad size."""

    @abstractmethod
    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Float[Tensor, "channel *space"]:
        """One initial state (float64) for one draw of the parameters (scalars)."""

    @abstractmethod
    def simulate(
        self,
        params: Params,
        initial: Float[Tensor, "batch channel *space"],
        times: Float[Tensor, " time"],
        grid: Grid,
    ) -> Trajectory:
        """States at `times` (increasing, the first is the time of `initial`), batched, float64.

        Rows must not influence each other. A sample that breaks down is reported by its status.
        """

    def coarsest(self) -> "Evolves | None":
        """The same problem with a reference that computes on the stored grid itself, where `simulate` refines it.

        None, the default, where `simulate` computes on the grid it is given. The speed of a surrogate is compared with
        it, and with it on coarser grids.
        """
        return None
