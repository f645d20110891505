"""What the tasks on trajectories without spatial axes share: opening the data, labelling states, measuring errors."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import HasTrajectories
from sciml.core.errors import ConfigError, UnsupportedError
from sciml.core.problem import Problem
from sciml.core.progress import Progress, SilentProgress
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.tasks._labels import Labelled, labelled_status


def supports_points(problem: Problem) -> Support:
    """Whether a problem `HasTrajectories` and no spatial axes."""
    if not isinstance(problem, HasTrajectories):
        return Support(False, "it has no trajectories")
    if problem.boundary:
        return Support(
            False, f"it has {len(problem.boundary)} spatial axes; this solver is for equations without space"
        )
    if problem.forcings:
        names = ", ".join(entry.name for entry in problem.forcings)
        return Support(False, f"it is driven by {names}, which vary by time and which this solver does not read")
    if problem.time_step is not None:
        return Support(False, "its time step differs between trajectories, and this solver takes one for all")
    return Support(True)


def open_trajectories(
    problem: HasTrajectories, preset: str, *, progress: Progress | None, workers: int
) -> data.Dataset:
    """Generate what is missing of the dataset of a problem without spatial axes, and open it."""
    if problem.boundary:
        raise UnsupportedError(
            f"problem {problem.name!r} has spatial axes",
            got=", ".join(problem.boundary),
            expected="an ordinary differential equation",
            fix="Solvers of partial differential equations have the task 'forecast'; see `sciml list`.",
        )
    return data.generate(problem, preset, workers=workers, progress=progress or SilentProgress())


def good_states(dataset: data.Dataset, name: str) -> Float[Tensor, "sample time channel"]:
    """The successful trajectories of a split. Raises ConfigError if there are none."""
    split = dataset.split(name)
    if not len(split.good):
        raise ConfigError(f"no trajectory of split {name!r} succeeded", got=split.counts, expected="one at least")
    return split.states[split.good]


def good_parameters(dataset: data.Dataset, name: str) -> Float[Tensor, "sample parameter"]:
    """The parameters of the successful trajectories of a split."""
    split = dataset.split(name)
    return split.parameters[split.good]


def stored_times(dataset: data.Dataset) -> Float[Tensor, " time"]:
    """The stored times, float32, in the card's units."""
    return dataset.layout.times.float()


def relative_error(
    predicted: Float[Tensor, "sample time channel"], true: Float[Tensor, "sample time channel"]
) -> Float[Tensor, "sample time"]:
    """Error of every time relative to the size of the whole trajectory: ‖e(t)‖₂ / √⟨‖u(t)‖₂²⟩, mean over time.

    Unlike a ratio at every time it stays meaningful where the state passes through zero.
    """
    return (predicted - true).norm(dim=2) / true.square().sum(2).mean(1, keepdim=True).sqrt()


def whole_error(curve: Float[Tensor, "sample time"]) -> Float[Tensor, " sample"]:
    """Relative L2 error of each whole trajectory, norms over time and channel, from its `relative_error`."""
    return curve.square().mean(1).sqrt()


def finite_mean(values: Tensor) -> float:
    """The mean as a score: infinite if any value is not finite."""
    mean = float(values.double().mean())
    return mean if np.isfinite(mean) else float("inf")


def status_of(prediction: Prediction) -> Int[Tensor, " sample"]:
    """The solver's status per sample; a sample that it calls fine but that is not finite has diverged."""
    finite = prediction.mean.isfinite().reshape(len(prediction.mean), -1).all(1)
    reported = torch.zeros(len(finite), dtype=torch.int64) if prediction.status is None else prediction.status.long()
    return torch.where(~finite & (reported == Status.OK), int(Status.DIVERGED), reported)


def bad_fields(problem: Problem, states: Float[Tensor, "batch time channel"]) -> str:
    """Names of the fields that are not finite somewhere; empty if all are."""
    bad = ~states.isfinite().all(0).all(0)
    return ", ".join(field.name for field, is_bad in zip(problem.fields, bad.tolist(), strict=True) if is_bad)


def time_coordinate(
    times: Float[Tensor, " time"], units: str, origin: float = 0.0
) -> tuple[str, np.ndarray, dict[str, str]]:
    """Times, counted from an origin, as a labelled coordinate by the clock, float64."""
    return "time", origin + times.double().cpu().numpy(), {"units": units, "long_name": "time"}


def by_the_clock(times: Float[Tensor, " time"], origin: float) -> Float[Tensor, " time"]:
    """Times counted from an origin, as they are by the clock: in double precision where the origin is not zero."""
    return times.double() + origin if origin else times


def labelled_fields(problem: Problem, states: Float[Tensor, "sample time channel"]) -> Labelled:
    """One variable ``sample time`` per field, with units."""
    return {
        field.name: (("sample", "time"), states[:, :, i].numpy(), {"units": field.units, "long_name": field.long_name})
        for i, field in enumerate(problem.fields)
    }


def labelled_spread(problem: Problem, prediction: Prediction, share: float | None = None) -> Labelled:
    """``sigma_<field>``, and ``low_<field>`` and ``high_<field>`` of a band that holds `share`, where known."""
    labelled: Labelled = {}
    mean, spread, band = (None if x is None else x.cpu() for x in (prediction.mean, prediction.spread, prediction.band))
    for i, field in enumerate(problem.fields):
        parts: list[tuple[str, Tensor, str]] = []
        if spread is not None:
            parts.append(("sigma", spread, "standard deviation of the error of {}"))
        if mean is not None and band is not None and share is not None:
            holds = f"of the band that holds {share:.0%} of {{}}"
            parts += [("low", mean - band, f"lower end {holds}"), ("high", mean + band, f"upper end {holds}")]
        for prefix, values, words in parts:
            attributes = {"units": field.units, "long_name": words.format(field.long_name)}
            labelled[f"{prefix}_{field.name}"] = (("sample", "time"), values[:, :, i].numpy(), attributes)
    return labelled


def labelled_outcome(prediction: Prediction) -> Labelled:
    """``status`` and, where the solver counts them, ``evaluations``, per sample."""
    labelled: dict[str, Any] = labelled_status(status_of(prediction))
    if "evaluations" in prediction.stats:
        values = torch.as_tensor(prediction.stats["evaluations"]).cpu().long()
        words = {"units": "1", "long_name": "evaluations of the right-hand side"}
        labelled["evaluations"] = ("sample", values.expand(len(prediction.mean)).numpy(), words)
    return labelled


def random_subset(count: int, cases: int, draw: int) -> Tensor:
    """Numbers of the training cases that are used; the first of a larger subset of the same draw are a smaller one."""
    if cases > count:
        raise ConfigError(
            f"the dataset has only {count} training cases",
            got=f"task.cases = {cases}",
            expected=f"at most {count}",
            fix="Lower task.cases, or take a larger preset.",
        )
    return torch.randperm(count, generator=rng.generator(draw, "cases"))[:cases]
