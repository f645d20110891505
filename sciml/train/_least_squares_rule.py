"""One step that solves for all coefficients: pseudo-inverse learning, without gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core import rng
from sciml.core.least_squares import least_squares
from sciml.train._config import TrainConfig
from sciml.train._examples import Examples
from sciml.train._gradient_rule import slices_of
from sciml.train._step_rule import BrokenStep, StepRule


class LeastSquaresRule(StepRule[Any]):  # Any: it slices batches of every type
    """The pseudo-inverse of all training examples at once, from a model that is linear in what is sought.

    The examples are gone through once, `TrainConfig.batch_size` at a time, and kept as a triangular factor.

    Arguments:
        rows: a batch to rows (φ_1 … φ_p, y) of y = Σ c_i φ_i, in float64.
        assign: what becomes of the coefficients c.
        examples: all of them are used.
        config: the settings.
        ridge: Tikhonov weight on columns of unit mean square.
        threshold: columns whose coefficient times root mean square is below this share of that of y are dropped, one
            after another; 0 for none (sparse regression by sequential thresholds).
        seed: of the noise of the examples.

    Any: batches of the task.
    """

    reads: ClassVar[frozenset[str]] = StepRule.reads | {"batch_size"}

    def __init__(
        self,
        rows: Callable[[Any], Tensor],
        assign: Callable[[Tensor], None],
        examples: Examples[Any],
        config: TrainConfig,
        *,
        ridge: float = 0.0,
        threshold: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._rows, self._assign, self._examples, self._config = rows, assign, examples, config
        self._ridge, self._threshold, self._seed = ridge, threshold, seed
        self._solved = False

    @property
    def stopped(self) -> str:
        """After its only step."""
        return "the least-squares problem is solved" if self._solved else ""

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """Solve, and return the mean square of what the best coefficients leave. BrokenStep for rows not finite."""
        factor, count = None, 0
        total = len(self._examples)
        generator = rng.generator(self._seed, "least squares")
        for part in slices_of(total, math.ceil(total / self._config.batch_size)):
            drawn = self._examples.batch(torch.arange(part.start, part.stop), generator)
            rows = self._rows(drawn)
            if not bool(rows.isfinite().all()):
                raise BrokenStep(drawn, "Leave out the term whose values overflow, or the failed trajectory.")
            count += len(rows)
            stacked = rows if factor is None else torch.cat((factor, rows))
            factor = torch.linalg.qr(stacked, mode="r").R
        assert factor is not None
        solution = solve_columns(factor / math.sqrt(count), self._ridge, self._threshold)
        self._assign(solution)
        self._solved = True
        left = factor[:, :-1] @ solution - factor[:, -1]
        return left.square().sum() / count

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Whether it is done."""
        return {"solved": self._solved}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self._solved = bool(state["solved"])


def solve_columns(
    table: Float[Tensor, "row column"], ridge: float = 0.0, threshold: float = 0.0
) -> Float[Tensor, " coefficient"]:
    """argmin Σ (Σ_i c_i φ_i - y)² by the pseudo-inverse, in float64; a column without variation gets 0.

    Arguments:
        table: φ_1 … φ_p and y, or their triangular factor.
        ridge, threshold: as for `LeastSquaresRule`.
    """
    table = table.double()
    columns, wanted = table[:, :-1], table[:, -1]
    size = columns.norm(dim=0)
    usable = size > 1e-14 * size.max().clamp_min(1e-300)
    scaled = columns / torch.where(usable, size, torch.ones_like(size))
    solution = _solved(scaled, wanted, usable, ridge)
    while threshold and bool(usable.any()):
        weak = usable & (solution.abs() < threshold * wanted.norm())
        if not bool(weak.any()):
            break
        usable = usable & ~weak
        solution = _solved(scaled, wanted, usable, ridge)
    return solution / torch.where(size > 0, size, torch.ones_like(size))


def _solved(
    scaled: Float[Tensor, "row column"], wanted: Float[Tensor, " row"], usable: Bool[Tensor, " column"], ridge: float
) -> Float[Tensor, " column"]:
    solution = torch.zeros_like(scaled[0])
    if bool(usable.any()):
        kept = scaled[:, usable]
        eye = math.sqrt(ridge) * torch.eye(kept.shape[1]).to(kept)
        left = torch.cat((kept, eye)) if ridge else kept
        right = torch.cat((wanted, torch.zeros_like(eye[0]))) if ridge else wanted
        solution[usable] = least_squares(left, right[:, None])[:, 0]
    return solution
