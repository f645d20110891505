"""A function of one state as a right-hand side for rows of flat states."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sciml.core.errors import UserError


class Form:
    """The shape of a caller's state: a tensor or a tuple of tensors, real or complex, and the flat state it becomes.

    Complex numbers become pairs of real ones. Any: a state may be a tensor or a tuple of tensors.
    """

    def __init__(self, y0: Any) -> None:
        if not isinstance(y0, Tensor) and (
            not isinstance(y0, tuple) or not y0 or not all(isinstance(piece, Tensor) for piece in y0)
        ):
            raise UserError("the initial state must be a tensor or a tuple of tensors", got=type(y0).__name__)
        self.single = isinstance(y0, Tensor)
        pieces: tuple[Tensor, ...] = (y0,) if isinstance(y0, Tensor) else y0
        self.shapes = [piece.shape for piece in pieces]
        self.complex = [piece.is_complex() for piece in pieces]
        self.plain = self.single and not self.complex[0]
        self.sizes = [shape.numel() * (1 + wide) for shape, wide in zip(self.shapes, self.complex, strict=True)]

    def flat(self, state: Any) -> Tensor:
        """One list of real numbers; a real tensor stays as it is."""
        if self.plain:
            return state
        pieces = (state,) if self.single else state
        return torch.cat([(torch.view_as_real(p.resolve_conj()) if p.is_complex() else p).reshape(-1) for p in pieces])

    def shaped(self, states: Tensor) -> Any:
        """The caller's states from flat ones ``... dim``."""
        if self.plain:
            return states
        made = []
        for part, shape, wide in zip(states.split(self.sizes, dim=-1), self.shapes, self.complex, strict=True):
            size = (*states.shape[:-1], *shape)
            made.append(torch.view_as_complex(part.reshape(*size, 2)) if wide else part.reshape(size))
        return made[0] if self.single else tuple(made)

    def check(self, slope: Any) -> None:
        """UserError unless this has the form of a state."""
        pieces = (slope,) if self.single else slope
        fits = isinstance(pieces, (tuple, list)) and all(isinstance(p, Tensor) for p in pieces)
        if fits and [p.shape for p in pieces] == self.shapes and [p.is_complex() for p in pieces] == self.complex:
            return
        shapes = [tuple(shape) for shape in self.shapes]
        got: Any = tuple(getattr(slope, "shape", ()))
        if isinstance(slope, (tuple, list)):
            got = [tuple(getattr(piece, "shape", ())) for piece in slope]
        elif isinstance(slope, Tensor) and slope.is_complex() != self.complex[0]:
            got = f"{got}, {slope.dtype}"
        raise UserError(
            "func must return slopes of the shape of the state", got=got, expected=shapes[0] if self.single else shapes
        )


class OneSample:
    """A function of one state as a right-hand side for rows of flat states, called for one row after another.

    Any: a state in the form of the caller.
    """

    def __init__(self, func: Callable[[Tensor, Any], Any], form: Form) -> None:
        self.func, self.form = func, form

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Slopes of all rows."""
        return torch.stack([self._slope(now, here) for now, here in zip(time, state, strict=True)])

    def _slope(self, time: Tensor, state: Tensor) -> Tensor:
        slope = self.func(time, self.form.shaped(state))
        self.form.check(slope)
        return self.form.flat(slope)


class Held(nn.Module):
    """The same of a module, whose parameters are those of the right-hand side."""

    def __init__(self, module: nn.Module, form: Form) -> None:
        super().__init__()
        self.module, self.slopes = module, OneSample(module, form)

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        """Slopes of all rows."""
        return self.slopes(time, state)


class Components:
    """The values of an event function that may have several, one column at a time and computed once.

    Any: a state in the form of the caller.
    """

    def __init__(self, event_fn: Callable[[Tensor, Any], Tensor], form: Form) -> None:
        self.event_fn, self.form = event_fn, form
        self.last: tuple[Tensor, Tensor, Tensor] | None = None

    def column(self, index: int) -> Callable[[Tensor, Tensor], Tensor]:
        """One of them as a function for rows."""
        return lambda time, state: self._all(time, state)[:, index]

    def _all(self, time: Tensor, state: Tensor) -> Tensor:
        if self.last is None or self.last[0] is not time or self.last[1] is not state:
            rows = [
                self.event_fn(now, self.form.shaped(here)).reshape(-1) for now, here in zip(time, state, strict=True)
            ]
            self.last = (time, state, torch.stack(rows))
        return self.last[2]
