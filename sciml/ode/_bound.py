"""A right-hand side with the arguments of its rows filled in, and equations in two parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from sciml.core.errors import ConfigError
from sciml.ode._method import Field


class Split(nn.Module):
    """A right-hand side in two parts, dy/dt = stiff(t, y) + rest(t, y), for methods that treat them differently.

    Called like any right-hand side it is their sum, so every other method takes it too.

    Arguments:
        stiff: what an implicit step is needed for, such as diffusion or fast reactions.
        rest: what an explicit step does, such as advection.

    Both are ``(time: row, state: row *shape, *args) -> row *shape``.
    """

    def __init__(self, stiff: Callable[..., Tensor], rest: Callable[..., Tensor]) -> None:
        super().__init__()
        self.stiff, self.rest = stiff, rest

    def forward(self, time: Tensor, state: Any, *args: Any) -> Any:  # Any: a state as the caller's, and what f takes
        """The sum."""
        return pytree.tree_map(torch.add, self.stiff(time, state, *args), self.rest(time, state, *args))


class Bound:
    """A right-hand side ``(time: row, state: row dim) -> row dim`` for rows with arguments of their own.

    Arguments:
        f: ``(time, state, *args)``.
        args: one entry per row each, repeated where it is asked for many states per row.
    """

    def __init__(self, f: Callable[..., Tensor], args: tuple[Tensor, ...]) -> None:
        self.f, self.args = f, args

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Slopes."""
        if not self.args:
            return self.f(time, state)
        times = len(state) // len(self.args[0])
        repeated = self.args if times == 1 else [a.repeat(times, *(1,) * (a.ndim - 1)) for a in self.args]
        return self.f(time, state, *repeated)

    def some(self, rows: Tensor) -> Bound:
        """That of some rows."""
        return Bound(self.f, tuple(a[rows] for a in self.args))

    def parts(self) -> tuple[Bound, Bound]:
        """The stiff part and the rest. ConfigError if there is only one part."""
        split = getattr(self.f, "parts", None)
        if split is None:
            raise ConfigError(
                "the method needs a right-hand side in two parts, and the adjoint has one",
                fix="Give Adjoint a method, or take gradient=Discrete().",
            )
        stiff, rest = split()
        return Bound(stiff, self.args), Bound(rest, self.args)


def of_rows(f: Field, rows: Tensor) -> Field:
    """The right-hand side of some rows."""
    return f.some(rows) if isinstance(f, Bound) else f
