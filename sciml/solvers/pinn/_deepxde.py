"""DeepXDE as a second backend: the same statement as its data and model, and its geometries as domains."""

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pydantic
import torch
from torch import Tensor

from sciml.core.ansatz import Ansatz
from sciml.core.config import Config
from sciml.core.derivatives import Derivatives
from sciml.core.domain import Condition, Coordinate, Domain, EdgeCondition, IntegralCondition, PointCondition
from sciml.core.errors import UnsupportedError
from sciml.core.statement import Statement
from sciml.solvers.pinn._deepxde_shapes import bounds_of, exported_shape, imported_shape, on_edges


class DeepXDEConfig(Config):
    """A recipe in DeepXDE's terms."""

    hidden: tuple[int, ...] = (20, 20, 20)
    """Neurons of the hidden layers."""
    activation: str = "tanh"
    initialiser: str = "Glorot normal"
    domain: int = pydantic.Field(default=2540, ge=1)
    """Points inside; DeepXDE adds those of the boundary to them."""
    boundary: int = pydantic.Field(default=80, ge=0)
    initial: int = pydantic.Field(default=160, ge=0)
    learning_rate: float = pydantic.Field(default=1e-3, gt=0)
    adam: int = pydantic.Field(default=15_000, ge=0)
    """Steps of Adam."""
    lbfgs: int = pydantic.Field(default=15_000, ge=0)
    """Largest number of iterations of L-BFGS after it; 0 for none."""
    hard: bool = False
    """Whether conditions are built in by an output transform, as far as they can be."""


def make_model(
    package: Any,  # Any: DeepXDE has no types
    statement: Statement,
    config: DeepXDEConfig,
    *,
    seed: int,
    observed: Tensor | None = None,
    values: Tensor | None = None,
) -> tuple[Any, dict[str, Any]]:
    """``dde.Model`` of a statement, not yet compiled, and its variables for the unknown numbers.

    Arguments:
        package: what `deepxde` gives.
        statement: a box in one to three dimensions, time last if there is time.
        config: points and network.
        seed: of points and weights.
        observed, values: observations.

    Raises: UnsupportedError for a statement that DeepXDE's geometries cannot hold.
    """
    dde = package
    dde.config.set_random_seed(seed % 2**32)
    unknowns = {u.name: dde.Variable(u.start) for u in statement.unknowns}
    geometry = _geometry(dde, statement.domain)

    def equations(x: Tensor, y: Tensor) -> list[Tensor]:
        residual = statement.residual(x, _derivatives(dde, statement, x, y), unknowns)
        return list(residual.split(1, dim=1))

    ansatz = Ansatz(statement, hard=config.hard)
    conditions = [_condition(dde, statement, same, geometry, unknowns) for same in _alike(statement, ansatz.soft)]
    conditions += _periodic(dde, statement, geometry)
    if observed is not None and values is not None:
        for i, name in enumerate(statement.observed):
            conditions.append(
                dde.icbc.PointSetBC(
                    observed.numpy(), values[:, i : i + 1].numpy(), component=statement.fields.index(name)
                )
            )
    counts = {"num_domain": config.domain, "num_boundary": config.boundary}
    if statement.domain.time:
        data = dde.data.TimePDE(geometry, equations, conditions, num_initial=config.initial, **counts)
    else:
        data = dde.data.PDE(geometry, equations, conditions, **counts)
    sizes = [len(statement.names), *config.hidden, len(statement.fields)]
    net = dde.nn.FNN(sizes, config.activation, config.initialiser)
    if not ansatz.free:
        net.apply_output_transform(_transform(ansatz))
    return dde.Model(data, net), unknowns


def train(
    package: Any,  # Any: DeepXDE has no types, nor have its model, variables and callbacks
    model: Any,
    config: DeepXDEConfig,
    unknowns: dict[str, Any],
    callbacks: Sequence[Any],
) -> None:
    """Adam, then L-BFGS, as the recipe says; nothing is printed."""
    variables = {"external_trainable_variables": list(unknowns.values())} if unknowns else {}
    with contextlib.redirect_stdout(io.StringIO()):
        if config.adam:
            model.compile("adam", lr=config.learning_rate, verbose=0, **variables)
            model.train(iterations=config.adam, callbacks=list(callbacks), verbose=0)
        if config.lbfgs and not model.stop_training:
            package.optimizers.set_LBFGS_options(maxiter=config.lbfgs)
            package.optimizers.config.LBFGS_options.update(iter_per_step=100, fun_per_step=125)
            model.compile("L-BFGS", verbose=0, **variables)
            model.train(callbacks=list(callbacks), verbose=0)


def import_geometry(
    geometry: Any, *, names: Sequence[str] = "xyz"
) -> Domain:  # Any: of a user's own, looked at by name
    """The domain of a user's DeepXDE geometry, with time or without.

    Boxes (interval, rectangle, cuboid, hypercube) become boxes; disks, spheres, ellipses, triangles, polygons and the
    unions, differences and intersections of all of these become shapes, with edges named after their kind and number.

    Raises: UnsupportedError for another geometry; its kind is named.
    """
    space, time = getattr(geometry, "geometry", geometry), getattr(geometry, "timedomain", None)
    box = _corners(space)
    lower, upper = box if box else bounds_of(space)
    axes = [Coordinate(name, float(a), float(b)) for name, a, b in zip(names, lower, upper, strict=False)]
    shape = None if box else imported_shape(space, names[: len(axes)])
    if time is None:
        return Domain(tuple(axes), shape=shape)
    return Domain((*axes, Coordinate("t", float(time.t0), float(time.t1))), time="t", shape=shape)


def _corners(space: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """The corners of a box; None for another geometry."""
    kind = type(space).__name__
    if kind == "Interval":
        return np.array([space.l]).ravel(), np.array([space.r]).ravel()
    if kind in ("Rectangle", "Cuboid", "Hypercube"):
        return np.asarray(space.xmin).ravel(), np.asarray(space.xmax).ravel()
    return None


def _geometry(dde: Any, domain: Domain) -> Any:
    axes = [axis for axis in domain.axes if axis.name != domain.time]
    if not axes or len(axes) > 3 or (domain.time and domain.axes[-1].name != domain.time):
        raise UnsupportedError("DeepXDE needs one to three axes of space, and time last", got=", ".join(domain.names))
    lower, upper = [axis.lower for axis in axes], [axis.upper for axis in axes]
    if len(axes) == 1:
        space = dde.geometry.Interval(lower[0], upper[0])
    else:
        space = (dde.geometry.Rectangle if len(axes) == 2 else dde.geometry.Cuboid)(lower, upper)
    if domain.shape is not None:
        space = exported_shape(dde, domain)
    if not domain.time:
        return space
    time = domain.axis(domain.time)
    return dde.geometry.GeometryXTime(space, dde.geometry.TimeDomain(time.lower, time.upper))


def _derivatives(dde: Any, statement: Statement, x: Tensor, y: Tensor) -> Derivatives:
    names, fields = list(statement.names), list(statement.fields)

    def derivative(field: str, order: str) -> Tensor:
        component, letters = fields.index(field), [names.index(letter) for letter in order]
        if not letters:
            return y[:, component]
        if len(letters) == 1:
            return dde.grad.jacobian(y, x, i=component, j=letters[0])[:, 0]
        slope = dde.grad.hessian(y, x, component=component, i=letters[0], j=letters[1])
        for letter in letters[2:]:
            slope = dde.grad.jacobian(slope, x, i=0, j=letter)
        return slope[:, 0]

    return derivative


def _transform(ansatz: Ansatz) -> Callable[[Tensor, Tensor], Tensor]:
    """g + φ N."""

    def transform(x: Tensor, y: Tensor) -> Tensor:
        lift, cut = ansatz.parts(x, ("",))
        return lift[""] + cut[""] * y

    return transform


def _alike(statement: Statement, numbers: Sequence[int]) -> list[list[int]]:
    """Conditions that say the same on several faces, which DeepXDE takes as one."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i in numbers:
        c = statement.conditions[i]
        if isinstance(c, Condition):
            kind = c.axis == statement.domain.time, c.derivative
            groups.setdefault((c.field, kind, str(c.value)), []).append(i)
        else:
            groups[i,] = [i]
    return list(groups.values())


def _condition(dde: Any, statement: Statement, same: Sequence[int], geometry: Any, unknowns: dict[str, Any]) -> Any:
    """Conditions that say the same as one of DeepXDE's."""
    index = same[0]
    condition = statement.conditions[index]
    component = statement.fields.index(condition.field)
    if isinstance(condition, PointCondition | IntegralCondition):
        raise UnsupportedError(f"DeepXDE does not get the condition on {condition}, which is on no boundary",
                               fix="Take solver pinn, or an observation.")  # fmt: skip

    def prescribed(x: np.ndarray) -> np.ndarray:
        return statement.value(index, torch.from_numpy(np.asarray(x, dtype=np.float64)))[:, None].numpy()

    if (
        isinstance(condition, EdgeCondition)
        or condition.order
        or statement.is_mixed(index)
        or statement.has_unknown(index)
    ):

        def fault(x: Tensor, y: Tensor, _: Any) -> Tensor:
            return statement.fault(index, x, _derivatives(dde, statement, x, y), unknowns)[:, None]

        return dde.icbc.OperatorBC(geometry, fault, _on(statement, same))
    if condition.axis == statement.domain.time:
        return dde.icbc.IC(geometry, prescribed, lambda x, on_initial: on_initial, component=component)
    return dde.icbc.DirichletBC(geometry, prescribed, _on(statement, same), component=component)


def _on(statement: Statement, same: Sequence[int]) -> Callable[[np.ndarray, bool], bool]:
    """Whether a point lies on a face or an edge of one of the conditions."""
    if isinstance(statement.conditions[same[0]], EdgeCondition):
        return on_edges(statement, same[0])
    chosen = [c for i in same if isinstance(c := statement.conditions[i], Condition)]
    faces = [(statement.domain.index(c.axis), statement.domain.axis(c.axis).end(c.side)) for c in chosen]
    return lambda x, on_boundary: any(bool(np.isclose(x[column], end)) for column, end in faces)


def _periodic(dde: Any, statement: Statement, geometry: Any) -> list[Any]:
    """Equal values and slopes at both ends of periodic axes."""
    conditions = []
    for column, axis in enumerate(statement.domain.axes):

        def at_an_end(x: np.ndarray, on_boundary: bool, column: int = column, axis: Coordinate = axis) -> bool:
            return bool(np.isclose(x[column], (axis.lower, axis.upper)).any())

        for component in range(len(statement.fields)) if axis.periodic else ():
            for order in (0, 1):
                conditions.append(
                    dde.icbc.PeriodicBC(geometry, column, at_an_end, derivative_order=order, component=component)
                )
    return conditions
