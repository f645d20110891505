"""A problem and its capabilities: what a folder under ``problems/`` exports.

A `Problem` is frozen data about an equation. What can be done with it are small abstract bases, asked with
``isinstance`` and never with flags: a problem that can be simulated is an `Evolves`, one with a PDE residual a
`HasResidual`, and one class may be several. Solvers look at the capabilities, never at the name.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.paths import check_name
from sciml.core.statement import Statement
from sciml.core.types import Grid, Params, Trajectory

SHELL = (0.1, 0.2)
"""How far outside of their ranges parameters are drawn to examine extrapolation, in shares of the range."""


@dataclass(frozen=True)
class Field:
    """One unknown of the equation: ``Field("h", "h", "m", "layer thickness")``."""

    name: str
    symbol: str
    units: str
    long_name: str


@dataclass(frozen=True)
class Parameter:
    """One physical parameter, drawn per trajectory.

    Arguments:
        name, symbol, units, long_name: as for `Field`.
        low, high: the range it is drawn from.
        scale: ``linear`` for a uniform draw, ``log`` for a uniform draw of its logarithm.
        least, most: what is physically possible, where that is an end of the world near the range (a wall); None where
            nothing is in the way.
    """

    name: str
    symbol: str
    units: str
    long_name: str
    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and self.low <= self.high < math.inf) or (
            self.scale == "log" and self.low <= 0
        ):
            raise UserError(
                f"parameter {self.name!r} has an impossible range",
                got=f"[{self.low}, {self.high}] ({self.scale})",
                expected="finite low <= high, and low > 0 for a log scale",
            )
        if self.possible[0] > self.low or self.possible[1] < self.high:
            raise UserError(
                f"parameter {self.name!r} has a range that is not possible",
                got=f"[{self.low}, {self.high}]",
                expected="values from {} to {}".format(*self.possible),
            )

    @property
    def possible(self) -> tuple[float, float]:
        """What is physically possible, infinite where nothing is in the way."""
        return -math.inf if self.least is None else self.least, math.inf if self.most is None else self.most

    def draw(self, generator: torch.Generator) -> Float[Tensor, ""]:
        """One float64 value from the range."""
        return self.at(torch.rand((), generator=generator, dtype=torch.float64))

    def at(self, unit: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The value at a place of the range on its scale: `low` at 0, `high` at 1, outside beyond them."""
        if self.scale == "log":
            return torch.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
        return self.low + unit * (self.high - self.low)


@dataclass(frozen=True)
class Invariant:
    """A quantity the exact dynamics conserves (or nearly), watched in data and predictions.

    Arguments:
        name, long_name: key in records and its words.
        compute: ``(states, params, grid) -> values``; states ``batch time channel *space`` to values ``batch time``.
        tolerance: largest relative drift accepted in reference data as stored (float32).
    """

    name: str
    long_name: str
    compute: Callable[[Tensor, Params, Grid], Tensor]
    tolerance: float


@dataclass(frozen=True, kw_only=True)
class Problem(ABC):
    """Frozen description of an equation and its setting.

    Arguments:
        name: registry key, lower snake case, equal to the folder's name.
        title: a short human name.
        equation: the equations in Unicode, one per line.
        fields: the unknowns, in channel order.
        parameters: what varies between trajectories.
        boundary: kind per spatial axis, for example ``{"y": "periodic", "x": "periodic"}``.
        presets: names of the presets its dataset card offers.
        invariants: conserved quantities.
        metrics: keys of the headline metrics, first one first.
        citation: where the problem comes from.
        solver: key of the solver that `sciml run` takes when none is named.
        version: raised whenever the reference solver's output changes, so that cached data is made anew.
    """

    name: str
    title: str
    equation: str
    fields: tuple[Field, ...]
    parameters: tuple[Parameter, ...] = ()
    boundary: Mapping[str, str]
    presets: tuple[str, ...] = ("tiny", "small", "paper")
    invariants: tuple[Invariant, ...] = ()
    metrics: tuple[str, ...] = ("one_step/relative_l2", "rollout/relative_l2")
    citation: str
    solver: str = "sinenet"
    version: int = 1

    def __post_init__(self) -> None:
        check_name(self.name, "problem")
        names = [entry.name for entry in (*self.fields, *self.parameters)]
        if not self.fields or len(set(names)) != len(names):
            raise UserError(
                f"problem {self.name!r} needs at least one field and distinct names of fields and parameters",
                got=names,
            )

    def draw(self, generator: torch.Generator) -> dict[str, Float[Tensor, ""]]:
        """One value of every parameter, in declaration order."""
        return {parameter.name: parameter.draw(generator) for parameter in self.parameters}

    def draw_beyond(self, generator: torch.Generator) -> dict[str, Float[Tensor, ""]]:
        """One value of every parameter, in the shell around the box of ranges that extrapolation is examined in.

        Uniform where every parameter is at most 20 % of its range outside of it and one at least is 10 % or more
        (`SHELL`), on the parameter's own scale; then cut to what is physically possible.

        Raises: UserError for a problem without a parameter that varies.
        """
        if all(entry.low == entry.high for entry in self.parameters):
            raise UserError(
                f"problem {self.name!r} has no parameter that varies, so there is nothing beyond its ranges"
            )
        near, far = SHELL
        varies = torch.tensor([entry.low < entry.high for entry in self.parameters])
        while True:
            units = (1 + 2 * far) * torch.rand(len(self.parameters), generator=generator, dtype=torch.float64) - far
            if bool((((units < -near) | (units > 1 + near)) & varies).any()):
                break
        pairs = zip(self.parameters, units, strict=True)
        return {entry.name: entry.at(unit).clamp(*entry.possible) for entry, unit in pairs}


class Evolves(ABC):
    """Can be simulated in time by a trusted classical solver."""

    @abstractmethod
    def grid(self, size: Sequence[int]) -> Grid:
        """The problem's domain on `size` points per axis (``()`` for an ODE). Raises UserError for a bad size."""

    @abstractmethod
    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Float[Tensor, "channel *space"]:
        """One initial state (float64) for one draw of the parameters (scalars)."""

    @abstractmethod
    def simulate(
        self,
        params: Params,
        initial: Float[Tensor, "batch channel *space"],
        times: Float[Tensor, " time"],
        grid: Grid,
    ) -> Trajectory:
        """States at `times` (increasing, the first is the time of `initial`), batched, float64.

        Rows must not influence each other. A sample that breaks down is reported by its status.
        """


class MapsFunctions(ABC):
    """Is an operator between function spaces: input functions at sensors, output values at query points."""

    @abstractmethod
    def sample_inputs(self, count: int, generator: torch.Generator) -> Float[Tensor, "batch sensor channel"]:
        """Input functions sampled at the problem's sensors."""

    @abstractmethod
    def apply(
        self, inputs: Float[Tensor, "batch sensor channel"], queries: Float[Tensor, "batch query dim"]
    ) -> Float[Tensor, "batch query channel"]:
        """The operator's true output at the query points."""


class HasResidual(ABC):
    """Is a differential equation on a box with conditions, and has a solution to be judged against.

    Everything a solver needs (residual, conditions, exact solution) is in the `Statement`, written once in sympy.
    """

    cases: tuple[str, ...]
    """Names of the settings (parameter values, sources, dimensions) it is posed in, the first one by default."""

    @abstractmethod
    def statement(self, case: str) -> Statement:
        """The equation in one setting. Raises UnknownNameError for another name; the same object for the same name."""

    @abstractmethod
    def reference(self, points: Float[Tensor, "point dim"], case: str) -> Float[Tensor, "point field"]:
        """The exact or trusted solution, float64, one column per field of the statement."""


class HasDynamics(ABC):
    """Is an ordinary differential equation with named closures that a network may supply."""

    @abstractmethod
    def closures(self) -> Mapping[str, Callable[..., Tensor]]:
        """The true closures by name; a solver replaces some of them by networks."""

    @abstractmethod
    def dynamics(
        self,
        time: Float[Tensor, " batch"],
        state: Float[Tensor, "batch channel"],
        params: Params,
        closures: Mapping[str, Callable[..., Tensor]],
    ) -> Float[Tensor, "batch channel"]:
        """d(state)/dt."""


@dataclass(frozen=True, kw_only=True)
class Uncertain:
    """A closure of a reduced model that is a function of the parameters nobody has a formula for.

    Arguments:
        name: of the closure, as in `HasDynamics.closures`, whose value there is the guess a solver starts from.
        kind: ``source`` for a non-negative function of time, called ``(time, params)``; ``coefficient`` for a number
            per sample, called ``(params)``.
        bound: of a coefficient, the largest change: it lies within reference ± bound.
        window: of a source, when it may act, ``params -> (start, end)``; it is zero before its start.
        cap: of a source, the largest integral over time, ``params -> batch``.
    """

    name: str
    kind: Literal["source", "coefficient"]
    bound: float = 0.0
    window: Callable[[Params], tuple[Tensor, Tensor]] | None = None
    cap: Callable[[Params], Tensor] | None = None

    def __post_init__(self) -> None:
        complete = self.window is not None and self.cap is not None if self.kind == "source" else self.bound > 0
        if not complete:
            raise UserError(
                f"the uncertain closure {self.name!r} is not fully described",
                got=self,
                expected="window and cap for a source, bound > 0 for a coefficient",
            )


class HasReducedModel(HasDynamics):
    """Has a cheap model of itself, in variables of its own, with closures that depend on the parameters.

    `dynamics` is that of the reduced model: its state is what `encode` returns, usually conserved quantities, and what
    the fields must obey (an equation of state, shares that sum to one) holds for whatever `decode` returns.
    """

    uncertain: tuple[Uncertain, ...]
    """The closures to be learned."""

    @abstractmethod
    def encode(self, fields: Float[Tensor, "batch channel"], params: Params) -> Float[Tensor, "batch state"]:
        """The state of the reduced model at given fields."""

    @abstractmethod
    def decode(self, state: Float[Tensor, "batch time state"], params: Params) -> Float[Tensor, "batch time channel"]:
        """The fields of the problem at given states."""


class HasOutcome(ABC):
    """Its trajectories end in one of two ways (ignition or not) that a surrogate must tell apart."""

    outcome: str
    """What happens or does not, in a word: ``ignition``."""
    outcome_axes: tuple[str, ...] = ()
    """The two parameters over which a map of outcomes says most; none, and no map is drawn."""

    @abstractmethod
    def chance(self, states: Float[Tensor, "batch time channel"], params: Params) -> Float[Tensor, " batch"]:
        """A score in [0, 1] that it happened, above one half if it did; differentiable, NaN where states are."""


class HasSummaries(ABC):
    """Its trajectories are spoken of in a few numbers: when it ignites, how hot it gets, how it ends."""

    summaries: tuple[Field, ...]
    """What these quantities are called, other names than those of fields and parameters."""

    @abstractmethod
    def summarise(
        self, times: Float[Tensor, " time"], states: Float[Tensor, "batch time channel"], params: Params
    ) -> Mapping[str, Float[Tensor, " batch"]]:
        """Every quantity by name, one value per sample; NaN where a sample has none (the delay of what never ignites).

        Rows do not influence each other, and states that are not finite give no number that depends on them.
        """


class HasConstraints(ABC):
    """Its fields obey algebraic equations or bounds at every time."""

    @abstractmethod
    def violations(
        self, states: Float[Tensor, "batch time channel"], params: Params
    ) -> Mapping[str, Float[Tensor, "batch time"]]:
        """By name, how far each constraint is missed, zero where it holds, in units that make one a gross fault."""


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


class HasHiddenTerm(ABC):
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


class HasSequences(ABC):
    """Offers long series with labels or targets."""

    sampling_rate: float
    """Samples per unit of time."""

    @abstractmethod
    def sequences(
        self, count: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch time channel"], Float[Tensor, "batch ..."]]:
        """Series and their labels or targets."""


class Classifies(ABC):
    """Is a set of labelled samples."""

    classes: tuple[str, ...]
    """Names of the classes; a label is an index into them."""

    @abstractmethod
    def samples(self) -> tuple[Float[Tensor, "sample *shape"], Int[Tensor, " sample"]]:
        """All samples and their labels, in a fixed order."""


class HasDensity(ABC):
    """Offers probability densities that can be sampled, some of them known in closed form."""

    shapes: tuple[str, ...]
    """Names of the densities."""

    @abstractmethod
    def sample(self, shape: str, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """`count` independent draws from the density named `shape`. Raises UnknownNameError for another name."""

    @abstractmethod
    def log_density(self, shape: str, points: Float[Tensor, "point dim"]) -> Float[Tensor, " point"] | None:
        """The true log density at `points`; None where it is not known."""


class Diffuses(ABC):
    """Is an Itô stochastic differential equation with diagonal noise, dX = f(t, X) dt + g(t, X) dW."""

    @abstractmethod
    def start(self) -> Float[Tensor, " channel"]:
        """The state at the first of `times`."""

    @abstractmethod
    def times(self) -> Float[Tensor, " time"]:
        """The times at which paths are compared, increasing."""

    @abstractmethod
    def drift(
        self, time: Float[Tensor, " batch"], state: Float[Tensor, "batch channel"], params: Params
    ) -> Float[Tensor, "batch channel"]:
        """The drift f."""

    @abstractmethod
    def diffusion(
        self, time: Float[Tensor, " batch"], state: Float[Tensor, "batch channel"], params: Params
    ) -> Float[Tensor, "batch channel"]:
        """The diagonal of the diffusion g."""


CAPABILITIES: tuple[type, ...] = (
    Evolves,
    MapsFunctions,
    HasResidual,
    HasDynamics,
    HasReducedModel,
    HasOutcome,
    HasSummaries,
    HasConstraints,
    HasHiddenTerm,
    HasSequences,
    Classifies,
    HasDensity,
    Diffuses,
)


def capabilities(problem: Problem) -> tuple[str, ...]:
    """Names of the capability bases a problem implements, in declaration order."""
    return tuple(base.__name__ for base in CAPABILITIES if isinstance(problem, base))
