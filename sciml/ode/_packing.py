"""States that are not one real tensor, arguments that all samples share, and times of unequal number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from sciml.core.errors import UserError
from sciml.ode._bound import Split
from sciml.ode._events import Event
from sciml.ode._solution import S, Solution


@dataclass(frozen=True)
class Static:
    """An argument of the right-hand side that all samples share, such as a tensor of weights or a table.

    Numbers, texts, modules and whatever else is not a tensor need not be wrapped.
    """

    value: Any  # Any: whatever the right-hand side takes


class Packing:
    """How a caller's state and arguments become one real tensor per sample and arguments row by row.

    A nesting of tensors becomes one list of numbers per sample, in the order of its leaves; a complex number becomes
    two. Every leaf has one row per sample.

    Arguments:
        y0: the initial state.
        args: the arguments; those that are shared are given to the right-hand side as they are.

    Any: a state is what the caller has.
    """

    def __init__(self, y0: Any, args: Sequence[Any]) -> None:
        self.plain = isinstance(y0, Tensor) and not y0.is_complex()
        leaves, self.spec = pytree.tree_flatten(y0)
        if not self.plain:
            _check_leaves(leaves)
        self.shapes = [tuple(leaf.shape[1:]) for leaf in leaves if isinstance(leaf, Tensor)]
        self.complex = [isinstance(leaf, Tensor) and leaf.is_complex() for leaf in leaves]
        self.sizes = [
            torch.Size(shape).numel() * (1 + wide) for shape, wide in zip(self.shapes, self.complex, strict=True)
        ]
        self.args = tuple(args)
        self.static = [_is_static(value) for value in self.args]

    def rows(self) -> tuple[Tensor, ...]:
        """The arguments with one row per sample."""
        return tuple(value for value, static in zip(self.args, self.static, strict=True) if not static)

    def flat(self, state: Any) -> Tensor:
        """One list of real numbers per sample."""
        if self.plain:
            return state
        return torch.cat([_real(leaf).reshape(len(leaf), -1) for leaf in pytree.tree_leaves(state)], dim=1)

    def shaped(self, flat: Tensor) -> Any:
        """The caller's states from ``*batch dim``."""
        if self.plain:
            return flat
        leaves = []
        for part, shape, wide in zip(flat.split(self.sizes, dim=-1), self.shapes, self.complex, strict=True):
            whole = part.reshape(*flat.shape[:-1], *shape, *((2,) if wide else ()))
            leaves.append(torch.view_as_complex(whole.contiguous()) if wide else whole)
        return pytree.tree_unflatten(leaves, self.spec)

    def slopes(self, state: Any) -> Tensor:
        """Slopes as the solver wants them. UserError unless they have the form of the state."""
        leaves, spec = pytree.tree_flatten(state)
        fits = spec == self.spec and all(isinstance(leaf, Tensor) for leaf in leaves)
        if fits and all(
            tuple(leaf.shape[1:]) == shape and leaf.is_complex() == wide
            for leaf, shape, wide in zip(leaves, self.shapes, self.complex, strict=True)
        ):
            return self.flat(state)
        kinds = [f"{tuple(leaf.shape)}, {leaf.dtype}" if isinstance(leaf, Tensor) else repr(leaf) for leaf in leaves]
        raise UserError(
            "the right-hand side must return slopes in the form of the state",
            got="; ".join(kinds),
            expected="; ".join(
                f"(row{''.join(f', {n}' for n in shape)}){', complex' * wide}"
                for shape, wide in zip(self.shapes, self.complex, strict=True)
            ),
        )

    def function(self, f: Callable[..., Any]) -> Callable[..., Tensor]:
        """The right-hand side for flat states and arguments row by row."""
        if self.plain and not any(self.static):
            return f
        if isinstance(f, Split):
            return Split(self.function(f.stiff), self.function(f.rest))
        return _Module(f, self) if isinstance(f, nn.Module) else _Function(f, self)

    def filled(self, args: Sequence[Tensor]) -> list[Any]:
        """All arguments, given those of the rows."""
        tensors = iter(args)
        return [
            (value.value if isinstance(value, Static) else value) if static else next(tensors)
            for value, static in zip(self.args, self.static, strict=True)
        ]

    def events(self, event: Event | Sequence[Event] | None) -> list[Event] | None:
        """The events for flat states."""
        if event is None:
            return None
        chosen = [event] if isinstance(event, Event) else list(event)
        return chosen if self.plain else [replace(one, function=self._seen(one.function)) for one in chosen]

    def tolerance(self, atol: Any) -> float | int | Tensor:
        """One number, or one per component of the flat state."""
        if self.plain or isinstance(atol, (float, int)):
            return atol
        leaves, spec = pytree.tree_flatten(atol)
        if spec != self.spec:
            raise UserError("atol must be one number, or numbers in the form of the state", got=type(atol).__name__)
        parts = []
        for leaf, shape, wide in zip(leaves, self.shapes, self.complex, strict=True):
            whole = torch.as_tensor(leaf, dtype=torch.float64).expand(shape).reshape(-1)
            parts.append(whole.repeat_interleave(2) if wide else whole)
        return torch.cat(parts)

    def solution(self, solution: Solution) -> Solution[Any]:
        """The solution in the form of the caller's state."""
        if self.plain:
            return solution
        event, marks, dense = solution.event, solution.marks, solution.dense
        return replace(
            solution,
            states=self.shaped(solution.states),
            event=None if event is None else event._replace(state=self.shaped(event.state)),
            marks=None if marks is None else marks._replace(state=self.shaped(marks.state)),
            dense=None if dense is None else replace(dense, state=self.shaped(dense.state), shaped=self.shaped),
        )

    def _seen(self, function: Callable[[Tensor, Any], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda time, state: function(time, self.shaped(state))


class _Function:
    """A right-hand side of the caller's states, for flat ones."""

    def __init__(self, f: Callable[..., Any], packing: Packing) -> None:
        self.f, self.packing = f, packing

    def __call__(self, time: Tensor, state: Tensor, *args: Tensor) -> Tensor:
        """Slopes."""
        slope = self.f(time, self.packing.shaped(state), *self.packing.filled(args))
        return slope if self.packing.plain else self.packing.slopes(slope)


class _Module(nn.Module):
    """The same of a module, whose parameters are those of the right-hand side."""

    def __init__(self, module: nn.Module, packing: Packing) -> None:
        super().__init__()
        self.module, self.inner = module, _Function(module, packing)

    def forward(self, time: Tensor, state: Tensor, *args: Tensor) -> Tensor:
        """Slopes."""
        return self.inner(time, state, *args)


def in_rows(times: Any) -> tuple[Any, Bool[Tensor, "batch time"] | None]:
    """Times of unequal number as rows filled up with their last one, and which entries are times; None for all.

    Arguments:
        times: a tensor, in which NaN at the end of a row stands for no more times, or a list of one tensor per sample.

    Any: checked here. Raises: UserError for anything else, and for NaN elsewhere.
    """
    if isinstance(times, (list, tuple)) and times and all(isinstance(row, Tensor) for row in times):
        if any(row.ndim != 1 or not len(row) for row in times):
            raise UserError(
                "a list of times needs one list per sample",
                got=", ".join(str(tuple(row.shape)) for row in times[:5]),
                expected="tensors (time,), at least one time each",
            )
        times = nn.utils.rnn.pad_sequence(list(times), batch_first=True, padding_value=torch.nan)
        if times.shape[1] == 1:
            return times, None
    if not isinstance(times, Tensor) or times.ndim != 2 or not times.is_floating_point():
        return times, None
    real = ~times.detach().isnan()
    if bool(real.all()):
        return times, None
    if not bool(real[:, 0].all()) or bool((real[:, 1:] & ~real[:, :-1]).any()):
        raise UserError(
            "the requested times hold NaN before a time",
            expected="NaN only at the end of a row, where a sample has fewer times than others",
        )
    last = times.gather(1, real.sum(1, keepdim=True) - 1)
    return torch.where(real, times, last), real


def without_missing(solution: Solution[S], real: Bool[Tensor, "batch time"] | None) -> Solution[S]:
    """The solution with NaN where there is no time."""
    if real is None:
        return solution

    def hidden(states: Tensor) -> Tensor:
        return torch.where(real.reshape(*real.shape, *(1,) * (states.ndim - 2)), states, torch.nan)

    return replace(
        solution,
        states=pytree.tree_map(hidden, solution.states),
        times=torch.where(real, solution.times, torch.nan),
    )


def _is_static(value: Any) -> bool:
    return isinstance(value, Static) or not isinstance(value, Tensor) or value.ndim == 0


def _real(leaf: Tensor) -> Tensor:
    return torch.view_as_real(leaf.resolve_conj()) if leaf.is_complex() else leaf


def _check_leaves(leaves: Sequence[Any]) -> None:
    """Tensors with one row per sample, of one precision."""
    good = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim and len(leaf)]
    kinds = {_real(leaf.detach()).dtype if leaf.is_complex() else leaf.dtype for leaf in good}
    if not leaves or len(good) < len(leaves) or len({len(leaf) for leaf in good}) > 1:
        shown = [tuple(leaf.shape) if isinstance(leaf, Tensor) else type(leaf).__name__ for leaf in leaves]
        raise UserError(
            "the initial state must be tensors with one row per sample",
            got=", ".join(map(str, shown)) or "nothing",
            expected="a tensor, or a nesting of tuples, lists and dictionaries of tensors of equal length",
        )
    if len(kinds) > 1 or not next(iter(kinds)).is_floating_point:
        raise UserError(
            "the tensors of the initial state must share one precision",
            got=", ".join(str(leaf.dtype) for leaf in good),
            expected="float32 and complex64, or float64 and complex128",
        )
