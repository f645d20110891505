"""The known part of a table's equations: which scalars the hidden part absorbs, and which are fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from sciml.core.formulas import FormulaError, parse_equations, spelt
from sciml.discovery._algebra import replaced, symbol_names


@dataclass(frozen=True)
class KnownPart:
    """Formulas of the known part, one per field.

    Arguments:
        formulas: without the scalars that the hidden part absorbs.
        multipliers: what each of those multiplies in every equation.
        fitted: scalars that stay in the formulas and are fitted to the observations.
        written: the formulas as they were given, by field.
        own: scalars with a value per trajectory; they stay in the formulas too.
    """

    formulas: tuple[sp.Expr, ...]
    multipliers: Mapping[str, tuple[sp.Expr, ...]]
    fitted: tuple[str, ...]
    written: Mapping[str, sp.Expr]
    own: tuple[str, ...] = ()

    def absorbs(self, name: str, term: sp.Expr) -> bool:
        """Whether a term of a field's hidden part is what a scalar with a value per trajectory multiplies there."""
        formula = dict(zip(self.written, self.formulas, strict=True))[name]
        shapes = [formula.diff(sp.Symbol(scalar)) for scalar in self.own]
        return any(shape != 0 and (term / shape).is_number for shape in shapes)


def known_part(
    text: str, columns: Sequence[str], fields: Sequence[str], values: Mapping[str, float], complete: Sequence[str],
    own: Sequence[str],
) -> KnownPart:  # fmt: skip
    """Read the known part.

    A scalar of an equation that is complete is fitted. Any other must be a factor; the hidden part absorbs its term.

    Arguments:
        text: ``"x' = a*x; y' = -d*y"``.
        columns: of the table.
        fields: those that need an equation.
        values: of scalars.
        complete: fields in whose rate nothing is hidden.
        own: scalars with a value per trajectory.

    Raises: FormulaError.
    """
    equations = parse_equations(text, fields, columns)
    used = sorted({name for expr in equations.values() for name in symbol_names(expr)})
    values = {spelt(name, used): value for name, value in values.items()}
    formulas = [replaced(equations[name], {sp.Symbol(k): sp.Float(v) for k, v in values.items()}) for name in fields]
    variables = {*columns, "t"}
    unknown = sorted({name for expr in formulas for name in symbol_names(expr)} - variables)
    strange = sorted(set(values) - set(used))
    if strange:
        raise FormulaError(f"a value is given for {strange[0]!r}, which does not occur in the known part", got=text)
    if fixed := sorted(set(values) & variables):
        raise FormulaError(f"a value is given for {fixed[0]!r}, which is a column of the table",
                           fix="Give values of scalars only.")  # fmt: skip
    certain = {s for n, expr in zip(fields, formulas, strict=True) if n in complete for s in symbol_names(expr)}
    multipliers: dict[str, tuple[sp.Expr, ...]] = {}
    for name in unknown:
        symbol = sp.Symbol(name)
        shapes = tuple(sp.diff(expr, symbol) for expr in formulas)
        is_factor = not any(symbol_names(shape) - variables for shape in shapes)
        if name in certain and name not in own:
            continue
        if not is_factor:
            close = next((column for column in columns if column.lower() == name.lower()), None)
            raise FormulaError(
                f"the unknown {name!r} does not enter the known part as a factor, so it cannot be told from the hidden "
                "part", got=text,
                fix=f"Give its value: --value {name}=1.0" + (f"; or is it the column {close!r}?" if close else ""),
            )  # fmt: skip
        if name not in own:
            multipliers[name] = shapes
    zero = [(sp.Symbol(name), sp.Integer(0)) for name in multipliers]
    rest = tuple(sp.expand(expr.subs(zero)) for expr in formulas)
    fitted = tuple(name for name in unknown if name not in multipliers and name not in own)
    return KnownPart(rest, multipliers, fitted, equations, tuple(own))
