"""Pruning to a ratio: global sparse momentum (GSM), gradual magnitude, magnitude at once, chance."""

from sciml.tools.prune._compressed import choose_compressed as choose_compressed
from sciml.tools.prune._compressed import measure_product as measure_product
from sciml.tools.prune._config import Layer as Layer
from sciml.tools.prune._config import PruneConfig as PruneConfig
from sciml.tools.prune._config import PrunePlan as PrunePlan
from sciml.tools.prune._config import Slices as Slices
from sciml.tools.prune._decay import check_decay as check_decay
from sciml.tools.prune._decay import decay_of as decay_of
from sciml.tools.prune._decay import weight_decay_for as weight_decay_for
from sciml.tools.prune._gradual_rule import GradualRule as GradualRule
from sciml.tools.prune._hold import check_held as check_held
from sciml.tools.prune._hold import check_outweighed as check_outweighed
from sciml.tools.prune._masks import apply_masks as apply_masks
from sciml.tools.prune._masks import decode as decode
from sciml.tools.prune._masks import encode as encode
from sciml.tools.prune._momentum_rule import SparseMomentumRule as SparseMomentumRule
from sciml.tools.prune._select import count_to_keep as count_to_keep
from sciml.tools.prune._select import importance as importance
from sciml.tools.prune._select import largest as largest
from sciml.tools.prune._select import magnitudes as magnitudes
from sciml.tools.prune._select import split as split
from sciml.tools.prune._structured import apply_slices as apply_slices
from sciml.tools.prune._tool import PruneRewrite as PruneRewrite
from sciml.tools.prune._weights import Weight as Weight
from sciml.tools.prune._weights import prunable as prunable

TOOLS = (PruneRewrite(),)

__all__ = [
    "TOOLS",
    "GradualRule",
    "Layer",
    "PruneConfig",
    "PrunePlan",
    "PruneRewrite",
    "Slices",
    "SparseMomentumRule",
    "Weight",
    "apply_masks",
    "apply_slices",
    "check_decay",
    "check_held",
    "check_outweighed",
    "choose_compressed",
    "count_to_keep",
    "decay_of",
    "decode",
    "encode",
    "importance",
    "largest",
    "magnitudes",
    "measure_product",
    "prunable",
    "split",
    "weight_decay_for",
]
