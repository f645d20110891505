"""Finished steps of a discovery on disk, so that one that was stopped goes on where it was."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from sciml.core import paths
from sciml.core.config import read_json
from sciml.core.errors import UserError
from sciml.solvers.discovery._front import SymbolicFront
from sciml.train import load_weights, save_weights


@dataclass(frozen=True)
class Kept:
    """Steps of one discovery; files are written whole, and one that is damaged is said and made again.

    Arguments:
        folder: where they are, made at the first write; it must belong to one set of settings.
        log: told what is taken from there.
    """

    folder: Path
    log: Callable[[str], None] = lambda words: None

    def fitted(self, module: nn.Module, fit: Callable[[], object]) -> None:
        """The module with the weights that `fit` gave it, or gives it now."""
        path = self.folder / "measured.safetensors"
        if path.exists():
            try:
                load_weights(module, path)
                self.log("the fit is taken from a discovery that was stopped")
                return
            except UserError as error:
                self.log(f"{path.name} is damaged ({error.what}); the fit is made again")
        fit()
        save_weights(module, paths.make_folder(self.folder) / path.name)

    def front(self, name: str, search: Callable[[], SymbolicFront]) -> SymbolicFront:
        """The formulas that `search` found for a field, or finds now."""
        path = self.folder / f"front-{name}.json"
        if path.exists():
            try:
                found = SymbolicFront.from_dict(read_json(path))
                self.log(f"formulas for {name} are taken from a discovery that was stopped")
                return found
            except UserError as error:
                self.log(f"{path.name} is damaged ({error.what}); the search is made again")
        found = search()
        paths.write_text(paths.make_folder(self.folder) / path.name, json.dumps(found.to_dict()))
        return found
