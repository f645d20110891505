"""Soft trees of several runs matched over all their symmetries, and merged in weight space."""

from sciml.tools.trees._config import TreesConfig as TreesConfig
from sciml.tools.trees._match import Invariances as Invariances
from sciml.tools.trees._match import Matching as Matching
from sciml.tools.trees._match import match_activations as match_activations
from sciml.tools.trees._match import match_weights as match_weights
from sciml.tools.trees._member import joined as joined
from sciml.tools.trees._merge import Match as Match
from sciml.tools.trees._merge import align_all as align_all
from sciml.tools.trees._merge import aligned as aligned
from sciml.tools.trees._merge import average as average
from sciml.tools.trees._merge import barrier as barrier
from sciml.tools.trees._merge import find_matching as find_matching
from sciml.tools.trees._merge import interpolated as interpolated
from sciml.tools.trees._tool import TreesMerge as TreesMerge

TOOLS = (TreesMerge(),)

__all__ = [
    "TOOLS",
    "Invariances",
    "Match",
    "Matching",
    "TreesConfig",
    "TreesMerge",
    "align_all",
    "aligned",
    "average",
    "barrier",
    "find_matching",
    "interpolated",
    "joined",
    "match_activations",
    "match_weights",
]
