"""Diffusion through a random medium in one dimension: from the process to every one of its solutions.

What to expect: the solution is a ratio of integrals of exp(-b), and b is a sum of eight inputs times eight random
numbers of the query. Where b is small the solution is large: few queries rule the error.
"""

from sciml.core.capabilities import DeclaredOperator, InputFunction
from sciml.core.problem import Field

from . import equations, reference

PROBLEM = DeclaredOperator(
    name="stochastic_elliptic",
    title="Elliptic equation with a random coefficient",
    equation=equations.EQUATION,
    inputs=tuple(
        InputFunction(f"mode_{i}", f"φ{i}", "1", f"mode {i} of the logarithm of the coefficient", equations.LINE)
        for i in range(1, equations.MODES + 1)
    ),
    domain=equations.SAMPLES,
    drawn_from=reference.SPACES,
    labels=reference.solutions,
    scattered=reference.random_samples,
    fields=(Field("s", "s", "1", "solution"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, section on stochastic operators",
)
