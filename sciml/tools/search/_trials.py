"""Searches that train one network after another: the controls of differentiable search."""

import importlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

from sciml.core import rng
from sciml.core.errors import UnsupportedError
from sciml.tools.search._config import SearchConfig
from sciml.train import Choice, Choices, Space

_DRAWS = 500  # random networks drawn for one whose predicted cost is near the target
_BELOW, _ABOVE = 0.1, 0.05  # how far a predicted cost may be from the target
_OUTSIDE = 10.0  # what a cost that misses its target by once the target adds to a score


class Trial(NamedTuple):
    """A network that was trained.

    Fields:
        choices: what it is.
        score: of its validation, lower is better.
        cost: predicted.
    """

    choices: dict[str, Choice]
    score: float
    cost: float


class Objective(NamedTuple):
    """What a search of trials makes small.

    Fields:
        space: what is tried.
        score: trains a network and gives its score.
        cost: predicts what it costs.
        unit: mean cost of random networks.
        penalty: λ.
        target: wanted cost; None for λ instead.
    """

    space: Space
    score: Callable[[Choices], float]
    cost: Callable[[Choices], float]
    unit: float
    penalty: float
    target: float | None

    def near(self, cost: float) -> bool:
        """Whether a predicted cost is as wanted."""
        return self.target is None or 1 - _BELOW <= cost / self.target <= 1 + _ABOVE

    def value(self, trial: Trial) -> float:
        """Score and price, or score and how far the target is missed."""
        if self.target is None:
            return trial.score + self.penalty * trial.cost / self.unit
        return trial.score + _OUTSIDE * (0.0 if self.near(trial.cost) else abs(trial.cost / self.target - 1))

    def trial(self, choices: Choices) -> Trial:
        """Train one."""
        kept = self.space.canonical(choices)
        return Trial(kept, self.score(kept), self.cost(kept))


def run_trials(objective: Objective, config: SearchConfig, seed: int) -> list[Trial]:
    """As many trials as the configuration says, different ones as far as the method can.

    Raises:
        UnsupportedError: the method needs Optuna, which is not installed; or random draws find no network near the
            target.
    """
    draw = rng.generator(seed, "trials", config.method)
    if config.method == "random":
        return [objective.trial(_near(objective, draw, strict=True)) for _ in range(config.trials)]
    if config.method == "evolution":
        return _evolve(objective, config, draw)
    return _optuna(objective, config, rng.derive(seed, config.method) % 2**32)


def pareto(trials: list[Trial]) -> list[Trial]:
    """Those that no other one beats in score and cost, cheapest first."""
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda one: (one.cost, one.score)):
        if not front or trial.score < front[-1].score:
            front.append(trial)
    return front


def _near(objective: Objective, draw: torch.Generator, *, strict: bool) -> dict[str, Choice]:
    """A random network whose predicted cost is as wanted; any other if none is drawn, unless that is `strict`."""
    chosen: dict[str, Choice] = {}
    for _ in range(_DRAWS):
        chosen = objective.space.sample(draw)
        if objective.near(objective.cost(chosen)):
            return chosen
    if not strict:
        return chosen
    raise UnsupportedError("random networks hardly ever have the wanted cost", got=f"none of {_DRAWS}",
                           fix="Set method=gradient or evolution, or another target.")  # fmt: skip


def _evolve(objective: Objective, config: SearchConfig, draw: torch.Generator) -> list[Trial]:
    """Regularised evolution: the best of a few of the youngest networks has one choice changed; the oldest goes.

    Reference: Real, Aggarwal, Huang, Le, AAAI 2019, arXiv:1802.01548.
    """
    first = range(min(config.population, config.trials))
    trials = [objective.trial(_near(objective, draw, strict=False)) for _ in first]
    while len(trials) < config.trials:
        alive = trials[-config.population :]
        picked = torch.randperm(len(alive), generator=draw)[: max(2, len(alive) // 2)].tolist()
        parent = min((alive[i] for i in picked), key=objective.value)
        trials.append(objective.trial(_mutated(objective.space, parent.choices, draw)))
    return trials


def _mutated(space: Space, choices: Choices, draw: torch.Generator) -> dict[str, Choice]:
    """One slot that exists and has several choices takes another one."""
    slots = [slot for slot in space.slots if len(slot.choices) > 1 and space.exists(slot, choices)]
    while slots:
        slot = slots[int(torch.randint(len(slots), (), generator=draw))]
        others = [choice for choice in slot.choices if choice != choices[slot.name]]
        changed = space.canonical({**choices, slot.name: others[int(torch.randint(len(others), (), generator=draw))]})
        if not space.obstacle(changed):
            return changed
    return dict(choices)


def _optuna(objective: Objective, config: SearchConfig, seed: int) -> list[Trial]:
    """Optuna asks, we train and tell; one objective for TPE, score and cost for NSGA-II."""
    try:
        optuna = importlib.import_module("optuna")
    except ImportError:
        raise UnsupportedError(f"method={config.method} needs Optuna", fix="pip install 'sciml[search]'") from None
    both = config.method == "nsga2"
    sampler = (
        optuna.samplers.NSGAIISampler(population_size=config.population, seed=seed)
        if both
        else optuna.samplers.TPESampler(n_startup_trials=max(1, config.trials // 4), seed=seed)
    )
    trials: list[Trial] = []
    with _quiet("optuna"):
        study = optuna.create_study(directions=["minimize"] * (1 + both), sampler=sampler)
        for _ in range(config.trials):
            asked = study.ask()
            drawn = {slot.name: asked.suggest_categorical(slot.name, slot.choices) for slot in objective.space.slots}
            trial = objective.trial(drawn)
            trials.append(trial)
            study.tell(asked, [objective.value(trial), trial.cost] if both else objective.value(trial))
    return trials


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """A library's log says nothing meanwhile."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
