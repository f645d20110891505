"""Datasets: cards, shards on disk, generation, windows for training, verification and export."""

from sciml.data._batch import Batch, WindowBatch
from sciml.data._card import (
    Card,
    CardTable,
    Count,
    DescribedCard,
    InMemoryCard,
    PresetCard,
    SamplesCard,
    Splits,
    StoredCard,
    TrajectorySplits,
    read_card,
)
from sciml.data._check import Check, checked, reproduced
from sciml.data._code import code_digest
from sciml.data._dataset import Dataset, Split, open_dataset
from sciml.data._export import export
from sciml.data._export_pairs import export_pairs
from sciml.data._foreign import load_groups as load_groups
from sciml.data._foreign import load_netcdf as load_netcdf
from sciml.data._generate import TrajectoryShards, generate, make_remotely
from sciml.data._heaps import hdf5_file as hdf5_file
from sciml.data._info import info
from sciml.data._layout import BEYOND, SPLITS, card_digest, make_layout
from sciml.data._making import ShardSet, flaw
from sciml.data._netcdf import CONVENTIONS as CONVENTIONS
from sciml.data._netcdf import netcdf_bytes
from sciml.data._pair_set import generate_pairs, pair_set, planned_points, probe_pairs
from sciml.data._pair_shards import PairShards
from sciml.data._pairs import Pairs, PairsCard, PairSet
from sciml.data._rows import Rows, RowsCard, row_splits, row_statistics
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
from sciml.data._sequences import StoredSequences, read_sequences, save_sequences
from sciml.data._statistics import Moments, Statistics, compute_statistics, load_statistics, save_statistics
from sciml.data._store import MASK_WORDS, Shard, load_shard, save_shard
from sciml.data._table_file import table_bytes
from sciml.data._twins import twin_trajectories as twin_trajectories
from sciml.data._twins import twins as twins
from sciml.data._verify import verify
from sciml.data._windows import Windows
from sciml.data.importing import (
    FORMATS,
    AnyPlan,
    Arrays,
    ImportChoices,
    Plan,
    RowsPlan,
    import_arrays,
    import_files,
    read,
)

__all__ = [
    "BEYOND",
    "CONVENTIONS",
    "FORMATS",
    "MASK_WORDS",
    "SPLITS",
    "AnyPlan",
    "Arrays",
    "Batch",
    "Card",
    "CardTable",
    "Check",
    "Count",
    "Dataset",
    "DescribedCard",
    "ImportChoices",
    "InMemoryCard",
    "LabelledSplit",
    "Moments",
    "PairSet",
    "PairShards",
    "Pairs",
    "PairsCard",
    "Plan",
    "PresetCard",
    "Rows",
    "RowsCard",
    "RowsPlan",
    "SamplesCard",
    "Shard",
    "ShardSet",
    "Split",
    "Splits",
    "Statistics",
    "StoredCard",
    "StoredSequences",
    "TrajectoryShards",
    "TrajectorySplits",
    "WindowBatch",
    "Windows",
    "as_channels",
    "card_digest",
    "checked",
    "checked_samples",
    "code_digest",
    "compute_statistics",
    "density_splits",
    "export",
    "export_pairs",
    "field_statistics",
    "flaw",
    "generate",
    "generate_pairs",
    "hdf5_file",
    "import_arrays",
    "import_files",
    "info",
    "labelled_splits",
    "load_groups",
    "load_netcdf",
    "load_shard",
    "load_statistics",
    "make_layout",
    "make_remotely",
    "netcdf_bytes",
    "open_dataset",
    "pair_set",
    "planned_points",
    "probe_pairs",
    "read",
    "read_card",
    "read_sequences",
    "reproduced",
    "row_splits",
    "row_statistics",
    "sample_statistics",
    "samples_digest",
    "save_sequences",
    "save_shard",
    "save_statistics",
    "table_bytes",
    "twin_trajectories",
    "twins",
    "verify",
]
