"""Searching for architectures by measured cost: latency files, differentiable search, and its controls."""

from sciml.tools.search._config import MeasureConfig as MeasureConfig
from sciml.tools.search._config import SearchConfig as SearchConfig
from sciml.tools.search._pick import Candidate as Candidate
from sciml.tools.search._pick import shortlist as shortlist
from sciml.tools.search._predictor import Accuracy as Accuracy
from sciml.tools.search._predictor import CostPredictor as CostPredictor
from sciml.tools.search._predictor import assess as assess
from sciml.tools.search._predictor import fit_predictor as fit_predictor
from sciml.tools.search._predictor import fit_table as fit_table
from sciml.tools.search._predictor import relative as relative
from sciml.tools.search._rule import BilevelRule as BilevelRule
from sciml.tools.search._rule import HalfSampler as HalfSampler
from sciml.tools.search._rule import Price as Price
from sciml.tools.search._rule import Relaxation as Relaxation
from sciml.tools.search._supernet import Gates as Gates
from sciml.tools.search._supernet import Mixed as Mixed
from sciml.tools.search._supernet import extract as extract
from sciml.tools.search._supernet import make_supernet as make_supernet
from sciml.tools.search._table import CostTable as CostTable
from sciml.tools.search._table import check_table as check_table
from sciml.tools.search._table import draw_networks as draw_networks
from sciml.tools.search._table import make_table as make_table
from sciml.tools.search._table import read_costs as read_costs
from sciml.tools.search._tool import ArchitectureSearch as ArchitectureSearch
from sciml.tools.search._tool import LatencyProbe as LatencyProbe
from sciml.tools.search._trials import Objective as Objective
from sciml.tools.search._trials import Trial as Trial
from sciml.tools.search._trials import pareto as pareto
from sciml.tools.search._trials import run_trials as run_trials

TOOLS = (ArchitectureSearch(), LatencyProbe())

__all__ = [
    "TOOLS",
    "Accuracy",
    "ArchitectureSearch",
    "BilevelRule",
    "Candidate",
    "CostPredictor",
    "CostTable",
    "Gates",
    "HalfSampler",
    "LatencyProbe",
    "MeasureConfig",
    "Mixed",
    "Objective",
    "Price",
    "Relaxation",
    "SearchConfig",
    "Trial",
    "assess",
    "check_table",
    "draw_networks",
    "extract",
    "fit_predictor",
    "fit_table",
    "make_supernet",
    "make_table",
    "pareto",
    "read_costs",
    "relative",
    "run_trials",
    "shortlist",
]
