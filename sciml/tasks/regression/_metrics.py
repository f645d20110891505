"""What predicted targets are judged by."""

from sciml.metrics import Metric
from sciml.tasks._cost import COSTS
from sciml.tasks._metric_names import field_names

METRICS = (
    Metric(
        "rmse_share",
        "root mean squared error in standard deviations",
        brief="error",
        headline=True,
        blind="the mean",
    ),
    Metric("worst_share", "largest error in standard deviations", headline=True),
    Metric("mae/*", "mean absolute error of {0}", units="", names=field_names),
    Metric("rmse/*", "root mean squared error of {0}", units="", names=field_names),
    Metric("worst/*", "largest absolute error of {0}", units="", names=field_names),
    Metric("r2/*", "R² of {0}", better="higher", names=field_names),
    Metric("covered/*", "share of {0} within two stated standard deviations", better="target", target=0.954,
           names=field_names),
    *COSTS,
)  # fmt: skip
