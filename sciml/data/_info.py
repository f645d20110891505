"""A dataset in numbers, for people and for ``--json``."""

from typing import Any

from sciml.data._dataset import Dataset


def info(dataset: Dataset) -> dict[str, Any]:  # Any: JSON
    """Sizes, bytes on disk, outcomes and statistics as plain data."""
    layout, statistics = dataset.layout, dataset.statistics
    splits = {}
    for name in layout.splits:
        pieces = layout.pieces(name)
        splits[name] = {
            "trajectories": layout.size(name),
            "shards": len(pieces),
            "bytes": sum(layout.path(piece).stat().st_size for piece in pieces),
            "status": dataset.split(name).counts,
        }
    return {
        "problem": dataset.problem.name,
        "preset": dataset.preset,
        "title": layout.about.title,
        "licence": layout.about.licence,
        "citation": layout.about.citation,
        "digest": dataset.digest,
        "folder": str(dataset.folder),
        "grid": {axis.name: axis.size for axis in dataset.grid.axes},
        "frames": dataset.card.frames,
        "dt": dataset.card.dt,
        "time_units": layout.about.time_units,
        "bytes": sum(split["bytes"] for split in splits.values()),
        "splits": splits,
        **({} if layout.active is None else {"active": f"{int(layout.active.sum())} of {layout.active.numel()} cells"}),
        "fields": _table(dataset.problem.fields, statistics.field_mean, statistics.field_std),
        "parameters": _table(dataset.problem.parameters, statistics.parameter_mean, statistics.parameter_std),
        **(
            {"forcings": _table(dataset.problem.forcings, statistics.forcing_mean, statistics.forcing_std)}
            if dataset.problem.forcings
            else {}
        ),
    }


def _table(entries, means, stds) -> dict[str, dict[str, Any]]:
    return {
        entry.name: {"units": entry.units, "mean": float(mean), "std": float(std)}
        for entry, mean, std in zip(entries, means, stds, strict=True)
    }
