"""Linear equations that a formula is to meet along curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class WeakForm:
    """Linear equations ``of(H at the places) ≈ target``, in units of the noise.

    Arguments:
        blocks: begins of rows and of places, and the matrix there, one per trajectory.
        target: what the observed values rose by beyond the known part, less the mean of their segment.
        independent: rows less the constants that were taken out of them.
    """

    blocks: tuple[tuple[int, int, Float[np.ndarray, "row place"]], ...]
    target: Float[np.ndarray, " row"]
    independent: int

    def of(self, values: Float[np.ndarray, "place *term"]) -> Float[np.ndarray, "row *term"]:
        """The integrals of functions that have these values at the places, less the mean of their segment."""
        rows = np.empty((len(self.target), *values.shape[1:]))
        for begin, first, matrix in self.blocks:
            rows[begin : begin + len(matrix)] = matrix @ values[first : first + matrix.shape[1]]
        return rows
