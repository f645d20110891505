"""Equations with a hidden term, seen at sparse noisy points."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.problem import Problem
from sciml.core.types import Params


@dataclass(frozen=True)
class Observations:
    """Sparse noisy values of one trajectory, float64.

    Arguments:
        coordinates: where: time first, then space.
        values: what was seen there, one column per field.
        sigma: standard deviation of the noise per field; zero where there is none, None if nobody knows.
    """

    coordinates: Float[Tensor, "point dim"]
    values: Float[Tensor, "point channel"]
    sigma: Float[Tensor, " channel"] | None = None


@dataclass(frozen=True)
class ObservationPlan:
    """How much is observed.

    Arguments:
        trajectories: how many trajectories, each with initial conditions of its own.
        points: values seen on each.
        noise: standard deviation of the noise, as a share of the mean magnitude of each field.
    """

    trajectories: int
    points: int
    noise: float


@dataclass(frozen=True)
class HeldOut:
    """A trajectory that is observed nowhere, to try a finished equation on.

    Arguments:
        times: increasing, the first is the start.
        states: the true ones at those times.
        points: of the grid that an equation in space is simulated on, one list per axis; empty without space.
    """

    times: Float[Tensor, " time"]
    states: Float[Tensor, "time channel *space"]
    points: tuple[Float[Tensor, " point"], ...] = ()


class HasHiddenTerm(Problem):
    """Has a known part, a hidden part kept for scoring only, and sparse noisy observations of some trajectories.

        d(state)/dt = K(inputs; θ) + H(hidden inputs)

    The inputs are the fields and, for an equation in space, their derivatives, named ``u_x``, ``u_xx`` after the
    field's symbol and the axis. They are columns of a table, so one description serves ordinary and partial equations.
    """

    inputs: tuple[str, ...]
    """Names of all columns that the known part is given: symbols of fields, then derivatives."""
    hidden_inputs: tuple[str, ...]
    """Those of them that the hidden part may depend on."""
    library: tuple[str, ...]
    """Candidate terms of the hidden part, as formulas in its inputs; whether data can tell them apart is reported."""
    operators: tuple[str, ...]
    """What formulas of the hidden part may be made of: add, sub, mul, div, exp, …"""
    unknowns: Mapping[str, float]
    """Scalars θ of the known part that must be found too, with first guesses; often empty."""
    plan: ObservationPlan
    """What is observed unless something else is asked for."""
    coordinate_units: Mapping[str, str] = MappingProxyType({})
    """Units of ``t`` and the axes, for the check of formulas; what is not named is a pure number."""

    @abstractmethod
    def known(
        self, time: Float[Tensor, " point"], inputs: Float[Tensor, "point input"], scalars: Params
    ) -> Float[Tensor, "point channel"]:
        """The part of d(state)/dt the solver is told; `scalars` holds the unknowns."""

    @abstractmethod
    def hidden(
        self, time: Float[Tensor, " point"], inputs: Float[Tensor, "point input"]
    ) -> Float[Tensor, "point channel"] | None:
        """The part it must find, for scoring only; None where nobody knows it."""

    @abstractmethod
    def known_formulas(self) -> tuple[str, ...]:
        """The known part as formulas in the inputs, one per field, for people; empty if it has none."""

    @abstractmethod
    def hidden_formulas(self) -> tuple[str, ...]:
        """The hidden part as formulas in the hidden inputs, one per field, for scoring only; empty if unknown."""

    @abstractmethod
    def observations(self, plan: ObservationPlan, generator: torch.Generator) -> tuple[Observations, ...]:
        """What is seen of each trajectory. Raises UserError for more trajectories than there are."""

    @abstractmethod
    def ansatz(
        self, trajectory: int, coordinates: Float[Tensor, "point dim"]
    ) -> tuple[Float[Tensor, "point channel"], Float[Tensor, "point channel"]]:
        """(A, B) such that A + B N obeys the initial and boundary conditions known exactly, for any smooth N."""

    @abstractmethod
    def reference(
        self, trajectory: int, coordinates: Float[Tensor, "point dim"]
    ) -> Float[Tensor, "point input"] | None:
        """The true inputs on a trajectory, for scoring only; None where nobody knows them."""

    @abstractmethod
    def held_out(self) -> HeldOut | None:
        """A trajectory from an initial condition that is not observed; None if there is none."""

    @abstractmethod
    def spread(self, states: Float[Tensor, "batch channel *space"]) -> Float[Tensor, "batch *space input"]:
        """The inputs at given states, derivatives by finite differences with the boundary conditions."""
