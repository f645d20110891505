"""Where a file that a run made is from, as attributes of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from sciml.data import CONVENTIONS
from sciml.study._about import About
from sciml.study._folder import WEIGHTS


def origin(about: About, folder: Path, verb: str) -> dict[str, str]:
    """Attributes by the words of the CF conventions (``source``, ``history``, ``references``), and the hashes.

    Arguments:
        about: what the run says of itself.
        folder: the run.
        verb: what made the file.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = folder.resolve().name
    cited = dict.fromkeys(filter(None, about.citation.model_dump().values()))  # in order, each once
    return {
        "Conventions": CONVENTIONS,
        "source": f"{about.program}, run {run}: {about.solver_title} on {about.title}",
        "history": f"{now} sciml {verb} {run}",
        "references": "; ".join(cited),
        "licence": "; ".join(f"{what}: {words}" for what, words in about.licence.items() if words),
        "run": run,
        "dataset_hash": about.dataset,
        "weights_sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
    }
