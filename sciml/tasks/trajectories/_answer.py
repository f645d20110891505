"""What stands beside predicted states: bands, derived quantities, outcomes, and the status of what cannot be."""

import numpy as np
import torch
from torch import nn

from sciml.core.capabilities import HasDerivedQuantities, HasTrajectories
from sciml.core.problem import is_possible
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.tasks._cost import predict_on
from sciml.tasks._labels import Labelled
from sciml.tasks._no_space import (
    status_of,
)
from sciml.tasks.trajectories._bands import band_at
from sciml.tasks.trajectories._data import (
    Start,
)
from sciml.tasks.trajectories._outcome import (
    derived_of,
    labelled_chance,
    labelled_derived,
    named_parameters,
    stated_quantities,
)
from sciml.train import AnySolver

_LOOKS = 1601
"""Times at which a predicted trajectory is looked at for its derived quantities; most cards' frames are among them."""


def completed(
    solver: AnySolver, module: nn.Module, inputs: Start, prediction: Prediction, problem: HasTrajectories
) -> Prediction:
    """A prediction with its conformal band, and the derived quantities, looked at `_LOOKS` times whatever is asked.

    What the solver states itself stands.
    """
    prediction = _with_impossible(problem, prediction)
    if (width := band_at(module, inputs)) is not None:
        prediction = prediction._replace(band=width.expand(len(inputs.state), -1, -1))
    if not isinstance(problem, HasDerivedQuantities) or len(inputs.times) < 2:
        return prediction
    if all(f"summary/{entry.name}" in prediction.stats for entry in problem.derived_quantities):
        return prediction
    along = torch.linspace(0, 1, _LOOKS, dtype=torch.float64)
    first, last = inputs.times[0].double(), inputs.times[-1].double()
    asked = inputs._replace(times=torch.lerp(first, last, along).to(inputs.times.dtype))
    followed = predict_on(solver, module, asked)
    params = named_parameters(problem, inputs.parameters)
    quantities = stated_quantities(problem, asked.clock, followed.mean, params)
    return prediction._replace(stats={**quantities, **prediction.stats})


def in_own_terms(problem: HasTrajectories, inputs: Start, prediction: Prediction) -> Labelled:
    """The chance of the outcome and the derived quantities, as far as the problem has them; NaN where a sample failed,
    since nothing follows from a trajectory that was not computed to its end."""
    params = named_parameters(problem, inputs.parameters)
    terms = labelled_chance(problem, prediction, params)
    terms |= labelled_derived(problem, derived_of(problem, inputs.clock, prediction, params))
    failed = (status_of(prediction) != Status.OK).cpu().numpy()
    return {name: (dims, np.where(failed, np.nan, values), words) for name, (dims, values, words) in terms.items()}


def _with_impossible(problem: HasTrajectories, prediction: Prediction) -> Prediction:
    """With the status of samples in which a field reaches an open end, such as a temperature that is not above 0 K."""
    status = status_of(prediction)
    for channel, field in enumerate(problem.fields):
        if field.open:
            broken = ~is_possible(field, prediction.mean[:, :, channel]).all(1)
            status = torch.where(broken & (status == Status.OK), int(Status.DIVERGED), status)
    return prediction._replace(status=status)
