"""One module that holds every network of a space, and the gates that say which of them it is."""

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sciml.core.errors import UnsupportedError
from sciml.nn import Signal
from sciml.train import Choice, Choices, Places, Space

Combination = tuple[tuple[str, int], ...]
"""Numbers of choices, by slot."""
Build = Callable[[Choices], nn.Module]
"""Makes the network of an architecture, freshly initialised."""


class Gates:
    """Which choices count how much at the moment; shared by all gated layers of a supernet.

    In training it is `rows` that count, and what is not in `active` is not computed. In evaluation the supernet is the
    network of `best`.

    Arguments:
        space: the slots.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.rows: dict[str, Tensor] = {}
        self.active: dict[str, frozenset[int]] = {}
        self.best: dict[str, int] = {}
        self.choose({slot.name: slot.choices[0] for slot in space.slots})

    def choose(self, choices: Choices) -> None:
        """Make the supernet one network, in training too."""
        for slot in self.space.slots:
            index = slot.choices.index(choices[slot.name])
            row = torch.zeros(len(slot.choices), dtype=torch.float64)
            row[index] = 1.0
            self.set(slot.name, row, frozenset([index]))
            self.best[slot.name] = index

    def set(self, name: str, row: Tensor, active: frozenset[int]) -> None:
        """The shares of the choices of a slot, and those that are computed."""
        self.rows[name], self.active[name] = row, active

    def live(self, combination: Combination) -> bool:
        """Whether a combination is computed in training."""
        return all(index in self.active[name] for name, index in combination)

    def chosen(self, combination: Combination) -> bool:
        """Whether it is that of `best`."""
        return all(self.best[name] == index for name, index in combination)

    def share(self, combinations: Iterable[Combination]) -> Tensor:
        """How much the combinations count together."""
        shares = [torch.stack([self.rows[name][index] for name, index in one]).prod() for one in combinations]
        return torch.stack(shares).sum()


class Absent(nn.Module):
    """Stands for a submodule that an architecture does not have."""

    def __init__(self, kind: Literal["zero", "identity"]) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor, *others: object) -> Tensor:
        """Nothing to add, or the input itself."""
        return torch.zeros_like(x) if self.kind == "zero" else x


class Mixed(nn.Module):
    """Σ_o g_o f_o(x): candidates for one submodule, each times the share of the choices that mean it.

    Candidates whose gate is not active are not computed. With one-hot gates the answer is that of one candidate, to the
    bit.

    Arguments:
        gates: of the supernet.
        candidates: different submodules, whose answers can be added.
        combinations: of each, the choices that mean it.
    """

    def __init__(self, gates: Gates, candidates: list[nn.Module], combinations: list[list[Combination]]) -> None:
        super().__init__()
        self.gates, self.combinations = gates, combinations
        self.candidates = nn.ModuleList(candidates)

    def candidate(self, choices: Choices) -> nn.Module:
        """The one that an architecture has."""
        for module, combinations in zip(self.candidates, self.combinations, strict=True):
            for one in combinations:
                if all(self.gates.space.slot(name).choices[index] == choices[name] for name, index in one):
                    return module
        raise KeyError(choices)

    def forward(self, x: Signal, *others: object) -> Signal:
        """The mixture in training, that of the best choices in evaluation."""
        gates, total = self.gates, None
        if not self.training:
            pairs = zip(self.candidates, self.combinations, strict=True)
            return next(module for module, ones in pairs if any(gates.chosen(one) for one in ones))(x, *others)
        live = [
            (module, kept)
            for module, ones in zip(self.candidates, self.combinations, strict=True)
            if (kept := [one for one in ones if gates.live(one)])
        ]
        for module, kept in live:
            share = gates.share(kept)
            answer = module(x, *others)
            if len(live) == 1 and not share.requires_grad and float(share) == 1.0:
                return answer
            total = answer * share if total is None else total + answer * share
        assert total is not None
        return total


class WidthMask(nn.Module):
    """A weight whose inputs count as far as there are so many features: W_ij Σ_{w > j} g_w.

    Arguments:
        gates: of the supernet.
        slot: whose choices are widths.
        features: inputs of the layer, those of the widest.
    """

    steps: Tensor

    def __init__(self, gates: Gates, slot: str, features: int) -> None:
        super().__init__()
        self.gates, self.slot = gates, slot
        widths = torch.tensor([int(width) for width in gates.space.slot(slot).choices])
        self.register_buffer("steps", (widths[:, None] > torch.arange(features)).double(), persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        """The masked weight, ``out in``."""
        if self.training:
            return weight * (self.gates.rows[self.slot] @ self.steps.double()).to(weight.dtype)
        return weight * self.steps[self.gates.best[self.slot]].to(weight.dtype)


def make_supernet(space: Space, build: Build) -> tuple[nn.Module, Gates]:
    """A module that is every network of a space, one after another or mixed.

    What is the same with several choices is one submodule with shared weights. Nested places are filled from the
    outside in: a slot inside a submodule that another slot swaps is a slot of each of its candidates.

    Arguments:
        space: with places.
        build: makes the networks, from torch's generator.

    Returns: the supernet and its gates, at the first choices.

    Raises:
        UnsupportedError: the space does not say where its choices act, or a slot acts nowhere.
    """
    if space.places is None:
        raise UnsupportedError("the space does not say where its choices act in a network, so that they cannot be "
                               "mixed", fix="Set method=random, evolution, tpe or nsga2.")  # fmt: skip
    gates, used = Gates(space), set[str]()
    first = {slot.name: _widest(slot.choices) for slot in space.slots}
    module = _Assembly(space, build, gates, used).assemble(first, frozenset())
    free = [slot for slot in space.slots if len(slot.choices) > 1 and space.possible(slot)]
    idle = [slot.name for slot in free if slot.name not in used]
    if idle:
        raise UnsupportedError("the space does not say where some choices act in a network", got=", ".join(idle),
                               fix="Fix them by `choices`, or set method=random, evolution, tpe or "
                                   "nsga2.")  # fmt: skip
    return module, gates


class _Assembly:
    def __init__(self, space: Space, build: Build, gates: Gates, used: set[str]) -> None:
        self.space, self.build, self.gates, self.used = space, build, gates, used

    def places(self, choices: Choices) -> Places:
        assert self.space.places is not None
        return self.space.places(choices)

    def prepared(self, choices: Choices) -> nn.Module:
        """A network with masks on the layers that read searched widths."""
        module = self.build(choices)
        for path, slot in self.places(choices).masks.items():
            layer = module.get_submodule(path)
            weight = layer.get_parameter("weight")
            parametrize.register_parametrization(layer, "weight", WidthMask(self.gates, slot, weight.shape[1]))
            self.used.add(slot)
        return module

    def assemble(self, choices: Choices, fixed: frozenset[str]) -> nn.Module:
        """The network of some fixed choices, with the others mixed."""
        module, places = self.prepared(choices), self.places(choices)
        todo = {
            path: slots
            for path, slots in places.swaps.items()
            if not fixed.issuperset(slots) and _submodule(module, path.rpartition(".")[0]) is not None
        }
        tops = [path for path in todo if not any(path.startswith(f"{other}.") for other in todo)]
        variants: dict[tuple[Combination, str], nn.Module] = {}
        for path in tops:
            names = tuple(name for name in todo[path] if name not in fixed)
            self.used.update(names)
            nested = any(other.startswith(f"{path}.") for other in todo)
            candidates: list[nn.Module] = []
            combinations: list[list[Combination]] = []
            known: dict[object, int] = {}
            for combination in self._combinations(names):
                chosen = {**choices, **self._named(combination)}
                plain = self._variant(variants, combination, chosen)
                key = _fingerprint(_submodule(plain, path))
                if key not in known:
                    known[key] = len(candidates)
                    made = self._variant(variants, combination, chosen, fixed.union(names)) if nested else plain
                    candidates.append(_submodule(made, path) or Absent(places.absent))
                    combinations.append([])
                combinations[known[key]].append(combination)
            _replace(module, path, Mixed(self.gates, candidates, combinations))
        return module

    def _variant(
        self, kept: dict[tuple[Combination, str], nn.Module], combination: Combination, choices: Choices,
        fixed: frozenset[str] | None = None,
    ) -> nn.Module:  # fmt: skip
        """One variant, made once for all places that the same slots have."""
        key = (combination, "plain" if fixed is None else "nested")
        if key not in kept:
            kept[key] = self.prepared(choices) if fixed is None else self.assemble(choices, fixed)
        return kept[key]

    def _combinations(self, names: tuple[str, ...]) -> list[Combination]:
        numbers = [range(len(self.space.slot(name).choices)) for name in names]
        return [tuple(zip(names, indices, strict=True)) for indices in product(*numbers)]

    def _named(self, combination: Combination) -> dict[str, Choice]:
        return {name: self.space.slot(name).choices[index] for name, index in combination}


def extract(supernet: nn.Module, choices: Choices, build: Build) -> nn.Module:
    """The network of an architecture with the weights that it has in the supernet, in evaluation mode."""
    module = build(choices)
    with torch.no_grad():
        for name, target in (*module.named_parameters(), *module.named_buffers()):
            *parents, last = name.split(".")
            owner = supernet
            for part in (*parents, ""):
                while isinstance(owner, Mixed):
                    owner = owner.candidate(choices)
                if part:
                    owner = owner.get_submodule(part)
            masked = parametrize.is_parametrized(owner, last)
            source = owner.get_parameter(f"parametrizations.{last}.original") if masked else getattr(owner, last)
            target.copy_(source[tuple(slice(n) for n in target.shape)])
    return module.eval()


def _widest(choices: tuple[Choice, ...]) -> Choice:
    numbers = [choice for choice in choices if isinstance(choice, int | float)]
    return max(numbers) if len(numbers) == len(choices) else choices[0]


def _submodule(module: nn.Module, path: str) -> nn.Module | None:
    """A submodule; the module itself for an empty path, None for one that is not there."""
    try:
        return module.get_submodule(path)
    except AttributeError:
        return None


def _fingerprint(module: nn.Module | None) -> object:
    """Equal for submodules that can share their weights: the same layers with the same shapes."""
    if module is None:
        return None
    state: Mapping[str, Tensor] = module.state_dict()
    return repr(module), tuple((key, tuple(value.shape)) for key, value in state.items())


def _replace(module: nn.Module, path: str, other: nn.Module) -> None:
    parent, _, key = path.rpartition(".")
    module.get_submodule(parent).add_module(key, other)
