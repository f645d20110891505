"""The terms of a specification on tensors: what each adds to ∂u/∂t."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Inexact
from torch import Tensor, nn

from sciml.core.expressions import Evaluator
from sciml.models.npde._coefficients import FieldCoefficient, NetCoefficient
from sciml.models.npde._spec import NPDESpec, formulas, parsed
from sciml.models.npde._stencils import applied, derivative, kernel_matrix, padded, stencil
from sciml.models.npde._terms import Advection, Diffusion, Mix, NonLocal, Reaction, Source, Term, acts_on

State = Inexact[Tensor, "batch channel *space"]
_FEW = 8  # terms up to which each is worked out for itself
Number = Tensor | float
"""A coefficient: see `Values.value`."""


class Moment(NamedTuple):
    """What a rate depends on beside the state.

    Fields:
        time: of the evaluation.
        layer: number of the step.
        inputs: of the step, ``batch input``.
        given: numbers that came with the samples, ``batch 1 …``, for formulas.
    """

    time: float = 0.0
    layer: int = 0
    inputs: Float[Tensor, "batch input"] | None = None
    given: Mapping[str, Tensor] | None = None


class Cache:
    """What terms share at one state and moment.

    Attributes:
        derivatives: of a field along an axis, by (field, axis, order).
        known: values of the names in formulas; empty until one needs them.
    """

    def __init__(self) -> None:
        self.derivatives: dict[tuple[int, int, int], Tensor] = {}
        self.known: dict[str, Any] = {}  # Any: tensors and numbers


class Rates(nn.Module):
    """Bodies of all terms: linear in their coefficients, but for the direction that an upwind difference looks.

    Arguments:
        spec: the specification.
    """

    def __init__(self, spec: NPDESpec) -> None:
        super().__init__()
        self.spec = spec
        self._shared = _bodies(spec) if len(spec.terms) > _FEW else {}
        self._formulas: dict[int, Evaluator] = {}
        for index, term in enumerate(spec.terms):
            if text := formulas(spec, term):
                self._formulas[index] = Evaluator([_flux_of(text, acts_on(term)) if _is_flux(term) else parsed(text)])
            if isinstance(term, NonLocal):
                for i, axis in enumerate(spec.axes):
                    matrix = kernel_matrix(
                        axis.size, spacing=axis.spacing, length=term.length, kernel=term.kernel,
                        periodic=axis.boundary == "periodic",
                    )  # fmt: skip
                    self.register_buffer(f"kernel_{index}_{i}", matrix, persistent=False)
        for i, axis in enumerate(spec.axes):
            offset = 0.0 if axis.boundary == "periodic" else 0.5
            points = axis.lower + (torch.arange(axis.size, dtype=torch.float64) + offset) * axis.spacing
            shape = [1] * len(spec.axes)
            shape[i] = -1
            self.register_buffer(f"points_{axis.name}", points.view(shape), persistent=False)

    def body(
        self, index: int, state: State, value: Number, moment: Moment, cache: Cache
    ) -> Inexact[Tensor, "batch *space"]:
        """What one term adds to the rate of its target, with the value of its coefficient.

        `cache` holds what other terms have worked out of the same state at the same moment.
        """
        term = self.spec.terms[index]
        v = state[:, self.spec.fields.index(acts_on(term))]
        if isinstance(term, Diffusion):
            part = self._diffused(term, v, value * self.factor(index, state, moment), cache)
        elif isinstance(term, Advection):
            part = self._carried(index, term, state, value, moment, cache)
        elif isinstance(term, NonLocal):
            part = value * self._spread(index, v)
        elif isinstance(term, Mix):
            part = value * v
        else:
            part = value * self._formula(index, state, moment, cache)
            if isinstance(term, Source) and term.channel is not None:
                assert moment.inputs is not None
                part = part * moment.inputs[:, term.channel].reshape(-1, *[1] * (state.ndim - 2))
            part = torch.as_tensor(part, dtype=state.dtype, device=state.device).expand_as(v)
        return part * (term.scale * 1j if term.imaginary else term.scale)

    def total(
        self,
        state: State,
        value_of: Callable[[str], Number],
        moment: Moment,
        *,
        only: Callable[[Term], bool] = lambda term: True,
        without: frozenset[int] = frozenset(),
    ) -> State:
        """∂u/∂t, or the part of it that some terms make up; `without` are positions of terms that do not count.

        Where there are many terms, those that are alike but for target and coefficient are worked out once, and all of
        them are added in one product: a library of terms is several times as fast so.
        """
        cache = Cache()
        rates = [torch.zeros_like(state[:, 0]) for _ in self.spec.fields]
        bodies: dict[tuple[object, ...], Tensor] = {}
        numbers: list[dict[tuple[object, ...], Tensor]] = [{} for _ in self.spec.fields]
        for index in indices(self.spec, only):
            if index in without:
                continue
            term = self.spec.terms[index]
            target, value = self.spec.fields.index(term.target), value_of(term.coefficient)
            key = self._shared.get(index)
            if key is None or (isinstance(value, Tensor) and value.ndim):
                rates[target] = rates[target] + self.body(index, state, value, moment, cache)
                continue
            if key not in bodies:
                bodies[key] = self.body(index, state, 1.0, moment, cache)
            number = torch.as_tensor(value).to(state)
            numbers[target][key] = numbers[target][key] + number if key in numbers[target] else number
        for target, chosen in enumerate(numbers):
            if chosen:
                columns = torch.stack([bodies[key] for key in chosen])
                rates[target] = rates[target] + torch.tensordot(torch.stack(list(chosen.values())), columns, 1)
        return torch.stack(rates, 1)

    def columns(
        self,
        state: State,
        current: Callable[[str], Number],
        moment: Moment,
        *,
        only: Callable[[Term], bool] = lambda term: True,
    ) -> tuple[dict[str, State], State]:
        """The rate as known + Σ coefficient times column.

        Arguments:
            state, moment: where.
            current: values of the coefficients now, of which the signs say where upwind differences look.
            only: the terms that count.

        Returns: a column for every trainable number, and the known part.
        """
        zeros, cache = torch.zeros_like(state), Cache()
        columns: dict[str, Tensor] = {}
        known = zeros
        for index in indices(self.spec, only):
            term = self.spec.terms[index]
            entry = self.spec.coefficient(term.coefficient)
            target = self.spec.fields.index(term.target)
            one = torch.zeros(len(self.spec.fields), dtype=state.dtype, device=state.device)
            one[target] = 1
            if entry.kind == "trainable":
                now = torch.as_tensor(current(term.coefficient))
                sign = -1.0 if float(now.reshape(-1)[0]) < 0 else 1.0
                part = self.body(index, state, sign, moment, cache) * sign
                wide = part[:, None] * one.view(-1, *[1] * (state.ndim - 2))
                columns[term.coefficient] = columns.get(term.coefficient, zeros) + wide
            else:
                part = self.body(index, state, current(term.coefficient), moment, cache)
                known = known + part[:, None] * one.view(-1, *[1] * (state.ndim - 2))
        return columns, known

    def factor(self, index: int, state: State, moment: Moment) -> Number:
        """What multiplies the coefficient of a diffusion beside its scale."""
        return self._formula(index, state, moment) if index in self._formulas else 1.0

    def _formula(
        self, index: int, state: State, moment: Moment, cache: Cache | None = None
    ) -> Any:  # a tensor or number
        if cache is None:
            return self._formulas[index].numbers(self._known(state, moment))[0]
        if not cache.known:
            cache.known.update(self._known(state, moment))
        return self._formulas[index].numbers(cache.known)[0]

    def _known(self, state: State, moment: Moment) -> dict[str, Any]:  # Any: tensors and numbers
        axes = {name: getattr(self, f"points_{name}") for name in self.spec.axis_names}
        fields = {} if moment.given is None else {n: v[:, 0] for n, v in moment.given.items()}  # without channels
        return axes | fields | {"t": moment.time} | dict(zip(self.spec.fields, state.unbind(1), strict=True))

    def _diffused(self, term: Diffusion, v: Tensor, value: Number, cache: Cache) -> Tensor:
        varies = isinstance(self.spec.coefficient(term.coefficient), FieldCoefficient | NetCoefficient)
        total = torch.zeros_like(v)
        for i in self.spec.axes_of(term):
            axis, dim = self.spec.axes[i], i + 1
            if not varies:
                total = total + self._derivative(self.spec.fields.index(acts_on(term)), v, i, 2, cache)
                continue  # varies: of second order, see `check_scheme`
            wide = padded(v, dim, 1, axis.boundary)
            coefficient = torch.as_tensor(value).to(v).expand_as(v)
            beyond = "periodic" if axis.boundary == "periodic" else "neumann"
            faces = applied(padded(coefficient, dim, 1, beyond), dim, (0.5, 0.5))
            flux = faces * applied(wide, dim, (-1.0, 1.0))
            total = total + applied(flux, dim, (-1.0, 1.0)) / axis.spacing**2
        if term.order == 4:
            again = torch.zeros_like(v)
            for i in self.spec.axes_of(term):
                axis = self.spec.axes[i]
                again = again + derivative(
                    total, i + 1, 2, spacing=axis.spacing, accuracy=self.spec.accuracy, boundary=axis.boundary
                )
            total = again
        return total if varies else value * total

    def _derivative(self, field: int, v: Tensor, axis: int, order: int, cache: Cache) -> Tensor:
        key = (field, axis, order)
        if key not in cache.derivatives:
            about = self.spec.axes[axis]
            cache.derivatives[key] = derivative(
                v, axis + 1, order, spacing=about.spacing, accuracy=self.spec.accuracy, boundary=about.boundary
            )
        return cache.derivatives[key]

    def _carried(
        self,
        index: int,
        term: Advection,
        state: State,
        value: Number,
        moment: Moment,
        cache: Cache,
    ) -> Tensor:
        position = self.spec.axis_names.index(term.axis)
        axis, dim = self.spec.axes[position], position + 1
        v = state[:, self.spec.fields.index(acts_on(term))]
        if term.scheme == "flux" and term.velocity:
            weights = tuple(w / axis.spacing for w in stencil(1, self.spec.accuracy))
            wide = padded(v, dim, len(weights) // 2, axis.boundary)
            flux = self._formulas[index].numbers({acts_on(term): wide})[0]
            return -value * applied(flux, dim, weights)
        velocity = self._formula(index, state, moment, cache) if term.velocity else 1.0
        if term.scheme != "upwind":
            slope = self._derivative(self.spec.fields.index(acts_on(term)), v, position, 1, cache)
            return -value * velocity * slope
        wide = padded(v, dim, 1, axis.boundary)
        left, right = (applied(wide, dim, w) / axis.spacing for w in ((-1.0, 1.0, 0.0), (0.0, -1.0, 1.0)))
        speed = torch.as_tensor(value * velocity * term.scale).to(v)
        return -(speed.clamp_min(0) * left + speed.clamp_max(0) * right) / term.scale

    def _spread(self, index: int, v: Tensor) -> Tensor:
        for i in range(len(self.spec.axes)):
            matrix: Tensor = getattr(self, f"kernel_{index}_{i}")
            v = (v.movedim(i + 1, -1) @ matrix.T.to(v)).movedim(-1, i + 1)
        return v


def _bodies(spec: NPDESpec) -> dict[int, tuple[object, ...]]:
    """Positions of terms that are a number times something that does not depend on it, and what that is."""
    return {
        index: (term.kind, formulas(spec, term), acts_on(term), getattr(term, "axis", ""), term.scale, term.imaginary)
        for index, term in enumerate(spec.terms)
        if isinstance(term, Reaction) or (isinstance(term, Advection) and term.scheme == "central")
    }


def is_linear(spec: NPDESpec, term: Term) -> bool:
    """Whether a term is linear in the fields, with coefficients that do not depend on them."""
    if isinstance(spec.coefficient(term.coefficient), NetCoefficient):
        return False
    if isinstance(term, Advection):
        return not (names_in(formulas(spec, term)) & set(spec.fields))
    if isinstance(term, Reaction):
        return _is_homogeneous(spec, term)
    return isinstance(term, Diffusion | NonLocal | Mix)


def _is_homogeneous(spec: NPDESpec, term: Reaction) -> bool:
    """Whether every summand of a formula holds one field to the first power."""
    import sympy

    formula, fields = parsed(term.formula), [sympy.Symbol(name) for name in spec.fields]
    if not formula.is_polynomial(*fields):
        return False
    return all(sum(powers) == 1 for powers, _ in sympy.Poly(formula, *fields).terms())


def polynomial(spec: NPDESpec, term: Reaction) -> dict[int, float] | None:
    """The numbers before the powers of the target in a reaction that is a polynomial in it alone; else None."""
    import sympy

    formula, symbol = parsed(term.formula), sympy.Symbol(term.target)
    if formula.free_symbols - {symbol} or not formula.is_polynomial(symbol):
        return None
    return {int(power): float(number) for (power,), number in sympy.Poly(formula, symbol).terms()}


def names_in(text: str) -> set[str]:
    """Names of a formula; none of an empty one."""
    return {symbol.name for symbol in parsed(text).free_symbols} if text else set()


def indices(spec: NPDESpec, only: Callable[[Term], bool]) -> Iterator[int]:
    """Positions of some terms."""
    return (index for index, term in enumerate(spec.terms) if only(term))


def _is_flux(term: Term) -> bool:
    return isinstance(term, Advection) and term.scheme == "flux"


def _flux_of(text: str, field: str) -> Any:  # Any: as above
    import sympy

    return sympy.integrate(parsed(text), sympy.Symbol(field))
