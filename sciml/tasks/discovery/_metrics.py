"""What a measured hidden term is judged by."""

from sciml.metrics import Metric
from sciml.tasks._cost import COSTS
from sciml.tasks._metric_names import field_names

METRICS = (
    Metric(
        "hidden/relative_l2",
        "relative L2 error of the hidden term",
        brief="hidden-term error",
        headline=True,
        blind="zero",
    ),
    Metric("hidden/*", "relative L2 error of the hidden term of {0}", names=field_names),
    Metric("state/relative_l2", "relative L2 error of the state", headline=True),
    Metric("forecast/relative_l2", "relative L2 error of the forecast"),
    Metric("named/forecast", "relative L2 error of the forecast by the equation found", headline=True),
    Metric("named/misfit", "mean squared misfit of the observations (1 = noise level)"),
    *COSTS,
)
