"""Ignition by a laser as an operator: from the power of a shot over time to the temperature it causes.

What to expect: with 0.2 J the reactor mostly warms to 1000 K and cools again; with 0.4 J it mostly burns at 3300 K from
one moment on. In between the shape decides: heat that comes within a residence time ignites, and the same
heat spread over two is washed out. The answer jumps there, and no smooth operator gets all of these cases right.
"""

from sciml.core.capabilities import DeclaredOperator, InputFunction
from sciml.core.problem import Field

from . import equations, reference

PROBLEM = DeclaredOperator(
    name="ignition_operator",
    title="Ignition by a laser shot as an operator",
    equation=equations.EQUATION,
    inputs=(InputFunction("power", "P", "W", "power of the laser", equations.LINE),),
    domain=equations.LINE,
    drawn_from=reference.SPACES,
    labels=reference.temperatures,
    fields=(Field("temperature", "T", "K", "temperature"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="fno_map",
    citation="G. P. Smith et al., GRI-Mech 3.0 (1999), http://combustion.berkeley.edu/gri-mech/",
)
