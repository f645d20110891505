"""Structured matrices in place of dense ones, within a budget of FLOPs."""

from sciml.tools.structure._apply import apply_structure as apply_structure
from sciml.tools.structure._apply import compact_structure as compact_structure
from sciml.tools.structure._apply import fit_structure as fit_structure
from sciml.tools.structure._config import FAMILIES as FAMILIES
from sciml.tools.structure._config import StructureConfig as StructureConfig
from sciml.tools.structure._config import StructurePlan as StructurePlan
from sciml.tools.structure._find import Layout as Layout
from sciml.tools.structure._find import find_blocks as find_blocks
from sciml.tools.structure._plan import plan_structure as plan_structure
from sciml.tools.structure._rule import GaudiRule as GaudiRule
from sciml.tools.structure._tool import StructureRewrite as StructureRewrite

TOOLS = (StructureRewrite(),)

__all__ = [
    "FAMILIES",
    "TOOLS",
    "GaudiRule",
    "Layout",
    "StructureConfig",
    "StructurePlan",
    "StructureRewrite",
    "apply_structure",
    "compact_structure",
    "find_blocks",
    "fit_structure",
    "plan_structure",
]
