"""Conditions that hold by construction on boxes and shapes: u = g + φ N.

g fulfils every condition and φ vanishes on the faces, as often as there are conditions on each, so that u fulfils them
whatever N is. g is the Boolean sum of one interpolation per axis,

    g ← g + Σ_c L_c (h_c - F_c g)    axis by axis,

where F_c is a value or derivative on a face, h_c what it must be, and L_c the polynomials of the axis with
F_c L_d = δ_cd. It preserves what the axes before it fulfil exactly if conditions agree where faces meet, which a
`Statement` checks.

On the edges of a shape g is what they prescribe, between edges weighed by the inverse of their functions ω, and φ is
the ω of the shape, or of those edges alone that prescribe a value; in re-entrant corners of a polygon it behaves as
solutions do (`sciml.core.corners`). Faces of the box come after it.

What cannot be had so stays for the loss: everything where corners are meant to contradict each other, what depends on a
number that is to be found or on the fields themselves (Robin), what has kinks or jumps, or slopes that differ where a
periodic axis closes (g would keep them for all times), and a derivative on a face whose value is free
(Neumann). For that, N itself would have to have no slope there; a network of an even coordinate has none, but it has no
third derivative either, which only some solutions lack.

Reference: W. J. Gordon, C. A. Hall, Transfinite element methods, Numer. Math. 21 (1973) 109-129 (Boolean sums);
I. E. Lagaris, A. Likas, D. I. Fotiadis, IEEE Trans. Neural Networks 9 (1998) 987-1000, doi:10.1109/72.712178 (g + φ N);
V. L. Rvachev, T. I. Sheiko, Appl. Mech. Rev. 48 (1995) 151-188 (g between edges).
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from operator import mul
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.agreement import is_seamless
from sciml.core.corners import corner_level
from sciml.core.derivatives import LAPLACIAN, autograd_derivatives
from sciml.core.domain import Condition, EdgeCondition
from sciml.core.expressions import Evaluator, columns, is_rough
from sciml.core.shapes import Shape, uniform
from sciml.core.statement import Statement


class Ansatz:
    """g and φ of every field as expressions, with any of their derivatives.

    Arguments:
        statement: the conditions.
        hard: whether to build conditions in at all.
        pace: where the solution has scales from `pace` to the whole of time, φ grows from the initial condition with
            log(1 + t/pace) instead of t, so that N stays of order one.
        onset: where the solution varies fast in time, the share of the duration in which φ leaves the initial
            condition: it grows with tanh(s/onset), s from 0 to 1, instead of s. By s², what starts with a velocity and
            returns to its start k times would need an N that falls from k² to 1.

    Attributes:
        exact: numbers of the conditions that hold by construction.
        soft: numbers of those that a loss must see to.
    """

    def __init__(
        self, statement: Statement, *, hard: bool = True, pace: float = math.inf, onset: float = math.inf
    ) -> None:
        self.statement = statement
        self.exact = sorted(i for field in statement.fields for i in _exact(statement, field)) if hard else []
        self.soft = [i for i in range(len(statement.conditions)) if i not in self.exact]
        self._symbols = _symbols(statement)
        self._on_edges = any(isinstance(statement.conditions[i], EdgeCondition) for i in self.exact)
        pairs = [
            _build(
                statement,
                [i for i in self.exact if statement.conditions[i].field == field],
                self._symbols,
                _rise(statement, self._symbols, pace, onset),
            )
            for field in statement.fields
        ]
        self._lift, self._cut = [g for g, _ in pairs], [phi for _, phi in pairs]
        self._made: dict[str, Evaluator] = {}

    @property
    def free(self) -> bool:
        """Whether nothing is built in, u = N."""
        return not self.exact

    def parts(
        self, points: Float[Tensor, "point dim"], wanted: Sequence[str]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Derivatives of g and of φ at points, ``point field`` each, by name."""
        lift, cut = {}, {}
        derived = self._by_autograd(points) if self._on_edges and any(wanted) else None
        for name in wanted:
            both = derived(name) if derived and name else self._values(name, points)
            lift[name], cut[name] = both.chunk(2, dim=1)
        return lift, cut

    def _values(self, name: str, points: Tensor) -> Float[Tensor, "point part"]:
        known = {**columns(points, self.statement.names), **self.statement.parameters}
        return self._evaluator(name)(known, points[:, 0])

    def _by_autograd(self, points: Tensor) -> Callable[[str], Float[Tensor, "point part"]]:
        """Derivatives of all parts by name: expressions of those of a polygon would have a hundred thousand terms."""
        names = self.statement.names
        parts = [str(i) for i in range(2 * len(self.statement.fields))]
        with torch.enable_grad():
            slope = autograd_derivatives(lambda p: self._values("", p), points, parts, names)

        def derived(name: str) -> Tensor:
            orders = [axis * 2 for axis in names] if name == LAPLACIAN else [name]
            with torch.enable_grad():
                each = [torch.stack([slope(part, order).detach() for part in parts], dim=1) for order in orders]
            return torch.stack(each).sum(0)

        return derived

    def _evaluator(self, name: str) -> Evaluator:
        if name not in self._made:
            self._made[name] = Evaluator([_derived(e, name, self._symbols) for e in (*self._lift, *self._cut)])
        return self._made[name]


def _exact(statement: Statement, field: str) -> list[int]:
    """Numbers of the conditions on a field that can be built in: on each face those of order 0, 1, … without a gap."""
    if statement.singular_corners:
        return []
    plain = [
        i
        for i, c in enumerate(statement.conditions)
        if c.field == field and not statement.has_unknown(i) and not statement.is_mixed(i)
        if not is_rough(c.value) and is_seamless(statement, i)
    ]
    by_face = {(c.axis, c.side, c.order): i for i in plain if isinstance(c := statement.conditions[i], Condition)}
    built_in = _exact_on_edges(statement, [i for i in plain if isinstance(statement.conditions[i], EdgeCondition)])
    for (axis, side, order), number in by_face.items():
        if all((axis, side, lower) in by_face for lower in range(order)):
            built_in.append(number)
    return built_in


def _exact_on_edges(statement: Statement, numbers: Sequence[int]) -> list[int]:
    """Of conditions on edges those that prescribe the field, if their edges can be told apart where they are built in.

    Not where a function of one of the edges vanishes inside too, and where edges with different values touch.
    """
    valued = [i for i in numbers if not statement.conditions[i].order]
    shape, domain = statement.domain.shape, statement.domain
    if shape is None or not valued:
        return []
    if _covers(statement, valued, shape):
        return valued
    edges = [name for i in valued for name in statement.edges_of(i)]
    with torch.device("cpu"):  # a module may be built without memory, but where edges are must be looked at
        lower, extent = (corner[[domain.index(a) for a in shape.axes]] for corner in (domain.lower, domain.extent))
        apart = not any(shape.cuts(name, lower, extent) for name in edges)
        return valued if apart and not _touch(shape, edges, lower, extent) else []


def _touch(shape: Shape, edges: Sequence[str], lower: Float[Tensor, " dim"], extent: Float[Tensor, " dim"]) -> bool:
    """Whether some of the edges come close to each other."""
    draw = uniform(torch.Generator().manual_seed(0))
    for name in edges if len(edges) > 1 else ():
        points = shape.on(name, 200, draw, lower, extent)
        others = Evaluator([shape.edge(other).level for other in edges if other != name])
        if bool((others(columns(points, shape.axes), points[:, 0]).abs() < 0.02 * float(extent.max())).any()):
            return True
    return False


def _covers(statement: Statement, valued: Sequence[int], shape: Shape) -> bool:
    """Whether the conditions prescribe one expression on the whole boundary."""
    edges = {name for i in valued for name in statement.edges_of(i)}
    return edges == set(shape.names) and len({str(statement.conditions[i].value) for i in valued}) == 1


def _on_shape(statement: Statement, numbers: Sequence[int], symbols: dict[str, Any]) -> tuple[Any, Any]:
    """g and φ of the conditions on the edges of a shape."""
    shape = statement.domain.shape
    if shape is None or not numbers:
        return _number(0.0), _number(1.0)
    values = [_named(statement.conditions[i].value, symbols) for i in numbers]
    if _covers(statement, numbers, shape):
        special = corner_level(shape)
        level = shape.level / _number(statement.domain.size / 4) if special is None else special
        return values[0], _named(level, symbols)
    pieces = [
        (value, _named(shape.edge(name).level, symbols))
        for i, value in zip(numbers, values, strict=True)
        for name in statement.edges_of(i)
    ]
    shares = [reduce(mul, [level for j, (_, level) in enumerate(pieces) if j != i], 1) for i in range(len(pieces))]
    g = sum(value * share for (value, _), share in zip(pieces, shares, strict=True)) / sum(shares)
    return g, reduce(mul, [level / _number(statement.domain.size / 4) for _, level in pieces])


def _rise(statement: Statement, symbols: dict[str, Any], pace: float, onset: float) -> Any:
    """What grows from 0 to 1 in time; None for the share of the duration itself."""
    import sympy

    if not statement.domain.time or min(pace, onset) == math.inf:
        return None
    axis = statement.domain.axis(statement.domain.time)
    past = symbols[axis.name] - _number(axis.lower)
    if pace < math.inf:
        return sympy.log(1 + past / _number(pace)) / math.log1p(axis.extent / pace)
    return sympy.tanh(past / _number(onset * axis.extent)) / math.tanh(1 / onset)


def _build(statement: Statement, numbers: Sequence[int], symbols: dict[str, Any], rising: Any) -> tuple[Any, Any]:
    """g and φ of one field, from the numbers of its conditions that are built in, and what rises in time."""
    import sympy

    conditions = [c for i in numbers if isinstance(c := statement.conditions[i], Condition)]
    on_edges = [i for i in numbers if isinstance(statement.conditions[i], EdgeCondition)]
    g, phi = _on_shape(statement, on_edges, symbols)
    for axis in statement.domain.axes:
        on_axis = [c for c in conditions if c.axis == axis.name]
        if not on_axis:
            continue
        x, low, extent = symbols[axis.name], _number(axis.lower), _number(axis.extent)
        s = (x - low) / extent
        correction = sympy.Integer(0)
        for condition, shape in zip(on_axis, _shapes(on_axis, s, extent), strict=True):
            face = _number(axis.end(condition.side))
            missing = _named(condition.value, symbols) - g.diff(x, condition.order).subs(x, face)
            correction += shape * missing
        g += correction
        rise = rising if axis.name == statement.domain.time and rising is not None else s
        for condition in on_axis:  # one factor for every condition of its face; no larger than 1
            phi *= rise if condition.side == "lower" else 1 - s
        if len({c.side for c in on_axis}) == 2:
            phi *= 2 ** len(on_axis)
    return g, phi


def _shapes(conditions: Sequence[Condition], s: Any, extent: Any) -> list[Any]:
    """Polynomials in s with one condition's functional equal to 1 and the others' to 0."""
    import sympy

    z = sympy.Symbol("z")
    size = len(conditions)
    ends = [0 if c.side == "lower" else 1 for c in conditions]
    matrix = sympy.Matrix(
        size,
        size,
        lambda i, j: (z**j).diff(z, conditions[i].order).subs(z, ends[i]) / extent ** conditions[i].order,
    )
    coefficients = matrix.inv()
    return [sum(coefficients[j, i] * s**j for j in range(size)) for i in range(size)]


def _derived(expression: Any, name: str, symbols: dict[str, Any]) -> Any:
    if name == LAPLACIAN:
        return sum(expression.diff(symbol, 2) for symbol in symbols.values())
    for letter in name:
        expression = expression.diff(symbols[letter])
    return expression


def _symbols(statement: Statement) -> dict[str, Any]:
    import sympy

    return {name: sympy.Symbol(name) for name in statement.names}


def _named(value: Any, symbols: dict[str, Any]) -> Any:
    """An expression with our symbols in place of those of the same name."""
    import sympy

    value = sympy.sympify(value)
    return value.subs({s: symbols[s.name] for s in value.free_symbols if s.name in symbols})


def _number(value: float) -> Any:
    """A float as an exact number where it is a simple one."""
    import sympy

    return sympy.nsimplify(value, rational=True) if float(value).is_integer() else sympy.Float(value, 17)


def constant_parts(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parts that are not zero everywhere."""
    return {name: part for name, part in parts.items() if name == "" or bool(torch.any(part != 0))}
