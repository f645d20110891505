"""Finding the hidden part of an equation: networks that measure it, symbolic searches that name it."""

from sciml.solvers.discovery._dimensions import UnitsVerdict as UnitsVerdict
from sciml.solvers.discovery._dimensions import check_units as check_units
from sciml.solvers.discovery._dimensions import pi_groups as pi_groups
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
from sciml.solvers.discovery._parse import FormulaError as FormulaError
from sciml.solvers.discovery._parse import parse_equations as parse_equations
from sciml.solvers.discovery._parse import parse_formula as parse_formula
from sciml.solvers.discovery._sindy import SINDySolver as SINDySolver
from sciml.solvers.discovery._spec import SearchSpec as SearchSpec
from sciml.solvers.discovery._spec import SymbolicProblem as SymbolicProblem
from sciml.solvers.discovery._spline import SplineDerivativeSolver as SplineDerivativeSolver
from sciml.solvers.discovery._universal_ode import UniversalODESolver as UniversalODESolver
from sciml.solvers.discovery._upinn_solver import UPINNSolver as UPINNSolver

SOLVERS = (UPINNSolver(), SplineDerivativeSolver(), SINDySolver(), UniversalODESolver())

__all__ = [
    "EngineUnavailable",
    "Entry",
    "FormulaError",
    "Match",
    "SearchSpec",
    "SymbolicEngine",
    "SymbolicFront",
    "SymbolicProblem",
    "UnitsVerdict",
    "check_units",
    "compare",
    "engine",
    "engines",
    "format_expr",
    "parse_equations",
    "parse_formula",
    "pi_groups",
    "to_callable",
    "to_latex",
]
