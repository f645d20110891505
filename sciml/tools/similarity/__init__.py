"""Tversky similarity in the place of linear layers, and what it shows of samples and prototypes."""

from sciml.tools.similarity._apply import apply_similarity as apply_similarity
from sciml.tools.similarity._config import HeadForm as HeadForm
from sciml.tools.similarity._config import MeasureForm as MeasureForm
from sciml.tools.similarity._config import SimilarityConfig as SimilarityConfig
from sciml.tools.similarity._config import SimilarityPlan as SimilarityPlan
from sciml.tools.similarity._plan import plan_similarity as plan_similarity
from sciml.tools.similarity._prototypes import PrototypesConfig as PrototypesConfig
from sciml.tools.similarity._prototypes import PrototypesProbe as PrototypesProbe
from sciml.tools.similarity._rule import SimilarityRule as SimilarityRule
from sciml.tools.similarity._tool import SimilarityRewrite as SimilarityRewrite

TOOLS = (SimilarityRewrite(), PrototypesProbe())

__all__ = [
    "TOOLS",
    "HeadForm",
    "MeasureForm",
    "PrototypesConfig",
    "PrototypesProbe",
    "SimilarityConfig",
    "SimilarityPlan",
    "SimilarityRewrite",
    "SimilarityRule",
    "apply_similarity",
    "plan_similarity",
]
