"""The linear equation: exact where the truth is linear, honest about where it is not."""

import pytest
import torch

from sciml.core.capabilities import HasTrajectories
from sciml.core.problem import Field
from sciml.core.status import Status
from sciml.data import Statistics
from sciml.solvers.baselines import LinearODEConfig, LinearODESolver
from sciml.tasks.trajectories import Start, TrajectoriesContext, TrajectoryBatch

MATRIX = torch.tensor([[-0.1, 2.0], [-1.5, -0.3]], dtype=torch.float64)
COUPLING = torch.tensor([[0.3], [-0.7]], dtype=torch.float64)
CONSTANT = torch.tensor([0.5, -0.2], dtype=torch.float64)
PROBLEM = HasTrajectories(
    name="plane",
    title="plane",
    equation="",
    fields=(Field("a", "a", "1", "a"), Field("b", "b", "1", "b")),
    boundary={},
    citation="",
)
SOLVER = LinearODESolver()


def exact(matrix, coupling, constant, start, parameters, times):
    """States of dy/dt = A y + B p + b by the exponential of the extended matrix, one product per sample."""
    n, k = coupling.shape
    extended = torch.zeros(n + k + 1, n + k + 1, dtype=torch.float64)
    extended[:n] = torch.cat((matrix, coupling, constant[:, None]), dim=1)
    w = torch.cat((start, parameters, torch.ones(len(start), 1)), dim=1).double()
    return torch.stack([w @ torch.linalg.matrix_exp(float(t) * extended).T for t in times], dim=1)[..., :n]


class Windows:
    """Consecutive frames of given trajectories."""

    def __init__(self, states, parameters, times):
        self.states, self.parameters, self.times = states.float(), parameters.float(), times.float()
        self.drawn = []

    def __len__(self):
        return len(self.states)

    def batch(self, indices, generator):
        self.drawn += indices.tolist()
        return TrajectoryBatch(self.states[indices], self.times, self.parameters[indices])

    @property
    def statistics(self):
        means = self.states.mean((0, 1)), self.parameters.mean(0)
        deviations = self.states.std((0, 1)), (self.parameters - means[1]).square().mean(0).sqrt()
        return Statistics(means[0], deviations[0], means[1], deviations[1])


def windows(dt=0.1, count=30, frames=10, matrix=MATRIX, noise=0.0):
    generator = torch.Generator().manual_seed(3)
    start = torch.randn(count, 2, generator=generator) * torch.tensor([1.0, 5.0]) + 2
    parameters = torch.randn(count, 1, generator=generator) + 1
    times = dt * torch.arange(frames)
    states = exact(matrix, COUPLING, CONSTANT, start, parameters, times)
    return Windows(states + noise * torch.randn(states.shape, generator=generator), parameters, times)


def build(examples, **model):
    context = TrajectoriesContext(statistics=examples.statistics, dt=0.1, frames=len(examples.times))
    return SOLVER.build(PROBLEM, LinearODEConfig(**model), context)


def fitted(examples, **model):
    module = build(examples, **model)
    assert SOLVER.solve_closed_form(module, examples) is True
    return module


def test_a_linear_equation_is_recovered_with_its_matrix():
    examples = windows()
    equation = fitted(examples).equation()
    for got, true in zip(equation, (MATRIX, COUPLING, CONSTANT), strict=True):
        torch.testing.assert_close(got, true, rtol=0, atol=1e-6)


def test_predictions_are_exact_far_beyond_the_window_and_at_any_times():
    examples = windows()
    start, parameters = torch.tensor([[1.0, -2.0], [0.3, 4.0]]), torch.tensor([[0.5], [1.5]])
    times = 3 + torch.cat((torch.arange(5) * 0.033, torch.tensor([7.0, 20.0])))
    prediction = SOLVER.predict(fitted(examples), Start(start, parameters, times))
    true = exact(MATRIX, COUPLING, CONSTANT, start, parameters, times - 3)
    torch.testing.assert_close(prediction.mean.double(), true, rtol=1e-6, atol=1e-6)
    assert prediction.mean.dtype == torch.float32
    assert prediction.status.tolist() == [Status.OK, Status.OK]
    assert prediction.stats == {}


def test_a_stiff_equation_is_recovered_too():
    matrix = torch.tensor([[-20.0, 0.0], [1.0, -0.05]], dtype=torch.float64)
    torch.testing.assert_close(fitted(windows(matrix=matrix)).equation()[0], matrix, rtol=1e-4, atol=1e-4)


def test_growth_beyond_all_numbers_is_a_status():
    examples = windows(matrix=torch.tensor([[3.0, 0.0], [0.0, -1.0]], dtype=torch.float64))
    start = Start(torch.ones(1, 2), torch.ones(1, 1), torch.tensor([0.0, 1.0, 20.0, 100.0]))
    prediction = SOLVER.predict(fitted(examples), start)
    assert prediction.status.tolist() == [Status.DIVERGED]
    assert prediction.mean.isfinite().all(2).tolist() == [[True, True, True, False]]
    assert prediction.mean[0, 3].isnan().all()


def test_a_state_that_is_not_finite_does_not_spoil_the_others():
    examples = windows()
    start = Start(torch.tensor([[torch.nan, 1.0], [1.0, 1.0]]), torch.ones(2, 1), torch.arange(3.0))
    prediction = SOLVER.predict(fitted(examples), start)
    assert prediction.status.tolist() == [Status.DIVERGED, Status.OK]
    assert prediction.mean[1].isfinite().all()


@pytest.mark.parametrize("eigenvalue", [-0.5, 0.0])
def test_a_propagator_without_logarithm_still_gives_an_equation(eigenvalue):
    """Frames that jump as y_{k+1} = -y_k / 2 (or 0): no differential equation does; the fit is finite and decays."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(20, 1, 2, dtype=torch.float64, generator=generator)
    factors = eigenvalue ** torch.arange(4, dtype=torch.float64)
    states = start * factors[:, None]
    examples = Windows(states, torch.randn(20, 1, generator=generator), torch.arange(4))
    matrix, *_ = fitted(examples).equation()
    rate = 2 * (eigenvalue - 1) / (eigenvalue + 1)  # of the rule that takes the mean of the slopes at both ends
    torch.testing.assert_close(matrix, rate * torch.eye(2, dtype=torch.float64), rtol=1e-5, atol=1e-5)


def test_it_is_the_best_linear_equation_for_noisy_frames():
    """Least squares over many pairs: the error of the matrix falls with the number of windows."""
    few, many = (float((fitted(windows(count=n, noise=0.01)).equation()[0] - MATRIX).norm()) for n in (10, 1000))
    assert many < 0.3 * few
    assert many < 0.05


def test_windows_are_spread_over_the_training_set():
    examples = windows(count=11)
    fitted(examples, windows=3)
    assert sorted(set(examples.drawn)) == [0, 5, 10]


def test_before_the_fit_nothing_moves_and_the_loss_has_gradients():
    examples = windows()
    module = build(examples)
    batch = examples.batch(torch.arange(4), torch.Generator())
    mean = SOLVER.predict(module, Start(batch.states[:, 0], batch.parameters, batch.times)).mean
    torch.testing.assert_close(mean, batch.states[:, :1].expand_as(mean))
    before = SOLVER.loss(module, batch)
    before.backward()
    assert module.rates.grad.isfinite().all()
    assert SOLVER.loss(fitted(examples), batch) < 1e-9 * before


def test_it_needs_no_physical_parameters():
    examples = windows()
    examples.parameters = torch.zeros(len(examples), 0)
    matrix, coupling, constant = fitted(examples).equation()
    assert matrix.shape == (2, 2)
    assert coupling.shape == (2, 0)
    assert constant.shape == (2,)
