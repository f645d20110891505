"""The dataset card of imported data."""

import json
import math
from pathlib import Path

from sciml.core.paths import write_text
from sciml.core.recorded import Recording
from sciml.data._card import PresetCard
from sciml.data._pairs import PairsCard
from sciml.data._rows import RowsCard
from sciml.data.importing._pairs_plan import PairsPlan
from sciml.data.importing._plan import Plan
from sciml.data.importing._rows_plan import RowsPlan
from sciml.data.importing._sequences_plan import SequencesPlan

PRESETS = ("tiny", "small", "paper")
"""All of them have the same data; they differ in the recipes of the solvers."""
_SHARD_BYTES, _LARGEST_SHARD = 2**22, 2**27
"""Sizes of a shard, which is held in memory some five times while it is written; large data has larger ones."""
_SHARDS = 1000


def write_card(folder: Path, plan: Plan | RowsPlan | PairsPlan | SequencesPlan, recording: Recording) -> None:
    """Write ``dataset.toml``."""
    if isinstance(plan, PairsPlan):
        key, table = PairsCard.key, plan.table()
    elif isinstance(plan, SequencesPlan):
        key, table = "sequences", plan.table()
    else:
        key, table = _rows_table(plan) if isinstance(plan, RowsPlan) else _trajectories_table(plan)
    notes = "\n".join(plan.notes)
    about = {
        "title": recording.title,
        "description": plan.about.get("description") or f"Imported from {', '.join(recording.sources) or 'arrays'}.",
        "licence": plan.about.get("licence", "not stated"),
        "citation": recording.citation or "not stated",
        "not_modelled": f"Not known: the data was imported.\n{notes}".rstrip(),
        "time_units": plan.time_units if isinstance(plan, Plan | SequencesPlan) else "1",
    }
    table = [*table, "seed = 0", 'cost = "none: the data was imported"']
    lines = ["# Written by the import; every preset has the same data."]
    lines += [f"{name} = {_text(value)}" for name, value in about.items()]
    for preset in PRESETS:
        lines += ["", f"[presets.{preset}.{key}]", *table]
    write_text(folder / "dataset.toml", "\n".join(lines) + "\n")


def _rows_table(plan: RowsPlan) -> tuple[str, list[str]]:
    splits = ", ".join(f"{name} = {len(rows)}" for name, rows in plan.splits.items())
    return RowsCard.key, [f"samples = {{ {splits} }}"]


def _trajectories_table(plan: Plan) -> tuple[str, list[str]]:
    size = 4 * plan.frames * len(plan.fields) * math.prod(axis.size for axis in plan.axes)
    counts = {name: len(rows) for name, rows in plan.splits.items()}
    room = min(max(_SHARD_BYTES, size * len(plan.samples) // _SHARDS), _LARGEST_SHARD)
    shard_size = max(1, min(max(counts.values()), room // size))
    splits = ", ".join(f"{name} = {count}" for name, count in counts.items())
    return PresetCard.key, [
        f"grid = [{', '.join(str(axis.size) for axis in plan.axes)}]",
        f"dt = {float(plan.dt)!r}",
        f"frames = {plan.frames}",
        f"trajectories = {{ {splits} }}",
        f"shard_size = {shard_size}",
    ]


def _text(value: str) -> str:
    """A TOML string; what TOML does not allow in one is dropped."""
    kept = "".join(letter for letter in value if letter in "\n\t" or letter.isprintable())
    return json.dumps(kept, ensure_ascii=False)
