"""What predicted trajectories are judged by."""

from sciml.metrics import RELATIVE_L2, Metric
from sciml.tasks._cost import COSTS
from sciml.tasks._metric_names import derived_names, field_names

_BEYOND = "parameters out of range"

MAE = Metric("mae/*", "mean absolute error of {0}", units="", names=field_names)
MAE_SHARE = Metric("mae_share", "mean absolute error in standard deviations")
ACCURACY = Metric("outcome/accuracy", "accuracy of the outcome", better="higher")
AUC = Metric("outcome/auc", "ROC AUC of the outcome", better="higher")

METRICS = (
    RELATIVE_L2.within("rollout", "rollout", brief="rollout error", headline=True),
    MAE_SHARE.within("rollout", "rollout"),
    RELATIVE_L2.within("window", "over a training window", headline=True),
    MAE,
    ACCURACY,
    AUC,
    Metric("summary/*", "mean absolute error of {0}", units="", names=derived_names),
    Metric("covered/*", "share of {0} within two standard deviations", better="none", names=field_names),
    Metric("held/*", "share of {0} within its conformal band", better="none", names=field_names),
    Metric("compared/*", "samples compared in {0}", better="none", names=derived_names),
    Metric("constraint/*", "largest violation of {0}", check=True),
    *(metric.within("beyond", _BEYOND) for metric in (MAE_SHARE, MAE, ACCURACY, AUC)),
    *COSTS,
)
