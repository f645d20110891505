"""Residuals and their Jacobian by all parameters, point by point.

The residual at a point depends on that point only. For an affine layer with inputs a_k and outputs z_k = W a_k (+ b for
the value), k over the derivatives that are carried, one reverse sweep over the sum of all residuals gives every
δ_k = ∂r/∂z_k at every point, and

    ∂r/∂W = Σ_k δ_k a_kᵀ,   ∂r/∂b = δ_value,

so that the Jacobian costs one sweep per equation and small products, not one sweep per point. Integrals are sums over
such points, and so are their rows.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn import FactorisedLinear, Record, packed_weight, packing_of
from sciml.solvers.pinn._module import PINN
from sciml.solvers.pinn._objective import Term


def uncovered(module: PINN) -> list[str]:
    """Names of parameters that `jacobian` does not see, being neither in an affine layer nor an unknown number."""
    layers = [layer for layer in module.modules() if isinstance(layer, (nn.Linear, FactorisedLinear))]
    seen = {id(p) for layer in layers for p in layer.parameters()} | {id(p) for p in module.unknown.values()}
    return [name for name, parameter in module.named_parameters() if id(parameter) not in seen]


def jacobian(module: PINN, terms: Sequence[Term]) -> tuple[list[Tensor], list[Tensor]]:
    """Residuals of every term, and their Jacobians with rows in the order ``row.T.flatten()``.

    The columns are those of ``torch.nn.utils.parameters_to_vector``; none may be `uncovered`.
    """
    offsets, size = {}, 0
    for parameter in module.parameters():
        offsets[id(parameter)] = slice(size, size + parameter.numel())
        size += parameter.numel()
    residuals, matrices = [], []
    fields = module.statement.fields
    for term in terms:
        tape: list[Record] = []
        numbers = {name: value.expand(len(term.points)).clone() for name, value in module.numbers().items()}
        jet = module.jet(term.points, term.wanted, tape=tape)
        rows = term.rows(lambda field, name, jet=jet: jet[name][:, fields.index(field)], numbers)
        matrix = rows.new_zeros(rows.shape[1], len(term.points), size)
        sources = [z for record in tape for z in record.outputs.values()] + list(numbers.values())
        for row in range(rows.shape[1]):
            last = row == rows.shape[1] - 1
            slopes = torch.autograd.grad(rows[:, row].sum(), sources, retain_graph=not last, allow_unused=True)
            _fill(matrix[row], tape, slopes, offsets, module, numbers)
        residuals.append(term.gathered(rows.detach()))
        matrices.append(torch.cat([term.gathered(part) for part in matrix]))
    return residuals, matrices


def _fill(
    matrix: Tensor,
    tape: Sequence[Record],
    slopes: Sequence[Tensor | None],
    offsets: dict[int, slice],
    module: PINN,
    numbers: dict[str, Tensor],
) -> None:
    """Add one row's derivatives by every layer used, and by the unknown numbers."""
    place = 0
    for record in tape:
        names = list(record.outputs)
        pairs = [
            (slope, record.inputs[name].detach())
            for name, slope in zip(names, slopes[place : place + len(names)], strict=True)
            if slope is not None
        ]
        shift = slopes[place + names.index("")]
        place += len(names)
        if pairs:
            delta = torch.stack([slope for slope, _ in pairs], dim=2)
            inputs = torch.stack([a for _, a in pairs], dim=1)
            _add(matrix, offsets, record.layer, delta @ inputs)
        if shift is not None and record.layer.bias is not None:
            matrix[:, offsets[id(record.layer.bias)]] += shift
    for name, slope in zip(numbers, slopes[place:], strict=True):
        if slope is not None:
            matrix[:, offsets[id(module.unknown[name])]] += module.step_of(name) * slope[:, None]


def _add(matrix: Tensor, offsets: dict[int, slice], layer: nn.Module, slope: Float[Tensor, "point out in"]) -> None:
    """Add ∂r/∂W of a layer, passed on to its factors if it has them."""
    if not isinstance(layer, FactorisedLinear):
        _put(matrix, offsets, layer, "weight", slope)
        return
    with torch.no_grad():
        _put(matrix, offsets, layer, "direction", slope * layer.scale.exp()[:, None])
        matrix[:, offsets[id(layer.scale)]] += (slope * layer.weight).sum(2)


def _put(
    matrix: Tensor, offsets: dict[int, slice], layer: nn.Module, name: str, slope: Float[Tensor, "point out in"]
) -> None:
    """Add the derivatives by a weight; of a packed one those by the entries it has."""
    packing, values = packing_of(layer, name), packed_weight(layer, name)
    if packing is None or values is None:
        matrix[:, offsets[id(getattr(layer, name))]] += slope.flatten(1)
    else:
        matrix[:, offsets[id(values)]] += slope.flatten(1)[:, packing.index]
