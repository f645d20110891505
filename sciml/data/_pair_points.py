"""What a card of pairs says, made into points: sensors, queries, and which of them are known of a function."""

import torch
from jaxtyping import Int
from torch import Tensor

from sciml.core import rng
from sciml.core.capabilities import AppliesOperator
from sciml.core.errors import ConfigError, UnknownNameError
from sciml.core.registry import card_path
from sciml.data._pairs import PairsCard


def settled(problem: AppliesOperator, card: PairsCard) -> PairsCard:
    """The card with the name of its function space. Raises UnknownNameError for an unknown one."""
    space = card.space or problem.spaces[0]
    if space not in problem.spaces:
        raise UnknownNameError("function space", space, problem.spaces)
    return card.model_copy(update={"space": space})


def choose_queries(total: int, size: int, points: int, generator: torch.Generator) -> Int[Tensor, "function point"]:
    """Distinct queries for every function."""
    if points == 1:
        return torch.randint(size, (total, 1), generator=generator)
    return torch.stack([torch.randperm(size, generator=generator)[:points] for _ in range(total)])


def sensors_of(problem: AppliesOperator, card: PairsCard) -> tuple[Tensor, ...]:
    names = [entry.name for entry in problem.inputs]
    if set(card.sensors) != set(names):
        raise ConfigError(
            f"{card_path(problem)} does not say the sensors of every input function",
            got=", ".join(card.sensors) or "none",
            expected=", ".join(names),
        )
    for entry in problem.inputs:
        if len(card.sensors[entry.name]) != len(entry.domain.axes):
            raise ConfigError(
                f"{card_path(problem)} does not say the sensors of {entry.name!r} axis by axis",
                got=card.sensors[entry.name],
                expected=f"{len(entry.domain.axes)} numbers ({', '.join(entry.domain.names)})",
            )
    return tuple(problem.sensors(name, card.sensors[name]).double() for name in names)


def queries_of(problem: AppliesOperator, card: PairsCard) -> tuple[Tensor, Tensor]:
    """Those of training and of all else: one lattice, or random ones of each."""
    if card.scattered is not None:
        if card.queries:
            raise ConfigError(f"{card_path(problem)} asks for queries on a lattice and for scattered ones",
                              got=f"queries {list(card.queries)}, scattered {card.scattered}",
                              expected="one of them")  # fmt: skip
        words = (card.seed, problem.name, "queries")
        training, others = (problem.scatter(card.scattered, rng.generator(*words, use)) for use in ("train", "others"))
        return training.double(), others.double()
    if len(card.queries) != len(problem.domain.axes):
        raise ConfigError(
            f"{card_path(problem)} does not say the queries axis by axis",
            got=card.queries,
            expected=f"{len(problem.domain.axes)} numbers ({', '.join(problem.domain.names)})",
        )
    lattice = problem.queries(card.queries).double()
    return lattice, lattice
