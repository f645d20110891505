"""What may help a solver whose solution does not meet its equation or its conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from sciml.core.domain import Condition
from sciml.core.expressions import is_rough
from sciml.core.rates import rates
from sciml.core.statement import Statement
from sciml.draw import format_number
from sciml.tasks.collocation._conclude import Check, check_equation

_BETWEEN = 5.0
"""How many times larger a residual is at new points than at those of the training where there are too few of these."""
_FAST = 1.5 * math.pi
"""Frequency on [-1, 1] from which on a plain network, which learns smooth functions first, is likely too smooth."""
_NEAR, _GATHERED = 0.1, 0.9
"""What is near, as a share of every axis; the share of the squared residual that is gathered there if it is at all."""
_PER_PERIOD, _LEAST = 16, 12
"""Points along an axis: per period, and where nothing oscillates."""

_STEP = (
    " A start with a jump at a is better begun later: a diffusivity D has made erf((x - a)/w) of it at the time "
    "w²/(4 D)."
)


def advice(statement: Statement, checks: Sequence[Check], trained: Check, *, points: int) -> str:
    """What may help, in sentences.

    Arguments:
        statement: the equation.
        checks: of which some are not met.
        trained: as that of the equation, at the points of the training.
        points: how many these are.
    """
    equation = next(check for check in checks if check.what == "equation")
    fast = {name: rate for name, rate in rates(statement).items() if rate > _FAST}
    words = []
    if not equation.met and equation.value > _BETWEEN * trained.value:
        words.append(
            f"At the {points} training points the residual is {format_number(trained.value, 2)}: there are too few "
            f"(task.points={max(2 * points, _enough(fast, len(statement.names)))}, or model.adapt.kind=rad)."
        )
    if fast:
        periods = " and ".join(
            f"{format_number(rate / math.pi, 2)} periods along {name}" for name, rate in fast.items()
        )
        words.append(
            f"By its terms the solution may have up to {periods}, which a plain network hardly learns: try "
            f"random Fourier features, model.embedding.fourier=100 with model.embedding.sigma={_sigma(statement, fast)}"
            f" and task.points={max(points, _enough(fast, len(statement.names)))}{_onset(statement, fast)}."
        )
    words.append(
        "Training longer (train.steps) or again from other weights (model.optimise.restarts) may help, and so may "
        "beginning with the solution for an easier parameter (--start)."
    )
    return " ".join(words)


def caution(
    statement: Statement,
    points: Float[Tensor, "point dim"],
    residual: Float[Tensor, "point equation"],
    terms: Sequence[Float[Tensor, "point _"]],
    *,
    met: bool,
) -> str:
    """A sentence on where the residual is, for statements with kinks or jumps, and if one place holds what is missed.

    A corner where conditions contradict each other may hold nearly all of it, with the solution right elsewhere; and
    what is met on average is missed at a kink, which a smooth network rounds off.

    Arguments:
        statement, points: where the equations were examined.
        residual, terms: of each equation.
        met: whether the solution meets everything; then smooth statements need no words.
    """
    squares = (residual / residual.norm(dim=0).clamp(min=1e-300)).square().sum(1)
    worst = points[int(squares.argmax())]
    near = ((points - worst).abs() <= _NEAR * statement.domain.extent).all(1)
    where = ", ".join(
        f"{name} = {format_number(value, 2)}" for name, value in zip(statement.names, worst.tolist(), strict=True)
    )
    inside = float(squares[near].sum() / squares.sum().clamp(min=1e-300))
    gathered = f"{100 * inside:.0f} % of the squared residual lies near {where}"
    if any(map(is_rough, (*statement.plain_equations, *statement.plain_values))):
        return (
            f"The statement has kinks or jumps, which a network rounds off: the solution is less accurate there than "
            f"on average ({gathered}). More points may help (task.points, model.adapt.kind=rad)."
            + (_STEP if _starts_with_a_jump(statement) else "")
        )
    if met or not inside > _GATHERED or bool(near.all()):
        return ""
    elsewhere = check_equation(residual[~near], [part[~near] for part in terms]).value
    return f"{gathered}; elsewhere it is {format_number(elsewhere, 2)} of its largest term."


def _starts_with_a_jump(statement: Statement) -> bool:
    """Whether a field, and not only its slope, jumps along an axis at the start."""
    import sympy

    time = statement.domain.time
    starts = [
        sympy.sympify(value)
        for condition, value in zip(statement.conditions, statement.plain_values, strict=True)
        if isinstance(condition, Condition) and condition.axis == time and not condition.order
    ]
    return any(value.has(sympy.Heaviside, sympy.sign, sympy.Piecewise) for value in starts)


def _enough(fast: dict[str, float], dim: int) -> int:
    """Points that resolve the frequencies, rounded to hundreds."""
    along = [max(_LEAST, _PER_PERIOD * rate / math.pi) for rate in fast.values()]
    return 100 * math.ceil(math.prod(along) * _LEAST ** (dim - len(fast)) / 100)


def _onset(statement: Statement, fast: dict[str, float]) -> str:
    """Of a start with a velocity, which is built in by t²: the network would have to fall with 1/t²."""
    time = statement.domain.time
    starts = [c for c in statement.conditions if isinstance(c, Condition) and c.axis == time and c.order]
    return " and model.onset=0.05" if time in fast and starts else ""


def _sigma(statement: Statement, fast: dict[str, float]) -> str:
    """Frequencies of random features by axis; a Gaussian's tail reaches a few times further."""
    each = {name: max(1.0, fast.get(name, 0.0) / 3) for name in statement.names}
    return "{" + ",".join(f"{name}={format_number(value, 2)}" for name, value in each.items()) + "}"
