"""A population with a random growth rate: the operator from the process to every one of its paths.

What to expect: the solution is the exponential of a linear functional of the inputs times the random numbers, so it
varies over two orders of magnitude, and the largest paths rule the error. The network must learn a product of what
the branches and the trunk know.
"""

from sciml.core.capabilities import DeclaredOperator, InputFunction
from sciml.core.problem import Field

from . import equations, reference

PROBLEM = DeclaredOperator(
    name="stochastic_ode",
    title="Ordinary differential equation with a random rate",
    equation=equations.EQUATION,
    inputs=tuple(
        InputFunction(f"mode_{i}", f"φ{i}", "1", f"mode {i} of the growth rate", equations.CLOCK)
        for i in range(1, equations.MODES + 1)
    ),
    domain=equations.PATHS,
    drawn_from=reference.SPACES,
    labels=reference.paths,
    scattered=reference.random_paths,
    fields=(Field("y", "y", "1", "population"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, section on stochastic operators",
)
