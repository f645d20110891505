"""A population with a random growth rate: the operator from the process to the mean of the solution.

What to expect: the mean is the exponential of a sum of squares of integrals of the inputs, smooth and between 1 and
1.6, so that a mean over training functions is already off by only a few per cent.
"""

from sciml.core.capabilities import DeclaredOperator, InputFunction
from sciml.core.problem import Field

from . import equations, reference

PROBLEM = DeclaredOperator(
    name="stochastic_ode_mean",
    title="Mean of an equation with a random rate",
    equation=equations.EQUATION,
    inputs=tuple(
        InputFunction(f"mode_{i}", f"φ{i}", "1", f"mode {i} of the growth rate", equations.CLOCK)
        for i in range(1, equations.MODES + 1)
    ),
    domain=equations.CLOCK,
    drawn_from=reference.SPACES,
    labels=reference.means,
    fields=(Field("mean", "E y", "1", "mean population"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, section on stochastic operators",
)
