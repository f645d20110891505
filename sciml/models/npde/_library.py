"""Candidate terms written as text: what a user considers, or a library of all that usually occurs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sciml.core.errors import UserError
from sciml.models.npde._coefficients import Coefficient, Trainable
from sciml.models.npde._spec import symbols_in
from sciml.models.npde._terms import Advection, Diffusion, Order, Reaction, Term

_FORMS = (
    "lap(u), u_xx, u_xxxx, u_x, u*u_x, u*(1 - u): one derivative at most, of even order only with a number before it"
)
_LAPLACIAN = re.compile(r"\blap\(\s*([^\W\d]\w*)\s*\)")


def library(fields: Sequence[str], axes: Sequence[str], given: Sequence[str] = ()) -> tuple[str, ...]:
    """Terms of every rate that are usual in physics: the own Laplacian, first derivatives of all fields alone and times
    each field, and products of two fields; the linear ones again times each number that is given."""
    derived = [f"{of}_{axis}" for of in fields for axis in axes]
    squares = [f"{a}*{b}" for i, a in enumerate(fields) for b in fields[i:]]
    shared = (*derived, *(f"{g}*{d}" for g in fields for d in derived), *fields, *squares)
    simple = [*derived, *fields]
    terms = []
    for target in fields:
        terms += [f"{target}: {term}" for term in (f"lap({target})", *shared)]
        terms += [f"{target}: {name}*{term}" for name in given for term in (f"lap({target})", *simple)]
    return tuple(terms)


def read_terms(
    texts: Sequence[str], fields: Sequence[str], axes: Sequence[str], given: Sequence[str] = ()
) -> tuple[tuple[Term, ...], tuple[Coefficient, ...]]:
    """Terms with a trainable coefficient each, from texts such as ``lap(u)``, ``v: u*u_x`` or ``u*(1 - u)``.

    Arguments:
        texts: one term each, of the rate of the field before the colon, else of all rates.
        fields, axes: what they may name; ``u_xx`` and ``u_xxxx`` are derivatives of ``u``.
        given: names of numbers that come with the samples, which may multiply a term.

    Returns: terms, and their coefficients, which start at 0; those of second derivatives stay positive, those of fourth
        ones negative (positive after a minus). The names are the texts, made into names: ``c_u_lap_u``.

    Raises: UserError for a text that is no such term or stands there twice.
    """
    terms, coefficients = list[Term](), list[Coefficient]()
    for text in texts:
        target, colon, body = text.rpartition(":")
        targets = [target.strip()] if colon else list(fields)
        if not set(targets) <= set(fields):
            raise UserError(f"the term {text!r} is of a field that there is not", got=targets[0],
                            expected=", ".join(fields))  # fmt: skip
        for one in targets:
            name = _name(one, body, {entry.name for entry in coefficients}, text)
            term = _read(body.strip(), one, name, fields, axes, given)
            terms.append(term)
            of_itself = isinstance(term, Diffusion) and term.of in ("", one)
            amplifies = isinstance(term, Diffusion) and of_itself and term.order == 4 and term.scale > 0
            low, high = (None, 0.0) if amplifies else (0.0 if of_itself else None, None)
            coefficients.append(Trainable(name=name, lower=low, upper=high))
    return tuple(terms), tuple(coefficients)


def _name(target: str, body: str, taken: set[str], text: str) -> str:
    words = re.sub(r"\W+", "_", body.replace("*", " ").replace("-", " minus ").replace("/", " over ")).strip("_")
    name = f"c_{target}_{words}"
    if name in taken:
        raise UserError(f"the term {text!r} stands there twice for the field {target!r}", got=name)
    return name


def _read(body: str, target: str, name: str, fields: Sequence[str], axes: Sequence[str], given: Sequence[str]) -> Term:
    import sympy

    from sciml.core.formulas import parse_formula

    common: dict[str, Any] = {"target": target, "coefficient": name}
    first = {f"{f}_{a}": (f, a) for f in fields for a in axes}
    orders: tuple[Order, ...] = (2, 4)
    even: dict[str, tuple[str, tuple[str, ...], Order]] = {f"lap_{f}": (f, (), 2) for f in fields}
    even |= {f"{f}_{a * order}": (f, (a,), order) for f in fields for a in axes for order in orders}
    formula = parse_formula(_LAPLACIAN.sub(r"lap_\1", body), {*fields, *axes, "t", *given, *first, *even})
    derived = [s for s in symbols_in(formula) if s.name in first or s.name in even]
    if not derived:
        return Reaction(formula=body, **common)
    factor: Any = sympy.expand(formula / derived[0])
    is_even = derived[0].name in even
    numbers = {sympy.Symbol(entry) for entry in given}
    if len(derived) > 1 or derived[0] in factor.free_symbols or (is_even and factor.free_symbols - numbers):
        raise UserError(f"the term {body!r} has no place in a network", expected=_FORMS)
    if is_even:
        of, along, order = even[derived[0].name]
        number, rest = factor.as_coeff_Mul()
        text = "" if rest == 1 else str(rest)
        return Diffusion(of=of, axes=along, order=order, scale=float(number), factor=text, **common)
    of, axis = first[derived[0].name]
    number, velocity = factor.as_coeff_Mul()
    text = "" if velocity == 1 else str(velocity).replace("Abs(", "abs(")
    return Advection(axis=axis, of=of, velocity=text, scale=-float(number), **common)
