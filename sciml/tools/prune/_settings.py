"""From what was asked to what is trained; what cannot succeed is refused here."""

import math

from torch import nn

from sciml.core.errors import ConfigError
from sciml.tools._contract import Subject
from sciml.tools.prune._config import PruneConfig
from sciml.tools.prune._decay import check_decay, reachable_decay, weight_decay_for
from sciml.tools.prune._hold import check_held, check_outweighed, kept_sizes, losses_of
from sciml.tools.prune._momentum_rule import momentum_groups
from sciml.tools.prune._rate import find_rate
from sciml.tools.prune._select import count_to_keep, magnitudes
from sciml.tools.prune._weights import Prunable
from sciml.train import TrainConfig, learning_rates

MOMENTA = (0.98, 0.95, 0.9, 0.8)
"""Tried from the largest down: the larger, the smaller the weight decay that survivors suffer from."""
_OF_GSM = ("momentum", "decay", "weight_decay", "adaptive")
_UNREAD = {
    "gsm": (),
    "gradual": _OF_GSM,
    "magnitude": (*_OF_GSM, "steps", "learning_rate"),
    "random": (*_OF_GSM, "steps", "learning_rate"),
    "structured": (*_OF_GSM, "steps", "learning_rate", "entries", "include", "compressed"),
}
"""Settings that mean nothing to a method."""


def momentum_training(
    subject: Subject, config: PruneConfig, train: TrainConfig, chosen: Prunable, module: nn.Module
) -> tuple[TrainConfig, float]:
    """Training and momentum of global sparse momentum: refused where the rest cannot decay, before it begins."""
    shape = _schedule(train, chosen, module)
    momentum = config.momentum or _largest_momentum(config.decay, shape)
    weight_decay_for(config.decay, shape, momentum)  # whether any does, whatever the learning rate
    losses = losses_of(subject, module, train, chosen.weights)
    gained = losses[1] - losses[0]
    rate = config.learning_rate or (
        train.learning_rate
        if config.adaptive
        else find_rate(subject, module, train, momentum, gained if math.isfinite(gained) else 0.0)
    )
    rates = [rate * value for value in shape]
    if config.weight_decay is None:
        decay = weight_decay_for(config.decay, rates, momentum)
    else:
        decay = config.weight_decay
        check_decay(rates, momentum, decay)
    sizes = kept_sizes(magnitudes(chosen.weights), count_to_keep(chosen.entries, config.ratio, config.entries))
    if config.weight_decay is None and config.adaptive:
        check_held(sizes, momentum=momentum, weight_decay=decay, learning_rate=rate, steps=train.steps)
    elif config.weight_decay is None:
        check_outweighed(sizes, losses, weight_decay=decay, learning_rate=rate, steps=train.steps)
    changes: dict[str, object] = {"learning_rate": rate, "final_learning_rate": 0.0, "weight_decay": decay}
    if not config.adaptive:
        changes["optimiser"] = "sgd"
    return train.model_copy(update=changes), momentum


def _schedule(train: TrainConfig, chosen: Prunable, module: nn.Module) -> list[float]:
    """Learning rate of every step for the weights with the lowest one, for a peak of 1.

    A model may cap the learning rate of weights that were asked for.
    """
    unit = train.model_copy(update={"learning_rate": 1.0, "final_learning_rate": 0.0, "weight_decay": 1.0})
    slowest = min(group["lr"] for group in momentum_groups(module, chosen.weights, unit) if group["weight_decay"])
    return [slowest * rate for rate in learning_rates(unit)]


def _largest_momentum(decay: float, shape: list[float]) -> float:
    """The largest momentum with which so many steps are enough; the smallest where none is."""
    enough = [momentum for momentum in MOMENTA if reachable_decay(shape, momentum) >= decay]
    return enough[0] if enough else MOMENTA[-1]


def refuse_unread(config: PruneConfig) -> None:
    """Refuse settings that the method does not read."""
    default = PruneConfig()
    ignored = [name for name in _UNREAD[config.method] if getattr(config, name) != getattr(default, name)]
    if config.rewind:
        ignored += [
            name
            for name in ("finetune_steps", "finetune_learning_rate")
            if getattr(config, name) != getattr(default, name)
        ]
    if config.entries is not None and config.ratio != default.ratio:
        ignored.append("ratio")
    if ignored:
        reader = "a rewind" if config.rewind and ignored[0].startswith("finetune") else f"method {config.method}"
        reader = "entries" if ignored == ["ratio"] else reader
        raise ConfigError(
            f"{reader} does not read every setting that was given",
            got=", ".join(f"{name}={getattr(config, name)}" for name in ignored),
            fix="Leave them out.",
        )
