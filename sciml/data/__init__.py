"""Datasets: cards, shards on disk, generation, windows for training, verification and export."""

from sciml.data._batch import Batch, WindowBatch
from sciml.data._card import (
    Card,
    CardTable,
    Count,
    InMemoryCard,
    PresetCard,
    SamplesCard,
    Splits,
    TrajectorySplits,
    read_card,
)
from sciml.data._check import Check, checked, reproduced
from sciml.data._dataset import Dataset, Split, open_dataset
from sciml.data._export import export
from sciml.data._generate import generate
from sciml.data._info import info
from sciml.data._layout import BEYOND
from sciml.data._netcdf import netcdf_bytes
from sciml.data._samples import (
    LabelledSplit,
    as_channels,
    checked_samples,
    density_splits,
    field_statistics,
    labelled_splits,
    sample_statistics,
    samples_digest,
)
from sciml.data._statistics import Statistics
from sciml.data._verify import verify
from sciml.data._windows import Windows
from sciml.data.importing import FORMATS, Arrays, ImportChoices, Plan, import_arrays, import_files

__all__ = [
    "BEYOND",
    "FORMATS",
    "Arrays",
    "Batch",
    "Card",
    "CardTable",
    "Check",
    "Count",
    "Dataset",
    "ImportChoices",
    "InMemoryCard",
    "LabelledSplit",
    "Plan",
    "PresetCard",
    "SamplesCard",
    "Split",
    "Splits",
    "Statistics",
    "TrajectorySplits",
    "WindowBatch",
    "Windows",
    "as_channels",
    "checked",
    "checked_samples",
    "density_splits",
    "export",
    "field_statistics",
    "generate",
    "import_arrays",
    "import_files",
    "info",
    "labelled_splits",
    "netcdf_bytes",
    "open_dataset",
    "read_card",
    "reproduced",
    "sample_statistics",
    "samples_digest",
    "verify",
]
