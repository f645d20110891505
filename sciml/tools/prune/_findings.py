"""What is worth telling of a plan."""

import xarray

from sciml.tools._contract import Findings, FindingsTable
from sciml.tools.prune._config import PrunePlan

_FOUND = {
    "gsm": "global sparse momentum",
    "gradual": "gradual magnitude pruning",
    "magnitude": "magnitude, at once",
    "random": "chance",
    "structured": "norms of whole channels",
}


def findings_of(plan: PrunePlan) -> Findings:
    """Numbers, a table of all layers, and remarks."""
    kept = sum(layer.kept for layer in plan.layers.values())
    entries = sum(layer.entries for layer in plan.layers.values())
    words = [
        f"{kept:,} of {entries:,} prunable entries are left ({entries / kept:.3g}x), found by {_FOUND[plan.method]}."
    ]
    words += [*_emptied(plan), *_speed(plan)]
    words += [f"{name} is left as it is: {reason}." for name, reason in plan.skipped.items()]
    metrics = {"kept": float(kept), "entries": float(entries), "ratio": entries / kept, "tail": plan.tail}
    shares = {name: layer.kept / layer.entries for name, layer in plan.layers.items()}
    rows = tuple(
        (name, layer.kept, layer.entries, round(100 * shares[name], 2), "yes" if layer.compressed else "no", layer.why)
        for name, layer in plan.layers.items()
    )
    columns = ("weight", "left", "of", "left in %", "compressed rows", "because")
    arrays = xarray.Dataset(
        {"share_left": ("weight", list(shares.values()), {"units": "1", "long_name": "share of entries left"})},
        {"weight": list(shares)},
    )
    return Findings(
        metrics, arrays, tuple(words), (FindingsTable("What is left of every weight", columns, rows, "left in %"),)
    )


def _emptied(plan: PrunePlan) -> list[str]:
    """Weights of which nothing is left, with what helps."""
    empty = [name for name, layer in plan.layers.items() if not layer.kept]
    if not empty:
        return []
    cure = "Set keep for them or a smaller ratio"
    if plan.method in ("gradual", "magnitude"):
        cure += ", or take method=gsm: magnitudes of layers with different scales do not compare"
    return [f"Nothing is left of {', '.join(empty)}: what passes through there alone is lost. {cure}."]


def _speed(plan: PrunePlan) -> list[str]:
    """Whether zeros make a prediction faster, and why not."""
    if plan.slices:
        return ["What is left are smaller full layers: predictions need fewer operations, as the table of costs shows."]
    faster = [name for name, layer in plan.layers.items() if layer.compressed]
    if faster:
        return [
            f"{len(faster)} of {len(plan.layers)} layers predict with compressed rows, which were measured to be "
            "faster there; the others multiply by full matrices, zeros included."
        ]
    return ["No layer predicts faster than before: dense products multiply by zeros too. The table says why."]
