"""Networks generated from a PDE: depth is time, layers are steps of a scheme, weights are physical coefficients.

    spec = NPDESpec.from_statement(problem.statement(case), (64,), dt=1e-3, trainable=("nu",))
    network = generate(spec, "conv")
    frames = network.rollout(initial, 40)

The construction follows P. Guo, K. Huang, Z. Xu, arXiv:2103.08313; the stable forms L. Ruthotto, E. Haber,
arXiv:1804.04272.
"""

from sciml.models.npde._adjoint import adjoint_rollout as adjoint_rollout
from sciml.models.npde._coefficients import Coefficient as Coefficient
from sciml.models.npde._coefficients import Constant as Constant
from sciml.models.npde._coefficients import FieldCoefficient as FieldCoefficient
from sciml.models.npde._coefficients import Given as Given
from sciml.models.npde._coefficients import NetCoefficient as NetCoefficient
from sciml.models.npde._coefficients import Trainable as Trainable
from sciml.models.npde._dense import NPDEMLP as NPDEMLP
from sciml.models.npde._dense import NPDERNN as NPDERNN
from sciml.models.npde._dense import Layer as Layer
from sciml.models.npde._generate import Form as Form
from sciml.models.npde._generate import generate as generate
from sciml.models.npde._library import library as library
from sciml.models.npde._library import read_terms as read_terms
from sciml.models.npde._network import NPDE as NPDE
from sciml.models.npde._network import FittedCoefficient as FittedCoefficient
from sciml.models.npde._network import NPDEConv as NPDEConv
from sciml.models.npde._network import NPDEFree as NPDEFree
from sciml.models.npde._rates import Moment as Moment
from sciml.models.npde._regression import inner as inner
from sciml.models.npde._regression import regression_rows as regression_rows
from sciml.models.npde._regression import trainable_numbers as trainable_numbers
from sciml.models.npde._report import StabilityReport as StabilityReport
from sciml.models.npde._report import as_text as as_text
from sciml.models.npde._report import equations_of as equations_of
from sciml.models.npde._spec import NPDESpec as NPDESpec
from sciml.models.npde._spec import Scheme as Scheme
from sciml.models.npde._spec import SpecAxis as SpecAxis
from sciml.models.npde._stable import StableNPDE as StableNPDE
from sciml.models.npde._stencils import Boundary as Boundary
from sciml.models.npde._terms import Advection as Advection
from sciml.models.npde._terms import Diffusion as Diffusion
from sciml.models.npde._terms import Mix as Mix
from sciml.models.npde._terms import NonLocal as NonLocal
from sciml.models.npde._terms import Reaction as Reaction
from sciml.models.npde._terms import Source as Source
from sciml.models.npde._terms import Term as Term

__all__ = [
    "NPDE",
    "NPDEMLP",
    "NPDERNN",
    "Advection",
    "Boundary",
    "Coefficient",
    "Constant",
    "Diffusion",
    "FieldCoefficient",
    "FittedCoefficient",
    "Form",
    "Given",
    "Layer",
    "Mix",
    "Moment",
    "NPDEConv",
    "NPDEFree",
    "NPDESpec",
    "NetCoefficient",
    "NonLocal",
    "Reaction",
    "Scheme",
    "Source",
    "SpecAxis",
    "StabilityReport",
    "StableNPDE",
    "Term",
    "Trainable",
    "adjoint_rollout",
    "as_text",
    "equations_of",
    "generate",
    "inner",
    "library",
    "read_terms",
    "regression_rows",
    "trainable_numbers",
]  # fmt: skip
