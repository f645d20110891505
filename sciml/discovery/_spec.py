"""What a symbolic search is asked: the table, and how to search it."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pydantic
from jaxtyping import Float

from sciml.core.config import Config
from sciml.core.errors import DataError, UnknownNameError
from sciml.discovery._weak_form import WeakForm

BINARY = ("add", "sub", "mul", "div", "pow")
UNARY = ("exp", "log", "sin", "cos", "tanh", "sqrt", "square", "abs", "inv")
FEWEST = 8
"""Least number of rows of a table that formulas are fitted to."""


class SearchSpec(Config):
    """How formulas are looked for; the budget is counted in generations, so that a seed decides the answer."""

    operators: tuple[str, ...] = ("add", "sub", "mul", "div")
    """Canonical names, from `BINARY` and `UNARY`."""
    max_complexity: int = pydantic.Field(default=12, ge=1, le=100)
    """Most nodes of a formula as the engine counts them."""
    max_depth: int = pydantic.Field(default=6, ge=1, le=20)
    """Deepest nesting."""
    no_nesting: tuple[str, ...] = ("exp", "log", "sin", "cos", "tanh", "sqrt")
    """Functions that must not stand inside themselves; exp(exp(x)) imitates much and means little."""
    generations: int = pydantic.Field(default=30, ge=1)
    """Generations of a population."""
    population: int = pydantic.Field(default=300, ge=10)
    """Formulas in a population."""
    seeds: tuple[int, ...] = pydantic.Field(default=(0, 1, 2, 3, 4), min_length=1)
    """Independent searches whose fronts are merged."""
    threads: int = pydantic.Field(default=1, ge=1)
    """Threads of an engine; the result does not depend on them."""
    selection: Literal["mdl", "bic", "knee"] = "mdl"
    """What chooses the formula from the front."""
    target_transform: Literal["none", "log"] = "none"
    """``log`` searches log(y), for noise in proportion to y > 0."""
    held_out: float = pydantic.Field(default=0.2, gt=0, lt=1)
    """Share of the rows that formulas are scored on but not fitted to."""
    prune: float = pydantic.Field(default=0.01, ge=0, lt=1)
    """Terms below this share of the target's root mean square are dropped."""
    library: tuple[str, ...] = ()
    """Candidate terms of sparse regression; empty for all monomials up to `degree`."""
    degree: int = pydantic.Field(default=3, ge=1, le=6)
    """Highest total degree of the monomials of sparse regression."""
    shapes: tuple[str, ...] = ()
    """Of `div`, `abs`, `sqrt`, `exp`, `sin`, `cos`: what sparse regression may make one term of beside its library."""

    @pydantic.model_validator(mode="after")
    def _operators_are_known(self) -> "SearchSpec":
        for name in (*self.operators, *self.no_nesting, *self.shapes):
            if name not in (*BINARY, *UNARY):
                raise UnknownNameError("operator", name, (*BINARY, *UNARY))
        return self


@dataclass(frozen=True)
class SymbolicProblem:
    """A table to be explained by a formula, y ≈ f(X).

    Arguments:
        X: one column per input.
        y: the target.
        names: of the columns, identifiers.
        sigma: standard deviation of y's error, for all rows or per row; None if unknown.
        effective: number of independent measurements behind the rows, where they are samples of a smooth curve;
            None for as many as there are rows.
        units: per column and, last, of the target; empty where they are not to be checked.
        weak: integrals of the formula that are compared with observations instead of its values with y, which then
            serves searches that know nothing of integrals.
    """

    X: Float[np.ndarray, "row column"]
    y: Float[np.ndarray, " row"]
    names: tuple[str, ...]
    sigma: float | Float[np.ndarray, " row"] | None = None
    effective: int | None = None
    units: tuple[str, ...] = field(default=())
    weak: WeakForm | None = None

    def __post_init__(self) -> None:
        rows, columns = self.X.shape
        if len(self.y) != rows or len(self.names) != columns or len(set(self.names)) != columns:
            raise DataError("a table for symbolic search does not fit together",
                            got=f"X {self.X.shape}, y {self.y.shape}, names {self.names}")  # fmt: skip
        bad = [name for name in self.names if not name.isidentifier()]
        if bad:
            raise DataError(f"a column cannot be called {bad[0]!r}", expected="letters, digits and _, no digit first")
        if rows < FEWEST:
            raise DataError("too few rows to look for a formula", got=rows, expected=f"at least {FEWEST}")
        finite = [bool(np.isfinite(column).all()) for column in self.X.T]
        if not all(finite) or not np.isfinite(self.y).all():
            where = [name for name, fine in zip(self.names, finite, strict=True) if not fine] or ["the target"]
            raise DataError(f"values of {', '.join(where)} are not finite")
        if self.units and len(self.units) != columns + 1:
            raise DataError("there must be a unit for each column and the target", got=len(self.units),
                            expected=columns + 1)  # fmt: skip
        if self.sigma is not None and not (np.asarray(self.sigma) > 0).all():
            raise DataError("the standard deviation of the target must be positive", got=self.sigma)

    @property
    def weight(self) -> Float[np.ndarray, " row"]:
        """1 / sigma per row where sigma varies between rows, else ones."""
        return np.ones(len(self.y)) if np.ndim(self.sigma) == 0 else 1 / np.asarray(self.sigma)  # type: ignore[arg-type]

    def split(self, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the table to fit and to score, the same ones at every call: every k-th row is held out."""
        return _split(len(self.y), share)

    @property
    def target(self) -> Float[np.ndarray, " equation"]:
        """The right sides of the equations that formulas are to meet, in units of the error where that varies."""
        return self.y * self.weight if self.weak is None else self.weak.target

    def seen_by(self, values: Float[np.ndarray, "row *term"]) -> Float[np.ndarray, "equation *term"]:
        """The left sides, where a formula (or every term of one) has these values on the rows."""
        if self.weak is not None:
            return self.weak.of(values)
        return values * self.weight.reshape(-1, *(1 for _ in values.shape[1:]))

    def split_equations(self, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Equations to fit and to score, as `split` does with rows."""
        return _split(len(self.target), share)

    @property
    def independent(self) -> int:
        """Number of independent measurements behind the equations."""
        return self.weak.independent if self.weak is not None else self.effective or len(self.y)


def _split(count: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    held = np.zeros(count, dtype=bool)
    held[np.round(np.arange(0.5, count * share) / share).astype(int).clip(0, count - 1)] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
