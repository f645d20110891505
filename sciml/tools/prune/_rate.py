"""A learning rate for momentum SGD, found by short trials."""

import copy
import math

from torch import nn

from sciml.core import rng
from sciml.core.errors import NumericsError
from sciml.tools._contract import Subject
from sciml.tools.prune._momentum_rule import SparseMomentumRule
from sciml.train import BrokenStep, ShuffleSampler, TrainConfig

LARGEST, FACTOR, TRIALS = 10.0, 2**0.5, 40
"""Trials of α / (1 - β), from the largest down by this factor."""
STEPS = 60
"""Of a trial. Where the loss is driven up it is so within a few dozen steps."""
RISE = 5.0
"""Multiple of the loss before a trial that it may reach: noise that goes again as the rate falls."""
SHARE = 0.01
"""Of what the network has learned that a trial may lose: a loss at its floor rises by any multiple at once."""
ROOM = 0.8
"""Of the largest rate that a trial survived: later batches may be worse."""


def find_rate(subject: Subject, module: nn.Module, train: TrainConfig, momentum: float, gained: float) -> float:
    """The largest α at which momentum SGD does not drive up the loss of a trained module, with room.

    Every trial goes the same steps from the trained weights, without decay. `gained` is how much lower their loss is
    than that of zeros.

    Raises:
        NumericsError: there is none.
    """
    rate = LARGEST * (1 - momentum)
    for _ in range(TRIALS):
        if _survives(subject, module, train, momentum, rate, gained):
            return ROOM * rate
        rate /= FACTOR
    raise NumericsError(
        f"momentum SGD drives up the loss of the trained network at every learning rate down to {rate:.1g}; "
        "set learning_rate, or method=gradual, which takes the solver's own steps"
    )


def _survives(
    subject: Subject, module: nn.Module, train: TrainConfig, momentum: float, rate: float, gained: float
) -> bool:
    """Whether the loss stays near that of the trained weights."""
    examples, loss, device = subject.bench().examples, subject.solver.loss, next(module.parameters()).device
    seed = rng.derive(subject.seed, "prune", "rate")
    sampler, size = ShuffleSampler(seed), min(train.batch_size, len(examples))
    trial = copy.deepcopy(module).train()
    config = train.model_copy(
        update={"learning_rate": rate, "weight_decay": 0.0, "steps": STEPS, "warmup": 0.0, "final_learning_rate": rate}
    )
    rng.seed_everything(seed)
    rule = SparseMomentumRule(trial, loss, config, weights=(), count=0, momentum=momentum)
    before, after = [], []
    for step in range(STEPS):
        batch = examples.batch(sampler.indices(step, len(examples), size), rng.generator(seed, "noise", step))
        try:
            value = float(rule.step(batch.to(device), 0.0))
        except BrokenStep:
            return False
        if not math.isfinite(value):
            return False
        if step < 3:  # momentum has hardly moved the weights yet
            before.append(value)
        elif step >= STEPS - STEPS // 3:
            after.append(value)
    start = sum(before) / len(before)
    return sum(after) / len(after) - start <= max((RISE - 1) * abs(start), SHARE * gained)
