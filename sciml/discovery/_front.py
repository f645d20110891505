"""The result of a symbolic search: formulas on the front of error against complexity."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import sympy as sp

from sciml.core.errors import DataError, UnknownNameError
from sciml.discovery._algebra import replaced
from sciml.discovery._tree import evaluate, from_tree, to_tree

EVIDENCE = 3.0
"""Differences of description length, in nat, that decide nothing: odds of 20, where evidence is first called strong.

Reference: R. E. Kass, A. E. Raftery, Bayes factors, JASA 90 (1995) 773-795. doi:10.1080/01621459.1995.10476572
"""

RIVALS = 6
"""Formulas of other kinds that are kept beside a front."""


@dataclass(frozen=True)
class Entry:
    """One formula.

    Arguments:
        expr: the formula, constants refitted.
        complexity: nodes of its sympy tree, so that engines are comparable.
        loss_train, loss_heldout: mean squared error (in units of sigma² where it varies) on rows fitted and held out.
        constants: number of fitted constants.
        mdl, bic: description length and Bayesian information criterion, lower is better.
        engine, seed: who found it.
        raw: the formula as the engine wrote it.
        engine_complexity: as the engine counts.
    """

    expr: sp.Expr
    complexity: int
    loss_train: float
    loss_heldout: float
    constants: int
    mdl: float
    bic: float
    engine: str
    seed: int
    raw: str = ""
    engine_complexity: int = 0

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """Plain data, the formula as a prefix tree and, for people, as text."""
        return {**vars(self), "expr": to_tree(self.expr), "text": format_expr(self.expr)}

    @classmethod
    def from_dict(cls, values: Any) -> "Entry":  # Any: JSON, not checked yet
        """What `to_dict` gave. Raises DataError for anything else."""
        try:
            values = {key: value for key, value in values.items() if key != "text"}
            return cls(**{**values, "expr": from_tree(values["expr"])})
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError("a stored formula is not complete", got=error) from None


@dataclass(frozen=True)
class SymbolicFront:
    """Non-dominated formulas, simple ones first.

    Arguments:
        names: the inputs, in the order of the table's columns.
        entries: by rising complexity and falling held-out loss.
        selection: the criterion of `best` where none is given.
        rivals: the best formula of every other kind (`kind_of`) off the front; errors of smooth curves may favour a
            wrong one, so that only the observations decide.
    """

    names: tuple[str, ...]
    entries: tuple[Entry, ...]
    selection: Literal["mdl", "bic", "knee"] = "mdl"
    rivals: tuple[Entry, ...] = ()

    @classmethod
    def of(
        cls, names: tuple[str, ...], entries: Iterable[Entry], selection: Literal["mdl", "bic", "knee"] = "mdl"
    ) -> "SymbolicFront":
        """The front of any entries."""
        kept: list[Entry] = []
        finite = [e for e in entries if np.isfinite(e.loss_heldout) and np.isfinite(e.loss_train)]
        for entry in sorted(finite, key=lambda e: (e.complexity, e.loss_heldout, str(e.expr))):
            if not kept or entry.loss_heldout < kept[-1].loss_heldout * (1 - 1e-9):
                if kept and kept[-1].complexity == entry.complexity:
                    kept.pop()
                kept.append(entry)
        if not kept:
            raise DataError("no formula with finite values was found", fix="Give more rows, generations or operators.")
        return cls(names, tuple(kept), selection, _rivals(kept, finite))

    def merge(self, *others: "SymbolicFront") -> "SymbolicFront":
        """The front of several, of different seeds or engines on the same table."""
        for other in others:
            if other.names != self.names:
                raise DataError("fronts of different inputs cannot be merged", got=other.names, expected=self.names)
        pooled = [entry for front in (self, *others) for entry in (*front.entries, *front.rivals)]
        return SymbolicFront.of(self.names, pooled, self.selection)

    def best(self, criterion: str | None = None) -> Entry:
        """The chosen formula: by description length (``mdl``) or ``bic``, or the ``knee`` of the front.

        The first two take the simplest formula within `EVIDENCE` of the least.
        The knee is the largest fall of log(loss) per added node.
        """
        criterion = criterion or self.selection
        if criterion in ("mdl", "bic"):
            scale = 1 if criterion == "mdl" else 2  # a BIC is twice a description length
            least = min(getattr(entry, criterion) for entry in self.entries)
            return next(e for e in self.entries if getattr(e, criterion) <= least + scale * EVIDENCE)
        if criterion != "knee":
            raise UnknownNameError("criterion", criterion, ("mdl", "bic", "knee"))
        floor = 1e-15 * max(self.entries[0].loss_heldout, 1e-300)
        gains = [
            (np.log(max(a.loss_heldout, floor)) - np.log(max(b.loss_heldout, floor))) / (b.complexity - a.complexity)
            for a, b in zip(self.entries, self.entries[1:], strict=False)
        ]
        return self.entries[int(np.argmax(gains)) + 1] if gains else self.entries[0]

    def mapped(self, change: Callable[[sp.Expr], sp.Expr], complexity: Callable[[sp.Expr], int]) -> "SymbolicFront":
        """The same entries with every formula changed (a transform of the target undone)."""

        def of(entries: Iterable[Entry]) -> tuple[Entry, ...]:
            return tuple(replace(e, expr=(new := change(e.expr)), complexity=complexity(new)) for e in entries)

        return replace(self, entries=of(self.entries), rivals=of(self.rivals))

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """Plain data for JSON."""
        entries, rivals = ([entry.to_dict() for entry in some] for some in (self.entries, self.rivals))
        return {"names": list(self.names), "selection": self.selection, "entries": entries, "rivals": rivals}

    @classmethod
    def from_dict(cls, values: Any) -> "SymbolicFront":  # Any: JSON, not checked yet
        """What `to_dict` gave, from data that nobody vouches for. Raises DataError."""
        try:
            names = tuple(map(str, values["names"]))
            entries = tuple(Entry.from_dict(entry) for entry in values["entries"])
            rivals = tuple(Entry.from_dict(entry) for entry in values.get("rivals", ()))
            selection = values["selection"]
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError("a stored front is not complete", got=error) from None
        if not entries or selection not in ("mdl", "bic", "knee"):
            raise DataError("a stored front is empty or chosen by something unknown", got=selection)
        return cls(names, entries, selection, rivals)


def kind_of(expr: sp.Expr) -> frozenset[str]:
    """What a formula has beside sums and products: quotients, roots, functions; nothing for a polynomial."""
    kinds = {type(node).__name__ for node in expr.atoms(sp.Function)}
    for node in expr.atoms(sp.Pow):
        if node.base.free_symbols and node.exp.could_extract_minus_sign():
            inner = [power.exp for power in node.base.atoms(sp.Pow) if power.exp.is_Integer]
            kinds.add(f"quotient by degree {max(inner, default=1)}")
        elif node.base.free_symbols and not node.exp.is_integer:
            kinds.add("root")
    return frozenset(kinds)


def _rivals(front: Sequence[Entry], entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entry of least description length of every kind whose best is not on the front."""
    best: dict[frozenset[str], Entry] = {}
    for entry in sorted(entries, key=lambda e: (e.mdl, e.complexity, str(e.expr))):
        best.setdefault(kind_of(entry.expr), entry)
    return tuple(entry for entry in best.values() if entry not in front)[:RIVALS]


def format_expr(expr: sp.Expr, digits: int = 4) -> str:
    """The formula as text with constants to `digits` significant digits."""
    return str(rounded(expr, digits))


def to_latex(expr: sp.Expr, digits: int = 4) -> str:
    """The formula in LaTeX, constants rounded."""
    return sp.latex(rounded(expr, digits))


def rounded(expr: sp.Expr, digits: int = 4) -> sp.Expr:
    """The formula with its floating-point constants to `digits` significant digits."""
    return replaced(expr, {value: sp.Float(value, digits) for value in expr.atoms(sp.Float)})


def to_callable(expr: sp.Expr, names: tuple[str, ...]) -> Callable[[Any], Any]:  # Any: arrays of NumPy or torch
    """A function of a table ``... column`` (numpy, or torch with gradients) that gives the formula's values ``...``.

    No code is generated; the tree is walked at every call.
    """

    def formula(table: Any) -> Any:
        values = {name: table[..., i] for i, name in enumerate(names)}
        return evaluate(expr, values, like=table[..., 0])

    return formula
