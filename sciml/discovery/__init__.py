"""Naming hidden terms: symbolic regression, identifiability, formulas confirmed by observations; usable alone."""

from sciml.core.formulas import FormulaError as FormulaError
from sciml.core.formulas import parse_equations as parse_equations
from sciml.core.formulas import parse_formula as parse_formula
from sciml.discovery._complete import full_equations as full_equations
from sciml.discovery._complete import try_formulas as try_formulas
from sciml.discovery._complete import unknown_scalars as unknown_scalars
from sciml.discovery._confirm import Constant as Constant
from sciml.discovery._confirm import confirm as confirm
from sciml.discovery._dimensions import UnitsVerdict as UnitsVerdict
from sciml.discovery._dimensions import check_units as check_units
from sciml.discovery._dimensions import dimension as dimension
from sciml.discovery._dimensions import pi_groups as pi_groups
from sciml.discovery._engine import EngineUnavailable as EngineUnavailable
from sciml.discovery._engine import SymbolicEngine as SymbolicEngine
from sciml.discovery._engines import engine as engine
from sciml.discovery._engines import engines as engines
from sciml.discovery._equivalence import Match as Match
from sciml.discovery._equivalence import compare as compare
from sciml.discovery._finder import EquationFinder as EquationFinder
from sciml.discovery._frames import ArrayError as ArrayError
from sciml.discovery._front import Entry as Entry
from sciml.discovery._front import SymbolicFront as SymbolicFront
from sciml.discovery._front import format_expr as format_expr
from sciml.discovery._front import rounded as rounded
from sciml.discovery._front import to_callable as to_callable
from sciml.discovery._front import to_latex as to_latex
from sciml.discovery._identify import Identifiability as Identifiability
from sciml.discovery._identify import identify as identify
from sciml.discovery._named import Component as Component
from sciml.discovery._named import MeasuredTerm as MeasuredTerm
from sciml.discovery._named import Named as Named
from sciml.discovery._named import Trial as Trial
from sciml.discovery._naming import NamingConfig as NamingConfig
from sciml.discovery._naming import formula_units as formula_units
from sciml.discovery._naming import name_term as name_term
from sciml.discovery._naming import require_engine as require_engine
from sciml.discovery._observed_course import exact_starts as exact_starts
from sciml.discovery._observed_course import spline_weights as spline_weights
from sciml.discovery._postprocess import Candidate as Candidate
from sciml.discovery._postprocess import alike as alike
from sciml.discovery._postprocess import process as process
from sciml.discovery._prior import HiddenPrior as HiddenPrior
from sciml.discovery._prior import parse_prior as parse_prior
from sciml.discovery._prior import split_list as split_list
from sciml.discovery._pysr import pysr_request as pysr_request
from sciml.discovery._read_table import TableLayout as TableLayout
from sciml.discovery._read_table import parse_values as parse_values
from sciml.discovery._read_table import read_table as read_table
from sciml.discovery._simulate import forecast as forecast
from sciml.discovery._simulate import method_for as method_for
from sciml.discovery._simulate import relative_error as relative_error
from sciml.discovery._simulate import start_of as start_of
from sciml.discovery._smooth import FEWEST as FEWEST_FOR_SPLINES
from sciml.discovery._smooth import curves_of as curves_of
from sciml.discovery._smooth import measure_by_curves as measure_by_curves
from sciml.discovery._smooth import smooth as smooth
from sciml.discovery._smooth import smoothing_spline as smoothing_spline
from sciml.discovery._sparse import SparseEngine as SparseEngine
from sciml.discovery._sparse import stlsq as stlsq
from sciml.discovery._spec import SearchSpec as SearchSpec
from sciml.discovery._spec import SymbolicProblem as SymbolicProblem
from sciml.discovery._steps import Steps as Steps
from sciml.discovery._table import TableData as TableData
from sciml.discovery._table_problem import TableProblem as TableProblem
from sciml.discovery._tree import evaluate as evaluate
from sciml.discovery._tree import from_tree as from_tree
from sciml.discovery._tree import to_tree as to_tree
from sciml.discovery._weak import weak_form as weak_form
from sciml.discovery._weak_form import WeakForm as WeakForm
from sciml.discovery._words import remarks as remarks

__all__ = [
    "FEWEST_FOR_SPLINES",
    "ArrayError",
    "Candidate",
    "Component",
    "Constant",
    "EngineUnavailable",
    "Entry",
    "EquationFinder",
    "FormulaError",
    "HiddenPrior",
    "Identifiability",
    "Match",
    "MeasuredTerm",
    "Named",
    "NamingConfig",
    "SearchSpec",
    "SparseEngine",
    "Steps",
    "SymbolicEngine",
    "SymbolicFront",
    "SymbolicProblem",
    "TableData",
    "TableLayout",
    "TableProblem",
    "Trial",
    "UnitsVerdict",
    "WeakForm",
    "alike",
    "check_units",
    "compare",
    "confirm",
    "curves_of",
    "dimension",
    "engine",
    "engines",
    "evaluate",
    "exact_starts",
    "forecast",
    "format_expr",
    "formula_units",
    "from_tree",
    "full_equations",
    "identify",
    "measure_by_curves",
    "method_for",
    "name_term",
    "parse_equations",
    "parse_formula",
    "parse_prior",
    "parse_values",
    "pi_groups",
    "process",
    "pysr_request",
    "read_table",
    "relative_error",
    "remarks",
    "require_engine",
    "rounded",
    "smooth",
    "smoothing_spline",
    "spline_weights",
    "split_list",
    "start_of",
    "stlsq",
    "to_callable",
    "to_latex",
    "to_tree",
    "try_formulas",
    "unknown_scalars",
    "weak_form",
]
