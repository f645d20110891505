"""Metrics of field predictions: pure functions on ``(pred, true)``, tensors ``batch time channel *space``.

Every community's definition has its own name, and none reduces the samples (but `nrmse_ratio_of_means`, by nature), so
means, intervals and worst cases can be taken afterwards and one diverged sample spoils only itself.
"""

from sciml.metrics._absolute import brmse as brmse
from sciml.metrics._absolute import crmse as crmse
from sciml.metrics._absolute import max_error as max_error
from sciml.metrics._absolute import pearson as pearson
from sciml.metrics._absolute import rmse as rmse
from sciml.metrics._absolute import summed_mse as summed_mse
from sciml.metrics._events import first_crossing as first_crossing
from sciml.metrics._relative import apebench_nrmse as apebench_nrmse
from sciml.metrics._relative import h1_relative as h1_relative
from sciml.metrics._relative import lp_relative as lp_relative
from sciml.metrics._relative import nrmse as nrmse
from sciml.metrics._relative import nrmse_ratio_of_means as nrmse_ratio_of_means
from sciml.metrics._relative import relative_l2 as relative_l2
from sciml.metrics._relative import scaled_l2 as scaled_l2
from sciml.metrics._relative import vrmse as vrmse
from sciml.metrics._rollout import drift as drift
from sciml.metrics._rollout import geometric_mean as geometric_mean
from sciml.metrics._rollout import valid_steps as valid_steps
from sciml.metrics._spectral import frmse as frmse
from sciml.metrics._spectral import power_spectrum as power_spectrum
from sciml.metrics._spectral import spectral_error as spectral_error
from sciml.metrics._spectral import spectral_relative_error as spectral_relative_error

__all__ = [
    "apebench_nrmse",
    "brmse",
    "crmse",
    "drift",
    "first_crossing",
    "frmse",
    "geometric_mean",
    "h1_relative",
    "lp_relative",
    "max_error",
    "nrmse",
    "nrmse_ratio_of_means",
    "pearson",
    "power_spectrum",
    "relative_l2",
    "rmse",
    "scaled_l2",
    "spectral_error",
    "spectral_relative_error",
    "summed_mse",
    "valid_steps",
    "vrmse",
]
