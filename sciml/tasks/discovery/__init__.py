"""Hidden terms of differential equations."""

from sciml.tasks.discovery._data import Clock as Clock
from sciml.tasks.discovery._data import DiscoveryConfig as DiscoveryConfig
from sciml.tasks.discovery._data import Measured as Measured
from sciml.tasks.discovery._data import ObservationBatch as ObservationBatch
from sciml.tasks.discovery._data import ObservationExamples as ObservationExamples
from sciml.tasks.discovery._data import Visited as Visited
from sciml.tasks.discovery._data import dense_places as dense_places
from sciml.tasks.discovery._data import forecast as forecast
from sciml.tasks.discovery._data import method_for as method_for
from sciml.tasks.discovery._data import observe as observe
from sciml.tasks.discovery._task import Discovery as Discovery
from sciml.tasks.discovery._task import Measures as Measures
from sciml.tasks.discovery._task import hidden_errors as hidden_errors
from sciml.tasks.discovery._task import true_values as true_values

__all__ = [
    "Clock",
    "Discovery",
    "DiscoveryConfig",
    "Measured",
    "Measures",
    "ObservationBatch",
    "ObservationExamples",
    "Visited",
    "dense_places",
    "forecast",
    "hidden_errors",
    "method_for",
    "observe",
    "true_values",
]
