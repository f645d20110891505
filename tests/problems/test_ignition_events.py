"""Ignition is an event of the trajectory: it takes burning, and no output time moves it."""

import math

import pytest
import torch

from sciml.core import registry

CHAMBER = {
    "laser_x": 0.06, "laser_y": 0.02, "energy": 20.0, "duration": 3e-4, "radius": 0.013, "equivalence_ratio": 0.175,
    "chamber_pressure": 2e5,
}  # fmt: skip
KERNEL = {"energy": 0.14, "duration": 1e-5, "feed_temperature": 300.0, "feed_pressure": 1e5, "equivalence_ratio": 1.0,
          "residence_time": 3e-5}  # fmt: skip


def solve(name, values, times, start=None):
    problem = registry.problem(name)
    params = {key: torch.tensor([value], dtype=torch.float64) for key, value in values.items()}
    initial = problem.initial(params, problem.grid(()), torch.Generator()) if start is None else start
    times = torch.as_tensor(times, dtype=torch.float64)
    return problem, params, times, problem.simulate(params, initial, times, problem.grid(()))


@pytest.mark.slow
def test_the_delay_of_the_chamber_does_not_depend_on_output_times():
    found = []
    for times in ([0.0, 3e-3], torch.linspace(0, 3e-3, 601)):
        problem, params, times, solved = solve("combustor_ignition", CHAMBER, times)
        found.append({name: float(values) for name, values in solved.stats.items() if name.startswith("summary")})
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    fine = problem.derived_values(times, solved.states, params)
    assert found[0]["summary/ignition_delay"] == pytest.approx(float(fine["ignition_delay"]), rel=1e-3)
    assert found[0]["summary/peak_temperature"] == pytest.approx(float(fine["peak_temperature"]), rel=1e-3)


def test_a_hot_start_is_no_ignition_and_no_delay_is_negative():
    """1500 K without fuel cools; 1500 K with fuel burns before the laser fires."""
    problem = registry.problem("combustor_ignition")
    fields = torch.zeros(2, 2, 7, dtype=torch.float64)
    fields[..., 0], fields[..., 1], fields[..., 2], fields[..., 4] = 1500.0, 2e5, 0.5, 1.0
    fields[1, :, 3], fields[1, :, 4] = 0.05, 0.95
    times = torch.tensor([0.0, 2e-4], dtype=torch.float64)
    fields[1, 1, 3], fields[1, 1, 5], fields[1, 1, 6] = 0.0, 0.1375, 0.1125
    quantities = problem.derived_values(times, fields, {})
    assert quantities["ignition_delay"].isnan().all()
    chance = problem.chance(fields, {})
    assert float(chance[0]) < 1e-3
    assert float(chance[1]) > 0.99


def test_a_pulse_that_only_heats_is_no_ignition():
    """The kernel passes 1500 K, keeps nine tenths of its methane, and falls back below 460 K."""
    problem, params, times, solved = solve("stirred_ignition", KERNEL, torch.linspace(0, 1, 101))
    assert float(solved.stats["summary/peak_temperature"]) > 1500.0
    assert float(solved.states[0, :, 2].min()) > 0.9 * float(solved.states[0, 0, 2])
    assert float(solved.states[0, -1, 0]) < 460.0
    assert math.isnan(float(solved.stats["summary/ignition_time"]))
    assert problem.derived_values(times, solved.states, params)["ignition_time"].isnan().all()
    assert float(problem.chance(solved.states, params)) < 1e-3


def test_the_time_of_a_kernel_that_burns_does_not_depend_on_output_times():
    values = KERNEL | {"energy": 0.4, "residence_time": 1e-3}
    found = [
        float(solve("stirred_ignition", values, times)[3].stats["summary/ignition_time"])
        for times in ([0.0, 1.0], torch.linspace(0, 1, 1001))
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    assert 0 < found[0] < 0.05
