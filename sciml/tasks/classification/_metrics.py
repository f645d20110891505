"""What a classifier is judged by."""

from sciml.metrics import Metric
from sciml.tasks._cost import COSTS
from sciml.tasks._probabilities import CLASS_METRICS

_SWEEP = "tolerance_*"

METRICS = (
    *CLASS_METRICS,
    Metric(f"{_SWEEP}/evaluations", "function evaluations (NFE) at tolerance {0}", cost=True, sweep=True),
    Metric(f"{_SWEEP}/error", "error rate at tolerance {0}", sweep=True),
    Metric(f"{_SWEEP}/difference", "difference of the probabilities at tolerance {0}", sweep=True),
    *COSTS,
)
