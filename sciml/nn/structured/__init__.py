"""Structured matrices under one contract, and layers around them."""

from sciml.nn.structured._blast import BlastMatrix as BlastMatrix
from sciml.nn.structured._fit import fit_rectangles as fit_rectangles
from sciml.nn.structured._fit import truncated as truncated
from sciml.nn.structured._forms import Blast as Blast
from sciml.nn.structured._forms import Form as Form
from sciml.nn.structured._forms import Gaudi as Gaudi
from sciml.nn.structured._forms import Monarch as Monarch
from sciml.nn.structured._forms import Rectangles as Rectangles
from sciml.nn.structured._forms import cuts as cuts
from sciml.nn.structured._forms import low_rank_form as low_rank_form
from sciml.nn.structured._forms import tiled_form as tiled_form
from sciml.nn.structured._gaudi_mask import boxcar as boxcar
from sciml.nn.structured._gaudi_mask import gaudi_mask as gaudi_mask
from sciml.nn.structured._gaudi_mask import rounded as rounded
from sciml.nn.structured._gblr import GaudiMatrix as GaudiMatrix
from sciml.nn.structured._gblr import component_list as component_list
from sciml.nn.structured._layers import Structured as Structured
from sciml.nn.structured._layers import StructuredAffine as StructuredAffine
from sciml.nn.structured._layers import StructuredConv as StructuredConv
from sciml.nn.structured._layers import StructuredSpectralConv as StructuredSpectralConv
from sciml.nn.structured._merge import Merged as Merged
from sciml.nn.structured._merge import merge_blocks as merge_blocks
from sciml.nn.structured._merge import merge_rectangles as merge_rectangles
from sciml.nn.structured._monarch import MonarchMatrix as MonarchMatrix
from sciml.nn.structured._operator import Products as Products
from sciml.nn.structured._operator import Shape as Shape
from sciml.nn.structured._operator import StructuredLinear as StructuredLinear
from sciml.nn.structured._rectangle import Block as Block
from sciml.nn.structured._rectangle import Rectangle as Rectangle
from sciml.nn.structured._rectangle import interval as interval
from sciml.nn.structured._rectangle import rectangles_cost as rectangles_cost
from sciml.nn.structured._rectangles import RectangleMatrix as RectangleMatrix

__all__ = [
    "Blast",
    "BlastMatrix",
    "Block",
    "Form",
    "Gaudi",
    "GaudiMatrix",
    "Merged",
    "Monarch",
    "MonarchMatrix",
    "Products",
    "Rectangle",
    "RectangleMatrix",
    "Rectangles",
    "Shape",
    "Structured",
    "StructuredAffine",
    "StructuredConv",
    "StructuredLinear",
    "StructuredSpectralConv",
    "boxcar",
    "component_list",
    "cuts",
    "fit_rectangles",
    "gaudi_mask",
    "interval",
    "low_rank_form",
    "merge_blocks",
    "merge_rectangles",
    "rectangles_cost",
    "rounded",
    "tiled_form",
    "truncated",
]
