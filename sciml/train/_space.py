"""Spaces of architectures: what a solver's network may be made of, declared by the solver itself."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.config import Config
from sciml.core.errors import UnknownNameError, UnsupportedError, UserError
from sciml.core.problem import Problem
from sciml.train._context import Context

Choice = str | int | float | bool
"""One value of a slot."""
Choices = Mapping[str, Choice]
"""An architecture: the value of every slot, by its name."""

_DRAWS = 2000
"""Architectures that are drawn before a space is said to hold none."""


@dataclass(frozen=True)
class Slot:
    """One thing to choose.

    Arguments:
        name: of the slot.
        choices: values, each once.
        needs: another slot and its values with which this one exists; None where it always does.
        skip: the value that leaves out what the slot stands for; None where there is none.
    """

    name: str
    choices: tuple[Choice, ...]
    needs: tuple[str, tuple[Choice, ...]] | None = None
    skip: Choice | None = None


class Places(NamedTuple):
    """Where the choices act in a module, so that one module can hold all of them at once.

    Fields:
        swaps: submodules that differ between the values of some slots, by path. A path may lie inside another one. What
            is not there with some value adds nothing, as `absent` says.
        masks: layers that read the features whose number is the value of a slot, by path: the first features of
            ``weight[:, feature]`` count, the others do not.
        absent: what stands for a submodule that is not there: ``zero`` for one whose answer is added, ``identity`` for
            one that adds to its input itself.
    """

    swaps: Mapping[str, tuple[str, ...]] = {}
    masks: Mapping[str, str] = {}
    absent: Literal["zero", "identity"] = "zero"


@dataclass(frozen=True)
class Space:
    """Architectures of one solver, all of them recipes of it.

    Its code is one-hot: as many entries as there are choices of all slots, slot after slot. The row of a slot that does
    not exist is zero; two architectures that differ in such slots only are the same.

    Arguments:
        slots: what there is to choose; a slot comes after the one it needs.
        model: hyper-parameters with given choices.
        places: where they act, given choices; None where architectures can only be tried one by one.
        obstacle: why choices do not go together; empty where they do.
    """

    slots: tuple[Slot, ...]
    model: Callable[[Choices], Config]
    places: Callable[[Choices], Places] | None = None
    obstacle: Callable[[Choices], str] = lambda choices: ""

    @property
    def length(self) -> int:
        """Entries of a code: the sum of the numbers of choices."""
        return sum(len(slot.choices) for slot in self.slots)

    @property
    def size(self) -> int:
        """Combinations of all choices, the same architectures counted as often as they are written."""
        return math.prod(len(slot.choices) for slot in self.slots)

    def slot(self, name: str) -> Slot:
        """A slot by name."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise UnknownNameError("slot of the search space", name, [slot.name for slot in self.slots])

    def exists(self, slot: Slot, choices: Choices) -> bool:
        """Whether a slot exists with the choices."""
        if slot.needs is None:
            return True
        name, values = slot.needs
        return choices[name] in values and self.exists(self.slot(name), choices)

    def possible(self, slot: Slot) -> bool:
        """Whether a slot exists with any choices: not where the values that it needs are not allowed."""
        if slot.needs is None:
            return True
        name, values = slot.needs
        other = self.slot(name)
        return any(value in other.choices for value in values) and self.possible(other)

    def canonical(self, choices: Choices) -> dict[str, Choice]:
        """The same architecture, with the first choice in every slot that does not exist.

        Raises:
            UserError: a slot has no choice, or one that it does not offer.
        """
        unknown = sorted(choices.keys() - {slot.name for slot in self.slots})
        if unknown:
            self.slot(unknown[0])
        kept: dict[str, Choice] = {}
        for slot in self.slots:
            if slot.name not in choices or choices[slot.name] not in slot.choices:
                raise UserError(f"slot {slot.name!r} has no such choice", got=repr(choices.get(slot.name)),
                                expected="one of: " + ", ".join(map(str, slot.choices)))  # fmt: skip
            kept[slot.name] = choices[slot.name]
        return {s.name: kept[s.name] if self.exists(s, kept) else s.choices[0] for s in self.slots}

    def encode(self, choices: Choices) -> Float[Tensor, " entry"]:
        """The code of an architecture, float64."""
        kept = self.canonical(choices)
        rows = []
        for slot in self.slots:
            row = torch.zeros(len(slot.choices), dtype=torch.float64)
            row[slot.choices.index(kept[slot.name])] = float(self.exists(slot, kept))
            rows.append(row)
        return torch.cat(rows)

    def decode(self, code: Float[Tensor, " entry"]) -> dict[str, Choice]:
        """The architecture of a code.

        Raises:
            UserError: the code has another length, rows that are not one-hot, or a row for a slot that does not exist.
        """
        if code.shape != (self.length,):
            raise UserError("a code does not fit the search space", got=f"{code.numel()} entries",
                            expected=f"{self.length}")  # fmt: skip
        chosen: dict[str, Choice] = {}
        for slot, row in zip(self.slots, self.rows(code), strict=True):
            ones = [i for i, value in enumerate(row.tolist()) if value == 1]
            if len(ones) > 1 or bool(((row != 0) & (row != 1)).any()):
                raise UserError(f"the code of slot {slot.name!r} is not one choice", got=row.tolist(),
                                expected="one 1 among zeros")  # fmt: skip
            chosen[slot.name] = slot.choices[ones[0] if ones else 0]
            if bool(ones) != self.exists(slot, chosen):
                words = "chosen, but it does not exist" if ones else "not chosen"
                raise UserError(f"slot {slot.name!r} is {words} with the other choices", got=row.tolist())
        return chosen

    def rows(self, code: Float[Tensor, "*many entry"]) -> tuple[Tensor, ...]:
        """A code, or several, slot by slot."""
        return code.split([len(slot.choices) for slot in self.slots], dim=-1)

    def mixed(self, shares: Sequence[Tensor]) -> Tensor:
        """The code of a mixture: shares of the choices of every slot (a vector each), times how much the slot exists.

        It is that of an architecture where the shares are zeros and ones, and a smooth function of them.
        """
        by_name = {slot.name: share for slot, share in zip(self.slots, shares, strict=True)}
        return torch.cat([by_name[slot.name] * self._share(slot, by_name) for slot in self.slots])

    def _share(self, slot: Slot, shares: Mapping[str, Tensor]) -> Tensor:
        if slot.needs is None:
            return shares[slot.name].new_ones(())
        name, values = slot.needs
        other = self.slot(name)
        parts = [shares[name][other.choices.index(value)] for value in values if value in other.choices]
        chosen = torch.stack(parts).sum() if parts else shares[name].new_zeros(())
        return chosen * self._share(other, shares)

    def skips(self, choices: Choices) -> int:
        """Slots that exist and leave out what they stand for."""
        return sum(
            slot.skip is not None and choices[slot.name] == slot.skip and self.exists(slot, choices)
            for slot in self.slots
        )

    def sample(self, generator: torch.Generator) -> dict[str, Choice]:
        """A random architecture, every slot by itself and uniformly.

        Raises:
            UnsupportedError: 2000 draws gave none whose choices go together; with the reason of the last one.
        """
        reason = ""
        for _ in range(_DRAWS):
            drawn = {
                slot.name: slot.choices[int(torch.randint(len(slot.choices), (), generator=generator))]
                for slot in self.slots
            }
            kept = self.canonical(drawn)
            if not (reason := self.obstacle(kept)):
                return kept
        raise _empty(reason)

    def narrowed(self, allowed: Mapping[str, Sequence[Choice]]) -> "Space":
        """The same space with some choices only.

        Raises:
            UnknownNameError: there is no such slot.
            UnsupportedError: nothing is left.
        """
        for name in allowed:
            self.slot(name)
        slots = []
        for slot in self.slots:
            wanted = allowed.get(slot.name, slot.choices)
            kept = tuple(choice for choice in slot.choices if choice in wanted)
            if not kept:
                raise _empty(f"slot {slot.name!r} offers {', '.join(map(str, slot.choices))}, and none of these is "
                             f"allowed")  # fmt: skip
            slots.append(replace(slot, choices=kept))
        return replace(self, slots=tuple(slots))


class Searchable(ABC):
    """A solver that offers a space of architectures; asked with ``isinstance``."""

    @abstractmethod
    def space(self, problem: Any, model: Any, context: Any) -> Space:  # Any: as the types of `Solver`, which differ
        """What its network may be made of, around the hyper-parameters of a recipe.

        Arguments:
            problem, model, context: as for `Solver.build`.

        Raises:
            UnsupportedError: this recipe has no space, with the reason.
        """


def space_of(solver: object, problem: Problem, model: Config, context: Context) -> Space:
    """The space that a solver offers. Raises UnsupportedError where it offers none."""
    if isinstance(solver, Searchable):
        return solver.space(problem, model, context)
    raise UnsupportedError("this solver declares no space of architectures", got=type(solver).__name__,
                           fix="Make it a `sciml.train.Searchable`.")  # fmt: skip


def spread(*values: int) -> tuple[int, ...]:
    """Positive numbers in order, each once: the choices of a slot around a preset."""
    return tuple(sorted({value for value in values if value > 0}))


def _empty(reason: str) -> UnsupportedError:
    return UnsupportedError("the search space holds no valid network", got=reason or "no choices",
                            expected="at least one architecture whose choices go together",
                            fix="Allow more choices.")  # fmt: skip
