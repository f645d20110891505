"""What a forecast is judged by."""

from sciml.metrics import (
    BRMSE,
    CRMSE,
    DRIFT,
    FRMSE,
    MAX_ERROR,
    NRMSE,
    PEARSON,
    RELATIVE_L2,
    RMSE,
    SCALED_L2,
    VALID_STEPS,
    VRMSE,
    Metric,
)

_OTHERS = (SCALED_L2, RMSE, NRMSE, CRMSE, BRMSE, *FRMSE, MAX_ERROR)

METRICS = (
    RELATIVE_L2.within("one_step", "one step ahead", brief="one\N{NON-BREAKING HYPHEN}step error", headline=True),
    RELATIVE_L2.within("rollout", "rollout", brief="rollout error", headline=True),
    VALID_STEPS.within("rollout", "rollout", headline=True),
    VRMSE.within("rollout", "rollout", headline=True),
    PEARSON.within("rollout", "rollout", headline=True),
    Metric("rollout/final_relative_l2", "relative L2 error at the last step, rollout"),
    *(metric.within("beyond", "rollout, parameters out of range") for metric in (RELATIVE_L2, VRMSE, VALID_STEPS)),
    Metric(
        "speedup/equal_error", "speed-up over the cheapest reference with no larger error", better="higher", cost=True
    ),
    Metric("speedup/finest", "speed-up over the reference that made the data", better="higher", cost=True),
    Metric("covered/*", "share of {0} within its band, rollout", better="none"),
    Metric("band/*", "half-width of the band of {0}, rollout, in its standard deviations"),
    Metric("coefficient/*", "coefficient {0}", units="", better="none"),
    *(metric.within("one_step", "one step ahead") for metric in (VRMSE, PEARSON, *_OTHERS)),
    *(metric.within("rollout", "rollout") for metric in (*_OTHERS, DRIFT)),
)
