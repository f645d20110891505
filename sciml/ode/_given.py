"""Whether functions of the user leave the tensors they are given as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from sciml.core.errors import UserError


def called(
    name: str,
    function: Callable[..., Any],  # Any: what a user's function returns, checked by the caller
    time: Tensor,
    state: Tensor,
    args: Sequence[Any],  # Any: what else the function takes
    first: bool,
) -> Any:
    """`function(time, state, *args)`. UserError if it writes into one of them: the integration goes on from there.

    Arguments:
        name: what the function is, for the message.
        first: whether it is called for the first time; then what bypasses torch, such as NumPy, is found out too.
    """
    inputs = [t for t in (time, state, *args) if isinstance(t, Tensor) and not t.is_inference()]
    versions = [t._version for t in inputs]
    copies = (time.clone(), state.clone()) if first and not is_functorch_wrapped_tensor(state) else None
    try:
        value = function(time, state, *args)
    except RuntimeError as error:
        if "in-place operation" in str(error) and "leaf" in str(error):
            raise _written(name) from error
        raise
    if [t._version for t in inputs] != versions:
        raise _written(name)
    if copies is not None and not all(_same(a, b) for a, b in zip(copies, (time, state), strict=True)):
        raise _written(name)
    return value


def _same(before: Tensor, after: Tensor) -> bool:
    return bool(((before == after) | (before.isnan() & after.isnan())).all())


def _written(name: str) -> UserError:
    return UserError(
        f"the {name} writes into the time, state or arguments it is given",
        expected="tensors that it reads only: the integration goes on from them",
        fix="Work on a copy (state = state.clone()), or write y = -y instead of y *= -1.",
    )


def needs_copy(value: Tensor) -> bool:
    """Whether the answer may lie in memory that is filled again: a view, written into, or not torch's own."""
    return bool(
        value.is_inference() or value._version or value._base is not None or not value.untyped_storage().resizable()
    )
