"""How a step is taken: each function maps a state to the one dt later."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from jaxtyping import Inexact
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.expressions import Evaluator
from sciml.core.types import Params
from sciml.models.npde._coefficients import FieldCoefficient, Given, NetCoefficient
from sciml.models.npde._modes import Modes
from sciml.models.npde._rates import Moment, Number, Rates, State, is_linear, polynomial
from sciml.models.npde._spec import NPDESpec
from sciml.models.npde._terms import Diffusion, Reaction, Source, Term, acts_on

_LARGEST = 2048  # unknowns of a dense system


class Equation:
    """What the schemes ask of a network.

    Fields:
        spec: the specification, with all bounds.
        rates, modes: its terms, and the modes of its diffusion.
    """

    spec: NPDESpec
    rates: Rates
    modes: Modes | None

    @abstractmethod
    def rate(self, state: State, moment: Moment, parameters: Params | None, only: Callable[[Term], bool]) -> State:
        """The part of ∂u/∂t that some terms make up."""

    @abstractmethod
    def coefficient(self, name: str, state: State, moment: Moment, parameters: Params | None) -> Number:
        """The value of a coefficient."""


def advance(equation: Equation, state: State, dt: float, moment: Moment, parameters: Params | None) -> State:
    """One step of the scheme of the specification."""
    return _SCHEMES[equation.spec.scheme](equation, state, dt, moment, parameters)


def check_scheme(spec: NPDESpec) -> None:
    """Refuse terms that a scheme has no place for. Raises UserError naming term and scheme."""
    varying = (FieldCoefficient, NetCoefficient)
    for term in spec.terms:
        if isinstance(term, Diffusion) and term.order == 4 and isinstance(spec.coefficient(term.coefficient), varying):
            raise UserError("a fourth derivative has one coefficient for all cells", got=f"{term.coefficient!r} varies",
                            expected="a number, trained or given")  # fmt: skip
    if spec.scheme in ("imex", "strang", "split_step"):
        for term in spec.terms:
            if in_modes(term) and isinstance(spec.coefficient(term.coefficient), varying):
                raise UserError(f"the scheme {spec.scheme} solves diffusion with one coefficient for all cells",
                                got=f"{term.coefficient!r} varies", expected="the scheme explicit or rk4")  # fmt: skip
    if spec.scheme == "crank_nicolson":
        for term in spec.terms:
            if not (is_linear(spec, term) or _is_known(spec, term)):
                raise UserError("crank_nicolson is for linear equations", got=f"a {term.kind} term that is not",
                                expected="strang, imex or split_step")  # fmt: skip
        if not all(in_modes(term) for term in spec.terms):
            unknowns = len(spec.fields) * torch.Size(spec.size).numel()
            if unknowns > _LARGEST:
                raise UserError("the system of crank_nicolson is too large to be solved densely", got=unknowns,
                                expected=f"at most {_LARGEST} unknowns", fix="Take split_step or strang.")  # fmt: skip
            if any(isinstance(entry, Given) for entry in spec.coefficients):
                raise UserError("crank_nicolson solves one system for all samples", got="a coefficient of kind given",
                                fix="Take split_step or strang.")  # fmt: skip
    if spec.scheme == "split_step":
        for term in spec.terms:
            if not in_modes(term):
                _factor(spec, term)


def in_modes(term: Term) -> TypeGuard[Diffusion]:
    """Whether it is a diffusion of the target itself."""
    return isinstance(term, Diffusion) and acts_on(term) == term.target


def _is_known(spec: NPDESpec, term: Term) -> bool:
    """Whether a term depends on no field."""
    from sciml.models.npde._rates import names_in

    if isinstance(term, Source):
        return True
    return isinstance(term, Reaction) and not names_in(term.formula) & set(spec.fields)


def _everything(term: Term) -> bool:
    return True


def _explicit(e: Equation, u: State, dt: float, at: Moment, p: Params | None) -> State:
    return u + dt * e.rate(u, at, p, _everything)


def runge_kutta(rate: Callable[[Tensor, float], Tensor], u: Tensor, dt: float, time: float) -> Tensor:
    """The classical scheme of fourth order."""
    first = rate(u, time)
    second = rate(u + dt / 2 * first, time + dt / 2)
    third = rate(u + dt / 2 * second, time + dt / 2)
    fourth = rate(u + dt * third, time + dt)
    return u + dt / 6 * (first + 2 * second + 2 * third + fourth)


def _rk4(e: Equation, u: State, dt: float, at: Moment, p: Params | None) -> State:
    return runge_kutta(lambda v, time: e.rate(v, at._replace(time=time), p, _everything), u, dt, at.time)


def _imex(e: Equation, u: State, dt: float, at: Moment, p: Params | None) -> State:
    """(1 - dt D∇²) u' = u + dt (the rest)."""
    pushed = u + dt * e.rate(u, at, p, lambda term: not in_modes(term))
    return _in_modes(e, pushed, lambda z: 1 / (1 - dt * z), at, p)


def _strang(e: Equation, u: State, dt: float, at: Moment, p: Params | None) -> State:
    """Half a step of the rest, diffusion exactly, half a step of the rest: second order."""
    u = _rest(e, u, dt / 2, at, p)
    u = _in_modes(e, u, lambda z: torch.exp(dt * z), at, p)
    return _rest(e, u, dt / 2, at._replace(time=at.time + dt / 2), p)


def _rest(e: Equation, u: State, dt: float, at: Moment, p: Params | None) -> State:
    rest = [term for term in e.spec.terms if not in_modes(term)]
    if not rest:
        return u
    if all(isinstance(term, Reaction) for term in rest):
        return reaction_flow(e, u, dt, at, p)
    return runge_kutta(
        lambda v, time: e.rate(v, at._replace(time=time), p, lambda term: not in_modes(term)), u, dt, at.time
    )


def reaction_flow(e: Equation, u: State, dt: float, at: Moment, p: Params | None) -> State:
    """The solution of u' = reactions(u) after dt: exact where they are b u + c u² of each field alone, else RK4's.

    u(t) = u E / (1 - c u (E - 1)/b) with E = exp(bt): the logistic flow for u (1 - u).
    """
    exact = [_quadratic(e.spec, field) for field in e.spec.fields]
    if any(flow is None for flow in exact):
        return runge_kutta(
            lambda v, time: e.rate(v, at._replace(time=time), p, lambda term: isinstance(term, Reaction)),
            u, dt, at.time,
        )  # fmt: skip
    flowed = []
    for i, flow in enumerate(exact):
        assert flow is not None
        v = u[:, i]
        linear, square = torch.zeros_like(v[:1]), torch.zeros_like(v[:1])
        for index, powers in flow:
            term = e.spec.terms[index]
            value = term.scale * e.coefficient(term.coefficient, u, at, p)
            linear = linear + value * powers.get(1, 0.0)
            square = square + value * powers.get(2, 0.0)
        small = (linear * dt).abs() < 1e-8
        safe = torch.where(small, torch.ones_like(linear), linear)
        along = torch.where(small, dt * (1 + linear * dt / 2), torch.expm1(safe * dt) / safe)
        flowed.append(v * torch.exp(linear * dt) / (1 - square * v * along))
    return torch.stack(flowed, 1)


def _quadratic(spec: NPDESpec, field: str) -> list[tuple[int, dict[int, float]]] | None:
    roots = []
    for index, term in enumerate(spec.terms):
        if isinstance(term, Reaction) and term.target == field:
            powers = polynomial(spec, term)
            varies = isinstance(spec.coefficient(term.coefficient), NetCoefficient)
            if powers is None or not set(powers) <= {1, 2} or term.imaginary or varies:
                return None
            roots.append((index, powers))
    return roots


def _crank_nicolson(e: Equation, u: State, dt: float, at: Moment, p: Params | None) -> State:
    """(1 - dt A/2) u' = (1 + dt A/2) u + dt b: a rotation where A is skew, as for Schrödinger's equation."""
    if all(in_modes(term) for term in e.spec.terms):
        return _in_modes(e, u, lambda z: (1 + dt * z / 2) / (1 - dt * z / 2), at, p)
    matrix, known = dense_operator(e, u, at, p)
    eye = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    flat = u.flatten(1).to(matrix.dtype).T
    right = (eye + dt / 2 * matrix) @ flat + dt * known.flatten(1).T
    return torch.linalg.solve(eye - dt / 2 * matrix, right).T.reshape(u.shape)


def dense_operator(
    e: Equation, like: State, at: Moment, p: Params | None
) -> tuple[Inexact[Tensor, "n n"], Inexact[Tensor, "batch channel *space"]]:
    """The linear part of ∂u/∂t as a matrix on the flattened state, and what does not depend on the state."""
    shape = like.shape[1:]
    basis = torch.eye(shape.numel(), dtype=like.dtype, device=like.device).view(-1, *shape)
    unknown = at._replace(inputs=None)
    linear = e.rate(basis, unknown, p, lambda term: is_linear(e.spec, term))
    known = e.rate(torch.zeros_like(like), at, p, lambda term: _is_known(e.spec, term))
    return linear.flatten(1).T, known


def _split_step(e: Equation, u: State, dt: float, at: Moment, p: Params | None) -> State:
    """exp(V dt/2) exp(D∇² dt) exp(V dt/2): two rotations of the phase in space and one among the modes."""
    u = _turned(e, u, dt / 2, at, p)
    u = _in_modes(e, u, lambda z: torch.exp(dt * z), at, p)
    return _turned(e, u, dt / 2, at._replace(time=at.time + dt), p)


def _turned(e: Equation, u: State, dt: float, at: Moment, p: Params | None) -> State:
    fields = list(u.unbind(1))
    for term in e.spec.terms:
        if in_modes(term):
            continue
        i = e.spec.fields.index(term.target)
        axes = {name: getattr(e.rates, f"points_{name}") for name in e.spec.axis_names}
        coefficients = {} if at.given is None else {name: number[:, 0] for name, number in at.given.items()}
        known = axes | coefficients | {"t": at.time} | dict(zip(e.spec.fields, fields, strict=True))
        value = e.coefficient(term.coefficient, u, at, p)
        exponent = _factor(e.spec, term).numbers(known)[0] * value * term.scale * dt
        exponent = torch.as_tensor(exponent, dtype=u.dtype, device=u.device)
        fields[i] = fields[i] * torch.exp(exponent * (1j if term.imaginary else 1.0))
    return torch.stack(fields, 1)


def _factor(spec: NPDESpec, term: Term) -> Evaluator:
    """What a reaction multiplies its field with, which must not change while the phase turns."""
    import sympy

    from sciml.core.formulas import parse_formula

    target = sympy.Symbol(term.target)
    ratio: Any = None
    if isinstance(term, Reaction):
        ratio = sympy.cancel(parse_formula(term.formula).subs(sympy.Abs(target), sympy.Symbol("_size")) / target)
    if ratio is None or target in ratio.free_symbols:
        raise UserError("split_step turns the phase of a field by a factor that does not depend on it",
                        got=getattr(term, "formula", term.kind),
                        expected=f"a product with {term.target}, such as abs({term.target})**2*{term.target}",
                        )  # fmt: skip
    return Evaluator([ratio.subs(sympy.Symbol("_size"), sympy.Abs(target))])


def _in_modes(e: Equation, u: State, function: Callable[[Tensor], Tensor], at: Moment, p: Params | None) -> State:
    """A function of the diffusion operator applied to the state."""
    assert e.modes is not None
    fields = []
    for i, field in enumerate(e.spec.fields):
        exponent: Tensor | None = None
        for index, term in enumerate(e.spec.terms):
            if in_modes(term) and term.target == field:
                value = term.scale * e.coefficient(term.coefficient, u, at, p) * e.rates.factor(index, u, at)
                modes = e.modes.eigenvalues(e.spec.axes_of(term)) ** (term.order // 2)
                part = value * modes * (1j if term.imaginary else 1.0)
                exponent = part if exponent is None else exponent + part
        fields.append(u[:, i] if exponent is None else e.modes.scaled(u[:, i], function(exponent)))
    return torch.stack(fields, 1)


_SCHEMES: dict[str, Callable[[Equation, Tensor, float, Moment, Params | None], Tensor]] = {
    "explicit": _explicit,
    "rk4": _rk4,
    "imex": _imex,
    "strang": _strang,
    "crank_nicolson": _crank_nicolson,
    "split_step": _split_step,
}
