"""Operators that are said by their parts: input functions, spaces to draw them from, and what makes the labels.

No capability: it gives the methods that `AppliesOperator` asks for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities._maps_functions import AppliesOperator, Images, InputFunction
from sciml.core.domain import Domain
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.functions import Functions, FunctionSpace, MappedSpace
from sciml.core.status import Status

Source = FunctionSpace | MappedSpace
"""What one input function is drawn from."""
Draw = Callable[[int, torch.Generator], tuple[Functions, ...]]
"""Draws of all inputs together, where they depend on each other."""
Labels = Callable[..., Images | Tensor]
"""``labels(*functions, queries=...)``: values, ``function query`` or ``function query field``, or `Images`."""
Scatter = Callable[[int, torch.Generator], Tensor]
"""``scatter(count, generator)``: random queries, ``query dim``."""


@dataclass(frozen=True, kw_only=True)
class DeclaredOperator(AppliesOperator):
    """An operator that needs no class of its own: ``PROBLEM = DeclaredOperator(name=..., inputs=..., ...)``.

    What is handed to the labels was checked: every input is there, all have as many functions, and the queries are
    finite and lie in the domain. A function with values that are not finite has DIVERGED, unless the labels say a
    status of their own.

    Arguments:
        inputs: the functions it acts on.
        domain: where its fields live.
        drawn_from: the function spaces by name, the one to train on first: one per input in their order, a single one
            for a single input, or a function that draws all inputs together.
        labels: the trusted reference.
        scattered: random queries, for cards that ask for them; None for uniform ones.

    Raises: UserError for spaces that are not one per input, or live elsewhere than the input.
    """

    inputs: tuple[InputFunction, ...]
    domain: Domain
    drawn_from: Mapping[str, Source | tuple[Source, ...] | Draw]
    labels: Labels
    scattered: Scatter | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.inputs or not self.drawn_from:
            raise UserError(f"operator {self.name!r} needs an input function and a space to draw it from")
        for name, entry in self.drawn_from.items():
            if (sources := _sources(entry)) is None:
                continue
            if len(sources) != len(self.inputs):
                raise UserError(f"function space {name!r} of {self.name!r} is not one per input", got=len(sources),
                                expected=", ".join(function.name for function in self.inputs))  # fmt: skip
            for function, source in zip(self.inputs, sources, strict=True):
                if source.domain != function.domain:
                    raise UserError(
                        f"function space {name!r} of {self.name!r} lives elsewhere than its input {function.name!r}",
                        got=", ".join(map(str, source.domain.axes)),
                        expected=", ".join(map(str, function.domain.axes)),
                    )

    @property
    def spaces(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Names of the function spaces."""
        return tuple(self.drawn_from)

    def draw_functions(self, space: str, count: int, generator: torch.Generator) -> tuple[Functions, ...]:
        """Functions of one space, input after input from one generator."""
        if space not in self.drawn_from:
            raise UnknownNameError("function space", space, self.drawn_from)
        entry = self.drawn_from[space]
        sources = _sources(entry)
        if sources is None:
            assert callable(entry)
            return entry(count, generator)
        return tuple(source.draw(count, generator) for source in sources)

    def apply(self, functions: tuple[Functions, ...], queries: Tensor) -> Images:
        """The labels.

        Raises: UserError for functions or queries that do not fit, and for labels of a wrong shape.
        """
        self._check_functions(functions)
        self._check_queries(queries)
        made = self.labels(*functions, queries=queries)
        if isinstance(made, Images):
            return made
        values = made[..., None] if made.ndim == 2 else made
        failed = ~values.isfinite().flatten(1).all(1)
        return Images(
            torch.where(failed[:, None, None], torch.nan, values),
            torch.where(failed, int(Status.DIVERGED), int(Status.OK)).to(torch.int8),
        )

    def scatter(self, count: int, generator: torch.Generator) -> Tensor:
        """Random queries."""
        return super().scatter(count, generator) if self.scattered is None else self.scattered(count, generator)

    def _check_functions(self, functions: tuple[Functions, ...]) -> None:
        if len(functions) != len(self.inputs) or len({len(part) for part in functions}) != 1:
            raise UserError(
                f"operator {self.name!r} needs as many functions of every input",
                got=" and ".join(str(len(part)) for part in functions) or "none",
                expected=f"equal numbers of {', '.join(entry.name for entry in self.inputs)}",
            )
        for entry, part in zip(self.inputs, functions, strict=True):
            if part.space.domain != entry.domain:
                raise UserError(f"functions {entry.name!r} of {self.name!r} live on another domain",
                                got=", ".join(map(str, part.space.domain.axes)),
                                expected=", ".join(map(str, entry.domain.axes)))  # fmt: skip
            if not part.coefficients.isfinite().all():
                broken = ~part.coefficients.isfinite().all(1)
                raise UserError(f"functions {entry.name!r} of {self.name!r} are not finite",
                                got=f"function {int(broken.nonzero()[0])}")  # fmt: skip

    def _check_queries(self, queries: Tensor) -> None:
        names = ", ".join(self.domain.names)
        if queries.ndim != 2 or queries.shape[1] != len(self.domain.axes):
            raise UserError(f"queries of operator {self.name!r} have a wrong shape", got=tuple(queries.shape),
                            expected=f"(query, {len(self.domain.axes)}), columns {names}")  # fmt: skip
        if not (inside := self.domain.contains(queries)).all():  # a NaN lies nowhere
            row = int((~inside).nonzero()[0])
            point = zip(self.domain.names, queries[row].tolist(), strict=True)
            ends = [
                f"{axis.name} in [{axis.lower:g}, {axis.upper:g}]" + (", whole numbers" if axis.whole else "")
                for axis in self.domain.axes
            ]
            raise UserError(
                f"operator {self.name!r} is asked outside of its domain",
                got=f"query {row}: " + ", ".join(f"{axis} = {value:g}" for axis, value in point),
                expected="; ".join(ends),
            )


def _sources(entry: Source | tuple[Source, ...] | Draw) -> tuple[Source, ...] | None:
    """One space per input; None for a function that draws."""
    if isinstance(entry, FunctionSpace | MappedSpace):
        return (entry,)
    return entry if isinstance(entry, tuple) else None
