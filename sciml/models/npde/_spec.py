"""A PDE with its grid and its scheme as plain data: what a network is generated from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pydantic

from sciml.core.config import Config
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.types import Grid
from sciml.models.npde._coefficients import Coefficient, Constant, Given, limits
from sciml.models.npde._stencils import Boundary
from sciml.models.npde._terms import Advection, Diffusion, NonLocal, Reaction, Source, Term, acts_on, damping

if TYPE_CHECKING:
    from sciml.core.statement import Statement

Scheme = Literal["explicit", "rk4", "imex", "strang", "crank_nicolson", "split_step"]
"""How a step is taken; see `NPDESpec.scheme`."""


class SpecAxis(Config):
    """One axis of the grid: points on the left edges of cells where it is periodic, else in their middles."""

    name: str = pydantic.Field(pattern=r"^[^\W\d]$")
    size: int = pydantic.Field(ge=4)
    lower: float = 0.0
    upper: float = 1.0
    boundary: Boundary = "periodic"
    units: str = "1"

    @pydantic.model_validator(mode="after")
    def _not_empty(self) -> SpecAxis:
        if not self.upper > self.lower:
            raise ValueError(f"axis {self.name!r} is empty: [{self.lower:g}, {self.upper:g}]")
        return self

    @property
    def spacing(self) -> float:
        """Distance between neighbouring points."""
        return (self.upper - self.lower) / self.size


class NPDESpec(Config):
    """∂u/∂t = the sum of `terms` on a grid, and how a step of it is taken.

    Raises: UserError where a term names what does not exist, diffusion is negative, or a complex equation has a scheme
        that cannot hold its norm. Whether the step is stable is checked when a network is generated.
    """

    axes: tuple[SpecAxis, ...] = pydantic.Field(min_length=1, max_length=3)
    """In the order of the tensor's axes, ``z y x``."""
    fields: tuple[str, ...] = pydantic.Field(default=("u",), min_length=1)
    """Names of the channels."""
    terms: tuple[Term, ...] = pydantic.Field(min_length=1)
    """What the rates are the sum of."""
    coefficients: tuple[Coefficient, ...] = ()
    """The numbers, fields and networks that the terms name."""
    dt: float = pydantic.Field(gt=0)
    """Time of one step."""
    steps: int = pydantic.Field(default=1, ge=1)
    """Steps of a rollout that is not told how many: the depth of the network."""
    substeps: int = pydantic.Field(default=1, ge=1)
    """Equal parts a step is taken in."""
    scheme: Scheme = "explicit"
    """``explicit``: Euler's, u + dt f(u), a residual block. ``rk4``: the classical Runge-Kutta scheme. ``imex``:
    diffusion implicit, the rest explicit. ``strang``: half a step of the rest, diffusion exactly, half a step; second
    order. ``crank_nicolson``: linear equations, unitary where they are. ``split_step``: iψ' = -Dψ'' + Vψ by exact
    rotations."""
    accuracy: Literal[2, 4, 6, 8] = 2
    """Order of the stencils of central differences."""
    sharing: Literal["tied", "per_step"] = "tied"
    """One set of coefficients, or one for each of `steps` layers; a longer rollout begins with the first again."""
    dtype: Literal["real", "complex"] = "real"
    """Of the fields."""
    inputs: int = pydantic.Field(default=0, ge=0)
    """Numbers that come with every step, for `Source` terms."""
    field_units: tuple[str, ...] = ()
    """Of every field; empty for pure numbers."""
    time_units: str = "1"

    @pydantic.model_validator(mode="after")
    def _sound(self) -> NPDESpec:
        _check_names(self)
        _check_diffusion(self)
        _check_complex(self)
        return self

    @property
    def size(self) -> tuple[int, ...]:
        """Points per axis."""
        return tuple(axis.size for axis in self.axes)

    @property
    def axis_names(self) -> tuple[str, ...]:
        """In the order of the tensor's axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def substep(self) -> float:
        """Time of a substep."""
        return self.dt / self.substeps

    def coefficient(self, name: str) -> Coefficient:
        """One coefficient by name; the empty name is the number 1."""
        if not name:
            return Constant(name="one", value=1.0)
        return next(entry for entry in self.coefficients if entry.name == name)

    def axes_of(self, term: Diffusion) -> tuple[int, ...]:
        """Positions of the axes a diffusion acts along."""
        return tuple(i for i, axis in enumerate(self.axes) if not term.axes or axis.name in term.axes)

    @staticmethod
    def from_statement(
        statement: Statement,
        size: Sequence[int],
        *,
        dt: float,
        trainable: Iterable[str] = (),
        given: Iterable[str] = (),
        scheme: Scheme = "explicit",
        steps: int = 1,
        substeps: int = 1,
        accuracy: Literal[2, 4, 6, 8] = 2,
        advection: Literal["central", "upwind", "flux"] = "central",
    ) -> NPDESpec:
        """The same equation that gives a problem's residual, as a network's.

        Arguments:
            statement: of first order in time, with one equation for each rate; second order in space.
            size: points per spatial axis, in the order of the tensor's axes: the reverse of the statement's (``y x``).
            dt, scheme, steps, substeps, accuracy: of the specification.
            trainable: symbols of the statement that are to be learned, beside its unknown numbers; they start at the
                value that the statement gives them.
            given: symbols whose values come with every sample.
            advection: the scheme of first derivatives.

        Raises: UserError for a statement of another form, naming the term that has no place in a specification.
        """
        from sciml.models.npde._statement import spec_of

        return spec_of(
            statement, tuple(size), dt=dt, trainable=tuple(trainable), given=tuple(given), scheme=scheme, steps=steps,
            substeps=substeps, accuracy=accuracy, advection=advection,
        )  # fmt: skip

    @staticmethod
    def axes_of_grid(grid: Grid) -> tuple[SpecAxis, ...]:
        """Axes of the data's grid; the mirror image stands beyond walls and open ends."""
        return tuple(
            SpecAxis(
                name=axis.name, size=axis.size, lower=axis.lower, upper=axis.upper, units=axis.units,
                boundary="periodic" if axis.periodic else "neumann",
            )
            for axis in grid.axes
        )  # fmt: skip


def _check_names(spec: NPDESpec) -> None:
    names = [entry.name for entry in spec.coefficients]
    for kind, listed in (("axis", spec.axis_names), ("field", spec.fields), ("coefficient", names)):
        if len(set(listed)) != len(listed):
            raise UserError(f"two of the specification have the same name: {kind}", got=", ".join(listed))
    for term in spec.terms:
        for name in (term.target, acts_on(term)):
            if name not in spec.fields:
                raise UnknownNameError(f"field of a {term.kind} term", name, spec.fields)
        if term.coefficient and term.coefficient not in names:
            raise UnknownNameError(f"coefficient of a {term.kind} term", term.coefficient, names)
        for name in term.axes if isinstance(term, Diffusion) else (term.axis,) if isinstance(term, Advection) else ():
            if name not in spec.axis_names:
                raise UnknownNameError(f"axis of a {term.kind} term", name, spec.axis_names)
        if isinstance(term, Source) and term.channel is not None and term.channel >= spec.inputs:
            raise UserError("a source names an input that there is not", got=term.channel,
                            expected=f"a number below inputs={spec.inputs}")  # fmt: skip
        if isinstance(term, Advection) and term.scheme == "flux" and acts_on(term) != term.target:
            raise UserError("a term in flux form carries the field whose rate it is part of", got=acts_on(term),
                            expected=term.target, fix="Take the scheme central or upwind.")  # fmt: skip
    if spec.field_units and len(spec.field_units) != len(spec.fields):
        raise UserError("the specification has not one unit per field", got=spec.field_units, expected=spec.fields)
    for term in spec.terms:
        formulas(spec, term)  # refuses what cannot be read, and names that there are not


def formulas(spec: NPDESpec, term: Term) -> str:
    """The formula of a term, checked; empty for one that has none."""
    from sciml.core.formulas import parse_formula

    names = {entry.name for entry in spec.coefficients if isinstance(entry, Given)}
    everywhere = {*spec.axis_names, "t", *names}
    if isinstance(term, Diffusion):
        text, allowed = term.factor, names
    elif isinstance(term, Advection):
        is_flux = term.scheme == "flux"
        text, allowed = term.velocity, {acts_on(term)} if is_flux else {*spec.fields, *everywhere}
    elif isinstance(term, Reaction):
        text, allowed = term.formula, {*spec.fields, *everywhere}
    elif isinstance(term, Source):
        text, allowed = term.formula, everywhere
    else:
        return ""
    if text:
        parse_formula(text, allowed)
    return text


def _check_diffusion(spec: NPDESpec) -> None:
    """A field that diffuses backwards grows without limit, the faster the finer the grid, unless a fourth derivative
    damps the finest scales, as in the Kuramoto-Sivashinsky equation."""
    diagonal = [t for t in spec.terms if isinstance(t, Diffusion) and not t.imaginary and acts_on(t) == t.target]
    # fourth derivatives of these fields damp, or are refused themselves
    held = {term.target for term in diagonal if term.order == 4}
    for term in diagonal:
        if term.order == 2 and term.target in held:
            continue
        entry = spec.coefficient(term.coefficient)
        low, high = limits(entry)
        start = getattr(entry, "start", low)
        values = [damping(term) * value for value in (low, high, start) if value is not None]
        if term.order == 2 and damping(term) < 0 and high is None:  # those of fourth derivatives are bounded by zero
            values.append(-math.inf)  # whatever is learned above zero amplifies
        if min(values) < 0:
            raise UserError(
                f"the diffusion of {term.target!r} is negative, so that every step amplifies the finest scales",
                got=f"{term.coefficient or 'coefficient'} {min(values):g}",
                expected="a number of at least 0, and bounds that keep it there",
                fix="Set lower=0.0 in the coefficient, or turn round the sign of `scale`, or of a term that is a text.",
            )


def _check_complex(spec: NPDESpec) -> None:
    unitary = spec.scheme in ("crank_nicolson", "split_step")
    if spec.dtype == "real":
        if any(term.imaginary for term in spec.terms):
            raise UserError("a real field cannot have a term with the factor i", got="imaginary=True",
                            expected="dtype='complex'")  # fmt: skip
        if spec.scheme == "split_step":
            raise UserError("the scheme split_step turns the phase of complex fields", got="dtype='real'",
                            fix="Take strang or imex, or dtype='complex'.")  # fmt: skip
    elif not unitary:
        raise UserError(
            f"the scheme {spec.scheme} cannot hold the norm of complex fields: |1 + i a| is above 1 for every a, so "
            "that no step is stable",
            got=spec.scheme,
            expected="crank_nicolson or split_step",
        )
    explicit_only = [term.kind for term in spec.terms if isinstance(term, Advection | NonLocal)]
    if spec.scheme == "split_step" and explicit_only:
        raise UserError("split_step has no place for this term", got=explicit_only[0],
                        expected="diffusion and reactions that are a real number times the field")  # fmt: skip


def symbols_in(expression: Any) -> list[Any]:  # Any: sympy, whose stubs lose that these are symbols
    """The symbols of an expression by name."""
    return sorted(expression.free_symbols, key=str)


def parsed(text: str) -> Any:  # Any: a sympy expression, of a library that is imported when it is needed
    """The formula of a text that was checked."""
    from sciml.core.formulas import parse_formula

    return parse_formula(text)
