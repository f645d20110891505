"""Deep operator networks."""

from collections.abc import Callable
from functools import partial
from typing import Literal, cast, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import embedding

from sciml.core.errors import UnknownNameError, UserError
from sciml.models._branches import GlorotMLP, StackedBranch
from sciml.nn import Activation, BranchTrunkProduct, Cosine, Jet, Network, Signal, Sine, join, pointwise

Strategy = Literal["independent", "split_both", "split_branch", "split_trunk"]
"""How several fields come out: networks of their own; both nets split into groups; one net split, the other shared."""


class BranchAndTrunk(Network):
    """Base of operators Σ_k b_k(u) t_k(y) + b_0: a subclass says what b and t are, and sets the attributes.

    Attributes:
        product: of b and t.
        fields: that come out.
        offset: b_0 of every field; None for none.
        constraint: what is done to the answer at the end; None for nothing.
    """

    fields: int
    product: nn.Module
    offset: nn.Parameter | None
    constraint: nn.Module | None

    def coefficients(self, functions: Float[Tensor, "batch sensor"]) -> Float[Tensor, "batch group mode"]:
        """b_k of every function."""
        raise NotImplementedError

    def basis(self, queries: Float[Tensor, "*point dim"]) -> Float[Tensor, "*point group mode"]:
        """t_k at every query."""
        raise NotImplementedError

    def forward(
        self,
        functions: Float[Tensor, "batch sensor"],
        queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"],
    ) -> Float[Tensor, "batch query field"]:
        """The fields: of every function at the same queries (all pairs), or at queries of its own."""
        return finish(
            self.product(self.coefficients(functions), self.basis(queries)), self.offset, self.constraint, queries
        )

    def gathered(
        self,
        functions: Float[Tensor, "batch sensor"],
        points: Float[Tensor, "point dim"],
        index: Int[Tensor, "batch query"],
    ) -> Float[Tensor, "batch query field"]:
        """The same at queries of each function's own that are some of a few points, ``queries = points[index]``.

        The trunk is evaluated once per point, however often it is asked for.
        """
        basis = self.basis(points)
        chosen = embedding(index, basis.flatten(1)).unflatten(-1, basis.shape[1:])  # its gradient is a dense sum
        queries = points if self.constraint is None else points[index]
        return finish(self.product(self.coefficients(functions), chosen), self.offset, self.constraint, queries)


class DeepONet(BranchAndTrunk):
    """G(u)(y) = Σ_{k≤p} b_k(u(x_1), …, u(x_m)) t_k(y) + b_0.

    The branch b sees the values of one function (or several side by side) at fixed sensors, the trunk t the
    coordinates of a query. The last layer of the trunk is activated, that of the branch is not. The default is the one
    of the paper's code: two weight layers in both nets, ReLU, 40 neurons: 7,401 parameters for 100 sensors.

    Arguments:
        sensors: values in.
        dims: coordinates of a query.
        fields: that come out.
        modes: p, per field.
        width: neurons of hidden layers.
        branch_layers, trunk_layers: weight layers.
        branch_widths, trunk_widths: neurons of every hidden layer, in place of these and `width`; empty for none.
        nonlinearity: σ; of the branch too, unless `linear_branch`.
        linear_branch: the branch has no activation, and without `bias` the operator is linear in u.
        stacked: p independent branches of one hidden layer instead of one net (`branch_layers` is then 2).
        bias: whether there is b_0, and biases at the end of the branch.
        strategy: how several fields come out.
        branch: a net of your own from sensors to coefficients instead, for example a `CNNBranch`.
        features: what is done to coordinates before the trunk, for example `PeriodicFeatures`; it has `out_channels`.
        constraint: what is done to the answer at the end, for example `Vanishing`: from queries and values to values.

    Raises: UserError: a strategy that does not exist, or does not go with the rest; in `forward`, shapes do not fit.

    Reference:
        L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Learning nonlinear operators via DeepONet, Nature Machine
        Intelligence 3 (2021) 218, arXiv:1910.03193. Several fields: L. Lu et al., Comput. Methods Appl. Mech. Eng. 393
        (2022), arXiv:2111.05512.
    """

    def __init__(
        self,
        *,
        sensors: int,
        dims: int,
        fields: int = 1,
        modes: int = 40,
        width: int = 40,
        branch_layers: int = 2,
        trunk_layers: int = 2,
        branch_widths: tuple[int, ...] = (),
        trunk_widths: tuple[int, ...] = (),
        nonlinearity: Activation = "relu",
        linear_branch: bool = False,
        stacked: bool = False,
        bias: bool = True,
        strategy: Strategy = "split_both",
        branch: nn.Module | None = None,
        features: nn.Module | None = None,
        constraint: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if strategy not in get_args(Strategy):
            raise UnknownNameError("strategy for several fields", strategy, get_args(Strategy))
        if stacked and (branch is not None or linear_branch or branch_layers != 2 or branch_widths):
            raise UserError("stacked branches have one hidden layer each, and are no net of your own",
                            got=f"branch_layers={branch_layers}")  # fmt: skip
        self.sensors, self.dims, self.fields, self.modes, self.strategy = sensors, dims, fields, modes, strategy
        self.features, self.constraint, self.product = features, constraint, BranchTrunkProduct()
        nets = fields if strategy == "independent" else 1
        if branch is not None and nets > 1:
            raise UserError("a branch of your own serves all fields", got="strategy='independent'",
                            expected="split_both, split_branch or split_trunk")  # fmt: skip
        self.branch_groups = fields if strategy in ("split_both", "split_branch") else 1
        self.trunk_groups = fields if strategy in ("split_both", "split_trunk") else 1
        out, inner = modes * self.branch_groups, branch_widths or (width,) * (branch_layers - 1)
        make_branch = (
            partial(StackedBranch, sensors, out, width=width, nonlinearity=nonlinearity, last_bias=bias)
            if stacked
            else partial(GlorotMLP, (sensors, *inner, out), nonlinearity=None if linear_branch else nonlinearity,
                         last_bias=bias)
        )  # fmt: skip
        coordinates = dims if features is None else int(features.out_channels)  # pyright: ignore[reportArgumentType] (a number, by its docstring)
        trunk_sizes = (coordinates, *(trunk_widths or (width,) * (trunk_layers - 1)), modes * self.trunk_groups)
        self.branches = nn.ModuleList([branch] if branch is not None else [make_branch() for _ in range(nets)])
        self.trunks = nn.ModuleList(
            GlorotMLP(trunk_sizes, nonlinearity=nonlinearity, activate_last=True) for _ in range(nets)
        )
        self.offset = nn.Parameter(torch.zeros(fields)) if bias else None

    def coefficients(self, functions: Float[Tensor, "batch sensor"]) -> Float[Tensor, "batch group mode"]:
        """b_k, for every field; shared ones are not repeated (one field then)."""
        if functions.ndim != 2 or functions.shape[1] != self.sensors:
            raise UserError("the values of the input functions do not fit the sensors",
                            got=tuple(functions.shape), expected=f"(batch, {self.sensors})")  # fmt: skip
        if self.strategy == "independent":
            return torch.stack([net(functions) for net in self.branches], dim=1)
        return self.branches[0](functions).unflatten(-1, (self.branch_groups, self.modes))

    def basis(self, queries: Float[Tensor, "*point dim"]) -> Float[Tensor, "*point group mode"]:
        """t_k at queries, for every field; shared ones are not repeated (one field then)."""
        if queries.shape[-1] != self.dims:
            raise UserError("the queries have another number of coordinates", got=tuple(queries.shape),
                            expected=f"(…, {self.dims})")  # fmt: skip
        return cast(Tensor, self._basis(queries))

    def basis_jet(self, queries: Jet) -> Jet:
        """t_k with derivatives, ``point group mode``: all that derivatives of the operator by the query need.

        ∂G(u)(y) = Σ_k b_k(u) ∂t_k(y): the trunk is differentiated once for all functions.

        Raises: UnsupportedError for an activation without a rule, such as ReLU.
        """
        return cast(Jet, self._basis(queries))

    def _basis(self, queries: Signal) -> Signal:
        features = queries if self.features is None else self.features(queries)
        groups = [net(features) for net in self.trunks]
        if self.strategy == "independent":
            return _each(lambda *parts: torch.stack(parts, dim=-2), *groups)
        return _each(lambda part: part.unflatten(-1, (self.trunk_groups, self.modes)), groups[0])


class MIONet(BranchAndTrunk):
    """G(u_1, …, u_n)(y) = Σ_k b_k^(1)(u_1) ⋯ b_k^(n)(u_n) t_k(y) + b_0: one branch per input function.

    Arguments:
        sensors: values of every input function; they come side by side.
        others: as `DeepONet`; the branches have `branch_layers` weight layers each, and fields split both nets.

    Reference: P. Jin, S. Meng, L. Lu, MIONet: learning multiple-input operators via tensor product, SIAM J. Sci.
        Comput. 44 (2022), arXiv:2202.06137.
    """

    def __init__(
        self,
        *,
        sensors: tuple[int, ...],
        dims: int,
        fields: int = 1,
        modes: int = 40,
        width: int = 40,
        branch_layers: int = 2,
        trunk_layers: int = 2,
        nonlinearity: Activation = "relu",
        bias: bool = True,
        features: nn.Module | None = None,
        constraint: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.sensors, self.dims, self.fields, self.modes = sensors, dims, fields, modes
        self.features, self.constraint, self.product = features, constraint, BranchTrunkProduct()
        out = fields * modes
        self.branches = nn.ModuleList(
            GlorotMLP((size, *(width,) * (branch_layers - 1), out), nonlinearity=nonlinearity, last_bias=True)
            for size in sensors
        )
        coordinates = dims if features is None else int(features.out_channels)  # pyright: ignore[reportArgumentType] (a number, by its docstring)
        trunk = (coordinates, *(width,) * (trunk_layers - 1), out)
        self.trunk = GlorotMLP(trunk, nonlinearity=nonlinearity, activate_last=True)
        self.offset = nn.Parameter(torch.zeros(fields)) if bias else None

    def coefficients(self, functions: Float[Tensor, "batch sensor"]) -> Float[Tensor, "batch group mode"]:
        """The products of the b_k, for every field."""
        if functions.ndim != 2 or functions.shape[1] != sum(self.sensors):
            raise UserError("the values of the input functions do not fit the sensors", got=tuple(functions.shape),
                            expected=f"(batch, {' + '.join(map(str, self.sensors))})")  # fmt: skip
        product = torch.ones_like(functions[:, :1])
        for net, values in zip(self.branches, functions.split(self.sensors, dim=1), strict=True):
            product = product * net(values)
        return product.unflatten(-1, (self.fields, self.modes))

    def basis(self, queries: Float[Tensor, "*point dim"]) -> Float[Tensor, "*point group mode"]:
        """t_k at queries, for every field."""
        features = queries if self.features is None else self.features(queries)
        return self.trunk(features).unflatten(-1, (self.fields, self.modes))


def _each(change: Callable[..., Tensor], *signals: Signal) -> Signal:
    """The same change of values, or of every part of jets that have the same parts."""
    first = signals[0]
    if not isinstance(first, Jet):
        return change(*signals)
    jets = cast(tuple[Jet, ...], signals)
    return first.with_parts({name: change(*(jet.parts[name] for jet in jets)) for name in first.parts})


def finish(
    values: Float[Tensor, "batch query field"], offset: Tensor | None, constraint: nn.Module | None, queries: Tensor
) -> Float[Tensor, "batch query field"]:
    """Add b_0 and apply a hard constraint."""
    values = values if offset is None else values + offset
    return values if constraint is None else constraint(queries, values)


class PeriodicFeatures(Network):
    """Coordinates of period one as (cos 2π j x, sin 2π j x), j = 1 … J; the others as they are.

    Arguments:
        periodic: which coordinates.
        harmonics: J.
    """

    def __init__(self, periodic: tuple[bool, ...], harmonics: int = 1) -> None:
        super().__init__()
        self.periodic, self.harmonics = periodic, harmonics
        self.sine, self.cosine = Sine(), Cosine()
        self.out_channels = sum(2 * harmonics if flag else 1 for flag in periodic)

    def forward(self, x: Float[Tensor, "*point dim"] | Jet) -> Float[Tensor, "*point feature"] | Jet:
        """The features, coordinate by coordinate; of a jet of coordinates, with the same derivatives."""
        like = x.value if isinstance(x, Jet) else x
        waves = 2 * torch.pi * torch.arange(1, self.harmonics + 1, dtype=like.dtype, device=like.device)
        parts: list[Signal] = []
        for i, flag in enumerate(self.periodic):
            column = x.columns([i]) if isinstance(x, Jet) else x[..., i : i + 1]
            angles = column * waves
            parts += [pointwise(self.cosine, angles), pointwise(self.sine, angles)] if flag else [column]
        return join(*parts) if isinstance(x, Jet) else torch.cat(cast(list[Tensor], parts), dim=-1)


class Vanishing(Network):
    """Makes an answer zero on faces of the unit box: v(y) = Π d_i(y) w(y), d_i the distance to a face.

    Arguments:
        faces: (coordinate, whether it is the upper end).
    """

    def __init__(self, faces: tuple[tuple[int, bool], ...]) -> None:
        super().__init__()
        self.faces = faces

    def forward(
        self, queries: Float[Tensor, "*point dim"], values: Float[Tensor, "batch query field"]
    ) -> Float[Tensor, "batch query field"]:
        """The values times the distances."""
        for axis, upper in self.faces:
            distance = 1 - queries[..., axis] if upper else queries[..., axis]
            values = values * distance[..., None]
        return values
