"""What a physics-informed DeepONet makes small: the residual of an equation that holds the input functions.

The derivatives of G(u)(y) = Σ_k b_k(u) t_k(y) by y are those of the trunk. At points that stay, the jets of the trunk
are computed once per step for all functions and contracted with the branch: N functions at Q points cost N + Q
evaluations of a network, as without derivatives. Input functions are known at their sensors; between them they are
taken from cubic splines.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.ansatz import Ansatz
from sciml.core.capabilities import HasOperatorResidual
from sciml.core.derivatives import closure
from sciml.core.domain import Domain
from sciml.core.statement import Statement
from sciml.models import DeepONet, contract
from sciml.nn import Jet, coordinates
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


class Sites(nn.Module):
    """Points that stay, with everything there that depends on no weight: g, φ, and the splines of the inputs.

    Arguments:
        ansatz: of the statement.
        points: where, ``point dim``, physical units, float64.
        wanted: the derivatives that are asked for there.
        sensors: coordinates of every input's sensors, by name.
        periods: of periodic inputs.
    """

    def __init__(
        self,
        ansatz: Ansatz,
        points: Float[Tensor, "point dim"],
        wanted: Sequence[str],
        sensors: dict[str, Float[Tensor, " sensor"]],
        periods: dict[str, float | None],
    ) -> None:
        super().__init__()
        statement = ansatz.statement
        self.names, self.wanted, self.fields = statement.names, tuple(wanted), statement.fields
        domain = statement.domain
        self._keep("points", points)
        self._keep("unit", (points - domain.lower) / domain.extent)
        self._keep("rates", 1 / domain.extent)
        for name, nodes in sensors.items():
            where = statement.arguments(name, points)[:, 0]
            self._keep(f"spline_{name}", spline_matrix(nodes, where, period=periods[name]))
        self.orders = closure(self.wanted)
        lift, cut = ansatz.parts(points, self.orders)
        for name in self.orders:
            self._keep(f"lift_{name}", lift[name])
        self.cuts = [] if ansatz.free else [name for name in self.orders if bool(cut[name].any())]
        for name in self.cuts:
            self._keep(f"cut_{name}", cut[name])

    def _keep(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values.to(torch.get_default_dtype()), persistent=False)

    def fields_of(
        self, network: DeepONet, coefficients: Float[Tensor, "batch group mode"], units: Float[Tensor, " field"]
    ) -> Values:
        """The wanted derivatives of all fields, for every function at every point.

        Arguments:
            network: an operator whose answers are in `units`.
            coefficients: of the functions.
        """
        start = coordinates(self.get_buffer("unit"), self.names, self.wanted)
        rates = dict(zip(self.names, self.get_buffer("rates"), strict=True))
        start = start.with_parts({name: part * rates[name] if name else part for name, part in start.parts.items()})
        basis, one = network.basis_jet(start), start.with_parts({"": torch.ones_like(units)[None]})
        if self.cuts:
            one = start.with_parts({name: self.get_buffer(f"cut_{name}") for name in self.cuts})
            basis = one.with_parts({name: part[..., None] for name, part in one.parts.items()}) * basis
        values: Values = {}
        for name in self.wanted:
            part = basis.parts.get(name)
            if part is None:  # vanishes for every basis function
                part = torch.zeros_like(basis.value)
            scaled = contract(coefficients, part.expand(len(basis.value), -1, -1))
            if network.offset is not None and name in one.parts:
                scaled = scaled + network.offset * one.parts[name]
            values[name] = self.get_buffer(f"lift_{name}") + units * scaled
        return values

    def inputs_of(self, functions: dict[str, Float[Tensor, "batch sensor"]]) -> dict[str, Float[Tensor, " row"]]:
        """The input functions for every function at every point, after one another."""
        return {name: (values @ self.get_buffer(f"spline_{name}").T).flatten() for name, values in functions.items()}

    def rows(self, count: int) -> Float[Tensor, "row dim"]:
        """The points for `count` functions after one another."""
        return self.get_buffer("points").repeat(count, 1)


class Physics(nn.Module):
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
        super().__init__()
        self.statement = problem.operator_statement()
        self.ansatz = Ansatz(self.statement, hard=hard)
        self.inputs = {entry.name: len(nodes) for entry, nodes in zip(problem.inputs, sensors, strict=True)}
        nodes = {entry.name: places[:, 0] for entry, places in zip(problem.inputs, sensors, strict=True)}
        periods = {entry.name: _period(entry.domain) for entry in problem.inputs}
        domain, dim = self.statement.domain, len(self.statement.names)
        inside = domain.place(unit_points("sobol", points, dim, rng.generator(0, "collocation")))
        self.equation = Sites(self.ansatz, inside, self.statement.orders, nodes, periods)
        self.faces = nn.ModuleList()
        for index in self.ansatz.soft:
            condition = self.statement.conditions[index]
            unit = unit_points("sobol", face_points, dim, rng.generator(0, "face", index))
            on_face = domain.face(unit, condition.axis, condition.side)
            self.faces.append(Sites(self.ansatz, on_face, self.statement.condition_orders(index), nodes, periods))

    def residual(
        self, operator: FreeOperator[DeepONet], functions: Float[Tensor, "batch sensor"]
    ) -> Float[Tensor, "row equation"]:
        """Left-hand sides of the equations, for all points of the first function, then of the second, ..."""
        values, coefficients = self._split(functions), self._coefficients(operator, functions)
        fields = self.equation.fields_of(operator.network, coefficients, operator.scales.field_std)
        return self.statement.residual(
            self.equation.rows(len(functions)),
            lambda field, order: fields[order][..., self.statement.fields.index(field)].flatten(),
            self.equation.inputs_of(values),
        )

    def faults(
        self, operator: FreeOperator[DeepONet], functions: Float[Tensor, "batch sensor"]
    ) -> list[Float[Tensor, " row"]]:
        """How far every soft condition is missed."""
        values, coefficients = self._split(functions), self._coefficients(operator, functions)
        faults = []
        for index, sites in zip(self.ansatz.soft, self.faces.children(), strict=True):
            assert isinstance(sites, Sites)
            fields = sites.fields_of(operator.network, coefficients, operator.scales.field_std)
            faults.append(
                self.statement.fault(
                    index,
                    sites.rows(len(functions)),
                    lambda field, order, fields=fields: fields[order][
                        ..., self.statement.fields.index(field)
                    ].flatten(),
                    sites.inputs_of(values),
                )
            )
        return faults

    def _split(self, functions: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.inputs, functions.split(list(self.inputs.values()), dim=1), strict=True))

    @staticmethod
    def _coefficients(operator: FreeOperator[DeepONet], functions: Tensor) -> Tensor:
        return operator.network.coefficients(operator.scales.standardise(functions))


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
    """Why a statement is not that of the problem's operator, or its inputs cannot be interpolated; empty if all fits."""
    names = tuple(field.name for field in problem.fields)
    if statement.fields != names or statement.domain != problem.domain:
        return "its statement has other fields or another domain than its answers"
    if set(statement.inputs) != {entry.name for entry in problem.inputs}:
        return "its statement does not hold all of its input functions"
    if any(len(entry.domain.axes) != 1 for entry in problem.inputs):
        return "an input function has several coordinates, and only functions of one are interpolated"
    return ""


def _period(domain: Domain) -> float | None:
    return domain.axes[0].extent if domain.axes[0].periodic else None
