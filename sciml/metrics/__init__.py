"""Metrics of field predictions: pure functions on ``(pred, true)`` whose axes have names.

``relative_l2(pred, true, dims="sample time channel *space")`` says what the axes of two tensors are; a metric refuses
tensors without `dims`, or with dims that do not fit the shape. ``sample`` (or ``batch``), ``time`` and ``channel`` are
roles: they come in any order, and each may be missing. ``*space`` stands for any number of spatial axes, every other
name (``y``, ``x``, ``latitude``) for one. ``channel=3`` checks the length too. Arrays of xarray need no `dims`: they
are matched by their own, must have the same coordinates, and the metric gives an array of xarray.

A metric reduces space, and what its docstring says besides; what remains is in the order sample, time, channel.

Beside each function that records hold stands a `Metric`, the object that says its words, units and direction.

Every community's definition has its own name, and none reduces the samples (but `nrmse_ratio_of_means`, by nature), so
means, intervals and worst cases can be taken afterwards and one diverged sample spoils only itself.
"""

from sciml.metrics._absolute import BRMSE as BRMSE
from sciml.metrics._absolute import CRMSE as CRMSE
from sciml.metrics._absolute import MAX_ERROR as MAX_ERROR
from sciml.metrics._absolute import PEARSON as PEARSON
from sciml.metrics._absolute import RMSE as RMSE
from sciml.metrics._absolute import brmse as brmse
from sciml.metrics._absolute import crmse as crmse
from sciml.metrics._absolute import max_error as max_error
from sciml.metrics._absolute import pearson as pearson
from sciml.metrics._absolute import rmse as rmse
from sciml.metrics._absolute import summed_mse as summed_mse
from sciml.metrics._defined import RATIOS as RATIOS
from sciml.metrics._defined import is_there as is_there
from sciml.metrics._defined import mean_where as mean_where
from sciml.metrics._defined import varies as varies
from sciml.metrics._events import first_crossing as first_crossing
from sciml.metrics._metric import Metric as Metric
from sciml.metrics._metric import check_metric as check_metric
from sciml.metrics._metric import find_metric as find_metric
from sciml.metrics._metric import headline_metrics as headline_metrics
from sciml.metrics._pdebench import pdebench as pdebench
from sciml.metrics._relative import NRMSE as NRMSE
from sciml.metrics._relative import RELATIVE_L2 as RELATIVE_L2
from sciml.metrics._relative import SCALED_L2 as SCALED_L2
from sciml.metrics._relative import VRMSE as VRMSE
from sciml.metrics._relative import apebench_nrmse as apebench_nrmse
from sciml.metrics._relative import h1_relative as h1_relative
from sciml.metrics._relative import lp_relative as lp_relative
from sciml.metrics._relative import nrmse as nrmse
from sciml.metrics._relative import nrmse_ratio_of_means as nrmse_ratio_of_means
from sciml.metrics._relative import relative_l2 as relative_l2
from sciml.metrics._relative import scaled_l2 as scaled_l2
from sciml.metrics._relative import vrmse as vrmse
from sciml.metrics._rollout import DRIFT as DRIFT
from sciml.metrics._rollout import VALID_STEPS as VALID_STEPS
from sciml.metrics._rollout import drift as drift
from sciml.metrics._rollout import geometric_mean as geometric_mean
from sciml.metrics._rollout import valid_steps as valid_steps
from sciml.metrics._spectral import FRMSE as FRMSE
from sciml.metrics._spectral import frmse as frmse
from sciml.metrics._spectral import power_spectrum as power_spectrum
from sciml.metrics._spectral import spectral_error as spectral_error
from sciml.metrics._spectral import spectral_relative_error as spectral_relative_error
from sciml.metrics._the_well import the_well as the_well

CONVENTIONS = {"pdebench": pdebench, "the_well": the_well}
"""Numbers of other benchmarks by name, `(pred, true, extents=, dims=)` to numbers by name."""

__all__ = [
    "BRMSE",
    "CONVENTIONS",
    "CRMSE",
    "DRIFT",
    "FRMSE",
    "MAX_ERROR",
    "NRMSE",
    "PEARSON",
    "RATIOS",
    "RELATIVE_L2",
    "RMSE",
    "SCALED_L2",
    "VALID_STEPS",
    "VRMSE",
    "Metric",
    "apebench_nrmse",
    "brmse",
    "check_metric",
    "crmse",
    "drift",
    "find_metric",
    "first_crossing",
    "frmse",
    "geometric_mean",
    "h1_relative",
    "headline_metrics",
    "is_there",
    "lp_relative",
    "max_error",
    "mean_where",
    "nrmse",
    "nrmse_ratio_of_means",
    "pdebench",
    "pearson",
    "power_spectrum",
    "relative_l2",
    "rmse",
    "scaled_l2",
    "spectral_error",
    "spectral_relative_error",
    "summed_mse",
    "the_well",
    "valid_steps",
    "varies",
    "vrmse",
]
