"""Trained weights that another training begins with."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from torch import nn

from sciml.core.errors import UserError
from sciml.core.files import check_plain
from sciml.study._folder import WEIGHTS
from sciml.study._use import load_run
from sciml.train import AnySolver


class Start(NamedTuple):
    """A run's network, and what it is called by."""

    name: str
    module: nn.Module


def begin_from(folder: Path, solver: AnySolver, problem: str | None = None) -> Start:
    """The network of a finished run of the same solver.

    Arguments:
        folder: of the run.
        solver: what is to be trained.
        problem: the folder of a problem that is not registered, as for `load_run`.

    Raises: UserError for a run of another solver; as `load_run` for what is no finished run.
    """
    loaded = load_run(folder, problem=problem)
    if loaded.solver.key != solver.key:
        raise UserError("a training begins with weights of the same solver", got=f"{folder}, a run of "
                        f"{loaded.solver.key}", expected=solver.key)  # fmt: skip
    digest = hashlib.sha256(check_plain(loaded.folder / WEIGHTS).read_bytes()).hexdigest()[:16]
    return Start(f"{loaded.folder.name} ({digest})", loaded.module)
