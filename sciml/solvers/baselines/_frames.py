"""What regressions of whole trajectories share: features of a sample, frames on a fixed grid of times."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.nn import Units
from sciml.tasks import supports_points
from sciml.tasks.trajectories import Start, TrajectoryBatch
from sciml.train import Examples


def supports_frames(problem: Problem) -> Support:
    """A problem that `HasTrajectories`, has parameters and no spatial axes."""
    support = supports_points(problem)
    if support.ok and not problem.parameters:
        return Support(False, "it has no parameters to regress on")
    return support


def features_of(
    units: Units, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"], use_start: bool
) -> Float[Tensor, "batch feature"]:
    """Standardised parameters and, if asked for, the standardised first state."""
    known = units.known(parameters)
    return torch.cat((known, units.standardise(state)), dim=1) if use_start else known


class Frames(nn.Module):
    """Standardised frames on the times of the training trajectories, and what lies between them.

    Until `learn` is called there are two frames, at 0 and 1.

    Arguments:
        units: what standardises fields and parameters.
        room: most frames there is room for.
    """

    times: Tensor
    count: Tensor

    def __init__(self, units: Units, room: int) -> None:
        super().__init__()
        self.units = units
        self.register_buffer("times", torch.linspace(0, max(1, room - 1), room))
        self.register_buffer("count", torch.tensor(room))

    def used(self) -> Float[Tensor, " frame"]:
        """The times of the frames."""
        return self.times[: int(self.count)]

    @torch.no_grad()
    def learn(self, times: Float[Tensor, " frame"]) -> None:
        """Take the times of the training trajectories."""
        self.count.fill_(len(times))
        self.times[: len(times)] = times

    def at(
        self, frames: Float[Tensor, "batch frame channel"], times: Float[Tensor, " time"]
    ) -> Float[Tensor, "batch time channel"]:
        """Linear interpolation of the frames; NaN at times outside of theirs."""
        grid = self.used()
        right = torch.searchsorted(grid, times).clamp(1, len(grid) - 1)
        share = (times - grid[right - 1]) / (grid[right] - grid[right - 1])
        slack = 1e-5
        share = torch.where((share < -slack) | (share > 1 + slack), torch.nan, share.clamp(0, 1))
        return torch.lerp(frames[:, right - 1], frames[:, right], share[None, :, None].to(frames.dtype))


def finished(inputs: Start, states: Float[Tensor, "batch time channel"]) -> Prediction:
    """A prediction from states in physical units: the given one first, NaN and a status where they are not finite."""
    states = torch.cat((inputs.state[:, None], states[:, 1:].to(inputs.state.dtype)), dim=1)
    fine = states.isfinite().flatten(1).all(1)
    return Prediction(states, None, torch.where(fine, int(Status.OK), int(Status.DIVERGED)))


def whole(examples: Examples[TrajectoryBatch], device: torch.device) -> TrajectoryBatch:
    """All training examples as one batch."""
    return examples.batch(torch.arange(len(examples)), rng.generator(0, "frames")).to(device)
