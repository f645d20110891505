"""Fields, times and axes of forecasts as labelled variables."""

import numpy as np
from torch import Tensor

from sciml.core.capabilities import HasTrajectories
from sciml.core.recorded import ACTIVE
from sciml.core.types import Prediction
from sciml.tasks._labels import Labelled, labelled_frames
from sciml.tasks.forecast._data import ForecastContext, Window
from sciml.tasks.forecast._masks import mask_variable


def label_times(
    context: ForecastContext, times: np.ndarray, step: str | None
) -> tuple[str, np.ndarray, dict[str, str]]:
    """The coordinate ``time``; where the parameter `step` is the time between frames, it numbers them."""
    return "time", times, {"units": context.time_units, "long_name": f"frame, {step} apart" if step else "time"}


def label_axes(context: ForecastContext, times: np.ndarray, step: str | None) -> Labelled:
    """The coordinates of fields, with units."""
    axes = {
        axis.name: (axis.name, axis.points().numpy(), {"units": axis.units, "long_name": f"{axis.name} coordinate"})
        for axis in context.grid.axes
    }
    return axes | {"time": label_times(context, times, step)}


def label_fields(problem: HasTrajectories, context: ForecastContext, states: Tensor) -> Labelled:
    """Fields by name, with the mask beside them where there is one."""
    arrays = labelled_frames(problem, context.grid, states)
    if context.active is None:
        return arrays
    for field in problem.fields:
        arrays[field.name][2]["ancillary_variables"] = ACTIVE
    return arrays | {ACTIVE: mask_variable(context.active, context.grid)}


def label_errors(problem: HasTrajectories, context: ForecastContext, prediction: Prediction) -> Labelled:
    """``sigma_<field>`` where a standard deviation of the error is stated; ``low_<field>`` and ``high_<field>`` where a
    band is."""
    arrays: Labelled = {}
    mean, sigma, band = (None if x is None else x.cpu() for x in (prediction.mean, prediction.spread, prediction.band))
    assert mean is not None
    stated = [] if sigma is None else [("sigma", sigma, "standard deviation of the error of {}")]
    if band is not None and context.coverage is not None:
        share = f"{context.coverage:.0%}"
        stated += [
            ("low", mean - band, f"lower end of the band that holds {share} of {{}}"),
            ("high", mean + band, f"upper end of the band that holds {share} of {{}}"),
        ]
    for prefix, values, words in stated:
        for name, (dims, array, attrs) in labelled_frames(problem, context.grid, values).items():
            arrays[f"{prefix}_{name}"] = (dims, array, {**attrs, "long_name": words.format(attrs["long_name"])})
    return arrays


def time_step(inputs: Window, context: ForecastContext) -> float:
    """Time between the frames of some inputs."""
    return context.dt * float(inputs.stride[0]) if len(inputs.stride) else context.dt
