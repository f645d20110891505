"""Equations of sympy functions with a symbol such as ``u∂xx`` in place of every derivative and function."""

from collections.abc import Mapping, Sequence

from sciml.core.derivatives import canonical
from sciml.core.errors import UserError
from sciml.core.expressions import Expression


def field_symbol(name: str, order: str) -> str:
    """The symbol that stands for a field's derivative where functions are replaced: ``u∂xx``."""
    return f"{name}∂{order}"


def field_and_order(symbol: str) -> tuple[str, str] | None:
    """The field and derivative that such a symbol stands for; None for any other symbol."""
    name, mark, order = symbol.rpartition("∂")
    return (name, order) if mark else None


def plain_form(
    equation: Expression, fields: Sequence[str], axes: Sequence[str], where: str
) -> tuple[Expression, set[str]]:
    """An equation, or a sympy ``Eq`` as the difference of its sides, with those symbols.

    Arguments:
        equation: of functions of all axes.
        fields: names of these functions.
        axes: names of the axes.
        where: what the equation is, for messages.

    Returns: the expression, and the names of the symbols.

    Raises: UserError for a function that is no field, or one of other axes, for derivatives that sympy has not
        carried out, and for integrals.
    """
    import sympy
    from sympy.core.function import AppliedUndef

    equation, swap = _as_expression(equation), {}
    if integrals := equation.atoms(sympy.Integral):
        raise UserError(f"{where} holds an integral", got=min(map(str, integrals)),
                        expected="fields and their derivatives at one point",
                        fix="Carry it out with .doit() if no field is in it; else make it a field of its own, v with "
                        "v.diff(t) - u = 0 and v = 0 at the start for the integral of u over time.")  # fmt: skip
    for entry in equation.atoms(AppliedUndef, sympy.Derivative):
        function = entry.expr if isinstance(entry, sympy.Derivative) else entry
        if not isinstance(function, AppliedUndef):
            raise UserError(f"{where} holds a derivative that sympy has not carried out", got=entry,
                            fix="Call .doit() on it; where Abs or sign is differentiated make the symbols real, "
                            "sympy.symbols('x', real=True).")  # fmt: skip
        name = function.func.__name__
        if name not in fields:
            raise UserError(f"{where} names the unknown function {name!r}", expected=f"one of: {', '.join(fields)}")
        letters = [s.name for s in entry.variables] if isinstance(entry, sympy.Derivative) else []
        arguments = [str(argument) for argument in function.args]
        if sorted(arguments) != sorted(axes):
            raise UserError(
                f"{where} has {name!r} as a function of other axes than the domain's, so that its derivatives "
                "do not exist",
                got=", ".join(arguments) or "(none)",
                expected=", ".join(axes),
            )
        swap[entry] = sympy.Symbol(field_symbol(name, canonical("".join(letters), tuple(axes), field=name)))
    # xreplace meets a derivative before the function inside it
    return equation.xreplace(swap), {symbol.name for symbol in swap.values()}


_LARGE = 500
"""Operations above which known functions in an equation are not multiplied out."""


def multiplied_out(equation: Expression) -> Expression:
    """An equation of plain symbols as a sum of terms.

    What holds no field is left as it is in a large equation: a known function, put in with four derivatives, would
    become so many terms that sympy takes minutes.
    """
    import sympy

    if equation.count_ops() < _LARGE:
        return sympy.expand(equation)
    whole: dict[Expression, Expression] = {}

    def covered(part: Expression) -> Expression:
        """The same with one symbol for everything without a field."""
        if not part.args or part.is_number:
            return part
        if not any(field_and_order(symbol.name) for symbol in part.free_symbols):
            return whole.setdefault(part, sympy.Dummy())
        if not (part.is_Add or part.is_Mul):
            return part.func(*map(covered, part.args))
        known, rest = part.as_independent(*(s for s in part.free_symbols if field_and_order(s.name)))
        return part.func(covered(known), *map(covered, part.func.make_args(rest)))

    terms = sympy.expand(covered(equation))
    return terms.xreplace({symbol: part for part, symbol in whole.items()})


def forced(
    equation: Expression, solution: Mapping[str, Expression], values: Mapping[str, float] | None = None
) -> Expression:
    """The equation with a source subtracted that makes `solution` exact: the method of manufactured solutions.

    Arguments:
        equation: an expression of sympy functions.
        solution: an expression in the axes for the name of every function in it.
        values: true values of unknown numbers in the equation, which go into the source only.
    """
    from sympy.core.function import AppliedUndef

    swap = {f: solution[f.func.__name__] for f in equation.atoms(AppliedUndef)}
    true = {s: values[s.name] for s in equation.free_symbols if s.name in (values or {})} if values else {}
    return equation - equation.subs(swap).doit().subs(true)


def _as_expression(equation: Expression) -> Expression:
    """An equation of two sides as the difference of them."""
    import sympy

    if isinstance(equation, sympy.Equality):
        left, right = map(_sympified, equation.args)
        return left - right
    return sympy.sympify(equation)


def _sympified(value: Expression) -> Expression:
    import sympy

    return sympy.sympify(value)
