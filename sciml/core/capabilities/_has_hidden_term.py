"""Equations with a hidden term, seen at sparse noisy points."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.core.ansatz import Ansatz
from sciml.core.derivatives import autograd_derivatives
from sciml.core.errors import UserError
from sciml.core.observations import HeldOut, Levels, ObservationPlan, Observations, sample
from sciml.core.problem import Field, Problem
from sciml.core.rate_equation import RateEquation
from sciml.core.statement import Statement


@dataclass(frozen=True, kw_only=True)
class HiddenSpec:
    """What is observed of an equation with a hidden term, and what the hidden term may be made of.

    Arguments:
        plan: what is observed unless something else is asked for.
        trajectories: how many can be observed, each with initial conditions of its own.
        inputs: the columns (``u``, ``u_x``) that the hidden term may depend on; empty for all of them.
        library: candidate terms, as formulas in the inputs; whether data can tell them apart is reported.
        operators: what formulas may be made of: add, sub, mul, div, exp, …
        pace: observed times are equidistant in log(1 + t/pace), for stiff equations; infinite for equidistant times.
        stream: seeds the draws of points and noise; the problem's name if empty.
        complete: fields in whose rate nothing is hidden; with none named, something may be hidden in all.
        inputs_of: the columns that the hidden part of a field's rate may depend on, where those are fewer.
        drivers: quantities that drive the fields and have no equation (see `HasHiddenTerm.drivers`).
    """

    plan: ObservationPlan
    trajectories: int
    inputs: tuple[str, ...] = ()
    library: tuple[str, ...] = ()
    operators: tuple[str, ...] = ("add", "sub", "mul", "div")
    pace: float = math.inf
    stream: str = ""
    complete: tuple[str, ...] = ()
    inputs_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drivers: tuple[Field, ...] = ()


class HasHiddenTerm(Problem):
    """Has an equation with terms marked as hidden, and sparse noisy observations of some trajectories.

        d(state)/dt = K(inputs; θ) + H(hidden inputs)

    Everything a solver needs (known part, derivative columns, conditions) is in the `Statement`, written once in sympy.
    """

    hidden: HiddenSpec

    @abstractmethod
    def hidden_statement(self, trajectory: int = 0) -> Statement:
        """The equation, hidden terms marked, with the initial conditions of one of the observed trajectories."""

    def reference_trajectory(
        self, trajectory: int, coordinates: Float[Tensor, "point dim"]
    ) -> Float[Tensor, "point channel"] | None:
        """The true fields on a trajectory at ``(t, *space)``, float64; None where nobody knows them.

        In space it must be differentiable by the coordinates, as often as the equation asks for.
        """
        return None

    def held_out(self) -> HeldOut | None:
        """A trajectory from an initial condition that is not observed; None if there is none."""
        return None

    def observations(self, plan: ObservationPlan, generator: torch.Generator) -> tuple[Observations, ...]:
        """What is seen of each trajectory: by default noisy samples of the reference.

        Raises: UserError for more trajectories than there are.
        """
        if not 1 <= plan.trajectories <= self.hidden.trajectories:
            raise UserError(f"problem {self.name!r} does not have that many trajectories", got=plan.trajectories,
                            expected=f"1 to {self.hidden.trajectories}")  # fmt: skip
        domain = self.hidden_statement().domain
        return sample(self._known_trajectory, domain, plan, generator, pace=self.hidden.pace)

    @cached_property
    def rate_equation(self) -> RateEquation:
        """Known and hidden part as functions of fields and derivatives."""
        return RateEquation(self.hidden_statement(), self.hidden.inputs, tuple(d.symbol for d in self.hidden.drivers))

    @property
    def levels(self) -> Levels:
        """Offset and scale of every field: by default the values as they are."""
        return Levels(torch.zeros(len(self.fields)).double(), torch.ones(len(self.fields)).double())

    def drivers(self, trajectory: int, times: Float[Tensor, " point"]) -> Float[Tensor, "point driver"]:
        """Values of the quantities without an equation, float64; trajectory -1 is the one held out. None by default."""
        return times.new_zeros((len(times), 0), dtype=torch.float64)

    def drivers_at(
        self, trajectory: Int[Tensor, " point"], times: Float[Tensor, " point"]
    ) -> Float[Tensor, "point driver"]:
        """`drivers` at points of several trajectories."""
        values = times.new_zeros((len(times), len(self.hidden.drivers)), dtype=torch.float64)
        for k in trajectory.unique().tolist() if self.hidden.drivers else ():
            values[trajectory == k] = self.drivers(k, times[trajectory == k])
        return values

    def scalar_guesses(self, trajectory: Int[Tensor, " point"]) -> dict[str, Float[Tensor, " point"]]:
        """First guesses of the unknown scalars of the known part at points of trajectories."""
        guesses = self.rate_equation.unknowns
        return {name: torch.full(trajectory.shape, value, dtype=torch.float64) for name, value in guesses.items()}

    @property
    def is_hidden(self) -> Bool[Tensor, " channel"]:
        """Which fields may have a hidden part in their rate."""
        return torch.tensor([entry.name not in self.hidden.complete for entry in self.fields])

    def ansatz(self, trajectory: int) -> Ansatz:
        """A form A + B N of the fields that obeys the conditions of a trajectory for any N."""
        if trajectory not in self._ansatzes:
            self._ansatzes[trajectory] = Ansatz(self.hidden_statement(trajectory), pace=self.hidden.pace)
        return self._ansatzes[trajectory]

    def reference_inputs(
        self, trajectory: int, coordinates: Float[Tensor, "point dim"]
    ) -> Float[Tensor, "point input"] | None:
        """The true inputs on a trajectory, for scoring only; None where nobody knows them."""
        if self.reference_trajectory(trajectory, coordinates[:1]) is None:
            return None
        equation = self.rate_equation
        fields, axes = equation.statement.fields, equation.axes
        derivatives = autograd_derivatives(
            lambda points: self._known_trajectory(trajectory, points), coordinates.double(), fields, axes,
            create_graph=False,
        )  # fmt: skip
        columns = [derivatives(fields[c.channel], axes[c.axis] * c.order) for c in equation.columns]
        return torch.stack(columns, dim=1)

    def __getstate__(self) -> dict[str, object]:
        """Everything but what is made of it: evaluators are closures, which cannot be pickled."""
        return {name: value for name, value in vars(self).items() if name not in ("rate_equation", "_ansatzes")}

    @cached_property
    def _ansatzes(self) -> dict[int, Ansatz]:
        return {}

    def _known_trajectory(self, trajectory: int, coordinates: Tensor) -> Tensor:
        values = self.reference_trajectory(trajectory, coordinates)
        assert values is not None, "a problem without a reference has observations of its own"
        return values
