"""Tasks: what a capability asks of a solver, one folder each; and what the tasks of other packages build on."""

from sciml.tasks._confusion import Answers as Answers
from sciml.tasks._confusion import confusion_table as confusion_table
from sciml.tasks._cost import COSTS as COSTS
from sciml.tasks._cost import cost_of as cost_of
from sciml.tasks._cost import predict_on as predict_on
from sciml.tasks._cost import prediction_seconds as prediction_seconds
from sciml.tasks._in_memory import card_for as card_for
from sciml.tasks._in_memory import column as column
from sciml.tasks._in_memory import labelled_table as labelled_table
from sciml.tasks._in_memory import refuse_steps as refuse_steps
from sciml.tasks._inputs import Parametrised as Parametrised
from sciml.tasks._inputs import keep_sample_labels as keep_sample_labels
from sciml.tasks._inputs import open_inputs as open_inputs
from sciml.tasks._inputs import out_of_range as out_of_range
from sciml.tasks._inputs import parameter_columns as parameter_columns
from sciml.tasks._labels import labelled_parameters as labelled_parameters
from sciml.tasks._no_space import finite_mean as finite_mean
from sciml.tasks._no_space import labelled_outcome as labelled_outcome
from sciml.tasks._no_space import status_of as status_of
from sciml.tasks._no_space import supports_points as supports_points
from sciml.tasks._possible import check_possible as check_possible
from sciml.tasks._probabilities import absent_classes as absent_classes
from sciml.tasks._probabilities import class_scores as class_scores
from sciml.tasks._probabilities import ranking_area as ranking_area
from sciml.tasks._tables import card_tables as card_tables
from sciml.tasks._tables import check_data as check_data
from sciml.tasks._tables import describe_data as describe_data

__all__ = [
    "COSTS",
    "Answers",
    "Parametrised",
    "absent_classes",
    "card_for",
    "card_tables",
    "check_data",
    "check_possible",
    "class_scores",
    "column",
    "confusion_table",
    "cost_of",
    "describe_data",
    "finite_mean",
    "labelled_outcome",
    "labelled_parameters",
    "labelled_table",
    "open_inputs",
    "out_of_range",
    "parameter_columns",
    "predict_on",
    "prediction_seconds",
    "ranking_area",
    "refuse_steps",
    "status_of",
    "supports_points",
]
