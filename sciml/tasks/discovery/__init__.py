"""Hidden terms of differential equations."""

from sciml.tasks.discovery._card import ObservationsCard as ObservationsCard
from sciml.tasks.discovery._data import DiscoveryConfig as DiscoveryConfig
from sciml.tasks.discovery._data import DiscoveryContext as DiscoveryContext
from sciml.tasks.discovery._data import Measured as Measured
from sciml.tasks.discovery._data import ObservationBatch as ObservationBatch
from sciml.tasks.discovery._data import ObservationExamples as ObservationExamples
from sciml.tasks.discovery._data import Visited as Visited
from sciml.tasks.discovery._data import dense_places as dense_places
from sciml.tasks.discovery._data import observe as observe
from sciml.tasks.discovery._module import HiddenTermModule as HiddenTermModule
from sciml.tasks.discovery._task import DISCOVERY as DISCOVERY
from sciml.tasks.discovery._task import Discovery as Discovery
from sciml.tasks.discovery._task import DiscoveryBench as DiscoveryBench
from sciml.tasks.discovery._task import hidden_errors as hidden_errors
from sciml.tasks.discovery._task import true_values as true_values

TASKS = (DISCOVERY,)

__all__ = [
    "DISCOVERY",
    "TASKS",
    "Discovery",
    "DiscoveryBench",
    "DiscoveryConfig",
    "DiscoveryContext",
    "HiddenTermModule",
    "Measured",
    "ObservationBatch",
    "ObservationExamples",
    "ObservationsCard",
    "Visited",
    "dense_places",
    "hidden_errors",
    "observe",
    "true_values",
]
