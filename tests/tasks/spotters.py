"""Small solvers of the tasks without trajectories, to test the tasks with."""

import math

import torch
from torch import nn

from sciml.core.config import Config
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.solvers import sinenet
from sciml.tasks.classification import ClassificationConfig, ClassificationSolver
from sciml.tasks.density import DensityConfig, DensitySolver
from sciml.tasks.paths import PathsConfig, PathsSolver
from sciml.train import Recipe, TrainConfig


class NoConfig(Config):
    """Nothing to set."""


def register(monkeypatch, *solvers):
    """Add solvers to the registered ones."""
    monkeypatch.setattr(sinenet, "SOLVERS", (*sinenet.SOLVERS, *solvers))


def finite_status(mean):
    finite = mean.isfinite().reshape(len(mean), -1).all(1)
    return torch.where(finite, int(Status.OK), int(Status.DIVERGED))


class Affine(ClassificationSolver):
    """Classes by an affine map of the standardised sample: logistic regression."""

    key, title, citation, claim = "affine", "Logistic regression", "none", ""

    def recipe(self, preset):
        return Recipe[NoConfig, ClassificationConfig](
            model=NoConfig(),
            task=ClassificationConfig(),
            train=TrainConfig(steps=60, batch_size=64, learning_rate=5e-2, evaluate_every=20, checkpoint_every=20),
            baselines=("constant",),
        )

    def build(self, problem, model, context):
        size = math.prod(context.shape)
        module = nn.Sequential(nn.Flatten(), nn.Linear(size, len(problem.classes)))
        module.register_buffer("mean", context.statistics.field_mean.mean())
        module.register_buffer("std", context.statistics.field_std.mean())
        return module

    def logits(self, module, inputs):
        return module((inputs - module.mean) / module.std)

    def loss(self, module, batch, along=1.0):
        return nn.functional.cross_entropy(self.logits(module, batch.inputs), batch.labels)

    @torch.no_grad()
    def predict(self, module, inputs):
        mean = self.logits(module, inputs.inputs).softmax(1)
        return Prediction(mean, None, finite_status(mean))


class Constant(Affine):
    """Every class alike, nothing to train, nothing told about the outcome."""

    key, title = "constant", "Constant"

    def recipe(self, preset):
        return super().recipe(preset).model_copy(update={"baselines": ()})

    def predict(self, module, inputs):
        classes = module[1].out_features
        return Prediction(torch.full((len(inputs.inputs), classes), 1 / classes))

    def solve_closed_form(self, module, examples):
        return True


class Answers(Constant):
    """Whatever a function says: ``(inputs, tolerance) -> (probabilities, stats)``."""

    def __init__(self, function):
        self.function = function

    def predict(self, module, inputs):
        probabilities, stats = self.function(inputs.inputs, inputs.tolerance)
        return Prediction(probabilities, None, None, stats)


class Bell(nn.Module):
    """A Gaussian with independent components; buffers hold what it is standardised with."""

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", mean.clone())
        self.register_buffer("std", std.clone())
        self.shift = nn.Parameter(torch.zeros_like(mean))
        self.log_width = nn.Parameter(torch.full_like(mean, 0.7))

    def forward(self, points):
        scaled = ((points - self.mean) / self.std - self.shift) / self.log_width.exp()
        normal = -0.5 * scaled.square().sum(1) - 0.5 * points.shape[1] * math.log(2 * math.pi)
        return normal - self.log_width.sum() - self.std.log().sum()


class Gaussian(DensitySolver):
    """One Gaussian."""

    key, title, citation, claim = "bell", "One Gaussian", "none", ""

    def recipe(self, preset):
        return Recipe[NoConfig, DensityConfig](
            model=NoConfig(),
            task=DensityConfig(),
            train=TrainConfig(steps=80, batch_size=100, learning_rate=3e-2, evaluate_every=20, checkpoint_every=20),
        )

    def build(self, problem, model, context):
        return Bell(context.statistics.field_mean, context.statistics.field_std)

    def loss(self, module, batch, along=1.0):
        return -module(batch.points).mean()

    @torch.no_grad()
    def predict(self, module, inputs):
        mean = module(inputs.points)
        return Prediction(mean, None, finite_status(mean))

    @torch.no_grad()
    def sample(self, module, count, generator):
        noise = torch.randn(count, 2, generator=generator)
        return module.mean + module.std * (module.shift + module.log_width.exp() * noise)


class Described(DensitySolver):
    """A density that is a function of the points, which cannot be drawn from."""

    key, title, citation, claim = "described", "Described", "none", ""

    def __init__(self, function, **stats):
        self.function, self.stats = function, stats

    def recipe(self, preset):
        raise NotImplementedError

    def build(self, problem, model, context):
        return nn.Identity()

    def loss(self, module, batch, along=1.0):
        raise NotImplementedError

    def predict(self, module, inputs):
        return Prediction(self.function(inputs.points), None, None, self.stats)


class Walker(nn.Module):
    """dx_i = a_i x_i dt + s_i dW_i by Euler's method, five steps between two times."""

    def __init__(self, channels):
        super().__init__()
        self.rate = nn.Parameter(torch.zeros(channels))
        self.noise = nn.Parameter(torch.full((channels,), 0.1))

    def forward(self, start, times, seed):
        generator, state, states = torch.Generator().manual_seed(seed), start, [start]
        for h in times.diff() / 5:
            for _ in range(5):
                noise = h.sqrt() * torch.randn(start.shape, generator=generator)
                state = state + h * self.rate * state + noise * self.noise
            states.append(state)
        return torch.stack(states, 1)


class EulerWalk(PathsSolver):
    """Fits the rates and the noise of a linear equation to the moments."""

    key, title, citation, claim = "walk", "Linear walk", "none", ""

    def recipe(self, preset):
        return Recipe[NoConfig, PathsConfig](
            model=NoConfig(),
            task=PathsConfig(examined=200),
            train=TrainConfig(steps=30, batch_size=100, learning_rate=0.15, evaluate_every=15, checkpoint_every=15),
        )

    def build(self, problem, model, context):
        return Walker(len(problem.fields))

    def loss(self, module, batch, along=1.0):
        paths = module(batch.start, batch.times, batch.seed)
        return (paths.mean(0) - batch.mean).square().sum() + (paths.var(0) - batch.variance).square().sum()

    @torch.no_grad()
    def predict(self, module, inputs):
        mean = module(inputs.start, inputs.times, inputs.seed)
        evaluations = torch.full((len(mean),), 5 * (len(inputs.times) - 1))
        stats = {"evaluations": evaluations, "calls": int(evaluations[0])}
        return Prediction(mean, None, finite_status(mean), stats)


class Told(EulerWalk):
    """Paths that are a function of the inputs."""

    def __init__(self, function):
        self.function = function

    def predict(self, module, inputs):
        return Prediction(self.function(inputs))
