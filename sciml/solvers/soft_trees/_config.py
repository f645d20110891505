"""What all solvers by soft trees are built from."""

from typing import Self

import pydantic

from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.models import SoftTrees
from sciml.nn.soft_tree import Gate, TreeForm, TreeKind

CITATION = (
    "Kanoh, Sugiyama, Linear mode connectivity in differentiable tree ensembles, ICLR 2025, arXiv:2405.14596; soft "
    "trees: Irsoy, Yıldız, Alpaydın, Soft decision trees, ICPR 2012"
)
CLAIM = (
    "runs from different seeds can be averaged once their trees are matched over all symmetries (reports/tree_barriers)"
)


class SoftTreesConfig(Config):
    """An ensemble of soft trees."""

    trees: int = pydantic.Field(default=64, ge=1, le=100_000)
    """Trees."""
    depth: int = pydantic.Field(default=2, ge=1, le=20)
    """Of every tree; 2 is mostly enough, and what can be matched falls with it."""
    kind: TreeKind = "oblivious"
    """``oblivious`` (one split per depth), ``perfect`` (one per node), ``list`` and ``modified_list`` (chains)."""
    gate: Gate = "sigmoid"
    """What makes a share of a split's value; ``entmoid`` is exactly 0 or 1 away from the split."""

    @pydantic.model_validator(mode="after")
    def _possible(self) -> Self:
        try:
            TreeForm(self.kind, self.depth)
        except UserError as error:
            raise ValueError(str(error)) from None
        return self

    def network(self, features: int, outputs: int) -> SoftTrees:
        """A freshly initialised ensemble."""
        return SoftTrees(features, outputs, trees=self.trees, depth=self.depth, kind=self.kind, gate=self.gate)
