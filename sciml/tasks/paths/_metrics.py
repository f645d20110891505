"""What paths of a learned stochastic equation are judged by: their mean and variance over time."""

from sciml.metrics import Metric
from sciml.tasks._cost import COSTS

METRICS = (
    Metric("moments/loss", "squared error of mean and variance", brief="error of mean and variance", headline=True),
    Metric("moments/mean_rmse", "RMSE of the mean", units=""),
    Metric("moments/variance_rmse", "RMSE of the variance", units=""),
    Metric("moments/floor", "squared error expected of perfect paths", better="none"),
    *COSTS,
)
