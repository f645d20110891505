"""Differentiable integrators that tell what they know: per-sample steps, errors, stiffness, status and gradients."""

from sciml.ode._control import PID as PID
from sciml.ode._control import Tolerance as Tolerance
from sciml.ode._control import first_step as first_step
from sciml.ode._events import Event as Event
from sciml.ode._gradient import Checkpointed as Checkpointed
from sciml.ode._gradient import Discrete as Discrete
from sciml.ode._method import Method as Method
from sciml.ode._method import Step as Step
from sciml.ode._solution import Hit as Hit
from sciml.ode._solution import Solution as Solution
from sciml.ode._solution import Stats as Stats
from sciml.ode._solution import Steps as Steps
from sciml.ode._solve import METHODS as METHODS
from sciml.ode._solve import find_method as find_method
from sciml.ode._solve import solve as solve

__all__ = [
    "METHODS",
    "PID",
    "Checkpointed",
    "Discrete",
    "Event",
    "Hit",
    "Method",
    "Solution",
    "Stats",
    "Step",
    "Steps",
    "Tolerance",
    "find_method",
    "first_step",
    "solve",
]
