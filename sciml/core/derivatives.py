"""Names of partial derivatives, and the derivatives of any function of points by autograd.

``("u", "xxt")`` is ∂³u/∂x²∂t; letters may come in any order. `autograd_derivatives` is the oracle that faster ways are
checked against: it makes no assumption on the function but that a row of its answer depends on that row of points only.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UnknownNameError, UserError

Derivatives = Callable[[str, str], Float[Tensor, " point"]]
"""``derivatives("u", "xx")`` at every point; ``derivatives("u", "")`` is u."""

HIGHEST = 4
"""Largest order of a derivative."""

LAPLACIAN = "Δ"
"""Name of the sum of second derivatives along all axes."""


def canonical(name: str, axes: Sequence[str], *, field: str = "u") -> str:
    """A derivative's letters in the order of the axes.

    Raises: UserError for a letter that is not an axis, or an order above `HIGHEST`; both list what is valid.
    """
    foreign = sorted(set(name) - set(axes))
    if foreign or len(name) > HIGHEST:
        first = ", ".join(repr(axis) for axis in axes)
        raise UserError(
            f"unknown derivative {name!r} of field {field!r}",
            got=f"{', '.join(map(repr, foreign))}, not an axis" if foreign else f"order {len(name)}",
            expected=f"up to {HIGHEST} letters, each one of {first}, such as {axes[0] * 2!r}",
        )
    return "".join(sorted(name, key=list(axes).index))


def closure(names: Iterable[str]) -> tuple[str, ...]:
    """All derivatives that the given ones are built from, the given ones and ``""`` included, lower orders first."""
    needed, waiting = {""}, list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [name[:i] + name[i + 1 :] for i in range(len(name))]
    return tuple(sorted(needed, key=lambda name: (len(name), name)))


def autograd_derivatives(
    function: Callable[[Tensor], Tensor],
    points: Float[Tensor, "point dim"],
    fields: Sequence[str],
    axes: Sequence[str],
    *,
    create_graph: bool = True,
) -> Derivatives:
    """Derivatives by repeated reverse mode, computed when they are first asked for.

    Arguments:
        function: points to one column per field, row by row.
        points: where.
        fields, axes: names of the columns of the answer and of the points.
        create_graph: whether what comes out will be differentiated by parameters.

    Raises: (when called) UnknownNameError for a field, UserError for a derivative that does not exist.
    """
    with torch.enable_grad():
        leaf = points.detach().requires_grad_()
        values = function(leaf)
    known: dict[tuple[str, str], Tensor] = {(field, ""): values[:, i] for i, field in enumerate(fields)}

    def derivative(field: str, name: str) -> Tensor:
        if field not in fields:
            raise UnknownNameError("field", field, fields)
        value = lookup(field, canonical(name, axes, field=field))
        return value if create_graph else value.detach()

    def lookup(field: str, name: str) -> Tensor:
        if (field, name) not in known:
            below = lookup(field, name[:-1])
            if below.requires_grad:
                (gradient,) = torch.autograd.grad(below.sum(), leaf, create_graph=True, allow_unused=True)
            else:
                gradient = None
            slope = torch.zeros_like(leaf) if gradient is None else gradient
            for i, axis in enumerate(axes):
                known.setdefault((field, canonical(name[:-1] + axis, axes)), slope[:, i])
        return known[field, name]

    return derivative
