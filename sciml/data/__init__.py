"""Datasets: cards, shards on disk, generation, windows for training, verification and export."""

from sciml.data._batch import Batch
from sciml.data._card import (
    AnyPreset,
    Card,
    CollocationCard,
    ObservationsCard,
    PathsCard,
    PresetCard,
    SamplesCard,
    Splits,
    TrajectorySplits,
    read_card,
)
from sciml.data._check import Check
from sciml.data._dataset import Dataset, Split, open_dataset
from sciml.data._export import export
from sciml.data._generate import generate
from sciml.data._info import info
from sciml.data._layout import BEYOND
from sciml.data._netcdf import netcdf_bytes
from sciml.data._samples import (
    LabelledSplit,
    as_channels,
    density_splits,
    has_samples,
    labelled_splits,
    sample_statistics,
    samples_digest,
)
from sciml.data._samples_info import samples_info
from sciml.data._statistics import Statistics
from sciml.data._verify import verify
from sciml.data._windows import Windows

__all__ = [
    "BEYOND",
    "AnyPreset",
    "Batch",
    "Card",
    "Check",
    "CollocationCard",
    "Dataset",
    "LabelledSplit",
    "ObservationsCard",
    "PathsCard",
    "PresetCard",
    "SamplesCard",
    "Split",
    "Splits",
    "Statistics",
    "TrajectorySplits",
    "Windows",
    "as_channels",
    "density_splits",
    "export",
    "generate",
    "has_samples",
    "info",
    "labelled_splits",
    "netcdf_bytes",
    "open_dataset",
    "read_card",
    "sample_statistics",
    "samples_digest",
    "samples_info",
    "verify",
]
