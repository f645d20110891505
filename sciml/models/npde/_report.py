"""What a network says of its equation: units, stability, and sympy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from sciml.core.units import product_of_units
from sciml.models.npde._coefficients import Coefficient, Given, limits
from sciml.models.npde._spec import NPDESpec, formulas
from sciml.models.npde._stability import growth, implicit_terms, largest_step, moving, rate_of, transports, waves
from sciml.models.npde._terms import Advection, Diffusion, Mix, NonLocal, Reaction, Source, Term, acts_on


@dataclass(frozen=True)
class StabilityReport:
    """How far a network is from the limit of its scheme.

    Arguments:
        scheme, dt: of a substep.
        numbers: the CFL number of every transport term, dt · coefficient · Σ 2/dx² or 1/dx.
        growth: the largest factor by which one step multiplies a wave; at most 1 where transport is stable.
        largest_dt: the longest stable step by von Neumann's analysis; infinite where nothing limits it, 0 where no step
            is stable. Boundaries and reactions are not part of it.
        unknown: velocities of which nobody knows how large they are, so that they count as none.
    """

    scheme: str
    dt: float
    numbers: Mapping[str, float]
    growth: float
    largest_dt: float
    unknown: tuple[str, ...] = ()

    @property
    def is_stable(self) -> bool:
        """Whether no wave grows."""
        return self.dt <= self.largest_dt * (1 + 1e-9)

    @property
    def is_monotone(self) -> bool:
        """Whether an explicit step keeps minimum and maximum (upwind advection): the CFL numbers sum to 1 at most."""
        return self.scheme == "explicit" and sum(self.numbers.values()) <= 1 + 1e-9

    def __str__(self) -> str:
        terms = ", ".join(f"{name} {number:.3g}" for name, number in self.numbers.items()) or "none"
        limit = f"largest stable dt {self.largest_dt:.6g}" if self.largest_dt < float("inf") else "no limit on dt"
        words = "stable" if self.is_stable else "NOT stable"
        rest = f"; not known: {', '.join(self.unknown)}" if self.unknown else ""
        return f"{self.scheme}, dt {self.dt:.6g}: {words}, {limit}; CFL numbers: {terms}{rest}"


def report_of(spec: NPDESpec, fitted: Mapping[str, Any]) -> StabilityReport:  # Any: `FittedCoefficient`
    """The report for the coefficients of a network; of fields and given numbers the largest values count."""
    values = {name: _worst(entry.value) for name, entry in fitted.items()}
    for entry in spec.coefficients:
        if entry.name not in values:
            low, high = limits(entry)
            values[entry.name] = max((v for v in (low, high) if v is not None), key=abs, default=0.0)
    terms = transports(spec)
    numbers: dict[str, float] = {}
    for term in terms:
        key = f"{term.kind} of {term.target}" + (f" along {term.axis}" if isinstance(term, Advection) else "")
        value = abs(values[term.coefficient]) if term.coefficient else 1.0
        numbers[key] = numbers.get(key, 0.0) + rate_of(spec, term) * value * spec.substep
    unknown = tuple(f"{t.velocity} in the rate of {t.target}" for t in terms
                    if isinstance(t, Advection) and t.velocity and t.speed is None)  # fmt: skip
    longest = largest_step(spec, values)
    factor = 1.0
    if spec.scheme in ("explicit", "rk4", "imex"):
        implicit = waves(spec, values, implicit_terms(spec))
        factor = growth(spec.scheme, waves(spec, values, moving(spec)), implicit, spec.substep)
    return StabilityReport(spec.scheme, spec.substep, numbers, factor, longest, unknown)


def _worst(value: Tensor) -> float:
    flat = value.flatten()
    return float(flat[flat.abs().argmax()])


def units_of(spec: NPDESpec, entry: Coefficient) -> str:
    """Units of a coefficient: as it says, else what its first term asks for; empty where that is not one product."""
    if entry.units is not None:
        return entry.units
    term = next((t for t in spec.terms if t.coefficient == entry.name), None)
    if term is None:
        return ""
    body = _body_units(spec, term)
    return product_of_units([(_field_units(spec, term.target), 1), (spec.time_units, -1), (body, -1)]) if body else ""


def _field_units(spec: NPDESpec, field: str) -> str:
    return spec.field_units[spec.fields.index(field)] if spec.field_units else "1"


def _body_units(spec: NPDESpec, term: Term) -> str:
    of_field = _field_units(spec, acts_on(term))
    if isinstance(term, Diffusion):
        factor = _formula_units(spec, term.factor)
        axis = spec.axes[spec.axes_of(term)[0]]
        return product_of_units([(of_field, 1), (axis.units, -term.order), (factor, 1)]) if factor else ""
    if isinstance(term, Mix | NonLocal):
        return of_field
    formula = _formula_units(spec, formulas(spec, term))
    if isinstance(term, Advection):
        axis = next(axis for axis in spec.axes if axis.name == term.axis)
        return product_of_units([(of_field, 1), (axis.units, -1), (formula, 1)]) if formula else ""
    return formula


def _formula_units(spec: NPDESpec, text: str) -> str:
    """Of a formula whose summands all have the same units; empty for any other."""
    import sympy

    from sciml.core.formulas import parse_formula

    if not text:
        return "1"
    units = dict(zip(spec.fields, spec.field_units or ("1",) * len(spec.fields), strict=True))
    units |= {axis.name: axis.units for axis in spec.axes} | {"t": spec.time_units}
    units |= {entry.name: entry.units or "1" for entry in spec.coefficients if isinstance(entry, Given)}
    formula: Any = sympy.expand(parse_formula(text))
    if all(units[s.name] == "1" for s in formula.free_symbols):
        return "1"
    summands = set()
    for piece in sympy.Add.make_args(formula):
        powers: Any = piece.as_powers_dict()
        bases: dict[Any, Any] = {base: power for base, power in powers.items() if not base.is_number}
        if not all(base.is_Symbol and power.is_Integer for base, power in bases.items()):
            return ""
        summands.add(product_of_units([(units[base.name], int(power)) for base, power in bases.items()]))
    return summands.pop() if len(summands) == 1 else ""


def equations_of(spec: NPDESpec, values: Mapping[str, Float[Tensor, "..."]]) -> dict[str, Any]:  # Any: sympy
    """One sympy equation per field; coefficients that are no single number stay symbols."""
    import sympy

    from sciml.core.formulas import parse_formula

    axes = {name: sympy.Symbol(name) for name in (*reversed(spec.axis_names), "t")}
    fields = {name: sympy.Function(name)(*axes.values()) for name in spec.fields}
    swap = {sympy.Symbol(name): function for name, function in fields.items()}
    rates: dict[str, Any] = {name: sympy.Integer(0) for name in spec.fields}

    def formula(text: str) -> Any:  # Any: sympy
        return parse_formula(text).xreplace(swap) if text else sympy.Integer(1)

    for term in spec.terms:
        value = values.get(term.coefficient)
        number = sympy.Symbol(term.coefficient) if term.coefficient else sympy.Integer(1)
        if value is not None and value.numel() == 1:
            number = sympy.Float(float(value)) if float(value) != 1 else sympy.Integer(1)
        factor = number * (sympy.Float(term.scale) if term.scale not in (1.0, -1.0) else int(term.scale))
        factor = factor * sympy.I if term.imaginary else factor
        of = fields[acts_on(term)]
        if isinstance(term, Diffusion):
            along = [axes[spec.axes[i].name] for i in spec.axes_of(term)]
            body = of
            for _ in range(term.order // 2):
                body = sympy.Add(*(body.diff(axis, 2) for axis in along))
            body = formula(term.factor) * body
        elif isinstance(term, Advection):
            body = -formula(term.velocity) * of.diff(axes[term.axis])
        elif isinstance(term, Reaction):
            body = formula(term.formula)
        elif isinstance(term, Source):
            body = formula(term.formula)
            body = body if term.channel is None else body * sympy.Function(f"s{term.channel}")(axes["t"])
        elif isinstance(term, NonLocal):
            body = sympy.Function(f"K_{term.kernel}")(of)
        else:
            body = of
        rates[term.target] += factor * body
    return {name: sympy.Eq(fields[name].diff(axes["t"]), rate) for name, rate in rates.items()}


def as_text(equations: Mapping[str, Any]) -> tuple[str, ...]:  # Any: sympy
    """Equations on one line each, ``u_t = 0.02 u_xx - u u_x``."""
    import sympy

    lines = []
    for equation in equations.values():
        text = equation.rhs
        for derivative in sorted(equation.atoms(sympy.Derivative), key=lambda d: -d.derivative_count):
            letters = "".join(str(symbol) * int(count) for symbol, count in derivative.variable_count)
            text = text.xreplace({derivative: sympy.Symbol(f"{derivative.expr.func.__name__}_{letters}")})
        plain = {f: sympy.Symbol(f.func.__name__) for f in equation.atoms(sympy.core.function.AppliedUndef)}
        rounded = text.xreplace(plain).xreplace({n: sympy.Float(n, 5) for n in text.atoms(sympy.Float)})
        lines.append(f"{equation.lhs.expr.func.__name__}_t = {rounded}")
    return tuple(lines)
