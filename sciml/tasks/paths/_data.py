"""What learning a stochastic differential equation from the moments of its paths trains on and asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pydantic
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml import data, reference
from sciml.core import rng
from sciml.core.capabilities import Diffuses
from sciml.core.config import Config
from sciml.core.errors import DataError, UnsupportedError, UserError
from sciml.core.problem import Problem
from sciml.core.tensors import TensorField
from sciml.tasks._in_memory import column
from sciml.tasks._inputs import Times, open_inputs, read_times
from sciml.tasks.paths._card import PathsCard
from sciml.train import Context

SHOWN = 20
"""Reference or predicted paths that are kept for the report."""

SEED = "seed"
"""Attribute of a file of inputs that chooses the noise."""


class PathsConfig(Config):
    """How a stochastic equation is examined; ``train.batch_size`` is the number of paths in a training step."""

    examined: int = pydantic.Field(default=1000, ge=4)
    """Paths that are predicted in validation and on the test split; their number limits how small an error can be."""


class PathsContext(Context):
    """What a solver of stochastic equations must know of its data."""

    times: TensorField
    """At which reference paths are compared, the start included, float32."""
    time_units: str
    """Units of `times`."""
    seed: int
    """Of the noise of predictions that name none."""


class PathInputs(NamedTuple):
    """What a solver of stochastic equations predicts from.

    Fields:
        start: the state at ``times[0]``, one path for each row, in physical units.
        times: when states are asked for, strictly increasing, the start included; counted from `origin`.
        seed: of the noise; the same one gives the same paths.
        tolerance: of an adaptive integration; None for the solver's own.
        origin: of `times`, by the clock; not zero where single precision does not hold their distances by the clock.
    """

    start: Float[Tensor, "batch channel"]
    times: Float[Tensor, " time"]
    seed: int = 0
    tolerance: float | None = None
    origin: float = 0.0


@dataclass(frozen=True)
class PathBatch(data.Batch):
    """Paths to be made in one step of training, and what their moments should be.

    Fields:
        start: the common start, one row for each path that is asked for.
        times: of the moments, the start included.
        mean, variance: over reference paths, in physical units and their squares.
        seed: of the noise, another one in every step.
    """

    shared: ClassVar[frozenset[str]] = frozenset({"times", "mean", "variance", "seed"})

    start: Float[Tensor, "batch channel"]
    times: Float[Tensor, " time"]
    mean: Float[Tensor, "time channel"]
    variance: Float[Tensor, "time channel"]
    seed: int

    def _part(self, rows: slice) -> dict[str, object]:
        """A part of the paths has noise of its own."""
        first, last, _ = rows.indices(len(self))
        whole = (first, last) == (0, len(self))
        return super()._part(rows) | {"seed": self.seed if whole else rng.derive(self.seed, "rows", first)}


class Moments(NamedTuple):
    """Mean and variance of paths over time, float64, and a few of the paths.

    Fields:
        mean, variance: over the paths; the variance is the unbiased one.
        noise: variance of the two estimates above if they were made from a single path, summed over both, times and
            channels; divided by n it is the squared error that n perfect paths are expected to have.
        paths: the first ones.
    """

    mean: Float[Tensor, "time channel"]
    variance: Float[Tensor, "time channel"]
    noise: float
    paths: Float[Tensor, "path time channel"]


def moments_of_paths(paths: Float[Tensor, "path time channel"]) -> Moments:
    """Mean, variance and their uncertainty; not finite where a path is not."""
    every = paths.double()
    mean = every.mean(0)
    squares = (every - mean).square()
    variance = squares.sum(0) / (len(every) - 1)
    noise = variance.sum() + (squares.square().mean(0) - variance.square()).sum()
    return Moments(mean, variance, float(noise), every[:SHOWN])


LEAST_PATHS = 4
"""Fewest paths of which `moment_errors` can be taken."""


def moment_errors(
    paths: Float[Tensor, "path time channel"],
    mean: Float[Tensor, "time channel"],
    variance: Float[Tensor, "time channel"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Squared errors of mean and variance of the equation that made `paths`, summed over times and channels.

    Of n paths, the expected squares of the sample mean's and sample variance's errors exceed those of the equation by
    the variances of the two estimates. A fit that does not subtract these prefers less noise than there is, the more
    so the fewer paths. From the same paths, with the k-statistics k₂, k₄, they are estimated without bias as

        k₂ / n    and    (2 n k₂² + (n - 1) k₄) / (n (n + 1)),

    so that the sums are right on average for any distribution, and may be negative.

    Arguments:
        paths: four or more, independent, from one start.
        mean, variance: what theirs should be.

    Reference: Kenney and Keeping, Mathematics of Statistics, part 2 (1951), section 7.5 (k-statistics).
    """
    n = len(paths)
    centre = paths.mean(0)
    off = (paths - centre).square()
    second = off.mean(0)
    k2 = n / (n - 1) * second
    k4 = n**2 * ((n + 1) * off.square().mean(0) - 3 * (n - 1) * second.square()) / ((n - 1) * (n - 2) * (n - 3))
    of_mean = (centre - mean).square() - k2 / n
    of_variance = (k2 - variance).square() - (2 * n * k2.square() + (n - 1) * k4) / (n * (n + 1))
    return of_mean.sum(), of_variance.sum()


class PathReference:
    """Reference paths of a problem that `Diffuses`, made when a split is first asked for.

    Arguments:
        problem: the equation; its parameters must be fixed numbers.
        card: how many paths each split has, with which steps and seed.

    Raises: UnsupportedError for parameters that have a range.
    """

    def __init__(self, problem: Diffuses, card: PathsCard) -> None:
        if loose := [entry.name for entry in problem.parameters if entry.low != entry.high]:
            raise UnsupportedError(
                f"paths of problem {problem.name!r} have no common moments, since its parameters vary",
                got=", ".join(loose),
                expected="parameters with low equal to high",
            )
        self.problem, self.card = problem, card
        self.start, self.times = problem.start().double(), problem.times().double()
        self._found: dict[str, Moments] = {}

    def __getitem__(self, split: str) -> Moments:
        """The moments of a split. Raises UserError if a reference path leaves the finite numbers."""
        if split not in self._found:
            moments = moments_of_paths(self.paths(split))
            if not (moments.mean.isfinite().all() and moments.variance.isfinite().all()):
                raise UserError(
                    f"reference paths of problem {self.problem.name!r} become non-finite",
                    got=f"step {self.card.step}, {getattr(self.card.paths, split)} paths",
                    fix="Lower `step` in the dataset card.",
                )
            self._found[split] = moments
        return self._found[split]

    def paths(self, split: str) -> Float[Tensor, "path time channel"]:
        """The reference paths of a split, each split with noise of its own, on one thread."""
        problem = self.problem
        fixed = {entry.name: entry.low for entry in problem.parameters}
        params = partial(_constant, fixed)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return reference.ito_paths(
                lambda time, state: problem.drift(time, state, params(state)),
                lambda time, state: problem.diffusion(time, state, params(state)),
                self.start,
                self.times,
                paths=getattr(self.card.paths, split),
                step=self.card.step,
                generator=rng.generator(self.card.seed, problem.name, "paths", split),
            )
        finally:
            torch.set_num_threads(threads)


def _constant(values: Mapping[str, float], state: Tensor) -> dict[str, Tensor]:
    """Parameters that are the same in every row."""
    return {name: state.new_full((len(state),), value) for name, value in values.items()}


class PathExamples:
    """Paths from the common start, to be compared with the moments of the training split."""

    def __init__(self, reference: PathReference) -> None:
        self.reference = reference

    def __len__(self) -> int:
        return self.reference.card.paths.train

    def batch(self, indices: Tensor, generator: torch.Generator) -> PathBatch:
        """As many paths as there are `indices`, with a fresh seed."""
        moments, seed = self.reference["train"], int(torch.randint(2**62, (), generator=generator))
        start = self.reference.start.float().repeat(len(indices), 1)
        return PathBatch(start, self.reference.times.float(), moments.mean.float(), moments.variance.float(), seed)


def read_path_inputs(path: Path, problem: Problem, context: PathsContext, steps: int | None) -> PathInputs:
    """Starts of paths from a user's NetCDF file.

    Arguments:
        path: a file with one variable per field on ``sample`` (``sample`` may be missing for a single path). A
            coordinate ``time`` says when states are asked for, the start first; an attribute ``seed`` of the whole
            file, an integer, chooses the noise.
        problem: what the fields are called.
        context: the times and the seed of a file that has none.
        steps: how many times after the start; None for all.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    names, also = [field.name for field in problem.fields], {"time": context.time_units}
    source = open_inputs(path, problem, "starts of paths", names, also=also)
    start = torch.stack([column(path, source[field.name]) for field in problem.fields], dim=1)
    times, origin = read_times(path, source) or Times(context.times)
    if steps is not None and len(times) <= steps:
        raise DataError(f"{path} has fewer times than steps asked for", got=f"{len(times)} times and {steps} steps",
                        fix="Ask for fewer steps, or give a coordinate `time` with more.")  # fmt: skip
    seed = _seed(path, source, context)
    return PathInputs(start, times if steps is None else times[: steps + 1], seed, origin=origin)


def _seed(path: Path, source: xarray.Dataset, context: PathsContext) -> int:
    seed = source.attrs.get(SEED, context.seed)
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(
            f"the attribute {SEED} of {path} is not a seed", got=repr(seed), expected="an integer, 0 or more"
        )
    return int(seed)
