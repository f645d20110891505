"""Reduced models with closures to be learned."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities._has_dynamics import HasDynamics
from sciml.core.errors import UserError
from sciml.core.types import Params


@dataclass(frozen=True, kw_only=True)
class Uncertain:
    """A closure of a reduced model that is a function of the parameters nobody has a formula for.

    Arguments:
        name: of the closure, as in `HasDynamics.closures`, whose value there is the guess a solver starts from.
        kind: ``source`` for a non-negative function of time, called ``(time, params)``; ``coefficient`` for a number
            per sample, called ``(params)``.
        bound: of a coefficient, the largest change: it lies within reference ± bound.
        window: of a source, when it may act, ``params -> (start, end)``; it is zero before its start.
        cap: of a source, the largest integral over time, ``params -> batch``.
    """

    name: str
    kind: Literal["source", "coefficient"]
    bound: float = 0.0
    window: Callable[[Params], tuple[Tensor, Tensor]] | None = None
    cap: Callable[[Params], Tensor] | None = None

    def __post_init__(self) -> None:
        complete = self.window is not None and self.cap is not None if self.kind == "source" else self.bound > 0
        if not complete:
            raise UserError(
                f"the uncertain closure {self.name!r} is not fully described",
                got=self,
                expected="window and cap for a source, bound > 0 for a coefficient",
            )


class HasReducedModel(HasDynamics):
    """Has a cheap model of itself, in variables of its own, with closures that depend on the parameters.

    `dynamics` is that of the reduced model: its state is what `encode` returns, usually conserved quantities, and what
    the fields must obey (an equation of state, shares that sum to one) holds for whatever `decode` returns.
    """

    uncertain: tuple[Uncertain, ...]
    """The closures to be learned."""

    @abstractmethod
    def encode(self, fields: Float[Tensor, "batch channel"], params: Params) -> Float[Tensor, "batch state"]:
        """The state of the reduced model at given fields."""

    @abstractmethod
    def decode(self, state: Float[Tensor, "batch time state"], params: Params) -> Float[Tensor, "batch time channel"]:
        """The fields of the problem at given states."""
