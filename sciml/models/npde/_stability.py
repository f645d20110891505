"""Which steps are stable: growth factors of all waves of the grid, and the bounds that follow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.expressions import Evaluator
from sciml.models.npde._coefficients import Coefficient, Constant, Given, limits
from sciml.models.npde._spec import NPDESpec, parsed
from sciml.models.npde._stencils import stencil
from sciml.models.npde._terms import Advection, Diffusion, acts_on

_SLACK = 1 + 1e-9
_STABLE = 1 + 1e-12  # a factor per step that counts as no growth
_REACH = {"explicit": 1.0, "rk4": 2.785 / 2, "imex": 1.0, "strang": 2.0}
"""What CFL numbers stay below: 1 for Euler's step; RK4 allows more, and has half a step of the rest under Strang."""


def transports(spec: NPDESpec) -> list[Diffusion | Advection]:
    """The terms that limit an explicit step: diffusion unless it is implicit, and advection."""
    implicit = spec.scheme in ("imex", "strang", "crank_nicolson", "split_step")
    bound = spec.scheme not in ("crank_nicolson", "split_step")
    return [
        term
        for term in spec.terms
        if acts_on(term) == term.target
        and ((isinstance(term, Diffusion) and not implicit) or (isinstance(term, Advection) and bound))
    ]


def rate_of(spec: NPDESpec, term: Diffusion | Advection) -> float:
    """Σ 2/dx² of a diffusion with coefficient 1 (of fourth order (Σ 4/dx²)²/2), speed/dx of an advection: what dt times
    the coefficient stays below.

    0 for an advection whose speed nobody knows.
    """
    if isinstance(term, Diffusion):
        accuracy = spec.accuracy
        half = (
            sum((-1) ** (i - accuracy // 2) * w for i, w in enumerate(stencil(2, accuracy))) / 2
        )  # at the shortest wave
        rate = sum(abs(half) / spec.axes[i].spacing ** 2 for i in spec.axes_of(term))
        return abs(term.scale) * _largest_factor(spec, term) * (rate if term.order == 2 else 2 * rate**2)
    axis = next(axis for axis in spec.axes if axis.name == term.axis)
    speed = 1.0 if not term.velocity else term.speed or 0.0
    return abs(term.scale) * speed / axis.spacing


def _largest_factor(spec: NPDESpec, term: Diffusion) -> float:
    """The largest value of a diffusion's formula between the ends of what is given."""
    if not term.factor:
        return 1.0
    fields = [entry for entry in spec.coefficients if isinstance(entry, Given)]
    formula = Evaluator([parsed(term.factor)])
    corners = itertools.product(*((entry.lower, (entry.lower + entry.upper) / 2, entry.upper) for entry in fields))
    names = [entry.name for entry in fields]
    return max(abs(float(formula.numbers(dict(zip(names, corner, strict=True)))[0])) for corner in corners)


def bounded(spec: NPDESpec) -> NPDESpec:
    """The specification with a bound for every coefficient that transport without one would leave unstable.

    Under ``explicit`` and ``imex`` what the known bounds leave of the limit is shared equally, so that no value of the
    parameters can break it; under ``rk4`` and ``strang`` each term alone stays inside.

    Raises: UserError for an explicit step that is too long, naming the longest stable one.
    """
    terms = [term for term in transports(spec) if rate_of(spec, term)]
    open_ended = {term.coefficient for term in terms if limits(spec.coefficient(term.coefficient))[1] is None}
    used = sum(
        rate_of(spec, term) * _largest(spec.coefficient(term.coefficient)) * spec.substep
        for term in terms
        if term.coefficient not in open_ended
    )
    _check(spec)
    if not open_ended or spec.scheme not in _REACH:
        return _with_lower(spec, {})
    shared = spec.scheme in ("explicit", "imex")
    left = _REACH[spec.scheme] - used if shared else _REACH[spec.scheme]
    if left <= 0:
        raise UserError(
            "the known coefficients leave no room for those that are learned",
            got=f"dt {spec.substep:g} and a CFL number of {used:.3g}",
            expected=f"a step below {spec.substep / used:.6g}",
            fix=f"Raise substeps to {math.ceil(spec.substeps * used * 2)}.",
        )
    highest: dict[str, float] = {}
    for name in open_ended:
        total = sum(rate_of(spec, term) for term in terms if term.coefficient == name)
        highest[name] = left / (len(open_ended) if shared else 1) / (total * spec.substep)
    return _with_lower(spec, highest)


def _with_lower(spec: NPDESpec, highest: Mapping[str, float]) -> NPDESpec:
    diffusive = [t for t in spec.terms if isinstance(t, Diffusion) and acts_on(t) == t.target]
    signed = {t.coefficient for t in diffusive if t.order == 2 or t.scale < 0}
    turned = {t.coefficient for t in diffusive if t.order == 4 and t.scale > 0}
    changed = []
    for entry in spec.coefficients:
        update: dict[str, float] = {}
        if not isinstance(entry, Constant):
            high = highest.get(entry.name)
            if high is not None:
                start = getattr(entry, "start", 0.0)
                if abs(start) >= high:
                    needed = math.ceil(spec.substeps * abs(start) / high * 1.25)
                    raise UserError(
                        f"coefficient {entry.name!r} starts beyond what is stable with this step",
                        got=f"{start:g} with dt {spec.substep:g}",
                        expected=f"below {high:.6g}, or a step below {spec.substep * high / abs(start):.6g}",
                        fix=f"Raise substeps to {needed}.",
                    )
                update["upper"] = high
            if entry.upper is None and entry.name in turned:
                update["upper"] = 0.0
            if entry.lower is None and entry.name in signed:
                update["lower"] = 0.0
            elif entry.lower is None and high is not None:
                update["lower"] = -high
        changed.append(entry.model_copy(update=update))
    return spec.model_copy(update={"coefficients": tuple(changed)})


def _start(entry: Coefficient) -> float:
    start = getattr(entry, "start", None)
    return _largest(entry) if start is None else float(start)


def _largest(entry: Coefficient) -> float:
    low, high = limits(entry)
    return max(abs(value) for value in (low, high, getattr(entry, "start", 0.0)) if value is not None)


def _check(spec: NPDESpec) -> None:
    """Refuse an explicit step that is too long for the first or for the largest values of the coefficients.

    Between them central advection may still ask for more diffusion, c² dt ≤ 2D; upwind differences never do.
    """
    if spec.scheme not in ("explicit", "rk4", "imex"):
        return
    entries = {term.coefficient: spec.coefficient(term.coefficient) for term in spec.terms}
    starts = {name: _start(entry) for name, entry in entries.items()}
    largest = {name: _largest(entry) for name, entry in entries.items()}

    def stable_up_to(scheme: NPDESpec) -> float:
        return min(largest_step(scheme, starts), largest_step(scheme, largest))

    shortest = stable_up_to(spec)
    if spec.substep > shortest * _SLACK:
        if shortest:
            implicit = spec.model_copy(update={"scheme": "imex"})  # helps against diffusion, not against advection
            helps = spec.scheme != "imex" and spec.substep <= stable_up_to(implicit) * _SLACK
            fix = f"Raise substeps to {math.ceil(spec.dt / shortest)}, lower dt or an upper bound"
            fix += ", or take imex." if helps else "."
        elif any(isinstance(term, Advection) and term.scheme != "upwind" for term in transports(spec)):
            fix = "Central differences of advection need diffusion here: take scheme='upwind' in the term, or rk4."
        else:
            fix = "Take rk4, or crank_nicolson, which is a rotation for such an equation."
        raise UserError(
            f"the step of the scheme {spec.scheme} is not stable",
            got=f"dt {spec.substep:.6g}" + (f" ({spec.substeps} substeps)" if spec.substeps > 1 else ""),
            expected=f"at most {shortest:.6g}, the largest stable dt for these coefficients",
            fix=fix,
        )


def waves(
    spec: NPDESpec, values: Mapping[str, float], terms: Sequence[Diffusion | Advection]
) -> Complex[Tensor, "wave channel channel"]:
    """How every wave exp(ikx) of the grid changes under transport with constant coefficients; complex128."""
    count = (65, 17, 9)[len(spec.axes) - 1]  # wave numbers per axis from 0 to the shortest wave
    phases = torch.linspace(0, math.pi, count, dtype=torch.float64, device="cpu")  # also while a network is on meta
    phases = torch.cat((-phases[1:].flip(0), phases))
    fields, shape = spec.fields, [1] * len(spec.axes)
    sizes = [len(phases)] * len(spec.axes)
    rates = torch.zeros([*sizes, len(fields), len(fields)], dtype=torch.complex128, device="cpu")
    for term in terms:
        value = term.scale * (values[term.coefficient] if term.coefficient else 1.0)
        place = (..., fields.index(term.target), fields.index(acts_on(term)))
        total = torch.zeros(sizes, dtype=torch.complex128, device="cpu")
        for i in spec.axes_of(term) if isinstance(term, Diffusion) else (spec.axis_names.index(term.axis),):
            symbol = _symbol(spec, term, phases, value, spec.axes[i].spacing)
            total = total + symbol.view([*shape[:i], -1, *shape[i + 1 :]])
        if isinstance(term, Diffusion):
            total = value * _largest_factor(spec, term) * total ** (term.order // 2)
        rates[place] = rates[place] + total
    return rates.flatten(0, len(spec.axes) - 1)


def _symbol(
    spec: NPDESpec, term: Diffusion | Advection, phases: Float[Tensor, " wave"], value: float, spacing: float
) -> Complex[Tensor, " wave"]:
    """What an advection multiplies waves along its axis with; of a diffusion the second derivative alone."""
    of = partial(_stencil_symbol, phases, spacing)
    if isinstance(term, Diffusion):
        return of(2, spec.accuracy)
    speed = value * (1.0 if not term.velocity else term.speed or 0.0)
    if term.scheme == "upwind":
        return -speed * of(1, 2) + abs(speed) * spacing / 2 * of(2, 2)
    return -speed * of(1, spec.accuracy)


def _stencil_symbol(
    phases: Float[Tensor, " wave"], spacing: float, order: int, accuracy: int
) -> Complex[Tensor, " wave"]:
    """What the stencil of a derivative multiplies waves with."""
    weights = stencil(order, accuracy)
    reach = len(weights) // 2
    waves = (w * torch.exp(1j * phases * (i - reach)) for i, w in enumerate(weights))
    return sum(waves, torch.zeros_like(phases, dtype=torch.complex128)) / spacing**order


def growth(
    scheme: str,
    rates: Complex[Tensor, "wave channel channel"],
    implicit: Complex[Tensor, "wave channel channel"],
    dt: float,
) -> float:
    """The largest factor by which a step multiplies a wave; `implicit` rates are those that imex takes at its end."""
    if scheme == "imex":
        eye = torch.eye(rates.shape[-1], dtype=rates.dtype, device="cpu")
        return float(_eigenvalues(torch.linalg.solve(eye - dt * implicit, eye + dt * rates)).abs().max())
    return _growth(scheme, _eigenvalues(rates), dt)


def _growth(scheme: str, eigenvalues: Complex[Tensor, " value"], dt: float) -> float:
    z = eigenvalues * dt
    factor = 1 + z if scheme == "explicit" else 1 + z * (1 + z / 2 * (1 + z / 3 * (1 + z / 4)))
    return float(factor.abs().max())


def _eigenvalues(matrices: Complex[Tensor, "wave channel channel"]) -> Complex[Tensor, " value"]:
    return matrices.flatten() if matrices.shape[-1] == 1 else torch.linalg.eigvals(matrices).flatten()


def largest_step(spec: NPDESpec, values: Mapping[str, float]) -> float:
    """The longest step without growth, by von Neumann's analysis; infinite where nothing limits it, 0 for none.

    Arguments:
        spec: terms of which only transport with constant coefficients counts.
        values: of the coefficients by name.
    """
    if spec.scheme not in ("explicit", "rk4", "imex"):
        return math.inf
    rates, implicit = waves(spec, values, moving(spec)), waves(spec, values, implicit_terms(spec))
    eigenvalues = _eigenvalues(rates)
    fastest = float(eigenvalues.abs().max())
    if fastest == 0:
        return math.inf
    growth_at = (
        partial(growth, "imex", rates, implicit)
        if spec.scheme == "imex"
        else partial(_growth, spec.scheme, eigenvalues)
    )
    high = (3.0 if spec.scheme != "imex" else 1e3) / fastest
    low = 1e-6 / fastest
    # NaN is not stable either; at shorter steps growth would drown in rounding
    if not growth_at(1e-4 / fastest) <= _STABLE:
        return 0.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if growth_at(middle) <= _STABLE else (low, middle)
    return low


def moving(spec: NPDESpec) -> list[Diffusion | Advection]:
    """The terms of `transports`, and those between fields with constant coefficients."""
    transported = transports(spec)
    return transported + [
        term
        for term in spec.terms
        if acts_on(term) != term.target
        and (isinstance(term, Diffusion) or (isinstance(term, Advection) and not term.velocity))
    ]


def implicit_terms(spec: NPDESpec) -> list[Diffusion]:
    """The diffusion that imex takes at the end of a step."""
    if spec.scheme != "imex":
        return []
    return [term for term in spec.terms if isinstance(term, Diffusion) and acts_on(term) == term.target]
