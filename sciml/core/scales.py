"""Typical magnitudes of fields, equations and unknown numbers of a statement, so that all are searched as of order 1.

With U the magnitude of a field and L the lengths of the axes a second derivative counts as U/L², and an equation F as
the largest of its terms, M, with unknown numbers where their search starts. A number p is then expected to change by

    s = M / |∂F/∂p|,

which makes a difference as large as the equation's other terms: for D' = -A k D² that is D/(T k D²) = 1/(T k D).
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from sciml.core.config import Config
from sciml.core.domain import Condition, Domain
from sciml.core.expressions import Evaluator, Expression, columns
from sciml.core.plain_equations import field_symbol, multiplied_out
from sciml.core.shapes import uniform
from sciml.core.statement import Statement

_SAMPLE = 32  # points at which coefficients that depend on the place are looked at
_FIELD, _NUMBER, _EQUATION = 30.0, 100.0, 30.0  # how far from 1 a magnitude may be with nothing to gain from scaling
_GUESSED = 1000.0  # and one that is no more than a guess


class Scales(Config):
    """Magnitudes by which a solver divides what it searches and makes small; what is not named has 1."""

    fields: dict[str, float] = {}
    unknowns: dict[str, float] = {}
    equations: tuple[float, ...] = ()
    """In the order of the statement; empty for 1."""

    def of_fields(self, names: Iterable[str]) -> list[float]:
        """The scale of every field."""
        return [self.fields.get(name, 1.0) for name in names]

    def of_equations(self, count: int) -> list[float]:
        """The scale of every equation."""
        return list(self.equations) or [1.0] * count

    def of_condition(self, statement: Statement, index: int) -> float:
        """The scale of what condition number `index` prescribes."""
        condition = statement.conditions[index]
        length = statement.length_of(index) if self.fields or self.equations else 1.0
        return self.fields.get(condition.field, 1.0) / length**condition.order


def typical_scales(statement: Statement, observed: Mapping[str, float]) -> Scales:
    """All magnitudes, from what is known before any solution is.

    Arguments:
        statement: the equation; scales it gives are taken as they are.
        observed: the largest observed value of each observed field.
    """
    fields = _fields(statement, observed)
    numbers = {**statement.parameters, **{unknown.name: unknown.start for unknown in statement.unknowns}}
    for name, order in _pairs(statement):
        lengths = math.prod(statement.domain.axis(axis).extent for axis in order)
        numbers[field_symbol(name, order)] = fields[name] / lengths
    known = columns(_sample(statement.domain), statement.names)
    known |= {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}  # 1/0 is infinite
    equations, slopes = [], {unknown.name: [] for unknown in statement.unknowns}
    for equation in statement.plain_equations:
        magnitude = _magnitude(equation, known) or 1.0
        equations.append(magnitude)
        for name, steps in slopes.items():
            steps += _step(equation, name, magnitude, known)
    for index, value in enumerate(statement.plain_values):
        condition = statement.conditions[index]
        magnitude = fields[condition.field] / statement.length_of(index) ** condition.order
        for name, steps in slopes.items():
            steps += _step(value, name, magnitude, known)
    unknowns = {u.name: u.scale or min(slopes[u.name], default=abs(u.start) or 1.0) for u in statement.unknowns}
    return Scales(fields=fields, unknowns=unknowns, equations=tuple(equations))


def needed_scales(statement: Statement, typical: Scales, *, is_observed: bool) -> Scales:
    """The typical scales where one of them is far from 1 or was asked for, else none: all are 1.

    Equations count only where something is observed, which their residuals are weighed against.
    """
    asked = bool(statement.scales) or any(unknown.scale is not None for unknown in statement.unknowns)
    far = _is_far(typical.fields.values(), _FIELD) or _is_far(typical.unknowns.values(), _NUMBER)
    return typical if asked or far or (is_observed and _is_far(typical.equations, _EQUATION)) else Scales()


def _fields(statement: Statement, observed: Mapping[str, float]) -> dict[str, float]:
    """The largest value that is given of a field anywhere; 1 for a field of which nothing is."""
    unit, scales = _unit(len(statement.names)), dict.fromkeys(statement.fields, 0.0)
    draw = uniform(torch.Generator().manual_seed(0))
    for index, condition in enumerate(statement.conditions):
        if not statement.is_mixed(index) and not statement.has_unknown(index):
            if isinstance(condition, Condition):
                points = statement.domain.face(unit, condition.axis, condition.side)
            else:
                points = statement.place_of(index, len(unit), draw)
            length = statement.length_of(index) ** condition.order
            largest = float(statement.value(index, points).abs().max()) * length
            scales[condition.field] = max(scales[condition.field], largest)
    scales = {name: max(value, observed.get(name, 0.0)) for name, value in scales.items()}
    usable = {name: value if 0 < value < math.inf else _from_sources(statement, name) for name, value in scales.items()}
    return usable | dict(statement.scales)


def _from_sources(statement: Statement, name: str) -> float:
    """The magnitude at which a field's own terms balance the sources of an equation, if it is far from 1; else 1."""
    import sympy

    numbers = {**statement.parameters, **{unknown.name: unknown.start for unknown in statement.unknowns}}
    lengths = {
        field_symbol(name, order): 1 / math.prod(statement.domain.axis(axis).extent for axis in order)
        for field, order in statement.needs
        if field == name
    }
    known = columns(_sample(statement.domain), statement.names)
    known |= {key: torch.tensor(value, dtype=torch.float64) for key, value in {**numbers, **lengths}.items()}
    marks = {field_symbol(*pair) for pair in statement.needs}
    for equation in statement.plain_equations:
        homogeneous, sources = [], []
        for term in sympy.Add.make_args(multiplied_out(equation)):
            held = {str(symbol) for symbol in term.free_symbols} & marks
            if not held:
                sources.append(term)
            elif held <= set(lengths) and _is_linear(term, held):
                homogeneous.append(term)
        size, source = max(_sizes(homogeneous, known), default=0.0), max(_sizes(sources, known), default=0.0)
        if size > 0 and source > 0:
            return source / size if _is_far([source / size], _GUESSED) else 1.0
    return 1.0


def _is_linear(term: Expression, names: Iterable[str]) -> bool:
    """Whether a term of a sum that is multiplied out is one of the symbols times what holds none of them."""
    import sympy

    symbols = [sympy.Symbol(name) for name in names]
    return term.as_independent(*symbols, as_Add=False)[1] in symbols


def _magnitude(equation: Expression, known: Mapping[str, Tensor]) -> float:
    """Of the largest term; 0 where no term is finite."""
    import sympy

    return max(_sizes(sympy.Add.make_args(multiplied_out(equation)), known), default=0.0)


def _step(equation: Expression, name: str, magnitude: float, known: Mapping[str, Tensor]) -> list[float]:
    """The change of an unknown number that matters in one equation; none where it does not occur."""
    import sympy

    slope = sympy.sympify(equation).diff(sympy.Symbol(name))
    total = sum(_sizes(sympy.Add.make_args(multiplied_out(slope)), known))
    return [magnitude / total] if total > 0 else []


def _sizes(terms: Sequence[Expression], known: Mapping[str, Tensor]) -> list[float]:
    """The largest absolute value of each term, as far as it is finite."""
    if not terms:
        return []
    sample = next(value for value in known.values() if value.ndim)
    sizes = Evaluator(terms)(known, sample).abs().amax(0)
    return [size for size in sizes.tolist() if math.isfinite(size)]


def _pairs(statement: Statement) -> set[tuple[str, str]]:
    """All derivatives in equations and conditions."""
    orders = {order for index in range(len(statement.conditions)) for order in statement.condition_orders(index)}
    return {*statement.needs, *((name, order) for name in statement.fields for order in orders)}


def _sample(domain: Domain) -> Tensor:
    return domain.place(_unit(len(domain.names)))


def _unit(dim: int) -> Tensor:
    """The same evenly scattered points of the unit cube for everybody: multiples of powers of 1/φ, φ^(d+1) = φ + 1."""
    phi = 2.0
    for _ in range(50):
        phi = (1 + phi) ** (1 / (dim + 1))
    steps = torch.tensor([phi**-k for k in range(1, dim + 1)], dtype=torch.float64)
    return (torch.arange(1, _SAMPLE + 1, dtype=torch.float64)[:, None] * steps) % 1.0


def _is_far(values: Iterable[float], most: float) -> bool:
    return any(not 1 / most <= value <= most for value in values)
