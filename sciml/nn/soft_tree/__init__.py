"""Soft trees: their forms, their gates, and the exact symmetries of their parameters."""

from sciml.nn.soft_tree._form import Gate as Gate
from sciml.nn.soft_tree._form import TreeForm as TreeForm
from sciml.nn.soft_tree._form import TreeKind as TreeKind
from sciml.nn.soft_tree._form import entmoid as entmoid
from sciml.nn.soft_tree._form import gate as gate
from sciml.nn.soft_tree._symmetry import LARGEST_GROUP as LARGEST_GROUP
from sciml.nn.soft_tree._symmetry import Symmetry as Symmetry
from sciml.nn.soft_tree._symmetry import identity as identity
from sciml.nn.soft_tree._symmetry import num_symmetries as num_symmetries
from sciml.nn.soft_tree._symmetry import oblivious as oblivious
from sciml.nn.soft_tree._symmetry import perfect as perfect
from sciml.nn.soft_tree._symmetry import symmetries as symmetries

__all__ = [
    "LARGEST_GROUP",
    "Gate",
    "Symmetry",
    "TreeForm",
    "TreeKind",
    "entmoid",
    "gate",
    "identity",
    "num_symmetries",
    "oblivious",
    "perfect",
    "symmetries",
]
