"""What a solver of sequences is judged by."""

from sciml.metrics import Metric
from sciml.tasks._cost import COSTS
from sciml.tasks._probabilities import CLASS_METRICS

_STRIDE = "stride_*"

METRICS = (
    Metric("nrmse", "RMSE in standard deviations", headline=True, blind="the mean"),
    Metric("r2", "coefficient of determination R²", better="higher", signed=True),
    Metric("skill", "share by which a forecast is closer than the last value", better="higher", signed=True),
    *CLASS_METRICS,
    Metric(f"{_STRIDE}/nrmse", "RMSE in standard deviations at one time in {0}", sweep=True),
    Metric(f"{_STRIDE}/error", "error rate at one time in {0}", sweep=True),
    Metric(f"{_STRIDE}/unscaled_nrmse", "RMSE at one time in {0}, as if sampled as in training", sweep=True),
    Metric(f"{_STRIDE}/unscaled_error", "error rate at one time in {0}, as if sampled as in training", sweep=True),
    Metric("lost_*/nrmse", "RMSE in standard deviations with {0} % of the times lost", sweep=True),
    Metric("lost_*/error", "error rate with {0} % of the times lost", sweep=True),
    *COSTS,
)
