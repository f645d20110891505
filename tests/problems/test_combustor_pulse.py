"""A laser pulse shorter than any step: it is seen by the reference, the reduced model and every form of PNODE."""

import functools

import pytest
import torch

from sciml.core import registry
from sciml.data import Statistics
from sciml.solvers.pnode import PNODE, PNODEConfig, PNODESolver, SourceConfig, misfits
from sciml.tasks.trajectories import Start, TrajectoryBatch

VALUES = {
    "laser_x": 0.06,
    "laser_y": 0.02,
    "energy": 15.0,
    "duration": 1.2e-4,
    "radius": 0.013,
    "equivalence_ratio": 0.175,
    "chamber_pressure": 2e5,
}


@functools.cache
def problem():
    return registry.problem("combustor_ignition")


def case(**changes):
    """Parameters of one chamber and its cold fill."""
    params = {name: torch.tensor([v], dtype=torch.float64) for name, v in (VALUES | changes).items()}
    fields = problem().initial(params, problem().grid(()), torch.Generator())
    return params, fields, torch.stack(list(params.values()), 1)


def statistics():
    mean = torch.tensor([900.0, 8e5, 1.5, 0.03, 0.9, 0.03, 0.03])
    return Statistics(
        field_mean=mean,
        field_std=0.5 * mean,
        parameter_mean=torch.tensor(list(VALUES.values())),
        parameter_std=torch.ones(len(VALUES)),
    )


def module(form, *, learn="all", seed=0):
    """A PNODE with every weight drawn anew, which heats three times as much as the laser."""
    made = PNODE(PNODEConfig(learn=learn, width=8, layers=2, source=SourceConfig(form=form)), problem(), statistics())
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            weight.copy_(0.2 * torch.randn_like(weight) if "offset" not in name else torch.zeros_like(weight))
        if "heat" in made.sources:
            made.offsets["heat"].fill_(1.2)
    return made


def predicted(made, times, durations, tolerance=None):
    """Temperatures at the last of `times`, one for each duration of the pulse."""
    rows = [case(duration=duration)[1:] for duration in durations]
    fields, parameters = (torch.cat(part) for part in zip(*rows, strict=True))
    inputs = Start(fields, parameters, torch.tensor(times, dtype=torch.float64), tolerance)
    prediction = PNODESolver().predict(made, inputs)
    assert not prediction.status.any()
    return prediction.mean[:, -1, 0].tolist()


@pytest.mark.parametrize(
    "form", ["guess", *(pytest.param(form, marks=pytest.mark.slow) for form in ("network", "hypernetwork", "shape"))]
)
def test_a_pulse_heats_whatever_form_its_closure_has(form):
    """From 0, 0.4 and -1 ms, in two frames or many, at 0.12 and 0.02 ms: the same end, which a tight solve gives."""
    made, durations, end = module(form), (1.2e-4, 2e-5), 4e-3  # a free pulse comes later in its window than the laser
    right = predicted(made, [0.0, end], durations, 1e-6)
    assert min(right) > 310.0
    for times in ([0.4e-3, end], [-1e-3, 1e-3, 1.01e-3, end]):
        assert predicted(made, times, durations) == pytest.approx(right, rel=1e-3)


def test_the_reduced_model_takes_up_the_energy_of_the_laser():
    """15 J into 0.2 litres at 2 bar make 42 K; training tolerances leave 0.02 % of it."""
    made, durations = module("guess", learn=()), (1e-4, 5e-5, 2e-5)
    heated = {
        (tolerance, start): [t - 300.0 for t in predicted(made, [start, 1.4e-3], durations, tolerance)]
        for tolerance, start in ((1e-6, 0.0), (1e-2, 0.0), (1e-3, 0.4e-3), (None, -1e-3))
    }
    right = heated.pop((1e-6, 0.0))
    assert right == pytest.approx([42.572, 42.380, 42.265], abs=2e-3)  # SciPy's BDF, steps of duration / 12 at most
    for found in heated.values():
        assert found == pytest.approx(right, rel=2e-4)


def test_the_loss_of_a_window_sees_the_pulse_where_it_is():
    """A window of a trajectory begins at its own time, not at zero."""

    made = module("guess", learn=())
    _, fields, parameters = case()
    times = torch.tensor([0.0, 0.5e-3, 2e-3, 3e-3], dtype=torch.float64)
    states = made(fields, parameters, times, tolerance=1e-6)[0]
    batch = TrajectoryBatch(states[:, 1:], times[1:] - times[1], parameters, times[1:2])
    assert float(misfits(made, batch, None)) < 1e-6
    assert float(misfits(made, TrajectoryBatch(states[:, 1:], times[1:] - times[1], parameters), None)) > 1e-6


def test_the_reference_does_not_depend_on_output_times():
    params, fields, _ = case(duration=2e-5, energy=20.0)
    ends = [
        float(problem().simulate(params, fields, torch.tensor(t).double(), problem().grid(())).states[0, -1, 0])
        for t in ([0.0, 1.2e-3], [0.9e-3, 0.95e-3, 1.2e-3])
    ]
    assert ends[1] == pytest.approx(ends[0], rel=1e-3)
    assert ends[0] > 330.0


def test_a_stirred_vessel_begun_later_meets_its_pulse_where_it_is():
    stirred = registry.problem("stirred_ignition")
    values = {"energy": 0.2, "duration": 2e-5, "feed_temperature": 300.0, "feed_pressure": 2e5,
              "equivalence_ratio": 1.0, "residence_time": 1e-3}  # fmt: skip
    params = {name: torch.tensor([v], dtype=torch.float64) for name, v in values.items()}
    grid = stirred.grid(())
    start = stirred.initial(params, grid, torch.Generator())
    whole = stirred.simulate(params, start, torch.tensor([0.0, 0.05, 0.1, 0.5]).double(), grid).states
    rest = stirred.simulate(params, whole[:, 1], torch.tensor([0.05, 0.1, 0.5]).double(), grid).states
    torch.testing.assert_close(rest[:, 1:, 0], whole[:, 2:, 0], rtol=2e-2, atol=0)
    assert float(whole[0, -1, 0]) > 2000.0
