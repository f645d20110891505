"""Runs and studies: one folder per run, one record per folder, many runs per study."""

from sciml.study._discover import DISCOVERY as DISCOVERY
from sciml.study._discover import Discovery as Discovery
from sciml.study._discover import read_discovery as read_discovery
from sciml.study._discover import remarks as remarks
from sciml.study._discover import run_discovery as run_discovery
from sciml.study._discover import scalars_of as scalars_of
from sciml.study._export import Exported as Exported
from sciml.study._export import export_run as export_run
from sciml.study._folder import RunConfig as RunConfig
from sciml.study._folder import read_config as read_config
from sciml.study._record import RECORD as RECORD
from sciml.study._record import Record as Record
from sciml.study._record import SolverEntry as SolverEntry
from sciml.study._record import schema as schema
from sciml.study._run import Run as Run
from sciml.study._run import run as run
from sciml.study._study import Claim as Claim
from sciml.study._study import Study as Study
from sciml.study._study import read_results as read_results
from sciml.study._study import read_study as read_study
from sciml.study._study import run_study as run_study
from sciml.study._use import Examined as Examined
from sciml.study._use import Loaded as Loaded
from sciml.study._use import evaluate_run as evaluate_run
from sciml.study._use import load_run as load_run
from sciml.study._use import predict_run as predict_run

__all__ = [
    "DISCOVERY",
    "RECORD",
    "Claim",
    "Discovery",
    "Examined",
    "Exported",
    "Loaded",
    "Record",
    "Run",
    "RunConfig",
    "SolverEntry",
    "Study",
    "evaluate_run",
    "export_run",
    "load_run",
    "predict_run",
    "read_config",
    "read_discovery",
    "read_results",
    "read_study",
    "remarks",
    "run",
    "run_discovery",
    "run_study",
    "scalars_of",
    "schema",
]
