"""What regressions of whole trajectories share: features of a sample, frames on a fixed grid of times."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.errors import ConfigError, UserError
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.nn import Units
from sciml.tasks import supports_points
from sciml.tasks.trajectories import Start, StartRule, TrajectoriesContext, TrajectoryBatch
from sciml.train import Examples

_SLACK = 1e-5
"""Share of the training times by which rounding may miss their end."""


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


def reads_start(use_start: bool | None, context: TrajectoriesContext) -> bool:
    """Whether the first state is a feature: as the settings say, or where it does not follow from the parameters."""
    return context.free_starts if use_start is None else use_start


def training_times(
    starts: StartRule | None, use_start: bool | None, inputs: Start, known: Float[Tensor, " frame"]
) -> Float[Tensor, " time"]:
    """The times asked for as those of a trajectory that begins when the training ones do.

    Where first states are read they may be those of any time. Where they are not, or the training trajectories had one
    for each set of parameters, only theirs are accepted.

    Arguments:
        starts: what these are; None where it is not known.
        use_start: whether they are read.
        inputs: what is asked.
        known: times of the training trajectories, or the first and the last of them.

    Raises: UserError for a start that would be ignored, and for times after those of training, of which a regression
        knows nothing.
    """
    if not use_start and starts is None:
        times = inputs.clock.to(known)
    else:
        if starts is not None and (starts.stated or not use_start):
            starts.check(inputs.state, inputs.parameters, inputs.clock)
        begun = inputs.times[0]
        times = inputs.times if begun == known[0] else inputs.times - begun + known[0]
    first, last, latest = float(known[0]), float(known[-1]), float(times.max())
    if latest > last + _SLACK * (last - first):
        raise UserError(
            "times after those of training, which a regression of whole trajectories has never seen",
            got=f"{latest:.6g}",
            expected=f"between {first:.6g} and {last:.6g}, counted as in training",
            fix="Ask for earlier times, or use a solver that steps through time (pnode, neural_ode).",
        )
    return times


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

    def folded(
        self, flat: Float[Tensor, "batch output"], count: int | None = None
    ) -> Float[Tensor, "batch frame channel"]:
        """Numbers for all the room there is as the frames that are used, or the first `count`."""
        frames = flat.unflatten(1, (len(self.times), self.units.channels))
        return frames[:, : int(self.count) if count is None else count]

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


def chosen(batch: TrajectoryBatch, samples: int, frames: int) -> TrajectoryBatch:
    """At most `samples` trajectories, spread evenly. Raises ConfigError if they have more than `frames` frames."""
    if len(batch.times) > frames:
        raise ConfigError(
            "the trajectories have more frames than the regression can store",
            got=len(batch.times),
            expected=f"at most model.frames={frames}",
        )
    if len(batch) <= samples:
        return batch
    rows = torch.linspace(0, len(batch) - 1, samples).long().to(batch.states.device)
    derived = None if batch.derived is None else batch.derived[rows]
    return TrajectoryBatch(batch.states[rows], batch.times, batch.parameters[rows], derived=derived)


class FramesProgram(nn.Module):
    """A regression of whole trajectories as a program: start and parameters to states at the training times.

    Arguments:
        frames_of: state, parameters and number of frames to standardised frames, the mean of a distribution first where
            that is what it gives.
        frames: what these are frames of; their number is fixed from now on, as a program has no other.
    """

    def __init__(self, frames_of: nn.Module, frames: Frames) -> None:
        super().__init__()
        self.frames_of, self.frames, self.count = frames_of, frames, int(frames.count)

    def forward(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch frame channel"]:
        """States in physical units; the first one is the given one."""
        answer = self.frames_of(state, parameters, self.count)
        states = self.frames.units.restore(answer[0] if isinstance(answer, tuple) else answer)
        return torch.cat((state[:, None], states[:, 1:].to(state.dtype)), dim=1)


class Modes(nn.Module):
    """Frames in their own modes: ū(t) + Σ_m c_m φ_m(t), φ_m the leading right singular vectors of centred trajectories.

    What the kept modes leave out has the variance `cut`, by frame and channel: that of the training trajectories,
    enlarged for the degrees of freedom that the modes took from them. Until `learn` is called everything is zero.

    Arguments:
        count: most modes.
        frames, channels: room for the frames.
    """

    modes: Tensor
    mean: Tensor
    cut: Tensor

    def __init__(self, count: int, frames: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("modes", torch.zeros(count, frames, channels, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(frames, channels, dtype=torch.float64))
        self.register_buffer("cut", torch.zeros(frames, channels, dtype=torch.float64))

    @torch.no_grad()
    def learn(self, y: Float[Tensor, "sample frame channel"]) -> Float[Tensor, "sample mode"]:
        """Find the modes of standardised trajectories; the coefficients of each in those that are kept."""
        mean = y.mean(0)
        left, sizes, right = torch.linalg.svd((y - mean).flatten(1), full_matrices=False)
        kept = min(len(self.modes), len(sizes) - 1, int((sizes > 1e-9 * sizes[0]).sum()))
        self.mean[: y.shape[1]] = mean
        self.modes[:kept, : y.shape[1]] = right[:kept].unflatten(1, y.shape[1:])
        rest = (left[:, kept:] * sizes[kept:]) @ right[kept:]
        self.cut[: y.shape[1]] = rest.square().sum(0).unflatten(0, y.shape[1:]) / max(1, len(y) - kept - 1)
        return left[:, :kept] * sizes[:kept]

    def compose(self, coefficients: Float[Tensor, "batch mode"], count: int) -> Float[Tensor, "batch frame channel"]:
        """The first `count` frames of given coefficients."""
        return self.mean[:count] + torch.einsum("bm,mfc->bfc", coefficients, self.modes[:, :count])

    def spread(self, variances: Float[Tensor, "batch mode"], count: int) -> Float[Tensor, "batch frame channel"]:
        """Variance of the first `count` frames from that of independent coefficients and of the modes left out."""
        return torch.einsum("bm,mfc->bfc", variances, self.modes[:, :count].square()) + self.cut[:count]
