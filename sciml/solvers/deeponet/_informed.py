"""What a physics-informed DeepONet makes small: the residual of an equation that holds the input functions.

The derivatives of G(u)(y) = Σ_k b_k(u) t_k(y) by y are those of the trunk. At points that stay, the jets of the trunk
are computed once per step for all functions and contracted with the branch: N functions at Q points cost N + Q
evaluations of a network, as without derivatives. Input functions are known at their sensors; between them they are
taken from cubic splines.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.ansatz import Ansatz, constant_parts
from sciml.core.capabilities import HasOperatorResidual
from sciml.core.derivatives import Derivatives, closure
from sciml.core.domain import Domain
from sciml.core.statement import Statement
from sciml.core.types import Params
from sciml.models import DeepONet
from sciml.nn import contract, coordinates
from sciml.reference import spline_matrix
from sciml.tasks.collocation import unit_points
from sciml.tasks.operator import FreeOperator, OperatorScales

Values = dict[str, Float[Tensor, "batch point field"]]
"""The fields' derivatives by name, ``""`` for the fields themselves."""


class BuiltIn(nn.Module):
    """v(y) = g(y) / U + φ(y) w(y): conditions that hold by construction, around a network that answers in units of U.

    Arguments:
        ansatz: gives g and φ.
        scales: units of queries and fields.
    """

    def __init__(self, ansatz: Ansatz, scales: OperatorScales) -> None:
        super().__init__()
        self.ansatz = ansatz
        self._scales = [scales]  # of the operator that holds this, so no part of it

    def forward(
        self, queries: Float[Tensor, "*point dim"], values: Float[Tensor, "batch query field"]
    ) -> Float[Tensor, "batch query field"]:
        """The values with the conditions, at queries in the unit box."""
        (scales,) = self._scales
        points = (scales.lower + scales.extent * queries).flatten(0, -2)
        lift, cut = (part[""].to(values).unflatten(0, queries.shape[:-1]) for part in self.ansatz.parts(points, ("",)))
        return lift / scales.field_std + cut * values


class Sites:
    """Points that stay, with everything there that depends on no weight: g, φ, and the splines of the inputs.

    Arguments:
        ansatz: of the statement.
        points: where, ``point dim``, physical units, float64.
        wanted: the derivatives that are asked for there.
        sensors: coordinates of every input's sensors and its period, if it has one, by name.
        like: a tensor of the dtype and device of the network.
    """

    def __init__(
        self,
        ansatz: Ansatz,
        points: Float[Tensor, "point dim"],
        wanted: Sequence[str],
        sensors: Mapping[str, tuple[Float[Tensor, " sensor"], float | None]],
        like: Tensor,
    ) -> None:
        statement = ansatz.statement
        domain, self.wanted = statement.domain, tuple(wanted)
        self.points = points.to(like)
        start = coordinates(((points - domain.lower) / domain.extent).to(like), statement.names, self.wanted)
        rates = dict(zip(statement.names, (1 / domain.extent).tolist(), strict=True))
        self.start = start.with_parts({name: part * rates.get(name, 1.0) for name, part in start.parts.items()})
        self.splines = {
            name: spline_matrix(nodes, statement.arguments(name, points)[:, 0], period=period).T.to(like)
            for name, (nodes, period) in sensors.items()
        }
        lift, cut = ansatz.parts(points, closure(self.wanted))
        self.lift = {name: part.to(like) for name, part in lift.items() if bool(part.any())}
        self.cut = None if ansatz.free else start.with_parts({k: v.to(like) for k, v in constant_parts(cut).items()})

    def fields_of(
        self, network: DeepONet, coefficients: Float[Tensor, "batch group mode"], units: Float[Tensor, " field"]
    ) -> Values:
        """The wanted derivatives of all fields, for every function at every point.

        Arguments:
            network: an operator whose answers are in `units`.
            coefficients: of the functions.
        """
        basis = network.basis_jet(self.start)
        constant = {"": torch.ones_like(units)[None]}
        if self.cut is not None:
            constant = self.cut.parts
            basis = self.cut.with_parts({name: part[..., None] for name, part in constant.items()}) * basis
        values: Values = {}
        for name in self.wanted:
            part = basis.parts.get(name, torch.zeros_like(basis.value))  # without an entry it vanishes identically
            value = contract(coefficients, part.expand(len(basis.value), -1, -1))
            if network.offset is not None and name in constant:
                value = value + network.offset * constant[name]
            values[name] = units * value + self.lift[name] if name in self.lift else units * value
        return values

    def inputs_of(self, functions: Mapping[str, Float[Tensor, "batch sensor"]]) -> dict[str, Float[Tensor, " row"]]:
        """The input functions for every function at every point, after one another."""
        return {name: (values @ self.splines[name]).flatten() for name, values in functions.items()}

    def rows(self, count: int) -> Float[Tensor, "row dim"]:
        """The points for `count` functions after one another."""
        return self.points.repeat(count, 1)


class Physics:
    """Equations inside of the domain and soft conditions on its faces, at scattered points that stay.

    Arguments:
        problem: gives the statement and the input functions.
        sensors: coordinates of every input's sensors, one each.
        hard: whether conditions are built in as far as they can be.
        points, face_points: how many, inside and for every soft condition.
    """

    def __init__(
        self,
        problem: HasOperatorResidual,
        sensors: Sequence[Float[Tensor, "sensor 1"]],
        *,
        hard: bool,
        points: int,
        face_points: int,
    ) -> None:
        self.statement = problem.operator_statement()
        self.ansatz = Ansatz(self.statement, hard=hard)
        self.points, self.face_points = points, face_points
        self.sensors = {
            entry.name: (places[:, 0], _period(entry.domain))
            for entry, places in zip(problem.inputs, sensors, strict=True)
        }
        self._sites: dict[tuple[torch.device, torch.dtype], tuple[Sites, dict[int, Sites]]] = {}

    def sites(self, like: Tensor) -> tuple[Sites, dict[int, Sites]]:
        """The points of the equations and those of every soft condition by its number, as `like`; made once."""
        key = (like.device, like.dtype)
        if key not in self._sites:
            domain, dim = self.statement.domain, len(self.statement.names)
            unit = unit_points("sobol", self.points, dim, rng.generator(0, "collocation"))
            inside = Sites(self.ansatz, domain.place(unit), self.statement.orders, self.sensors, like)
            faces = {}
            for index in self.ansatz.soft:
                draw = partial(unit_points, "sobol", generator=rng.generator(0, "face", index))
                on_face = self.statement.place_of(index, self.face_points, draw)
                orders = self.statement.condition_orders(index)
                faces[index] = Sites(self.ansatz, on_face, orders, self.sensors, like)
            self._sites[key] = inside, faces
        return self._sites[key]

    def residual(
        self, operator: FreeOperator[DeepONet], functions: Float[Tensor, "batch sensor"]
    ) -> Float[Tensor, "row equation"]:
        """Left-hand sides of the equations, for all points of the first function, then of the second, ..."""
        sites = self.sites(operator.scales.field_std)[0]
        return self.statement.residual(*self._arguments(sites, operator, functions))

    def faults(
        self, operator: FreeOperator[DeepONet], functions: Float[Tensor, "batch sensor"]
    ) -> list[Float[Tensor, " row"]]:
        """How far every soft condition is missed."""
        faces = self.sites(operator.scales.field_std)[1]
        return [
            self.statement.fault(index, *self._arguments(sites, operator, functions)) for index, sites in faces.items()
        ]

    def _arguments(
        self, sites: Sites, operator: FreeOperator[DeepONet], functions: Tensor
    ) -> tuple[Tensor, Derivatives, Params]:
        """Points, derivatives of the fields and values of the inputs there, for every function."""
        coefficients = operator.network.coefficients(operator.scales.standardise(functions))
        fields = sites.fields_of(operator.network, coefficients, operator.scales.field_std)
        parts = functions.split([len(nodes) for nodes, _ in self.sensors.values()], dim=1)
        inputs = sites.inputs_of(dict(zip(self.sensors, parts, strict=True)))
        names = self.statement.fields
        return sites.rows(len(functions)), lambda name, order: fields[order][..., names.index(name)].flatten(), inputs


class InformedOperator(nn.Module):
    """A DeepONet with the equation that it is to solve.

    Arguments:
        operator: the DeepONet in physical units.
        physics: residuals and soft conditions.
        soft, data: weights of soft conditions and of pairs, beside 1 for the equations.
    """

    def __init__(self, operator: FreeOperator[DeepONet], physics: Physics, *, soft: float, data: float) -> None:
        super().__init__()
        self.operator, self.physics, self.soft, self.data = operator, physics, soft, data

    @property
    def scales(self) -> OperatorScales:
        """Of functions, queries and fields."""
        return self.operator.scales

    def forward(
        self,
        functions: Float[Tensor, "batch sensor"],
        queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"],
    ) -> Float[Tensor, "batch query field"]:
        """The fields in physical units."""
        return self.operator(functions, queries)

    def violation(self, functions: Float[Tensor, "batch sensor"]) -> Float[Tensor, ""]:
        """Mean squares of the residual, summed over the equations, and of the soft conditions, weighted."""
        total = self.physics.residual(self.operator, functions).square().sum(1).mean()
        for fault in self.physics.faults(self.operator, functions):
            total = total + self.soft * fault.square().mean()
        return total


def refusal(statement: Statement, problem: HasOperatorResidual) -> str:
    """Why a statement is not that of the problem's operator, or cannot be learned from; empty if it can."""
    names = tuple(field.name for field in problem.fields)
    if statement.fields != names or statement.domain != problem.domain:
        return "its statement has other fields or another domain than its answers"
    if statement.domain.shape is not None:
        return "its domain is a shape, and residuals are taken in the whole box"
    if set(statement.inputs) != {entry.name for entry in problem.inputs}:
        return "its statement does not hold all of its input functions"
    if any(len(entry.domain.axes) != 1 for entry in problem.inputs):
        return "an input function has several coordinates, and only functions of one are interpolated"
    return ""


def _period(domain: Domain) -> float | None:
    return domain.axes[0].extent if domain.axes[0].periodic else None
