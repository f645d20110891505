"""Structured layers in the form that is fastest on this machine."""

from sciml.tools.autotune._plan import AutotuneConfig as AutotuneConfig
from sciml.tools.autotune._plan import LayerTuning as LayerTuning
from sciml.tools.autotune._plan import TuningPlan as TuningPlan
from sciml.tools.autotune._plan import apply_tuning as apply_tuning
from sciml.tools.autotune._plan import plan_tuning as plan_tuning
from sciml.tools.autotune._plan import transfer_tuning as transfer_tuning
from sciml.tools.autotune._plan import tune_layer as tune_layer
from sciml.tools.autotune._tool import Autotune as Autotune

TOOLS = (Autotune(),)

__all__ = [
    "TOOLS",
    "Autotune",
    "AutotuneConfig",
    "LayerTuning",
    "TuningPlan",
    "apply_tuning",
    "plan_tuning",
    "transfer_tuning",
    "tune_layer",
]
