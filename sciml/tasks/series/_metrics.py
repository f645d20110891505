"""What completed series are judged by, in standard deviations of each field."""

from dataclasses import replace

from sciml.metrics import RMSE, Metric
from sciml.tasks._cost import COSTS

_RMSE = replace(RMSE, units="1")

METRICS = (
    _RMSE.within("interpolation", "up to the last observation time", brief="interpolation error", headline=True),
    _RMSE.within("extrapolation", "after the last observation time", headline=True),
    _RMSE.within("all", "all times"),
    Metric("all/mse", "mean squared error, all times"),
    *COSTS,
)
