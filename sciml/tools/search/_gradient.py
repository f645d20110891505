"""One differentiable search: a supernet trained in a stage of its own, and the shares that came out."""

import time
from typing import NamedTuple

import torch
from torch import Tensor

from sciml.core import rng
from sciml.core.errors import UnsupportedError
from sciml.tools._budget import shortened
from sciml.tools._contract import Subject
from sciml.tools.search._config import SearchConfig
from sciml.tools.search._learned import Learned
from sciml.tools.search._rule import BilevelRule, HalfSampler, Price, Relaxation
from sciml.tools.search._supernet import make_supernet
from sciml.tools.search._table import build
from sciml.train import GradientRule

_RATE = 0.05  # of the ascent on λ, which a mixture twice as slow as wanted raises by so much a step


class Searched(NamedTuple):
    """What a differentiable search found.

    Fields:
        shares: of the choices of every slot.
        cost: of the mixture, as the predictor saw it last.
        price: λ at the end.
        seconds: of the training.
    """

    shares: list[Tensor]
    cost: float
    price: float
    seconds: float


def search_by_gradient(
    subject: Subject, learned: Learned, config: SearchConfig, *, penalty: float, target: float | None, stage: str
) -> Searched:
    """Train a supernet of the space and its choices.

    Arguments:
        subject: whose solver, data and training it is.
        learned: the space, and what its networks cost.
        config: the settings.
        penalty: λ.
        target: cost in place of λ; None for none.
        stage: name of the training.

    Raises:
        UnsupportedError: the space does not say where its choices act, or there are too few examples to halve.
    """
    seed = rng.derive(subject.seed, "search", stage)
    examples = subject.bench().examples
    if len(examples) < 2:
        raise UnsupportedError("weights and choices need examples of their own", got=f"{len(examples)} examples",
                               expected="at least 2")  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.derive(seed, "init"))
        module, gates = make_supernet(learned.space, lambda choices: build(subject, learned.space, choices))
    train = shortened(subject.recipe.train, config.steps or subject.recipe.train.steps)
    train = train.model_copy(update={"ema": None, "evaluate_every": train.steps})
    second = HalfSampler(rng.derive(seed, "held"), second=True)

    def held(step: int) -> object:
        indices = second.indices(step, len(examples), train.batch_size)
        device = next(module.parameters()).device
        return examples.batch(indices, rng.generator(seed, "held noise", step)).to(device)

    rule = BilevelRule(
        GradientRule(module, subject.solver.loss, train),
        module,
        subject.solver.loss,
        gates,
        held,
        seed=seed,
        steps=train.steps,
        rate=config.choice_rate,
        relaxation=Relaxation(config.relaxation, paths=config.paths),
        price=_price(learned, penalty, target),
        order=config.order,
    )
    began = time.perf_counter()
    subject.train(module, train, rule=rule, sampler=HalfSampler(rng.derive(seed, "weights")), stage=stage)
    return Searched(rule.shares(), rule.logged()["cost"], rule.logged()["price"], time.perf_counter() - began)


def _price(learned: Learned, penalty: float, target: float | None) -> Price | None:
    if target is None and penalty == 0:
        return None
    return Price(learned.predictor, learned.unit, penalty, target, _RATE)
