"""The forms with full matrices: u' = σ(W u + B s + b), as a multi-layer perceptron and as a recurrent network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Params
from sciml.models.npde._coefficients import Given
from sciml.models.npde._network import NPDE
from sciml.models.npde._rates import Moment, State, is_linear
from sciml.models.npde._schemes import Equation, dense_operator, reaction_flow
from sciml.models.npde._spec import NPDESpec
from sciml.models.npde._terms import Reaction, Source, Term

Activation = Literal["flow", "tanh", "relu", "softplus", "none"]
"""``flow``: the solution of the reactions over a step. The others stand for reactions that nobody knows."""
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "softplus": torch.nn.functional.softplus,
    "none": lambda state: state,
}
_LARGEST = 2048


class Layer(NamedTuple):
    """An affine map of the flattened state.

    Fields:
        weight: W, ``state state``.
        bias: b.
        inject: B, ``state input``.
    """

    weight: Float[Tensor, "n n"]
    bias: Float[Tensor, " n"]
    inject: Float[Tensor, "n input"]


class _Dense(NPDE):
    """Splitting: the linear terms and sources by a matrix, then the reactions as a pointwise activation.

    The matrix is 1 + dt A under ``explicit``, (1 - dt A)⁻¹ under ``imex``, Cayley's under ``crank_nicolson``, the
    polynomial of RK4, and exp(dt A) under ``strang``. A layer is a substep.

    Arguments:
        spec: what it is generated from; no coefficient may come with the samples.
        activation: what follows the matrix.

    Raises: UserError for terms that are neither linear nor pointwise, and for more than 2048 unknowns.
    """

    def __init__(
        self, spec: NPDESpec, *, activation: Activation = "flow", generator: torch.Generator | None = None
    ) -> None:
        super().__init__(spec, generator=generator)
        name = type(self).__name__
        if spec.dtype == "complex":
            raise UserError(f"{name} is a real network", got="dtype='complex'", expected="dtype='real'",
                            fix="Take the form conv, which has unitary schemes.")  # fmt: skip
        for term in spec.terms:
            if not (is_linear(spec, term) or isinstance(term, Reaction | Source)):
                raise UserError(f"{name} is a matrix and a pointwise activation, and has no place for this term",
                                got=f"{term.kind} that is not linear", fix="Take the form conv.")  # fmt: skip
        if any(isinstance(entry, Given) for entry in spec.coefficients):
            raise UserError(f"{name} has one matrix for all samples", got="a coefficient of kind given",
                            fix="Take the form conv.")  # fmt: skip
        unknowns = len(spec.fields) * torch.Size(spec.size).numel()
        if unknowns > _LARGEST:
            raise UserError(f"{name} has a full matrix, too large for this grid", got=f"{unknowns} unknowns",
                            expected=f"at most {_LARGEST}", fix="Take the form conv.")  # fmt: skip
        nonlinear = [t for t in spec.terms if isinstance(t, Reaction) and self._flows(t)]
        if activation != "flow" and nonlinear:
            raise UserError(f"the activation {activation} stands for unknown reactions, and there is a known one",
                            got=nonlinear[0].formula, fix="Take activation='flow', or drop the reaction.")  # fmt: skip
        self.activation: Activation = activation

    def _flows(self, term: Term) -> bool:
        """Whether it belongs to the activation: a reaction that depends on the fields and is not linear."""
        from sciml.models.npde._rates import names_in

        return (
            isinstance(term, Reaction)
            and not is_linear(self.spec, term)
            and bool(names_in(term.formula) & set(self.spec.fields))
        )

    def layer(self, layer: int = 0, time: float = 0.0) -> Layer:
        """The affine map of one substep."""
        spec, dt = self.spec, self.spec.substep
        points = self.rates.get_buffer(f"points_{spec.axis_names[0]}")
        nothing = points.new_zeros(spec.inputs + 1, len(spec.fields), *spec.size)
        shots = torch.cat((points.new_zeros(1, spec.inputs), torch.eye(spec.inputs).to(points)))
        operator, known = dense_operator(self, nothing, Moment(time, layer, shots if spec.inputs else None), None)
        bias, injected = known[0].flatten(), (known[1:] - known[:1]).flatten(1).T
        total, extra = len(operator), spec.inputs + 1
        wide = torch.cat((operator, injected, bias[:, None]), 1)
        wide = torch.cat((wide, wide.new_zeros(extra, total + extra)))
        step = _matrix(spec.scheme, wide, dt)
        return Layer(step[:total, :total], step[:total, -1], step[:total, total:-1])

    def advance(self, state: State, moment: Moment, parameters: Params | None) -> State:
        """σ(W u + B s + b)."""
        weight, bias, inject = self.layer(moment.layer, moment.time)
        flat = state.flatten(1) @ weight.T + bias
        if moment.inputs is not None:
            flat = flat + moment.inputs.to(flat) @ inject.T
        moved = flat.reshape(state.shape)
        if self.activation != "flow":
            return _ACTIVATIONS[self.activation](moved)
        if not any(self._flows(term) for term in self.spec.terms):
            return moved
        return reaction_flow(_Reacting(self), moved, self.spec.substep, moment, parameters)


class NPDEMLP(_Dense):
    """The multi-layer perceptron: every step a full matrix and an activation, with weights of its own under
    ``per_step``."""


class NPDERNN(_Dense):
    """The recurrent network: one cell u' = σ(W u + B s + b) for all steps, fed with inputs s.

    Raises: UserError as `NPDEMLP`, and under ``per_step``.
    """

    def __init__(
        self, spec: NPDESpec, *, activation: Activation = "flow", generator: torch.Generator | None = None
    ) -> None:
        super().__init__(spec, activation=activation, generator=generator)
        if spec.sharing == "per_step":
            raise UserError("a recurrent network has the same weights at every step", got="sharing='per_step'",
                            expected="sharing='tied'", fix="Take the form mlp for weights of their own.")  # fmt: skip


class _Reacting(Equation):
    """An equation of which only the reactions that the matrix leaves out are left."""

    def __init__(self, network: _Dense) -> None:
        kept = tuple(term for term in network.spec.terms if network._flows(term))
        self.network, self.spec = network, network.spec.model_copy(update={"terms": kept})
        self.rates, self.modes = network.rates, None

    def rate(self, state: State, moment: Moment, parameters: Params | None, only: Callable[[Term], bool]) -> State:
        return self.network.rate(state, moment, parameters, lambda term: term in self.spec.terms and only(term))

    def coefficient(self, name: str, state: State, moment: Moment, parameters: Params | None) -> Tensor | float:
        return self.network.coefficient(name, state, moment, parameters)


def _matrix(scheme: str, operator: Float[Tensor, "n n"], dt: float) -> Float[Tensor, "n n"]:
    """The linear step of a scheme; sources are part of the operator, with a state that stays 1."""
    eye = torch.eye(len(operator), dtype=operator.dtype, device=operator.device)
    z = dt * operator
    if scheme == "explicit":
        return eye + z
    if scheme == "imex":
        return torch.linalg.solve(eye - z, eye)
    if scheme == "crank_nicolson":
        return torch.linalg.solve(eye - z / 2, eye + z / 2)
    if scheme == "rk4":
        return eye + z @ (eye + z @ (eye + z @ (eye + z / 4) / 3) / 2)
    return torch.linalg.matrix_exp(z)
