"""From networks on standardised numbers to operators in physical units."""

import math
import operator
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from sciml.core.domain import Domain
from sciml.core.errors import UserError
from sciml.models import DeepONet, MIONet, pair_loss
from sciml.tasks.operator._data import OperatorContext, PairBatch

N = TypeVar("N", bound=nn.Module)
TOLERANCE = 1e-5
"""Distance, in shares of an axis, within which two points are the same: files may hold them in single precision."""
_CHUNK = 1024
_NOTHING = 1e-6
"""Size, in standard deviations, below which an image counts as zero."""


class OperatorScales(nn.Module):
    """Inputs and fields standardised, queries in the unit box, all constants buffers; the sensors are kept beside.

    Arguments:
        context: of the run.
        domain: where queries lie.
    """

    input_mean: Tensor
    input_std: Tensor
    lower: Tensor
    extent: Tensor
    field_mean: Tensor
    field_std: Tensor

    def __init__(self, context: OperatorContext, domain: Domain) -> None:
        super().__init__()
        statistics = context.statistics
        self.register_buffer("input_mean", _repeated(statistics.input_mean, context.sizes))
        self.register_buffer("input_std", _repeated(statistics.input_std, context.sizes))
        self.register_buffer("lower", domain.lower)
        self.register_buffer("extent", domain.extent)
        self.register_buffer("field_mean", statistics.field_mean.clone())
        self.register_buffer("field_std", statistics.field_std.clone())
        for number, points in enumerate(context.sensors):
            self.register_buffer(f"sensors_{number}", points.clone())
        self._asked: tuple[tuple[Tensor, ...], tuple[int, ...], Tensor] | None = None

    def standardise(self, functions: Float[Tensor, "batch sensor"]) -> Float[Tensor, "batch sensor"]:
        """Inputs of mean 0 and standard deviation 1."""
        return torch.addcmul(
            -self.input_mean / self.input_std, functions, 1 / self.input_std
        )  # one pass over all values

    def unit(self, queries: Float[Tensor, "*point dim"]) -> Float[Tensor, "*point dim"]:
        """Queries in the unit box, in the precision of the network; the offset is taken away before."""
        return ((queries - self.lower) / self.extent).to(self.field_mean.dtype)

    def unit_of_same(self, queries: Float[Tensor, "query dim"]) -> Float[Tensor, "query dim"]:
        """As `unit`, for queries that are the same tensor at every step of a training: worked out once."""
        made_from = queries, self.lower, self.extent
        versions = tuple(entry._version for entry in made_from)
        if self._asked is None or self._asked[1] != versions or any(map(operator.is_not, self._asked[0], made_from)):
            self._asked = made_from, versions, self.unit(queries)
        return self._asked[2]

    def scale(self, fields: Float[Tensor, "batch query field"]) -> Float[Tensor, "batch query field"]:
        """Fields of mean 0 and standard deviation 1, in one pass over all values."""
        return torch.addcmul(-self.field_mean / self.field_std, fields, 1 / self.field_std)

    def restore(self, fields: Float[Tensor, "batch query field"]) -> Float[Tensor, "batch query field"]:
        """The inverse of `scale`."""
        return fields * self.field_std + self.field_mean


class FreeOperator(nn.Module, Generic[N]):
    """An operator that answers at any queries.

    Arguments:
        network: maps ``batch sensor`` and ``query dim`` or ``batch query dim`` to ``batch query field``.
        scales: around it.
        centred: whether the mean of the fields is added; not where a hard constraint must hold.
    """

    def __init__(self, network: N, scales: OperatorScales, *, centred: bool = True) -> None:
        super().__init__()
        self.network, self.scales = network, scales
        if not centred:
            scales.field_mean.zero_()

    def forward(
        self,
        functions: Float[Tensor, "batch sensor"],
        queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"],
    ) -> Float[Tensor, "batch query field"]:
        """The fields in physical units."""
        scales = self.scales
        return scales.restore(self.network(scales.standardise(functions), scales.unit(queries)))

    def standardised(self, batch: PairBatch) -> Float[Tensor, "batch query field"]:
        """The fields of training pairs with mean 0 and standard deviation 1, as the network answers."""
        scales = self.scales
        functions = scales.standardise(batch.functions)
        if batch.points is not None and batch.index is not None and isinstance(self.network, DeepONet | MIONet):
            return self.network.gathered(functions, scales.unit(batch.points), batch.index)
        return self.network(functions, scales.unit(batch.queries))

    def mean_square(self, batch: PairBatch) -> Float[Tensor, ""]:
        """Mean squared error of the standardised fields of training pairs; by hand where the network lets it."""
        scales, aligned = self.scales, batch.points is not None and batch.index is not None
        points = batch.points if batch.points is not None and aligned else batch.queries
        if points.ndim == 2:
            functions, index = scales.standardise(batch.functions), batch.index if aligned else None
            mean, std = scales.field_mean, scales.field_std
            loss = pair_loss(self.network, functions, scales.unit_of_same(points), index, batch.targets, mean, std)
            if loss is not None:
                return loss
        return mse_loss(self.standardised(batch), scales.scale(batch.targets))  # before the scales: fewer passes


class FixedOperator(nn.Module, Generic[N]):
    """An operator that answers at a fixed set of points, and at queries that are some of them.

    Arguments:
        network: maps ``batch sensor`` to ``batch point field``.
        scales: around it.
        points: the set, ``point dim``, in physical units.
    """

    points: Tensor

    def __init__(self, network: N, scales: OperatorScales, points: Float[Tensor, "point dim"]) -> None:
        super().__init__()
        self.network, self.scales = network, scales
        self.register_buffer("points", points.clone())

    def everywhere(self, functions: Float[Tensor, "batch sensor"]) -> Float[Tensor, "batch point field"]:
        """The fields at all points, in physical units."""
        return self.scales.restore(self.network(self.scales.standardise(functions)))

    def forward(
        self,
        functions: Float[Tensor, "batch sensor"],
        queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"],
    ) -> Float[Tensor, "batch query field"]:
        """The fields at queries, in physical units; `check` says whether these are points of the set."""
        fields = self.everywhere(functions)
        if (
            not torch.compiler.is_compiling()
            and queries.shape == self.points.shape
            and torch.equal(queries, self.points)
        ):
            return fields
        index = self._nearest(queries)[0]
        if index.ndim == 1:
            return fields[:, index]
        start = fields.shape[1] * torch.arange(fields.shape[0], device=fields.device)  # of every function
        return fields.flatten(0, 1)[index + start[:, None]]  # rows, which ONNX's reference takes in any number

    def check(self, queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"], title: str) -> None:
        """Raise UserError for queries that are no points of the set."""
        distance = self._nearest(queries)[1].flatten()
        if bool((distance > TOLERANCE).any()):
            worst = queries.reshape(-1, queries.shape[-1])[int(distance.argmax())]
            raise UserError(
                f"{title} answers at the points of its training only",
                got=f"a query at ({', '.join(f'{value:.6g}' for value in worst.tolist())})",
                expected=f"some of its {len(self.points)} points",
                fix="Ask there, or train a solver that answers anywhere, such as deeponet.",
            )

    def _nearest(self, queries: Float[Tensor, "*many dim"]) -> tuple[Int[Tensor, "*many"], Float[Tensor, "*many"]]:
        """The nearest point of every query and its distance in shares of the axes."""
        scales = self.scales
        ours = (self.points - scales.lower) / scales.extent
        theirs = ((queries - scales.lower) / scales.extent).reshape(-1, queries.shape[-1])
        nearest = [torch.cdist(part, ours).min(dim=1) for part in theirs.split(_CHUNK)]
        shape = queries.shape[:-1]
        return (
            torch.cat([entry.indices for entry in nearest]).view(shape),
            torch.cat([entry.values for entry in nearest]).view(shape),
        )


class Gridded(nn.Module):
    """A network of fields on a lattice, as one from sensors to points: all functions are channels.

    Arguments:
        network: maps ``batch input *space`` to ``batch field *space``.
        lattice: points per axis.
    """

    def __init__(self, network: nn.Module, lattice: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.lattice = network, lattice

    def forward(self, functions: Float[Tensor, "batch sensor"]) -> Float[Tensor, "batch point field"]:
        """The fields at all points of the lattice."""
        return self.network(functions.unflatten(1, (-1, *self.lattice))).flatten(2).transpose(1, 2)


def squared_error(
    module: FreeOperator[Any] | FixedOperator[Any], batch: PairBatch
) -> Float[Tensor, ""]:  # Any: networks of every kind
    """Mean squared error of standardised fields, the loss of the paper up to the scale."""
    if isinstance(module, FreeOperator):
        return module.mean_square(batch)
    residual = (module(batch.functions, batch.queries) - batch.targets) / module.scales.field_std
    return residual.square().mean()


def relative_error(
    module: FreeOperator[Any] | FixedOperator[Any],  # Any: networks of every kind
    batch: PairBatch,
) -> Float[Tensor, ""]:
    """Mean over functions of ‖v - s‖₂ / ‖s‖₂, fields in units of their standard deviation.

    An image that is zero is no measure: the error of such a function is that of a field of one standard deviation.
    """
    std = module.scales.field_std
    residual = ((module(batch.functions, batch.queries) - batch.targets) / std).flatten(1).norm(dim=1)
    size = (batch.targets / std).flatten(1).norm(dim=1)
    typical = math.sqrt(batch.targets[0].numel())
    return (residual / torch.where(size > _NOTHING * typical, size, typical)).mean()


def _repeated(constants: Float[Tensor, " input"], sizes: tuple[int, ...]) -> Float[Tensor, " sensor"]:
    """The constant of every input for each of its sensors."""
    return torch.cat([value.expand(size) for value, size in zip(constants, sizes, strict=True)])
