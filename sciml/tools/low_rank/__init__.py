"""Truncated singular value decomposition of linear and convolution layers to a budget of FLOPs."""

from sciml.tools.low_rank._apply import apply_low_rank as apply_low_rank
from sciml.tools.low_rank._apply import factor_low_rank as factor_low_rank
from sciml.tools.low_rank._config import LowRankConfig as LowRankConfig
from sciml.tools.low_rank._config import LowRankPlan as LowRankPlan
from sciml.tools.low_rank._plan import choose_ranks as choose_ranks
from sciml.tools.low_rank._plan import plan_low_rank as plan_low_rank
from sciml.tools.low_rank._tool import LowRankRewrite as LowRankRewrite

TOOLS = (LowRankRewrite(),)

__all__ = [
    "TOOLS",
    "LowRankConfig",
    "LowRankPlan",
    "LowRankRewrite",
    "apply_low_rank",
    "choose_ranks",
    "factor_low_rank",
    "plan_low_rank",
]
