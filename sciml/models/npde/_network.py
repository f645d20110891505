"""Networks generated from a specification: what all forms have in common, and the convolutional one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Inexact
from torch import Tensor, nn
from torch.nn import functional

from sciml.core.errors import UserError
from sciml.core.types import Params
from sciml.models.npde._coefficients import Constant, FieldCoefficient, Given, Trainable, limits
from sciml.models.npde._modes import Modes
from sciml.models.npde._rates import Moment, Number, Rates, State
from sciml.models.npde._report import StabilityReport, equations_of, report_of, units_of
from sciml.models.npde._schemes import Equation, advance, check_scheme
from sciml.models.npde._spec import NPDESpec
from sciml.models.npde._stability import bounded
from sciml.models.npde._stencils import padded, stencil
from sciml.models.npde._terms import Advection, Diffusion, Mix, Term, acts_on
from sciml.models.npde._values import Values
from sciml.nn import Network


class FittedCoefficient(NamedTuple):
    """One entry of `NPDE.coefficients`.

    Fields:
        value: the number, ``layer`` where every step has its own, ``*space`` for a field.
        units: empty where they do not follow from the specification.
        lower, upper: its bounds; None for none.
    """

    value: Float[Tensor, "..."]
    units: str
    lower: float | None
    upper: float | None


def checked_steps(spec: NPDESpec, steps: int | None, inputs: Tensor | None = None) -> int:
    """How many steps a rollout takes. Raises UserError for none, or fewer inputs than steps."""
    count = spec.steps if steps is None else steps
    if not isinstance(count, int) or count < 1:
        raise UserError("a rollout takes at least one step, and a whole number of them", got=f"steps={count}")
    if inputs is not None and (inputs.ndim != 3 or inputs.shape[1] < count):
        raise UserError("the rollout needs inputs for every step", got=tuple(inputs.shape),
                        expected=f"(batch, {count}, {spec.inputs})")  # fmt: skip
    return count


class NPDE(Network, Equation):
    """A network whose layers are steps of a PDE; depth is time, and what is learned are the coefficients.

    Everything is computed in the precision of the coefficients, float64 unless changed by ``network.float()``.

    Arguments:
        spec: what it is generated from.
        generator: of the weights of coefficients that are networks.

    Raises: UserError for terms that the scheme has no place for, or an explicit step that is not stable.
    """

    def __init__(self, spec: NPDESpec, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        check_scheme(spec)
        self.spec = bounded(spec)
        self.values, self.rates = Values(self.spec, generator), Rates(self.spec)
        self.stencils = frozenset(i for i, term in enumerate(self.spec.terms) if is_stencil(self.spec, term))
        self.modes = Modes(spec) if spec.scheme in ("imex", "strang", "crank_nicolson", "split_step") else None

    @abstractmethod
    def advance(self, state: State, moment: Moment, parameters: Params | None) -> State:
        """The state one substep later."""

    def forward(
        self,
        state: Inexact[Tensor, "batch channel *space"],
        layer: int = 0,
        *,
        parameters: Params | None = None,
        inputs: Float[Tensor, "batch input"] | None = None,
    ) -> Inexact[Tensor, "batch channel *space"]:
        """The state one step later.

        Arguments:
            state: fields in physical units.
            layer: number of the step: which coefficients, under ``per_step``, and what time it is.
            parameters: values of coefficients of the kind ``given``, one per sample.
            inputs: of `Source` terms.

        Raises: UserError for a state of another shape or kind, or missing inputs.
        """
        state = self.checked(state, inputs)
        for part in range(self.spec.substeps):
            time = layer * self.spec.dt + part * self.spec.substep
            state = self.advance(state, self.moment(time, layer, inputs, parameters), parameters)
        return state

    step = forward

    def rollout(
        self,
        state: Inexact[Tensor, "batch channel *space"],
        steps: int | None = None,
        *,
        parameters: Params | None = None,
        inputs: Float[Tensor, "batch time input"] | None = None,
    ) -> Inexact[Tensor, "batch time channel *space"]:
        """The states after 1, 2, … steps, as many as the specification says if nothing else is asked for.

        Raises: UserError for no step at all, or fewer inputs than steps.
        """
        states = []
        for layer in range(checked_steps(self.spec, steps, inputs)):
            state = self(state, layer, parameters=parameters, inputs=None if inputs is None else inputs[:, layer])
            states.append(state)
        return torch.stack(states, 1)

    def moment(self, time: float, layer: int, inputs: Tensor | None, parameters: Params | None) -> Moment:
        """What rates depend on beside the state. Raises UserError for a number that is missing from the samples."""
        fields = [entry.name for entry in self.spec.coefficients if isinstance(entry, Given)]
        if not fields:
            return Moment(time, layer, inputs)
        if missing := [name for name in fields if name not in (parameters or {})]:
            raise UserError(f"the coefficient {missing[0]!r} comes with every sample, and was not given",
                            expected=f"parameters={{{missing[0]!r}: one number per sample}}")  # fmt: skip
        assert parameters is not None
        like = self.rates.get_buffer(f"points_{self.spec.axis_names[0]}")
        shape = [1] * (len(self.spec.axes) + 1)
        return Moment(time, layer, inputs, {n: parameters[n].to(like).reshape(-1, *shape) for n in fields})

    def checked(self, state: State, inputs: Tensor | None) -> State:
        """The state in the precision of the coefficients. Raises UserError for one that is none of this equation."""
        spec = self.spec
        if not torch.compiler.is_compiling():
            expected = (len(spec.fields), *spec.size)
            if tuple(state.shape[1:]) != expected:
                raise UserError("the state has another shape than the specification", got=tuple(state.shape),
                                expected=("batch", *expected))  # fmt: skip
            if state.is_complex() and spec.dtype == "real":
                raise UserError("a complex state in a real network", got=state.dtype, expected="real fields",
                                fix="Set dtype='complex' and a unitary scheme in the specification.")  # fmt: skip
            if (inputs is None) != (spec.inputs == 0) or (inputs is not None and inputs.shape[1:] != (spec.inputs,)):
                raise UserError("the inputs are not those of the specification",
                                got="none" if inputs is None else tuple(inputs.shape),
                                expected=f"(batch, {spec.inputs})" if spec.inputs else "none")  # fmt: skip
        precision = self.rates.get_buffer(f"points_{spec.axis_names[0]}").dtype
        if spec.dtype == "complex":
            precision = torch.complex128 if precision == torch.float64 else torch.complex64
        return state.to(precision)

    def coefficient(self, name: str, state: State, moment: Moment, parameters: Params | None) -> Number:
        """The value of a coefficient at a state."""
        return self.values.value(name, moment.layer, state, parameters)

    def rate(
        self, state: State, moment: Moment, parameters: Params | None, only: Callable[[Term], bool] = lambda term: True
    ) -> State:
        """∂u/∂t, or the part of it that some terms make up."""
        return self._without(frozenset(), state, moment, parameters, only)

    def _without(
        self,
        positions: frozenset[int],
        state: State,
        moment: Moment,
        parameters: Params | None,
        only: Callable[[Term], bool],
    ) -> State:
        return self.rates.total(
            state, lambda n: self.coefficient(n, state, moment, parameters), moment, only=only, without=positions
        )

    @torch.no_grad()
    def coefficients(self) -> dict[str, FittedCoefficient]:
        """The numbers and fields by name, with units and bounds; not those given with samples, nor networks."""
        entries = {entry.name: entry for entry in self.spec.coefficients}
        return {
            name: FittedCoefficient(value.clone(), units_of(self.spec, entries[name]), *limits(entries[name]))
            for name, value in self.values.numbers().items()
        }

    def roughness(self) -> Tensor:
        """Σ smoothness · mean squared difference between neighbours, of coefficients that are fields."""
        total = torch.zeros((), dtype=torch.float64)
        numbers = self.values.numbers()
        for entry in self.spec.coefficients:
            if isinstance(entry, FieldCoefficient) and entry.smoothness:
                value = numbers[entry.name]
                for i, axis in enumerate(self.spec.axes):
                    slope = value.diff(dim=i - len(self.spec.axes)) / axis.spacing
                    total = total.to(slope) + entry.smoothness * slope.square().mean()
        return total

    def stability_report(self) -> StabilityReport:
        """CFL numbers of every term, the largest growth of a wave in one step, the longest stable step."""
        return report_of(self.spec, self.coefficients())

    def to_sympy(self) -> dict[str, Any]:  # Any: sympy, which is imported when it is needed
        """One equation ``Eq(∂u/∂t, …)`` per field, with the values of the coefficients."""
        return equations_of(self.spec, {name: entry.value for name, entry in self.coefficients().items()})


class NPDEConv(NPDE):
    """The residual network of stencils: what is linear with constant coefficients is one convolution.

    u' = u + dt (K * u + rest) under ``explicit``; the kernel K is assembled from the physical coefficients, so that
    training changes these and nothing else.
    """

    def advance(self, state: State, moment: Moment, parameters: Params | None) -> State:
        """One substep of the scheme."""
        return advance(self, state, self.spec.substep, moment, parameters)

    def rate(
        self, state: State, moment: Moment, parameters: Params | None, only: Callable[[Term], bool] = lambda term: True
    ) -> State:
        """∂u/∂t with the convolution for what it can do."""
        if state.is_complex() or not any(only(self.spec.terms[i]) for i in self.stencils):
            return NPDE.rate(self, state, moment, parameters, only)
        rest = self._without(self.stencils, state, moment, parameters, only)
        return rest + convolved(self.spec, state, self.kernel(moment.layer, only=only))

    def kernel(
        self, layer: int = 0, *, only: Callable[[Term], bool] = lambda term: True
    ) -> Float[Tensor, "out_channel in_channel *kernel"]:
        """The weights of the convolution, in 1/time: of diffusion, central advection and mixing."""
        terms = [self.spec.terms[i] for i in sorted(self.stencils) if only(self.spec.terms[i])]
        return assembled(self.spec, lambda name: self.values.value(name, layer, self._nothing(), None), terms)

    def _nothing(self) -> Tensor:
        return self.rates.get_buffer(f"points_{self.spec.axis_names[0]}").new_zeros(1, 1)


class NPDEFree(NPDE):
    """The same topology with the kernel released from the stencil it begins at: a baseline, or what fine-tunes.

    Raises: UserError for a scheme that does not apply the stencils explicitly.
    """

    def __init__(self, spec: NPDESpec, *, generator: torch.Generator | None = None) -> None:
        super().__init__(spec, generator=generator)
        if spec.scheme not in ("explicit", "rk4") or spec.dtype == "complex":
            raise UserError("the form free applies real kernels explicitly", got=f"{spec.scheme}, {spec.dtype}",
                            expected="the scheme explicit or rk4, and dtype real")  # fmt: skip
        layers = spec.steps if spec.sharing == "per_step" else 1
        nothing = self.rates.get_buffer(f"points_{spec.axis_names[0]}").new_zeros(1, 1)
        merged = [self.spec.terms[i] for i in sorted(self.stencils)]
        with torch.no_grad():
            kernels = [
                assembled(self.spec, lambda n, k=k: self.values.value(n, k, nothing, None), merged)
                for k in range(layers)
            ]
        self.kernels = nn.Parameter(torch.stack(kernels))

    def advance(self, state: State, moment: Moment, parameters: Params | None) -> State:
        """One substep of the scheme."""
        return advance(self, state, self.spec.substep, moment, parameters)

    def rate(
        self, state: State, moment: Moment, parameters: Params | None, only: Callable[[Term], bool] = lambda term: True
    ) -> State:
        """The released convolution, and the terms that are none."""
        rest = self._without(self.stencils, state, moment, parameters, only)
        return rest + convolved(self.spec, state, self.kernels[moment.layer % len(self.kernels)])


def is_stencil(spec: NPDESpec, term: Term) -> bool:
    """Whether a term is a convolution with the same weights for all cells and samples."""
    if not isinstance(spec.coefficient(term.coefficient), Constant | Trainable):
        return False
    if isinstance(term, Advection):
        return term.scheme != "upwind" and not term.velocity
    return isinstance(term, Mix) or (isinstance(term, Diffusion) and term.order == 2 and not term.factor)


def assembled(
    spec: NPDESpec, value_of: Callable[[str], Number], terms: Sequence[Term]
) -> Float[Tensor, "out_channel in_channel *kernel"]:
    """The convolution of some terms together, each of which `is_stencil`."""
    reach = spec.accuracy // 2
    width = 2 * reach + 1
    shape = (len(spec.fields), len(spec.fields), *(width for _ in spec.axes))
    total = torch.zeros(shape, dtype=torch.float64)
    for term in terms:
        value = value_of(term.coefficient)
        unit = torch.zeros(shape, dtype=torch.float64)
        channels = (spec.fields.index(term.target), spec.fields.index(acts_on(term)))
        middle = [reach] * len(spec.axes)
        if isinstance(term, Mix):
            unit[(*channels, *middle)] = 1.0
        axes = spec.axes_of(term) if isinstance(term, Diffusion) else ()
        if isinstance(term, Advection):
            axes = (spec.axis_names.index(term.axis),)
        order, sign = (2, 1.0) if isinstance(term, Diffusion) else (1, -1.0)
        for i in axes:
            weights = torch.tensor(stencil(order, spec.accuracy), dtype=torch.float64)
            place = (*channels, *middle[:i], slice(None), *middle[i + 1 :])
            unit[place] += sign * weights / spec.axes[i].spacing ** order
        like = value if isinstance(value, Tensor) else total
        total = total.to(like) + value * term.scale * unit.to(like)
    return total


def convolved(spec: NPDESpec, state: State, kernel: Tensor) -> State:
    """The convolution with the padding of every axis's boundary condition."""
    wide = state
    for i, axis in enumerate(spec.axes):
        wide = padded(wide, i + 2, kernel.shape[2] // 2, axis.boundary)
    convolution = (functional.conv1d, functional.conv2d, functional.conv3d)[len(spec.axes) - 1]
    return convolution(wide, kernel.to(state))
