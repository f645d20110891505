"""The linear stencil: exact where the truth is linear, persistence before it is fitted."""

import pytest
import torch
from torch.nn.functional import conv2d, pad

from sciml.data import WindowBatch
from sciml.solvers.baselines import LinearConfig, LinearSolver


class Pairs:
    """White-noise states and what a known map makes of them."""

    def __init__(self, truth, *, count=6, history=2, fields=2, size=(8, 10)):
        generator = torch.Generator().manual_seed(7)
        self.inputs = torch.randn(count, history, fields, *size, generator=generator) * 3 + 1
        self.targets = truth(self.inputs.double()).float()[:, None]
        self.drawn = []

    def __len__(self):
        return len(self.inputs)

    def batch(self, indices, generator):
        self.drawn += indices.tolist()
        n = len(indices)
        return WindowBatch(self.inputs[indices], self.targets[indices], torch.zeros(n, 1), torch.ones(n))


def fitted(examples, problem, context, grid, **model):
    solver = LinearSolver()
    module = solver.build(problem, LinearConfig(**model), context(grid))
    assert solver.solve_closed_form(module, examples) is True
    return module


def predict(module, examples):
    rows = examples.batch(torch.arange(len(examples)), torch.Generator())
    return module(rows.inputs, rows.parameters, rows.stride)


@pytest.mark.parametrize(("boundary", "mode"), [("periodic", "circular"), ("wall", "constant")])
@pytest.mark.parametrize("radius", [0, 1, 2])
def test_a_linear_map_is_recovered_exactly(boundary, mode, radius, problem, context, grid):
    points = 2 * radius + 1
    weight = torch.randn(2, 4, points, points, dtype=torch.float64, generator=torch.Generator().manual_seed(radius))

    def truth(u):
        return conv2d(pad(u.flatten(1, 2), (radius,) * 4, mode=mode), weight)

    examples = Pairs(truth)
    module = fitted(examples, problem, context, grid(8, 10, y=boundary, x=boundary), radius=radius, ridge=0.0)
    assert torch.allclose(predict(module, examples), examples.targets, rtol=1e-4, atol=1e-3)
    assert torch.allclose(module.network.stencil.conv.weight.double(), weight, atol=1e-5)


def test_a_constant_offset_is_found(problem, context, grid):
    examples = Pairs(lambda u: 0.5 * u[:, -1] + 4)
    module = fitted(examples, problem, context, grid(8, 10), radius=0, ridge=0.0)
    assert torch.allclose(module.network.stencil.conv.bias, torch.tensor([4.0, 4.0]), atol=1e-4)


def test_ridge_shrinks_the_stencil(problem, context, grid):
    examples = Pairs(lambda u: u[:, -1])
    norms = [
        float(fitted(examples, problem, context, grid(8, 10), ridge=ridge).network.stencil.conv.weight.detach().norm())
        for ridge in (0.0, 10.0, 1000.0)
    ]
    assert norms[0] > norms[1] > norms[2]


def test_it_is_at_least_as_good_as_persistence_on_its_training_data(problem, context, grid):
    examples = Pairs(lambda u: u[:, -1].roll(1, -1) ** 2)
    module = fitted(examples, problem, context, grid(8, 10))
    errors = [(p - examples.targets).square().mean() for p in (predict(module, examples), examples.inputs[:, -1:])]
    assert errors[0] < errors[1]


def test_a_constant_regressor_does_not_break_the_fit(problem, context, grid):
    examples = Pairs(lambda u: u[:, -1])
    examples.inputs[:, 0] = 0.0
    module = fitted(examples, problem, context, grid(8, 10), ridge=0.0)
    assert torch.allclose(predict(module, examples), examples.targets, atol=1e-3)


def test_windows_are_spread_over_the_training_set(problem, context, grid):
    examples = Pairs(lambda u: u[:, -1], count=11)
    fitted(examples, problem, context, grid(8, 10), windows=3, radius=0)
    assert examples.drawn == [0, 5, 10]


def test_before_the_fit_it_is_persistence(problem, context, grid):
    module = LinearSolver().build(problem, LinearConfig(), context(grid(8, 10)))
    u = torch.randn(2, 2, 2, 8, 10)
    assert torch.equal(module.network(u.flatten(1, 2)), u[:, -1])


def test_neighbourhoods_are_what_the_convolution_sees(problem, context, grid):
    network = LinearSolver().network(problem, LinearConfig(radius=1), context(grid(6, 5, y="wall")))
    torch.nn.init.normal_(network.stencil.conv.weight)
    u = torch.randn(3, 2, 2, 6, 5)
    rows = network.neighbourhoods(u)
    a = torch.cat((network.stencil.conv.weight.flatten(1), network.stencil.conv.bias[:, None]), 1).double()
    expected = (rows @ a.T).reshape(3, 30, 2).transpose(1, 2).reshape(3, 2, 6, 5)
    assert torch.allclose(network(u.flatten(1, 2)).double(), expected, atol=1e-5)
