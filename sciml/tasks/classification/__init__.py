"""Labelled samples."""

from sciml.tasks.classification._data import ClassificationConfig as ClassificationConfig
from sciml.tasks.classification._data import Labelled as Labelled
from sciml.tasks.classification._data import Pictures as Pictures
from sciml.tasks.classification._task import Classification as Classification

__all__ = ["Classification", "ClassificationConfig", "Labelled", "Pictures"]
