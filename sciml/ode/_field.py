"""The right-hand side as the loop calls it: flat states, time running forward, answers that are checked and our own."""

import re
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from sciml.core.errors import ConfigError, UnsupportedError, UserError
from sciml.ode._bound import Split
from sciml.ode._given import called, needs_copy
from sciml.ode._mapped import is_mapped

_NO_GRAPH = ("does not require grad", "does not have a grad_fn")
# How torch says that an operation got two dtypes: of products of matrices, of convolutions, of everything else.
_MIXED = re.compile(r"same dtype|scalar type|[Ii]nput type .* should be the same")


class UsesLaterParameters(Exception):
    """A right-hand side that was watched used a tensor with gradient for the first time after the start."""


class FlatField:
    """The right-hand side for flat states and forward time, with its answers checked.

    Attributes:
        watched: raise `UsesLaterParameters` when an answer has a gradient although nothing it was given has one.
        within: bounds of the times f is asked for; what is beyond belongs to another piece of f.
        own_leaves: tensors with gradient that f made for itself when it was last looked at, to differentiate by them.
    """

    def __init__(
        self,
        f: Callable[..., Tensor],
        shape: tuple[int, ...],
        sign: int,
        dtype: torch.dtype,
        within: tuple[float, float] | None = None,
    ) -> None:
        self.f, self.shape, self.sign, self.dtype, self.within = f, shape, sign, dtype, within
        self.watched = False
        self.own_leaves: list[Tensor] | None = None
        self._differentiates = False  # whether f takes gradients itself, which needs the mode of gradients
        self._rows: int | None = None  # of the last call that f answered
        self._last: tuple[weakref.ref[Tensor], int] | None = None  # whose memory the last answer lies in, and how new

    def __call__(self, time: Tensor, state: Tensor, *args: Tensor) -> Tensor:
        """Slopes in forward time."""
        slope = self.evaluate(time if self.sign > 0 else -time, state, *args)
        return slope if self.sign > 0 else -slope

    def evaluate(self, time: Tensor, state: Tensor, *args: Tensor) -> Tensor:
        """f at the user's times."""
        rows = len(state)
        if self.within is not None:
            time = time.clamp(*self.within)
        shaped = state if len(self.shape) == 1 else state.view(rows, *self.shape)
        try:
            slope = self._call(time, shaped, *args)
        except (RuntimeError, IndexError, ValueError) as error:
            self._explain(error, shaped)
            raise
        self._rows = rows
        if not isinstance(slope, Tensor) or slope.shape != shaped.shape or slope.dtype != self.dtype:
            self._complain(slope, shaped)
        return self._owned(slope) if len(self.shape) == 1 else self._owned(slope).reshape(rows, -1)

    def parts(self) -> "tuple[FlatField, FlatField]":
        """Those of an equation in two parts. ConfigError for another."""
        if not isinstance(self.f, Split):
            raise ConfigError(
                "the method needs a right-hand side in two parts",
                got=type(self.f).__name__,
                fix="Give ode.Split(stiff=..., rest=...), or take another method.",
            )
        made = [FlatField(part, self.shape, self.sign, self.dtype, self.within) for part in (self.f.stiff, self.f.rest)]
        return made[0], made[1]

    def moved(self, time: Tensor, state: Tensor, by: Tensor, args: Sequence[Tensor], attached: bool) -> Tensor:
        """The curve through `state` at `time`, a while `by` later that is zero and has a gradient.

        Attached to the graph of f, first and second derivatives by `time` and `by` are those of the curve (by the
        midpoint rule); else the first derivative is the slope.
        """
        by = by.to(state.dtype)[:, None]
        slope = self.slope(time, state, args)
        if not attached:
            return state + slope * by
        kept = (slope.isfinite() & state.detach().isfinite()).all(1).nonzero().flatten()  # others failed
        if not len(kept):
            return state
        here, half = state[kept], 0.5 * by[kept]
        chosen, start = tuple(a[kept] for a in args), time.to(self.dtype)[kept]
        middle = here + half * self.evaluate(start, here, *chosen)
        return state.index_add(0, kept, 2 * half * self.evaluate(start + half[:, 0], middle, *chosen))

    def slope(self, time: Tensor, state: Tensor, args: Sequence[Tensor]) -> Tensor:
        """f at the user's times, without gradient; zero where it is not finite, for samples that failed."""
        with torch.no_grad():
            slope = self.evaluate(time.detach().to(self.dtype), state.detach(), *(a.detach() for a in args))
        return slope.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)

    def _call(self, time: Tensor, state: Tensor, *args: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return self._ask(time, state, *args)
        if self.watched:
            if self._last is not None and (memory := self._last[0]()) is not None and memory.grad_fn is not None:
                memory.detach_()  # a buffer in which a Jacobian left its graph
            with torch.enable_grad():
                slope = self._ask(time, state, *args)
            if isinstance(slope, Tensor) and slope.requires_grad:
                raise UsesLaterParameters
            return slope
        if not self._differentiates:
            try:
                return self._ask(time, state, *args)
            except RuntimeError as error:
                if not any(words in str(error) for words in _NO_GRAPH):
                    raise
                self._differentiates = True
        with torch.enable_grad():
            return self._ask(time, state, *args).detach()

    def _ask(self, time: Tensor, state: Tensor, *args: Tensor) -> Tensor:
        return called("right-hand side", self.f, time, state, args, first=self._rows is None)

    def _owned(self, slope: Tensor) -> Tensor:
        """The slope in memory of its own: f may fill one tensor or array again and again, and stages must not change.

        What is neither a view nor written into, and whose memory is torch's own, was made for this answer. A tensor
        that was the answer before is forgotten by autograd once it is copied, if it was written into since: what is
        written next would else have the gradient of this call, and a Jacobian would give one to all later answers.
        """
        if is_functorch_wrapped_tensor(slope):
            if is_mapped(slope):
                raise UnsupportedError(
                    "torch.vmap maps over a tensor that the right-hand side uses and was not given",
                    fix="Give it through args, with one row per sample: args=(k[None],) for a single one.",
                )
            return slope.clone()
        if not needs_copy(slope):
            return slope
        if slope.is_inference() or slope._version or slope._base is not None:
            copy, memory = slope.clone(), slope if slope._base is None else slope._base
            last, version = self._last or (lambda: None, 0)
            if last() is memory and memory._version > version and memory.grad_fn is not None:
                memory.detach_()
            self._last = weakref.ref(memory), memory._version
            return copy
        return slope.clone()

    def _explain(self, error: Exception, shaped: Tensor) -> None:
        """Raise what a user can act on where f failed for a reason that shows from here."""
        if isinstance(error, UserError):
            return
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        if self._rows is None and _MIXED.search(words):
            raise UserError(
                f"the right-hand side cannot take a state of {shaped.dtype}",
                got=words,
                expected="one dtype in the state and in whatever f uses",
                fix="Convert the state, or the network: y0.to(torch.float32), or f.double().",
            ) from error
        if self._rows is not None and self._rows != len(shaped):
            raise UserError(
                f"the right-hand side fails on {len(shaped)} rows, after it answered for {self._rows}",
                got=words,
                expected="an f that takes any number of rows: samples leave, and gradients repeat steps together",
                fix="Size buffers by len(state), and give per-sample tensors through `args`.",
            ) from error

    def _complain(self, slope: Any, shaped: Tensor) -> None:
        got = f"shape {tuple(slope.shape)}, {slope.dtype}" if isinstance(slope, Tensor) else type(slope).__name__
        raise UserError(
            "the right-hand side returned the wrong kind of tensor",
            got=got,
            expected=f"shape {tuple(shaped.shape)}, {self.dtype}, like the state it was given",
            fix="It is called with any number of rows; give per-sample tensors through `args`.",
        )
