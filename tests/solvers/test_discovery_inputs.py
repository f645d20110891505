"""Tables with inputs, gaps and complete equations, and tables in space, in the methods that measure hidden terms."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sciml.core.types import Support
from sciml.discovery import HiddenPrior, read_table
from sciml.tasks.discovery import DISCOVERY, DiscoveryConfig, ObservationExamples, dense_places
from sciml.train import find_solver

SMALL = {
    "upinn": {"width": 4, "members": 2, "collocation": 20, "hidden_width": 4},
    "universal_ode": {"width": 4, "steps": 10},
}


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """x' = v, v' = F − 0.2 v − x with F = cos(1.2 t) / 2, a gap in x, different times on each trajectory."""
    from scipy.integrate import solve_ivp

    lines = ["trajectory,t [s],x [m],v [m/s],F [m/s^2]"]
    for k, (count, start) in enumerate(((20, (0.5, 0)), (24, (1, 0)), (22, (-1, 0.5)), (20, (0, 1)))):
        times = np.linspace(0, 6, count)
        force = 0.5 * np.cos(1.2 * times)
        x, v = solve_ivp(
            lambda t, u: [u[1], 0.5 * np.cos(1.2 * t) - 0.2 * u[1] - u[0]], (0, 6), start, t_eval=times, rtol=1e-8
        ).y
        for i in range(count):
            gap = "" if i == 5 else f"{x[i]:.6f}"
            lines.append(f"{k},{times[i]:.5f},{gap},{v[i]:.6f},{force[i]:.6f}")
    path = tmp_path_factory.mktemp("driven") / "driven.csv"
    path.write_text("\n".join(lines))
    prior = HiddenPrior(inputs=("F",), complete=("x",), library=("x", "v"))
    return read_table(path, "x' = v; v' = F", prior=prior)


@pytest.mark.parametrize("key", ["spline_derivative", "sindy", "upinn", "universal_ode"])
def test_every_method_knows_inputs_gaps_and_complete_equations(driven, key):
    solver = find_solver(key)
    bench = DISCOVERY.prepare(driven, "tiny", DiscoveryConfig())
    model = solver.recipe("tiny").model.model_copy(update=SMALL.get(key, {}))
    module = solver.build(driven, model, bench.context)
    if key in SMALL:
        loss = solver.loss(module, ObservationExamples(driven.tables).whole)
        loss.backward()
        assert loss.isfinite()
        assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())
    else:
        assert solver.solve_closed_form(module, bench.examples)
    places = dense_places(driven.tables, 31)
    with torch.no_grad():
        measured = module.measure(places)
    assert measured.inputs.shape == (93, 3)
    force = 0.5 * torch.cos(1.2 * places.coordinates[:, 0])
    assert (measured.inputs[:, 2] - force).abs().max() < 0.01
    assert (measured.hidden[:, 0] == 0).all(), "nothing is hidden in the rate of x"
    if key not in SMALL:
        x, v, _ = measured.inputs.unbind(1)
        assert (measured.hidden[:, 1] + 0.2 * v + x).abs().max() < 0.3


def test_a_driven_table_becomes_an_equation_and_a_forecast(driven, discovered):
    details = discovered(driven.source, trajectories=2).conclusion.details
    assert details["full_equations"][0] == "x' = v"
    assert details["full_equations"][1].startswith("v' = F + (")
    assert details["forecast"]["relative_l2"] < 0.02
    assert details["components"]["v"]["units"]["ok"]
    assert "1/s" in str(details["components"]["v"]["remarks"]) or "s^-1" in str(details["components"]["v"]["remarks"])


def test_methods_with_networks_refuse_constants_per_trajectory(driven):
    prior = HiddenPrior(inputs=("F",), own=("k",))
    source = driven.source.model_copy(update={"known": "x' = v; v' = F - k*x", "prior": prior})
    problem = source.problem()
    assert len(problem.own["k"]) == 4
    assert problem.held_out() is None
    assert problem.own["k"] == pytest.approx([1.0] * 4, abs=0.2)
    for key in ("upinn", "universal_ode"):
        support = find_solver(key).supports(problem)
        assert not support.ok
        assert "per trajectory" in support.reason
    assert find_solver("sindy").supports(problem) == Support(True)


def test_a_table_in_space_gives_the_law_of_fisher(discovered):
    """u_t = 0.002 u_xx + 3 u (1 − u), no flux through the ends, 1 % of noise in proportion to u."""
    source = read_table(Path(__file__).with_name("fisher.csv"), "u' = 0.002*u_xx").source
    assert (source.space, source.columns) == (("x",), ("u",))
    details = discovered(source).conclusion.details
    (line,) = details["full_equations"]
    assert line.startswith("u_t = 0.002*u_xx + (")
    terms = dict(term.partition("*")[::2][::-1] for term in line[20:-1].replace(" - ", " + -").split(" + "))
    assert {name: float(factor) for name, factor in terms.items()} == pytest.approx({"u": 3, "u**2": -3}, rel=0.03)
    assert details["forecast"] is None
