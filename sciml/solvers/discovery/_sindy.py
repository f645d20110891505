"""Sparse identification (SINDy) of the hidden part: smooth, differentiate, thresholded least squares on a library.

S'(t) − K(S(t)) ≈ Θ(S(t)) Ξ
"""

import numpy as np
import pydantic
import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.discovery import evaluate, parse_formula, stlsq
from sciml.solvers.discovery._solver import DirectSolver
from sciml.solvers.discovery._spline import SplineConfig, smoother_for
from sciml.tasks.discovery import DiscoveryConfig, HiddenTermModule, Measured, ObservationBatch, Visited, dense_places
from sciml.train import Recipe, TrainConfig, recipe_of


class SINDyConfig(SplineConfig):
    """How terms are chosen."""

    threshold: float = pydantic.Field(default=0.1, ge=0)
    """Coefficients below it are zero; in units of the columns scaled to norm one and the largest of them."""
    rows: int = pydantic.Field(default=61, ge=10)
    """Equidistant places per trajectory at which derivatives are taken."""


class SINDy(HiddenTermModule):
    """Coefficients Ξ of the problem's library, one column per field.

    Arguments:
        problem: gives the library and the known part.
        config: threshold and sizes.
        seen: the observations.
    """

    coefficients: Tensor

    def __init__(self, problem: HasHiddenTerm, config: SINDyConfig, seen: tuple[Observations, ...]) -> None:
        super().__init__()
        self.problem, self.config, self.seen = problem, config, seen
        self.splines = smoother_for(problem, config, seen)
        equation = problem.rate_equation
        self.library = [parse_formula(term, equation.hidden_inputs) for term in problem.hidden.library]
        shape = (len(self.library), len(problem.fields))
        self.register_buffer("coefficients", torch.zeros(shape, dtype=torch.float64))

    def theta(self, inputs: Tensor) -> Tensor:
        """The library's values, ``point term``."""
        equation = self.problem.rate_equation
        names = zip(equation.hidden_inputs, equation.hidden_columns, strict=True)
        values = {name: inputs[:, column].double() for name, column in names}
        return torch.stack([evaluate(term, values) for term in self.library], dim=1)

    def identify(self) -> None:
        """Smooth, differentiate, and find the coefficients of every field."""
        self.splines.smooth()
        state, hidden = self.splines.remainder(dense_places(self.seen, self._rows()))
        theta = self.theta(state).numpy()
        norms = np.linalg.norm(theta, axis=0)
        norms = np.where(norms > 0, norms, 1.0)
        for c, target in enumerate(hidden.numpy().T):
            largest = np.abs(np.linalg.lstsq(theta / norms, target, rcond=None)[0]).max()
            sparse = stlsq(theta / norms, target, self.config.threshold * float(largest))
            self.coefficients[:, c] = torch.from_numpy(sparse / norms)

    def _rows(self) -> int:
        """As many places in a plane of space and time as on a few curves."""
        return self.config.rows * (5 if self.problem.boundary else 3) // 3

    def measure(self, places: Visited) -> Measured:
        """The splines' state, and the terms there."""
        state, _ = self.splines.at(places)
        return Measured(state, self.term_of(state))

    def term_of(self, inputs: Tensor) -> Tensor:
        """Θ(inputs) Ξ."""
        return self.theta(inputs) @ self.coefficients

    def found_scalars(self) -> dict[str, float]:
        """The first guesses: this method finds none."""
        return self.splines.found_scalars()


_RECIPES: dict[str, Recipe[SINDyConfig, DiscoveryConfig]] = dict.fromkeys(
    ("tiny", "small", "paper"),
    Recipe[SINDyConfig, DiscoveryConfig](model=SINDyConfig(), task=DiscoveryConfig(), train=TrainConfig(steps=0)),
)


class SINDySolver(DirectSolver[SINDyConfig, SINDy]):
    """Thresholded least squares on the problem's own library."""

    key = "sindy"
    title = "SINDy"
    citation = (
        "S. L. Brunton, J. L. Proctor, J. N. Kutz, Discovering governing equations from data by sparse identification "
        "of nonlinear dynamical systems, PNAS 113 (2016) 3932-3937. doi:10.1073/pnas.1517384113"
    )
    claim = ""
    max_spatial_dims = 2

    def recipe(self, preset: str) -> Recipe[SINDyConfig, DiscoveryConfig]:
        """One for all."""
        return recipe_of(_RECIPES, preset)

    def make(self, problem: HasHiddenTerm, config: SINDyConfig, seen: tuple[Observations, ...], seed: int) -> SINDy:
        """Coefficients that are zero yet."""
        return SINDy(problem, config, seen)

    def adjust(self, module: SINDy) -> None:
        """Identify."""
        module.identify()

    def misfit(self, module: SINDy, batch: ObservationBatch) -> Tensor:
        """Mean squared misfit of the splines; the coefficients answer for derivatives, which are not observed."""
        places = Visited(batch.trajectory, batch.coordinates)
        return (module.splines.fields(places) - batch.values).square().mean()
