"""Training: the solver and task contracts, the one loop, checkpoints, distribution, parameter matching."""

from sciml.train._advance import Advance as Advance
from sciml.train._checkpoint import Checkpoint as Checkpoint
from sciml.train._checkpoint import load_weights as load_weights
from sciml.train._checkpoint import save_weights as save_weights
from sciml.train._classification import Classification as Classification
from sciml.train._classification_data import ClassificationConfig as ClassificationConfig
from sciml.train._classification_data import Labelled as Labelled
from sciml.train._classification_data import Pictures as Pictures
from sciml.train._collocation import Collocation as Collocation
from sciml.train._collocation import Differentiable as Differentiable
from sciml.train._collocation_data import CollocationBatch as CollocationBatch
from sciml.train._collocation_data import CollocationConfig as CollocationConfig
from sciml.train._collocation_data import CollocationExamples as CollocationExamples
from sciml.train._collocation_data import Locations as Locations
from sciml.train._config import TrainConfig as TrainConfig
from sciml.train._density import Density as Density
from sciml.train._density import Draws as Draws
from sciml.train._density_data import DensityConfig as DensityConfig
from sciml.train._density_data import PointBatch as PointBatch
from sciml.train._density_data import Points as Points
from sciml.train._discovery import Discovery as Discovery
from sciml.train._discovery import Measures as Measures
from sciml.train._discovery import hidden_errors as hidden_errors
from sciml.train._discovery import true_values as true_values
from sciml.train._discovery_data import Clock as Clock
from sciml.train._discovery_data import DiscoveryConfig as DiscoveryConfig
from sciml.train._discovery_data import Measured as Measured
from sciml.train._discovery_data import ObservationBatch as ObservationBatch
from sciml.train._discovery_data import ObservationExamples as ObservationExamples
from sciml.train._discovery_data import Visited as Visited
from sciml.train._discovery_data import dense_places as dense_places
from sciml.train._discovery_data import forecast as forecast
from sciml.train._discovery_data import method_for as method_for
from sciml.train._discovery_data import observe as observe
from sciml.train._distributed import process_group as process_group
from sciml.train._forecast import Forecast as Forecast
from sciml.train._forecast_data import ForecastConfig as ForecastConfig
from sciml.train._forecast_data import Window as Window
from sciml.train._inputs import Parametrised as Parametrised
from sciml.train._inputs import out_of_range as out_of_range
from sciml.train._match import count_parameters as count_parameters
from sciml.train._match import match_parameters as match_parameters
from sciml.train._outcome import named_parameters as named_parameters
from sciml.train._paths import Paths as Paths
from sciml.train._paths_data import PathBatch as PathBatch
from sciml.train._paths_data import PathInputs as PathInputs
from sciml.train._paths_data import PathsConfig as PathsConfig
from sciml.train._samplers import Sampler as Sampler
from sciml.train._samplers import unit_points as unit_points
from sciml.train._series import Series as Series
from sciml.train._series_data import Observed as Observed
from sciml.train._series_data import SeriesBatch as SeriesBatch
from sciml.train._series_data import SeriesConfig as SeriesConfig
from sciml.train._solver import Knob as Knob
from sciml.train._solver import Recipe as Recipe
from sciml.train._solver import Solver as Solver
from sciml.train._solver import Spec as Spec
from sciml.train._solver import recipe_of as recipe_of
from sciml.train._stepper_solver import StepperSolver as StepperSolver
from sciml.train._task import Examination as Examination
from sciml.train._task import Examples as Examples
from sciml.train._task import Task as Task
from sciml.train._trainer import Trainer as Trainer
from sciml.train._trainer import TrainResult as TrainResult
from sciml.train._trajectories import Trajectories as Trajectories
from sciml.train._trajectories_data import Start as Start
from sciml.train._trajectories_data import TrajectoriesConfig as TrajectoriesConfig
from sciml.train._trajectories_data import TrajectoryBatch as TrajectoryBatch
from sciml.train._trajectories_data import TrajectoryExamples as TrajectoryExamples

__all__ = [
    "Advance",
    "Checkpoint",
    "Classification",
    "ClassificationConfig",
    "Clock",
    "Collocation",
    "CollocationBatch",
    "CollocationConfig",
    "CollocationExamples",
    "Density",
    "DensityConfig",
    "Differentiable",
    "Discovery",
    "DiscoveryConfig",
    "Draws",
    "Examination",
    "Examples",
    "Forecast",
    "ForecastConfig",
    "Knob",
    "Labelled",
    "Locations",
    "Measured",
    "Measures",
    "ObservationBatch",
    "ObservationExamples",
    "Observed",
    "PathBatch",
    "PathInputs",
    "Paths",
    "PathsConfig",
    "Pictures",
    "PointBatch",
    "Points",
    "Recipe",
    "Sampler",
    "Series",
    "SeriesBatch",
    "SeriesConfig",
    "Solver",
    "Spec",
    "Start",
    "StepperSolver",
    "Task",
    "TrainConfig",
    "TrainResult",
    "Trainer",
    "Trajectories",
    "TrajectoriesConfig",
    "TrajectoryBatch",
    "TrajectoryExamples",
    "Visited",
    "Window",
    "count_parameters",
    "dense_places",
    "forecast",
    "hidden_errors",
    "load_weights",
    "match_parameters",
    "named_parameters",
    "observe",
    "process_group",
    "recipe_of",
    "save_weights",
    "true_values",
    "unit_points",
]
