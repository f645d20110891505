"""A network from a specification, in one of five forms."""

from __future__ import annotations

from typing import Literal, overload

import torch

from sciml.core.errors import UnknownNameError
from sciml.models.npde._dense import NPDEMLP, NPDERNN, Activation
from sciml.models.npde._network import NPDE, NPDEConv, NPDEFree
from sciml.models.npde._spec import NPDESpec
from sciml.models.npde._stable import Block, StableNPDE

Form = Literal["conv", "mlp", "rnn", "stable", "free"]
"""See `generate`."""


@overload
def generate(spec: NPDESpec, form: Literal["stable"], *, block: Block = ..., width: int = ...,
             generator: torch.Generator | None = ...) -> StableNPDE: ...  # fmt: skip
@overload
def generate(spec: NPDESpec, form: Literal["conv", "mlp", "rnn", "free"] = ..., *, activation: Activation = ...,
             generator: torch.Generator | None = ...) -> NPDE: ...  # fmt: skip
def generate(
    spec: NPDESpec,
    form: str = "conv",
    *,
    activation: Activation = "flow",
    block: Block = "parabolic",
    width: int = 16,
    generator: torch.Generator | None = None,
) -> NPDE | StableNPDE:
    """A network whose layers are steps of a PDE.

    Arguments:
        spec: the equation, its grid and its scheme.
        form: ``conv``, a residual network of stencils; ``mlp`` and ``rnn``, full matrices with an activation from
            operator splitting; ``stable``, blocks of free features that are stable whatever is learned; ``free``, the
            topology of ``conv`` with released kernels.
        activation: of ``mlp`` and ``rnn``.
        block, width: of ``stable``.
        generator: of the first weights of ``stable``, and of coefficients that are networks.

    Raises: UserError where a form has no place for what the specification says.
    """
    if form == "conv":
        return NPDEConv(spec, generator=generator)
    if form == "mlp":
        return NPDEMLP(spec, activation=activation, generator=generator)
    if form == "rnn":
        return NPDERNN(spec, activation=activation, generator=generator)
    if form == "free":
        return NPDEFree(spec, generator=generator)
    if form == "stable":
        return StableNPDE(spec, block=block, width=width, generator=generator)
    raise UnknownNameError("form", str(form), ("conv", "mlp", "rnn", "stable", "free"))
