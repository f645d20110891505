"""What learning an ordinary differential equation from trajectories trains on and asks."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml import data
from sciml.core import rng
from sciml.core.config import Config
from sciml.core.errors import ConfigError, DataError
from sciml.core.problem import Problem
from sciml.core.tensors import TensorField
from sciml.tasks._inputs import Times, check_finite, numbers, open_inputs, parameter_columns, read_times, shape_words
from sciml.tasks._no_space import by_the_clock, good_parameters, good_states, random_subset, stored_times
from sciml.tasks.trajectories._starts import StartRule
from sciml.train import Context


class TrajectoriesConfig(Config):
    """What a solver that learns the dynamics is trained on."""

    window: int | None = pydantic.Field(default=10, ge=2)
    """Frames of a training example, its start included; None for whole trajectories, which dynamics that depend on
    time itself need."""
    noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of the Gaussian error of every training state, in standard deviations of the field. It is
    drawn once per dataset, as a measurement would be, so that no number of epochs averages it away; validation and test
    are clean."""
    cases: int | None = pydantic.Field(default=None, ge=1)
    """Training trajectories that are used, a random subset; None for all. What standardises the fields still comes from
    all of them, and validation and test stay whole."""
    draw: int = pydantic.Field(default=0, ge=0)
    """Which of the random subsets."""
    conformal: float | None = pydantic.Field(default=None, gt=0, lt=1)
    """Share of the values that bands around predictions are to hold, in the mean over trajectories (split conformal
    prediction on the validation trajectories); None for no bands."""


class TrajectoriesContext(Context):
    """What a network of trajectories must know of its data."""

    statistics: data.Statistics
    """Mean and standard deviation per field and parameter, from the training split."""
    dt: float
    """Physical time between stored frames."""
    frames: int
    """Stored frames of a trajectory, the usual length of a prediction."""
    time_units: str = "1"
    """Units of `dt`."""
    starts: StartRule | None = None
    """How first states follow from the parameters; None where they do not, or where it is not known."""
    seen: TensorField | None = None
    """Lowest and highest value of each field where training examples begin, ``2 channel``; None where not known."""
    free_starts: bool = False
    """Whether they are known not to follow."""
    conformal: float | None = None
    """Share of the values that bands around predictions hold; None without bands."""

    @property
    def times(self) -> tuple[float, ...]:
        """Of the stored frames, as questions have them."""
        return tuple((self.dt * torch.arange(self.frames, device="cpu")).double().tolist())


class Start(NamedTuple):
    """What a solver of the task `Trajectories` predicts from.

    Fields:
        state: the state at ``times[0]``, in physical units.
        parameters: physical parameters in declaration order.
        times: when the state is asked for, strictly increasing, the start included; counted from `origin`.
        tolerance: relative tolerance of the integration; None for the solver's own.
        origin: of `times`, by the clock; not zero where single precision does not hold their distances by the clock.
    """

    state: Float[Tensor, "batch channel"]
    parameters: Float[Tensor, "batch parameter"]
    times: Float[Tensor, " time"]
    tolerance: float | None = None
    origin: float = 0.0

    @property
    def clock(self) -> Float[Tensor, " time"]:
        """The times by the clock, for what depends on it."""
        return by_the_clock(self.times, self.origin)


@dataclass(frozen=True)
class TrajectoryBatch(data.Batch):
    """Pieces of trajectories in physical units.

    Fields:
        states: consecutive frames, ``batch window channel``.
        times: time since the first frame, ``window``, for dynamics that do not depend on time itself.
        parameters: physical parameters in declaration order, ``batch parameter``.
        since: time of the first frame, ``batch``; None where it is zero for all.
        derived: the problem's derived quantities as the reference found them, ``batch quantity``; None where pieces are
            not whole trajectories, or there are none.
    """

    shared: ClassVar[frozenset[str]] = frozenset({"times"})

    states: Float[Tensor, "batch window channel"]
    times: Float[Tensor, " window"]
    parameters: Float[Tensor, "batch parameter"]
    since: Float[Tensor, " batch"] | None = None
    derived: Float[Tensor, "batch quantity"] | None = None

    @property
    def start(self) -> Start:
        """The first state of every piece, asked for at the times of the pieces."""
        return Start(self.states[:, 0], self.parameters, self.times)

    @property
    def moments(self) -> Float[Tensor, "batch window"]:
        """Times of the frames by the clock, for dynamics that depend on it."""
        rows = self.times.expand(len(self.states), -1)
        return rows if self.since is None else self.since[:, None] + rows


def good_derived(dataset: data.Dataset, name: str) -> Float[Tensor, "sample quantity"] | None:
    """Derived quantities of the good samples of a split as the reference found them; None without any."""
    split = dataset.split(name)
    return split.derived[split.good] if split.derived.shape[1] else None


class TrajectoryExamples:
    """Every window of every training trajectory, numbered by trajectory, then by start."""

    def __init__(self, dataset: data.Dataset, config: TrajectoriesConfig) -> None:
        frames = dataset.card.frames
        window = frames if config.window is None else config.window
        if window > frames:
            raise ConfigError(
                "the trajectories are too short for this window",
                got=f"a window of {window} frames, {frames} stored",
                fix="Lower task.window, or raise `frames` in the dataset card.",
            )
        states = good_states(dataset, "train")
        if config.noise:
            randomness = rng.generator(dataset.card.seed, "measurement", dataset.digest)
            noise = torch.randn(states.shape, generator=randomness)
            states = states + config.noise * dataset.statistics.field_std * noise
        parameters, derived = good_parameters(dataset, "train"), good_derived(dataset, "train")
        if config.cases is not None:
            chosen = random_subset(len(states), config.cases, config.draw)
            states, parameters = states[chosen], parameters[chosen]
            derived = None if derived is None else derived[chosen]
        self.states, self.parameters = states, parameters
        self._derived = derived if window == frames else None
        self._clock = stored_times(dataset)
        self.times = self._clock[:window]
        self._starts = frames - window + 1

    def __len__(self) -> int:
        return len(self.states) * self._starts

    def batch(self, indices: Tensor, generator: torch.Generator) -> TrajectoryBatch:
        """The windows at `indices`."""
        sample, start = indices // self._starts, indices % self._starts
        frames = start[:, None] + torch.arange(len(self.times))
        states, since = self.states[sample[:, None], frames], self._clock[start]
        derived = None if self._derived is None else self._derived[sample]
        return TrajectoryBatch(states, self.times, self.parameters[sample], since, derived)


def read_start(path: Path, problem: Problem, context: TrajectoriesContext, steps: int | None) -> Start:
    """Initial states from a user's NetCDF file.

    Arguments:
        path: a file with one variable per field on ``sample`` (``sample`` may be missing for a single case), or on
            ``sample time``, of which the first time counts, and one per parameter on ``sample`` (or a scalar). A
            coordinate ``time`` says when the state is asked for; its first value is the time of the initial state.
        problem: what the fields and parameters are called.
        context: step and usual length of a trajectory where the file has no times.
        steps: steps to go; None for as many as the file has times, without times for the usual length.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    also = {"time": context.time_units}
    source = open_inputs(path, problem, "initial states and parameters", also=also)
    columns = []
    for field in problem.fields:
        array = source[field.name]
        if set(array.dims) == {"sample", "time"}:
            array = array.transpose("sample", "time")[:, 0]
        if array.dims != ("sample",):
            raise DataError(
                f"field {field.name!r} in {path} has the wrong shape",
                got=shape_words(source[field.name]),
                expected="one value for each sample, or sample and time",
            )
        columns.append(numbers(path, array))
        check_finite(path, field.name, columns[-1])
    state = torch.stack(columns, dim=1)
    parameters = parameter_columns(path, source, problem, len(state))
    times, origin = read_times(path, source) or Times(context.dt * torch.arange((steps or context.frames - 1) + 1))
    if steps is not None and len(times) <= steps:
        raise DataError(f"{path} has fewer times than steps asked for", got=f"{len(times)} times and {steps} steps",
                        fix="Ask for fewer steps, or leave out the coordinate `time`.")  # fmt: skip
    return Start(state, parameters, times if steps is None else times[: steps + 1], origin=origin)
