"""Similarity of sets of features (Tversky), as layers."""

from sciml.nn.tversky._activity import Activity as Activity
from sciml.nn.tversky._activity import revive as revive
from sciml.nn.tversky._activity import tversky_layers as tversky_layers
from sciml.nn.tversky._activity import watch_activity as watch_activity
from sciml.nn.tversky._heads import TverskyContraction as TverskyContraction
from sciml.nn.tversky._heads import TverskyPointwise as TverskyPointwise
from sciml.nn.tversky._layers import FeatureBank as FeatureBank
from sciml.nn.tversky._layers import TverskyProjection as TverskyProjection
from sciml.nn.tversky._layers import TverskySimilarity as TverskySimilarity
from sciml.nn.tversky._layers import tversky_projection as tversky_projection
from sciml.nn.tversky._measure import Difference as Difference
from sciml.nn.tversky._measure import Gate as Gate
from sciml.nn.tversky._measure import Intersection as Intersection
from sciml.nn.tversky._measure import Measure as Measure
from sciml.nn.tversky._measure import Model as Model
from sciml.nn.tversky._measure import Reduction as Reduction
from sciml.nn.tversky._measure import Sets as Sets
from sciml.nn.tversky._measure import salience as salience
from sciml.nn.tversky._sets_query import parse_query as parse_query
from sciml.nn.tversky._sets_query import rank as rank

__all__ = [
    "Activity",
    "Difference",
    "FeatureBank",
    "Gate",
    "Intersection",
    "Measure",
    "Model",
    "Reduction",
    "Sets",
    "TverskyContraction",
    "TverskyPointwise",
    "TverskyProjection",
    "TverskySimilarity",
    "parse_query",
    "rank",
    "revive",
    "salience",
    "tversky_layers",
    "tversky_projection",
    "watch_activity",
]
