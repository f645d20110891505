"""From the sympy statement of an equation to a specification, and from candidate terms written as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sciml.core.domain import Coordinate
from sciml.core.errors import UserError
from sciml.core.expressions import Expression
from sciml.core.plain_equations import field_symbol
from sciml.core.statement import Statement
from sciml.models.npde._coefficients import Coefficient, Given, Trainable
from sciml.models.npde._spec import NPDESpec, Scheme, SpecAxis, symbols_in
from sciml.models.npde._stencils import Boundary
from sciml.models.npde._terms import Advection, Diffusion, Order, Reaction, Term, damping

AdvectionScheme = Literal["central", "upwind", "flux"]


def spec_of(
    statement: Statement,
    size: tuple[int, ...],
    *,
    dt: float,
    trainable: tuple[str, ...],
    given: tuple[str, ...],
    scheme: Scheme,
    steps: int,
    substeps: int,
    accuracy: Literal[2, 4, 6, 8],
    advection: AdvectionScheme,
) -> NPDESpec:
    """See `NPDESpec.from_statement`."""
    import sympy

    time = statement.domain.time
    if not time:
        raise UserError("a steady equation has no evolution to make layers of", got=statement.names,
                        expected="a statement with time")  # fmt: skip
    space = [axis for axis in reversed(statement.domain.axes) if axis.name != time]
    if len(size) != len(space):
        raise UserError("the size has not one number per spatial axis", got=size, expected=[a.name for a in space])
    starts = {unknown.name: unknown.start for unknown in statement.unknowns}
    starts |= {name: _start(statement, name) for name in trainable if name not in starts}
    coefficients: list[Coefficient] = [Trainable(name=name, start=value) for name, value in starts.items()]
    coefficients += [_given(statement, name) for name in given]
    known = {n: v for n, v in statement.parameters.items() if n not in starts and n not in given}
    terms: list[Term] = []
    rates = _rates(statement)
    symbols = {sympy.Symbol(name) for name in (*starts, *given)}
    names = statement.fields
    for target, rate in rates.items():
        plain = sympy.expand(rate.subs({sympy.Symbol(name): value for name, value in known.items()}))
        for name, part in _by_coefficient(plain, symbols).items():
            terms += _terms_of(part, target, name, fields=names, axes=[a.name for a in space], advection=advection)
    return NPDESpec(
        axes=tuple(_axis(statement, axis, count) for axis, count in zip(space, size, strict=True)),
        fields=names, terms=tuple(terms), coefficients=tuple(_signed(coefficients, terms)), dt=dt, steps=steps,
        substeps=substeps, scheme=scheme, accuracy=accuracy,
        time_units=statement.domain.axis(time).units,
    )  # fmt: skip


def _start(statement: Statement, name: str) -> float:
    if name not in statement.parameters:
        raise UserError(f"the statement has no number {name!r} that could be trained",
                        expected=", ".join(statement.parameters) or "a statement with parameters")  # fmt: skip
    return float(statement.parameters[name])


def _given(statement: Statement, name: str) -> Given:
    value = _start(statement, name)
    return Given(name=name, lower=min(value, 0.0), upper=max(value, 0.0) or 1.0)


def _signed(coefficients: Sequence[Coefficient], terms: Sequence[Term]) -> list[Coefficient]:
    """A diffusivity stays positive, whatever is learned."""
    diffusive = {t.coefficient for t in terms if isinstance(t, Diffusion) and damping(t) > 0}
    return [
        entry.model_copy(update={"lower": 0.0})
        if isinstance(entry, Trainable) and entry.name in diffusive and entry.start >= 0
        else entry
        for entry in coefficients
    ]


def _axis(statement: Statement, axis: Coordinate, size: int) -> SpecAxis:
    kinds: set[Boundary] = {"periodic"} if axis.periodic else set()
    for condition in statement.face_conditions:
        if condition.axis == axis.name:
            if condition.value != 0 or condition.order > 1:
                raise UserError(f"the condition on {condition} has no counterpart in a padding", got=condition.value,
                                expected="0 for the field, or for its derivative")  # fmt: skip
            kinds.add("neumann" if condition.order else "dirichlet")
    if len(kinds) != 1:
        raise UserError(f"the ends of axis {axis.name!r} have no single kind of condition",
                        got=", ".join(sorted(kinds)) or "none")  # fmt: skip
    return SpecAxis(
        name=axis.name, size=size, lower=axis.lower, upper=axis.upper, boundary=kinds.pop(), units=axis.units
    )


def _rates(statement: Statement) -> dict[str, Expression]:
    """∂u/∂t of every field in the plain symbols of the statement."""
    import sympy

    wanted = [sympy.Symbol(field_symbol(name, statement.domain.time)) for name in statement.fields]
    if any(statement.domain.time in order and order != statement.domain.time for _, order in statement.needs):
        raise UserError("the equation is not of first order in time",
                        got=", ".join(f"{field}_{order}" for field, order in statement.needs),
                        fix="Write it as a system of first order.")  # fmt: skip
    solved = sympy.solve([sympy.expand(e) for e in statement.plain_equations], wanted, dict=True)
    if len(solved) != 1 or set(solved[0]) != set(wanted):
        raise UserError("the equations do not give one rate for every field", got=len(statement.plain_equations),
                        expected=", ".join(statement.fields))  # fmt: skip
    return {name: solved[0][symbol] for name, symbol in zip(statement.fields, wanted, strict=True)}


def _by_coefficient(rate: Expression, symbols: set[Any]) -> dict[str, Expression]:
    """The parts of an expanded rate by the coefficient they are proportional to."""
    import sympy

    parts: dict[str, Expression] = {}
    for piece in sympy.Add.make_args(rate):
        rest: Expression = piece
        coefficients = [symbol for symbol in symbols_in(rest) if symbol in symbols]
        name = ""
        if coefficients:
            rest, name = rest / coefficients[0], coefficients[0].name
            if len(coefficients) > 1 or rest.free_symbols & symbols:
                raise UserError("a term is not proportional to one coefficient", got=piece,
                                expected="coefficients that enter linearly, one per term",
                                fix="Give the combination a name of its own.")  # fmt: skip
        parts[name] = parts.get(name, sympy.Integer(0)) + rest
    return parts


def _terms_of(
    part: Expression, target: str, coefficient: str, *, fields: Sequence[str], axes: Sequence[str],
    advection: AdvectionScheme,
) -> list[Term]:  # fmt: skip
    """What multiplies one coefficient, as terms: derivatives one by one, everything else as one reaction."""
    import sympy

    common: dict[str, Any] = {"target": target, "coefficient": coefficient}
    plain = {sympy.Symbol(field_symbol(name, "")): sympy.Symbol(name) for name in fields}
    first = {sympy.Symbol(field_symbol(n, a)): (n, a) for n in fields for a in axes}
    orders: tuple[Order, ...] = (2, 4)
    even: dict[Any, tuple[str, str, Order]] = {
        sympy.Symbol(field_symbol(n, a * k)): (n, a, k) for n in fields for a in axes for k in orders
    }
    terms, diffusions = list[Term](), dict[tuple[str, float, Order], list[str]]()
    reaction: Expression = sympy.Integer(0)
    for piece in sympy.Add.make_args(sympy.expand(part)):
        derived = [s for s in symbols_in(piece) if "∂" in s.name and s not in plain]
        if not derived:
            reaction += piece
            continue
        factor: Expression = (piece / derived[0]).xreplace(plain)
        if len(derived) > 1 or any("∂" in s.name for s in symbols_in(factor)):
            raise UserError("a term has no place in a specification: it is not linear in one derivative", got=piece)
        if derived[0] in even and factor.is_number:
            of, axis, order = even[derived[0]]
            diffusions.setdefault((of, float(factor), order), []).append(axis)
        elif derived[0] in first:
            of, axis = first[derived[0]]
            number, velocity = factor.as_coeff_Mul()
            text = "" if velocity == 1 else _text(velocity)
            of_itself = of == target and set(symbols_in(velocity)) <= {sympy.Symbol(of)}
            scheme: AdvectionScheme = advection if advection != "flux" or of_itself else "central"
            terms.append(Advection(axis=axis, of=of, velocity=text, scale=-float(number), scheme=scheme, **common))
        else:
            raise UserError("a term has no place in a specification", got=piece,
                            expected="first derivatives, second and fourth ones with constant factors")  # fmt: skip
    for (of, number, order), along in diffusions.items():
        chosen = () if set(along) == set(axes) else tuple(along)
        if order == 2 or len(along) == 1:
            terms.append(Diffusion(of=of, axes=chosen, scale=number, order=order, **common))
        else:  # u_xxxx + u_yyyy has no mixed derivative, which ∇²∇² has
            terms += [Diffusion(of=of, axes=(axis,), scale=number, order=order, **common) for axis in along]
    if reaction != 0:
        number, formula = sympy.factor_terms(reaction.xreplace(plain)).as_coeff_Mul()
        terms.append(Reaction(formula=_text(formula), scale=float(number), **common))
    return terms


def _text(formula: Expression) -> str:
    """As `parse_formula` reads it."""
    return str(formula).replace("Abs(", "abs(").replace("Max(", "max(").replace("Min(", "min(")
