"""The residual classifier: shapes, gradients, and that it learns."""

import pytest
import torch

from sciml.core.capabilities import Classifies
from sciml.core.errors import ConfigError
from sciml.core.problem import Field
from sciml.data import Statistics
from sciml.solvers.baselines import ResNetConfig, ResNetSolver
from sciml.tasks.classification import ClassificationContext, Labelled, Pictures
from sciml.train import count_parameters, match_parameters

SOLVER = ResNetSolver()


class Bars(Classifies):
    """Noisy pictures of a bright row or a bright column: no single point tells which."""

    classes = ("row", "column")
    shape = (1, 8, 8)

    def samples(self):
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(200) % 2
        pictures = 0.1 * torch.randn(200, 8, 8, generator=generator)
        places = torch.randint(8, (200,), generator=generator)
        for picture, label, place in zip(pictures, labels, places, strict=True):
            (picture if label == 0 else picture.T)[place] += 1
        return pictures.view(200, *self.shape), labels


def bars(*shape):
    problem = Bars(
        name="bars", title="bars", equation="", fields=(Field("a", "a", "1", "a"),), boundary={}, citation=""
    )
    object.__setattr__(problem, "shape", shape or (1, 8, 8))
    return problem


def context(problem):
    inputs = problem.samples()[0]
    none = torch.zeros(0)
    statistics = Statistics(inputs.mean()[None], inputs.std()[None], none, none)
    return ClassificationContext(shape=tuple(inputs.shape[1:]), statistics=statistics)


def build(problem, **model):
    torch.manual_seed(0)
    return SOLVER.build(problem, ResNetConfig(**model), context(problem))


@pytest.mark.parametrize("kind", ["mlp", "conv"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 8), (64,), (4, 4, 4)])
def test_it_gives_class_probabilities_for_samples_of_many_shapes(kind, shape):
    problem = bars(*shape)
    if kind == "conv" and len(shape) == 1:
        with pytest.raises(ConfigError, match=r"model\.kind=mlp"):
            build(problem, kind=kind)
        return
    prediction = SOLVER.predict(build(problem, kind=kind, width=8), Pictures(problem.samples()[0][:5]))
    assert prediction.mean.shape == (5, 2)
    assert prediction.mean.dtype == torch.float32
    torch.testing.assert_close(prediction.mean.sum(1), torch.ones(5))
    assert prediction.status.tolist() == [0] * 5


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_gradients_reach_every_parameter(kind):
    problem = bars()
    module = build(problem, kind=kind, width=8)
    inputs, labels = problem.samples()
    SOLVER.loss(module, Labelled(inputs[:8], labels[:8])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in module.parameters())


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_it_has_as_many_residual_blocks_as_asked_for(kind):
    sizes = [count_parameters(build(bars(), kind=kind, width=8, blocks=n)) for n in (1, 2, 6)]
    assert sizes[1] > sizes[0]
    assert sizes[2] - sizes[0] == 5 * (sizes[1] - sizes[0])
    assert len(build(bars()).blocks) == 6


def test_blocks_add_to_what_comes_in():
    module = build(bars(), kind="mlp", width=8)
    for block in module.blocks:
        torch.nn.init.zeros_(block.layers[-1].weight)
        torch.nn.init.zeros_(block.layers[-1].bias)
    x = bars().samples()[0][:3]
    torch.testing.assert_close(module(x), module.head((x.flatten(1) - module.mean) / module.std))


def test_a_picture_too_small_for_the_stem_is_refused():
    with pytest.raises(ConfigError, match=r"model\.halvings"):
        build(bars(), kind="conv", halvings=4)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_its_knob_sets_its_size(kind):
    problem = bars()
    model = match_parameters(SOLVER, problem, ResNetConfig(kind=kind), context(problem), 60_000)
    assert abs(count_parameters(build(problem, **model.model_dump())) - 60_000) < 2000


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_it_learns_to_tell_rows_from_columns(kind):
    problem = bars()
    module = build(problem, kind=kind, width=8, nonlinearity="relu" if kind == "conv" else "tanh")
    inputs, labels = problem.samples()
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(30):
        optimiser.zero_grad()
        SOLVER.loss(module, Labelled(inputs[:150], labels[:150])).backward()
        optimiser.step()
    classes = SOLVER.predict(module, Pictures(inputs[150:])).mean.argmax(1)
    assert (classes == labels[150:]).float().mean() > 0.9
