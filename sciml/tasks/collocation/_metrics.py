"""What the solution of a differential equation is judged by."""

from sciml.metrics import Metric
from sciml.tasks._cost import COSTS
from sciml.tasks._metric_names import field_names

METRICS = (
    Metric("error/relative_l2", "relative L2 error", brief="relative error", headline=True, blind="zero"),
    Metric("error/max", "largest error, relative"),
    Metric("residual/rms", "residual (RMS)", headline=True),
    Metric("residual/max", "largest residual"),
    Metric("condition/rms", "boundary and initial condition residual (RMS)"),
    Metric("unknown/*", "relative error of {0}"),
    Metric("found/*", "{0}, found", units="", better="none"),
    Metric("found_sigma/*", "standard deviation of {0}", units="", better="none"),
    Metric("data/misfit", "misfit of the observations"),
    Metric("residual/relative", "residual relative to the largest term"),
    Metric("condition/relative", "residual of the conditions, relative"),
    Metric("error/*", "relative L2 error of {0}", names=field_names),
    *COSTS,
)
