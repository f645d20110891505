"""What the tests of ordinary differential equations share: draws, finite differences, closures that matter."""

import torch

from sciml.core.rng import generator
from sciml.data import PresetCard, read_card
from sciml.reference import integrate

GRID_SIZE = ()


def draw(problem, count, seed=0):
    """Parameters and initial states of `count` random trajectories."""
    grid = problem.grid(GRID_SIZE)
    draws, states = [], []
    for index in range(count):
        randomness = generator(seed, index)
        draws.append(problem.draw(randomness))
        states.append(problem.initial(draws[-1], grid, randomness))
    return {name: torch.stack([d[name] for d in draws]) for name in draws[0]}, torch.stack(states)


def simulate(problem, params, initial, times):
    """The reference at `times`, which may be a list."""
    return problem.simulate(params, initial, torch.as_tensor(times, dtype=torch.float64), problem.grid(GRID_SIZE))


def stored_times(problem, preset="tiny"):
    """The stored times of a preset."""
    card = read_card(problem).table(preset, PresetCard)
    return card.dt * torch.arange(card.frames, dtype=torch.float64)


def row(params, index):
    """The parameters of one row, as a batch of one."""
    return {name: value[index : index + 1] for name, value in params.items()}


def slope(problem, state, params, closures=None):
    """d(state)/dt by `HasDynamics.dynamics`, with the true closures but for those given."""
    time = torch.zeros(len(state), dtype=state.dtype)
    return problem.dynamics(time, state, params, {**problem.closures(), **(closures or {})})


def fly(problem, initial, times, params, closures, step):
    """States at `times` of the dynamics with some closures replaced, by RK4 of a fixed step."""
    return integrate(
        lambda state: slope(problem, state, params, closures),
        initial,
        list(times),
        largest_step=lambda state: torch.full((len(state),), step, dtype=torch.float64),
        is_admissible=lambda state: state.isfinite().all(1),
    ).states


def check_dynamics_against_differences(problem, *, step, tolerance, after=1.0):
    """`dynamics` is the time derivative of the simulated trajectory: a centred difference of fourth order."""
    params, initial = draw(problem, 4)
    states = simulate(problem, params, initial, [0.0, *(after + step * torch.arange(-2, 3).double()).tolist()]).states
    before2, before, here, later, later2 = states[:, 1:].unbind(1)
    difference = (before2 - 8 * before + 8 * later - later2) / (12 * step)
    expected = slope(problem, here, params)
    torch.testing.assert_close(difference, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


def check_every_closure_matters(problem):
    """Replacing any closure by nothing changes the dynamics, and the closure put there is the one that is called."""
    params, initial = draw(problem, 3)
    before = slope(problem, initial, params)
    for name, true in problem.closures().items():
        calls = []

        def nothing(inputs, values, true=true, calls=calls):
            calls.append(inputs.shape)
            return torch.zeros_like(true(inputs, values))

        after = slope(problem, initial, params, {name: nothing})
        assert len(calls) == 1
        assert calls[0][0] == 3
        assert (after - before).abs().amax(1).min() > 1e-6, f"{name} does nothing"


def check_a_network_may_stand_in(problem):
    """In single precision, with gradients: the state keeps its dtype and a network's weights are reached."""
    params, initial = draw(problem, 3)
    state = initial.float().requires_grad_()
    assert slope(problem, state, params).dtype == torch.float32
    for name, true in problem.closures().items():
        seen = []
        slope(problem, state, params, {name: lambda x, p, true=true, seen=seen: seen.append(x) or true(x, p)})
        inputs = seen[0]
        network = torch.nn.Linear(inputs.shape[1], true(inputs, params).shape[1])
        out = slope(problem, state, params, {name: lambda x, p, network=network: network(x)})
        assert out.shape == state.shape
        assert out.dtype == torch.float32
        (gradient,) = torch.autograd.grad(out.square().sum(), network.weight, retain_graph=True)
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0


def order(errors, steps):
    """Slopes of log error against log step count."""
    errors, steps = torch.as_tensor(errors).double(), torch.as_tensor(steps).double()
    return errors.log().diff() / -steps.log().diff()
