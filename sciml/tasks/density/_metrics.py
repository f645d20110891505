"""What a learned density is judged by."""

from sciml.metrics import Metric
from sciml.tasks._cost import COSTS

METRICS = (
    Metric("nll", "negative log-likelihood", units="nat", headline=True, signed=True),
    Metric("kl", "Kullback–Leibler divergence", units="nat", signed=True),
    Metric("normalisation", "integral of the density", better="target", target=1.0),
    *COSTS,
)
