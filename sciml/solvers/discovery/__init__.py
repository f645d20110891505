"""Finding the hidden part of an equation: networks that measure it, symbolic searches that name it."""

from sciml.solvers.discovery._confirm import Constant as Constant
from sciml.solvers.discovery._dimensions import UnitsVerdict as UnitsVerdict
from sciml.solvers.discovery._dimensions import check_units as check_units
from sciml.solvers.discovery._dimensions import pi_groups as pi_groups
from sciml.solvers.discovery._discover import Component as Component
from sciml.solvers.discovery._discover import Discovered as Discovered
from sciml.solvers.discovery._discover import discover as discover
from sciml.solvers.discovery._discover import full_equations as full_equations
from sciml.solvers.discovery._discover import try_formulas as try_formulas
from sciml.solvers.discovery._engine import EngineUnavailable as EngineUnavailable
from sciml.solvers.discovery._engine import SymbolicEngine as SymbolicEngine
from sciml.solvers.discovery._engine import engine as engine
from sciml.solvers.discovery._engine import engines as engines
from sciml.solvers.discovery._equivalence import Match as Match
from sciml.solvers.discovery._equivalence import compare as compare
from sciml.solvers.discovery._front import Entry as Entry
from sciml.solvers.discovery._front import SymbolicFront as SymbolicFront
from sciml.solvers.discovery._front import format_expr as format_expr
from sciml.solvers.discovery._front import to_callable as to_callable
from sciml.solvers.discovery._front import to_latex as to_latex
from sciml.solvers.discovery._identify import Identifiability as Identifiability
from sciml.solvers.discovery._identify import identify as identify
from sciml.solvers.discovery._kept import Kept as Kept
from sciml.solvers.discovery._parse import FormulaError as FormulaError
from sciml.solvers.discovery._parse import parse_equations as parse_equations
from sciml.solvers.discovery._parse import parse_formula as parse_formula
from sciml.solvers.discovery._postprocess import alike as alike
from sciml.solvers.discovery._sindy import SINDySolver as SINDySolver
from sciml.solvers.discovery._solver import DiscoverySolver as DiscoverySolver
from sciml.solvers.discovery._spec import SearchSpec as SearchSpec
from sciml.solvers.discovery._spec import SymbolicProblem as SymbolicProblem
from sciml.solvers.discovery._spline import SplineDerivativeSolver as SplineDerivativeSolver
from sciml.solvers.discovery._table import TableProblem as TableProblem
from sciml.solvers.discovery._table import parse_values as parse_values
from sciml.solvers.discovery._table import read_table as read_table
from sciml.solvers.discovery._universal_ode import UniversalODESolver as UniversalODESolver
from sciml.solvers.discovery._upinn_solver import UPINNSolver as UPINNSolver

SOLVERS = (UPINNSolver(), SplineDerivativeSolver(), SINDySolver(), UniversalODESolver())

__all__ = [
    "SOLVERS",
    "Component",
    "Constant",
    "Discovered",
    "DiscoverySolver",
    "EngineUnavailable",
    "Entry",
    "FormulaError",
    "Identifiability",
    "Kept",
    "Match",
    "SINDySolver",
    "SearchSpec",
    "SplineDerivativeSolver",
    "SymbolicEngine",
    "SymbolicFront",
    "SymbolicProblem",
    "TableProblem",
    "UPINNSolver",
    "UnitsVerdict",
    "UniversalODESolver",
    "alike",
    "check_units",
    "compare",
    "discover",
    "engine",
    "engines",
    "format_expr",
    "full_equations",
    "identify",
    "parse_equations",
    "parse_formula",
    "parse_values",
    "pi_groups",
    "read_table",
    "to_callable",
    "to_latex",
    "try_formulas",
]
