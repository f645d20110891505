"""Terms of ∂u/∂t as plain data. Each is `scale` times a coefficient times what its class says."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from sciml.core.config import Config

Order = Literal[2, 4]
"""Of the derivatives of a diffusion."""


class _Term(Config):
    target: str
    """The field whose rate it is part of."""
    coefficient: str = ""
    """Name of its coefficient; empty for 1."""
    scale: float = 1.0
    """A number before the coefficient, such as the -1 of a loss."""
    imaginary: bool = False
    """Whether it is multiplied by i; for complex fields."""


class Diffusion(_Term):
    """∇·(D ∇v), with one coefficient for all cells D ∇²v; with `order` 4 D ∇²∇²v, which damps where D is negative."""

    kind: Literal["diffusion"] = "diffusion"
    of: str = ""
    """The field v; empty for the target."""
    axes: tuple[str, ...] = ()
    """Axes of the derivatives; empty for all."""
    order: Order = 2
    """Of the derivatives."""
    factor: str = ""
    """A formula in numbers given with the samples that multiplies D; empty for 1."""


class Advection(_Term):
    """-c g ∂v/∂x along one axis.

    ``upwind`` looks against the flow, first order. ``flux`` writes g ∂v/∂x as the derivative of G(v), g = G', which
    keeps the sum of v on periodic axes; g is a formula in v then.
    """

    kind: Literal["advection"] = "advection"
    axis: str
    """The axis x."""
    of: str = ""
    """The field v; empty for the target."""
    velocity: str = ""
    """The formula g in the fields, the axes, ``t`` and numbers given with the samples; empty for 1."""
    scheme: Literal["central", "upwind", "flux"] = "central"
    speed: float | None = pydantic.Field(default=None, gt=0)
    """The largest |g| to be expected, for bounds on the step; None where nobody knows."""


class Reaction(_Term):
    """c f, a formula in the fields at the same point, the axes, the time ``t`` and numbers given with the samples."""

    kind: Literal["reaction"] = "reaction"
    formula: str
    """The formula f, ``u*(1 - u)``."""


class Source(_Term):
    """c f s, a formula in the axes and ``t`` times an input that is given with every step."""

    kind: Literal["source"] = "source"
    formula: str = "1"
    """The formula f."""
    channel: int | None = pydantic.Field(default=None, ge=0)
    """Which of the inputs s is; None for s = 1."""


class NonLocal(_Term):
    """c ∫ K(x - y) v(y) dy over the grid, with a kernel of unit integral and a length of its own."""

    kind: Literal["nonlocal"] = "nonlocal"
    of: str = ""
    """The field v; empty for the target."""
    kernel: Literal["gaussian", "exponential"] = "gaussian"
    """``exp(-r²/2l²)`` or ``exp(-r/l)`` along every axis."""
    length: float = pydantic.Field(gt=0)
    """The length l in units of the axes."""


class Mix(_Term):
    """c v: one field enters the rate of another, a channel mixing."""

    kind: Literal["mix"] = "mix"
    of: str
    """The field v."""


Term = Annotated[Diffusion | Advection | Reaction | Source | NonLocal | Mix, pydantic.Field(discriminator="kind")]
"""Any of them."""


def damping(term: Diffusion) -> float:
    """The sign, with the size of `scale`, by which the coefficient smooths: of a fourth derivative the other one."""
    return term.scale if term.order == 2 else -term.scale


def acts_on(term: Term) -> str:
    """The field that a linear term acts on."""
    return term.target if isinstance(term, Reaction | Source) else term.of or term.target
