"""Runs and studies: one folder per run, one record per folder, many runs per study."""

from sciml.core.verbs import make_verb
from sciml.study._about import ABOUT as ABOUT
from sciml.study._about import About as About
from sciml.study._about import Quantity as Quantity
from sciml.study._about import read_about as read_about
from sciml.study._export import Exported as Exported
from sciml.study._export import export_run as export_run
from sciml.study._export import maps_tensors as maps_tensors
from sciml.study._folder import CONFIG as CONFIG
from sciml.study._folder import RunConfig as RunConfig
from sciml.study._folder import read_config as read_config
from sciml.study._ignored import check_training as check_training
from sciml.study._ignored import read_settings as read_settings
from sciml.study._ignored import refuse_ignored as refuse_ignored
from sciml.study._left import LEFT as LEFT
from sciml.study._pack import Place as Place
from sciml.study._pack import is_packed as is_packed
from sciml.study._pack import place_of as place_of
from sciml.study._pack import write_pack as write_pack
from sciml.study._provenance import commit as commit
from sciml.study._record import RECORD as RECORD
from sciml.study._record import FindingsEntry as FindingsEntry
from sciml.study._record import LineageEntry as LineageEntry
from sciml.study._record import Record as Record
from sciml.study._record import SolverEntry as SolverEntry
from sciml.study._record import schema as schema
from sciml.study._request import RunRequest as RunRequest
from sciml.study._request import make_discovery_request as make_discovery_request
from sciml.study._request import make_request as make_request
from sciml.study._request import open_problem as open_problem
from sciml.study._result_line import check_line as check_line
from sciml.study._run import Run as Run
from sciml.study._run import run as run
from sciml.study._solve import Solved as Solved
from sciml.study._solve import solve as solve
from sciml.study._study import run_study as run_study
from sciml.study._study_file import Claim as Claim
from sciml.study._study_file import Study as Study
from sciml.study._study_file import Variant as Variant
from sciml.study._study_file import read_study as read_study
from sciml.study._study_lines import read_results as read_results
from sciml.study._study_lines import result_line as result_line
from sciml.study._tool import apply_tool as apply_tool
from sciml.study._use import Examined as Examined
from sciml.study._use import Loaded as Loaded
from sciml.study._use import evaluate_run as evaluate_run
from sciml.study._use import example_inputs as example_inputs
from sciml.study._use import load_run as load_run
from sciml.study._use import predict_run as predict_run

__all__ = [
    "ABOUT",
    "CONFIG",
    "RECORD",
    "About",
    "Claim",
    "Examined",
    "Exported",
    "FindingsEntry",
    "LineageEntry",
    "Loaded",
    "Place",
    "Quantity",
    "Record",
    "Run",
    "RunConfig",
    "RunRequest",
    "Solved",
    "SolverEntry",
    "Study",
    "Variant",
    "apply_tool",
    "check_line",
    "check_training",
    "commit",
    "evaluate_run",
    "example_inputs",
    "export_run",
    "is_packed",
    "load_run",
    "make_discovery_request",
    "make_request",
    "maps_tensors",
    "open_problem",
    "place_of",
    "predict_run",
    "read_about",
    "read_config",
    "read_results",
    "read_settings",
    "read_study",
    "refuse_ignored",
    "run",
    "run_study",
    "schema",
    "solve",
    "write_pack",
]

make_verb(__name__)
