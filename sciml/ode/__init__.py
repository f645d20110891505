"""Differentiable integrators that tell what they know: per-sample steps, errors, stiffness, status and gradients."""

from sciml.ode._adams import Adams as Adams
from sciml.ode._additive import Additive as Additive
from sciml.ode._adjoint import Adjoint as Adjoint
from sciml.ode._adjoint import AdjointDriftWarning as AdjointDriftWarning
from sciml.ode._adjoint import Backsolve as Backsolve
from sciml.ode._bound import Split as Split
from sciml.ode._brownian import Brownian as Brownian
from sciml.ode._brownian import Increment as Increment
from sciml.ode._control import PID as PID
from sciml.ode._control import Tolerance as Tolerance
from sciml.ode._control import first_step as first_step
from sciml.ode._coupled import Coupled as Coupled
from sciml.ode._dense import Dense as Dense
from sciml.ode._dirk import DiagonallyImplicit as DiagonallyImplicit
from sciml.ode._events import Event as Event
from sciml.ode._explicit import Explicit as Explicit
from sciml.ode._fixed import check_fixed as check_fixed
from sciml.ode._fixed import count_steps as count_steps
from sciml.ode._fixed import fixed_steps as fixed_steps
from sciml.ode._forced import solve_forced as solve_forced
from sciml.ode._forcing import Forcing as Forcing
from sciml.ode._gradient import Checkpointed as Checkpointed
from sciml.ode._gradient import Discrete as Discrete
from sciml.ode._method import Method as Method
from sciml.ode._method import Step as Step
from sciml.ode._newton import Jacobian as Jacobian
from sciml.ode._newton import Newton as Newton
from sciml.ode._newton import jacobian as jacobian
from sciml.ode._odeint import odeint as odeint
from sciml.ode._odeint import odeint_adjoint as odeint_adjoint
from sciml.ode._odeint import odeint_event as odeint_event
from sciml.ode._options import FIXED_METHODS as FIXED_METHODS
from sciml.ode._packing import Static as Static
from sciml.ode._rosenbrock import Rosenbrock as Rosenbrock
from sciml.ode._sde import SDE_METHODS as SDE_METHODS
from sciml.ode._sde import find_sde_method as find_sde_method
from sciml.ode._sde import solve_sde as solve_sde
from sciml.ode._solution import Hit as Hit
from sciml.ode._solution import Marks as Marks
from sciml.ode._solution import Solution as Solution
from sciml.ode._solution import Stats as Stats
from sciml.ode._solution import Steps as Steps
from sciml.ode._solve import METHODS as METHODS
from sciml.ode._solve import find_method as find_method
from sciml.ode._solve import solve as solve
from sciml.ode._sri import SRI as SRI
from sciml.ode._sri import StochasticMethod as StochasticMethod
from sciml.ode._switching import Switching as Switching
from sciml.ode._symplectic import Symplectic as Symplectic
from sciml.ode._torchdiffeq import TORCHDIFFEQ_ADAPTIVE as TORCHDIFFEQ_ADAPTIVE
from sciml.ode._torchdiffeq import TORCHDIFFEQ_FIXED as TORCHDIFFEQ_FIXED

__all__ = [
    "FIXED_METHODS",
    "METHODS",
    "PID",
    "SDE_METHODS",
    "SRI",
    "TORCHDIFFEQ_ADAPTIVE",
    "TORCHDIFFEQ_FIXED",
    "Adams",
    "Additive",
    "Adjoint",
    "AdjointDriftWarning",
    "Backsolve",
    "Brownian",
    "Checkpointed",
    "Coupled",
    "Dense",
    "DiagonallyImplicit",
    "Discrete",
    "Event",
    "Explicit",
    "Forcing",
    "Hit",
    "Increment",
    "Jacobian",
    "Marks",
    "Method",
    "Newton",
    "Rosenbrock",
    "Solution",
    "Split",
    "Static",
    "Stats",
    "Step",
    "Steps",
    "StochasticMethod",
    "Switching",
    "Symplectic",
    "Tolerance",
    "check_fixed",
    "count_steps",
    "find_method",
    "find_sde_method",
    "first_step",
    "fixed_steps",
    "jacobian",
    "odeint",
    "odeint_adjoint",
    "odeint_event",
    "solve",
    "solve_forced",
    "solve_sde",
]
