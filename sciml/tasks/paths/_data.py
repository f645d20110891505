"""What learning a stochastic differential equation from the moments of its paths trains on and asks."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml import data, reference
from sciml.core import rng
from sciml.core.capabilities import Diffuses
from sciml.core.config import Config
from sciml.core.errors import DataError, UnsupportedError, UserError
from sciml.core.problem import Problem
from sciml.tasks._in_memory import column
from sciml.tasks._inputs import open_inputs, read_times

SHOWN = 20
"""Reference or predicted paths that are kept for the report."""


class PathsConfig(Config):
    """How a stochastic equation is examined; ``train.batch_size`` is the number of paths in a training step."""

    examined: int = pydantic.Field(1000, ge=2)
    """Paths that are predicted in validation and on the test split; their number limits how small an error can be."""


class PathInputs(NamedTuple):
    """What a solver of stochastic equations predicts from.

    Fields:
        start: the state at ``times[0]``, one path for each row, in physical units.
        times: when states are asked for, strictly increasing, the start included.
        seed: of the noise; the same one gives the same paths.
        tolerance: of an adaptive integration; None for the solver's own.
    """

    start: Float[Tensor, "batch channel"]
    times: Float[Tensor, " time"]
    seed: int = 0
    tolerance: float | None = None


@dataclass(frozen=True)
class PathBatch:
    """Paths to be made in one step of training, and what their moments should be.

    Fields:
        start: the common start, one row for each path that is asked for.
        times: of the moments, the start included.
        mean, variance: over reference paths, in physical units and their squares.
        seed: of the noise, another one in every step.
    """

    start: Float[Tensor, "batch channel"]
    times: Float[Tensor, " time"]
    mean: Float[Tensor, "time channel"]
    variance: Float[Tensor, "time channel"]
    seed: int

    def to(self, device: torch.device | str) -> "PathBatch":
        """The same batch on another device."""
        tensors = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **tensors)

    def rows(self, rows: slice) -> "PathBatch":
        """A part of the paths (the share of one process or one accumulation step), with noise of its own."""
        first, last, _ = rows.indices(len(self))
        whole = (first, last) == (0, len(self))
        seed = self.seed if whole else rng.derive(self.seed, "rows", first)
        return replace(self, start=self.start[rows], seed=seed)

    def __len__(self) -> int:
        return len(self.start)


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


class PathReference:
    """Reference paths of a problem that `Diffuses`, made when a split is first asked for.

    Arguments:
        problem: the equation; its parameters must be fixed numbers.
        card: how many paths each split has, with which steps and seed.

    Raises: UnsupportedError for parameters that have a range.
    """

    def __init__(self, problem: Problem, card: data.PathsCard) -> None:
        assert isinstance(problem, Diffuses)
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
                    f"reference paths of problem {self.problem.name!r} leave the finite numbers",
                    got=f"step {self.card.step}, {getattr(self.card.paths, split)} paths",
                    fix="Lower `step` in the dataset card.",
                )
            self._found[split] = moments
        return self._found[split]

    def paths(self, split: str) -> Float[Tensor, "path time channel"]:
        """The reference paths of a split, each split with noise of its own, on one thread."""
        problem = self.problem
        assert isinstance(problem, Diffuses)
        fixed = {entry.name: entry.low for entry in problem.parameters}

        def given(state: Tensor) -> dict[str, Tensor]:
            return {name: state.new_full((len(state),), value) for name, value in fixed.items()}

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return reference.ito_paths(
                lambda time, state: problem.drift(time, state, given(state)),
                lambda time, state: problem.diffusion(time, state, given(state)),
                self.start,
                self.times,
                paths=getattr(self.card.paths, split),
                step=self.card.step,
                generator=rng.generator(self.card.seed, problem.name, "paths", split),
            )
        finally:
            torch.set_num_threads(threads)


class PathExamples:
    """Paths from the common start, to be compared with the moments of the training split."""

    def __init__(self, found: PathReference) -> None:
        self.reference = found

    def __len__(self) -> int:
        return self.reference.card.paths.train

    def batch(self, indices: Tensor, generator: torch.Generator) -> PathBatch:
        """As many paths as there are `indices`, with a fresh seed."""
        found, seed = self.reference["train"], int(torch.randint(2**62, (), generator=generator))
        start = self.reference.start.float().repeat(len(indices), 1)
        return PathBatch(start, self.reference.times.float(), found.mean.float(), found.variance.float(), seed)


def read_path_inputs(
    path: Path, problem: Problem, steps: int | None, stored: Float[Tensor, " time"], seed: int
) -> PathInputs:
    """Starts of paths from a user's NetCDF file.

    Arguments:
        path: a file with one variable per field on ``sample`` (``sample`` may be missing for a single path). A
            coordinate ``time`` says when states are asked for, the start first.
        problem: what the fields are called.
        steps: how many times after the start; None for all.
        stored: the times the run was trained on, used if the file has none.
        seed: of the noise.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    source = open_inputs(path, problem, "starts of paths")
    start = torch.stack([column(path, source[field.name]) for field in problem.fields], dim=1)
    times = read_times(path, source)
    times = stored if times is None else times
    if steps is not None and len(times) <= steps:
        raise DataError(f"{path} has fewer times than steps asked for", got=f"{len(times)} times and {steps} steps",
                        fix="Ask for fewer steps, or give a coordinate `time` with more.")  # fmt: skip
    return PathInputs(start, times if steps is None else times[: steps + 1], seed)
