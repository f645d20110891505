import dataclasses
import inspect

import pytest
import torch

from sciml.core import capabilities, registry, rng
from sciml.core.capabilities import capability_names
from sciml.core.errors import UserError
from sciml.core.problem import Field, Parameter, Problem
from sciml.core.types import Axis, Grid


def test_a_linear_parameter_fills_its_range():
    draws = torch.stack([Parameter("a", "a", "1", "a", 2.0, 3.0).draw(rng.generator(i)) for i in range(200)])
    assert draws.dtype == torch.float64
    assert draws.min() >= 2
    assert draws.max() <= 3
    assert abs(draws.mean() - 2.5) < 0.1


def test_a_log_parameter_is_uniform_in_its_logarithm():
    draws = torch.stack([Parameter("a", "a", "1", "a", 1e-4, 1e0, "log").draw(rng.generator(i)) for i in range(400)])
    assert abs(draws.log10().mean() + 2) < 0.2


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [(2.0, 1.0, "linear"), (float("nan"), 1.0, "linear"), (0.0, float("inf"), "linear"), (0.0, 1.0, "log")],
)
def test_impossible_ranges_are_refused(low, high, scale):
    with pytest.raises(UserError, match="impossible range"):
        Parameter("a", "a", "1", "a", low, high, scale)


def test_places_of_a_range():
    linear, log = Parameter("a", "a", "1", "a", 2.0, 4.0), Parameter("b", "b", "1", "b", 1.0, 100.0, "log")
    units = torch.tensor([-0.5, 0.0, 0.5, 1.0, 1.5], dtype=torch.float64)
    torch.testing.assert_close(linear.at(units), torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]).double())
    torch.testing.assert_close(log.at(units), torch.tensor([0.1, 1.0, 10.0, 100.0, 1000.0]).double())


def test_a_range_must_be_possible():
    assert Parameter("a", "a", "1", "a", 0.0, 1.0, least=0.0).possible == (0.0, float("inf"))
    with pytest.raises(UserError, match="range with impossible values"):
        Parameter("a", "a", "1", "a", -1.0, 1.0, least=0.0)


def test_draws_beyond_the_ranges_lie_in_the_shell(advection):
    """Ten to twenty per cent outside in one parameter at least, on its own scale; cut at walls; fixed ones stay."""
    parameters = (
        Parameter("p", "p", "1", "p", 2.0, 4.0),
        Parameter("q", "q", "1", "q", 1.0, 100.0, "log"),
        Parameter("r", "r", "1", "r", 0.0, 1.0, least=0.0, most=1.05),
        Parameter("s", "s", "1", "s", 7.0, 7.0),
    )
    problem = dataclasses.replace(registry.find_problem(advection), parameters=parameters)
    draws = [problem.draw_beyond(rng.generator(i)) for i in range(400)]
    a, b, c, d = (torch.stack([draw[name] for draw in draws]) for name in "pqrs")
    assert (d == 7.0).all()
    units = torch.stack([(a - 2) / 2, b.log10() / 2], 1)
    out = (units - 0.5).abs() - 0.5
    assert out.max() <= 0.2 + 1e-12
    assert c.min() == 0.0 and c.max() == 1.05
    at_the_wall = (c == 0.0) | (c == 1.05)
    assert (out.amax(1) >= 0.1)[~at_the_wall].all()
    assert 0.05 < float((out.amin(1) >= 0.1).double().mean()) < 0.5  # corners are a part of it, not all
    for side in (units[:, 0] < -0.1, units[:, 0] > 1.1, units[:, 1] < -0.1, units[:, 1] > 1.1):
        assert 0.05 < float(side.double().mean()) < 0.3
    with pytest.raises(UserError, match="no parameter that varies"):
        dataclasses.replace(problem, parameters=parameters[3:]).draw_beyond(rng.generator(0))


def test_problems_are_frozen(advection):
    problem = registry.find_problem(advection)
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.name = "x"


def test_names_must_be_distinct(advection):
    problem = registry.find_problem(advection)
    with pytest.raises(UserError, match="distinct names"):
        dataclasses.replace(problem, fields=(Field("a", "a", "1", "a"), Field("a", "a", "1", "a")))


def test_capabilities_are_types(advection):
    assert capability_names(registry.find_problem(advection)) == ("HasTrajectories", "Evolves")


def test_a_problem_may_have_several_capabilities(rotation):
    problem = registry.find_problem(rotation)
    assert capability_names(problem) == ("HasTrajectories", "Evolves", "HasDynamics")
    assert problem.solver == "sinenet"
    assert dataclasses.replace(problem, solver="linear_ode").solver == "linear_ode"


def test_every_capability_is_listed_and_abstract():
    bases = [base for base in vars(capabilities).values() if isinstance(base, type) and issubclass(base, Problem)]
    assert {base.__name__ for base in bases} >= {"Evolves", "Classifies", "HasDensity", "Diffuses"}
    for base in bases:
        if inspect.isabstract(base):
            with pytest.raises(TypeError, match="abstract"):
                base()


def test_axis_points():
    periodic, wall = Axis("x", 4, 0.0, 2.0), Axis("y", 4, 0.0, 2.0, "wall")
    assert periodic.points().tolist() == [0.0, 0.5, 1.0, 1.5]
    assert wall.points().tolist() == [0.25, 0.75, 1.25, 1.75]
    grid = Grid((wall, periodic))
    assert (grid.size, grid.dims, grid.periodic) == ((4, 4), ("y", "x"), (False, True))


@pytest.mark.parametrize("axis", [("x", 0, 0.0, 1.0), ("x", 4, 1.0, 1.0), ("x", 4, 0.0, 1.0, "sticky")])
def test_impossible_axes_are_refused(axis):
    with pytest.raises(UserError):
        Axis(*axis)


def test_a_parity_where_there_is_no_wall_is_refused(advection):
    problem = registry.find_problem(advection)
    field = dataclasses.replace(problem.fields[0], odd=("x",))
    with pytest.raises(UserError, match=r"field 'a'.* cannot be odd along 'x'.*got periodic.*an axis with walls"):
        dataclasses.replace(problem, fields=(field, *problem.fields[1:]))
    with pytest.raises(UserError, match=r"cannot be odd along 'z'.*no such axis"):
        dataclasses.replace(problem, fields=(dataclasses.replace(field, odd=("z",)), *problem.fields[1:]))
    walled = dataclasses.replace(problem, fields=(field, *problem.fields[1:]), boundary={"y": "periodic", "x": "wall"})
    assert walled.fields[0].odd == ("x",)
