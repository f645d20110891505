"""Marking terms of an equation as hidden: what discovery must find, and the known part is everything else.

    Eq(x.diff(t), alpha * x - hidden(beta * x * y))

The mark is a sympy function around the term, so that a statement with marks is still one sympy expression: residuals
and references read through it, discovery takes the equation apart along it.
"""

from sciml.core.expressions import Expression

_MARK = "hidden term"  # with a space, so that it cannot be the name of a field


def hidden(term: Expression | None = None) -> Expression:
    """A term marked as hidden; without an argument one that nobody knows, as in equations of a user's own data."""
    import sympy

    mark = sympy.Function(_MARK)
    return mark() if term is None else mark(term)


def marked_terms(equation: Expression) -> tuple[Expression, ...]:
    """The marks in an equation, ``hidden(u u_x)``, in a fixed order."""
    from sympy.core.function import AppliedUndef

    marks = (mark for mark in equation.atoms(AppliedUndef) if mark.func.__name__ == _MARK)
    return tuple(sorted(marks, key=str))


def without_marks(equation: Expression) -> Expression:
    """The equation as it is written, every mark replaced by its term and those that nobody knows by zero."""
    import sympy

    equation = sympy.sympify(equation)
    return equation.xreplace({mark: _term(mark) for mark in marked_terms(equation)})


def has_unnamed_term(equation: Expression) -> bool:
    """Whether a hidden term of the equation is one that nobody knows."""
    import sympy

    return any(not mark.args for mark in marked_terms(sympy.sympify(equation)))


def _term(mark: Expression) -> Expression:
    import sympy

    return mark.args[0] if mark.args else sympy.Integer(0)
