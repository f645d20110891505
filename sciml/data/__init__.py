"""Datasets: cards, shards on disk, generation, windows for training, verification and export."""

from sciml.data._batch import Batch
from sciml.data._card import Card, PresetCard, read_card
from sciml.data._dataset import Dataset, Split, open_dataset
from sciml.data._export import export
from sciml.data._generate import generate
from sciml.data._info import info
from sciml.data._netcdf import netcdf_bytes
from sciml.data._statistics import Statistics
from sciml.data._verify import Check, verify
from sciml.data._windows import Windows

__all__ = [
    "Batch",
    "Card",
    "Check",
    "Dataset",
    "PresetCard",
    "Split",
    "Statistics",
    "Windows",
    "export",
    "generate",
    "info",
    "netcdf_bytes",
    "open_dataset",
    "read_card",
    "verify",
]
