"""Finished searches on disk, so that naming that was stopped goes on where it was."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sciml.core import paths
from sciml.core.config import read_json
from sciml.core.errors import UserError
from sciml.discovery._front import SymbolicFront


@dataclass(frozen=True)
class Steps:
    """Finished searches of one naming; files are written whole, and one that is damaged is named and made again.

    Arguments:
        folder: where they are, made at the first write; it must belong to one set of settings.
        log: told what is taken from there.
    """

    folder: Path
    log: Callable[[str], None] = lambda words: None

    def front(self, name: str, search: Callable[[], SymbolicFront]) -> SymbolicFront:
        """The formulas that `search` found for a field, or finds now."""
        path = self.folder / f"front-{name}.json"
        if path.exists():
            try:
                front = SymbolicFront.from_dict(read_json(path))
                self.log(f"formulas for {name} are taken from a discovery that was stopped")
                return front
            except UserError as error:
                self.log(f"{path.name} is damaged ({error.what}); the search is made again")
        front = search()
        paths.write_text(paths.make_folder(self.folder) / path.name, json.dumps(front.to_dict()))
        return front
