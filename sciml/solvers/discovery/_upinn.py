"""The universal physics-informed network: a surrogate per trajectory, one hidden term for all.

    u_t = K(u, u_x, …; θ) + F(u, u_x, …),   u ≈ U_k on trajectory k

    L = w_d mean_d |U_k(c_d) − y_d|²/s² + w_p mean_c |∂_t U_k − K − F|²/r²

F is fed the surrogates' own values and derivatives, and gradients flow through both networks. That all trajectories
share one F is what makes it a function of the state and not of time. No equation is integrated.

Reference: L. Podina, B. Eastman, M. Kohandel, ICML 2023, PMLR 202:27948, arXiv 2212.04630.
"""

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.clock import Clock
from sciml.core.config import Config
from sciml.models import StackedMLP
from sciml.solvers.discovery._descent import LBFGS, Adam
from sciml.solvers.discovery._places import Places, Scales, inputs_from, scales_of
from sciml.tasks.discovery import HiddenTermModule, Measured, ObservationBatch, Visited
from sciml.train import Phases


class UPINNConfig(Config):
    """Sizes, weights and training of the networks."""

    members: int = pydantic.Field(default=3, ge=1, le=1000)
    """Independent pairs of networks, each from its own seed and with noise of its own on top of the data where its size
    is known; what they disagree about is not known."""
    width: int = pydantic.Field(default=32, ge=2)
    """Hidden units of a surrogate."""
    layers: int | None = pydantic.Field(default=None, ge=1, le=1000)
    """Hidden layers of a surrogate; None for two without space and three with it."""
    hidden_width: int = pydantic.Field(default=16, ge=2)
    """Hidden units of the hidden term's network, in two layers."""
    collocation: int | None = pydantic.Field(default=None, ge=8)
    """Points per trajectory at which the equation is asked to hold; None for 120 without space and 1000 with it."""
    data_weight: float | None = pydantic.Field(default=None, gt=0)
    """Weight of the data against the equation, both non-dimensional; None for 25 without space and 0.5 with it."""
    adam: int = pydantic.Field(default=2500, ge=0)
    """Of the steps, those of Adam, at a rate that falls from `learning_rate` to a thirtieth of it along a cosine; the
    others are iterations of L-BFGS."""
    learning_rate: float = pydantic.Field(default=3e-3, gt=0)
    """Of Adam, at the start."""


class UPINN(HiddenTermModule):
    """Surrogates, hidden network and unknown scalars of all members.

    Arguments:
        problem: gives the known part and the ansatz.
        config: sizes.
        seen: the observations.
        seed: of initial weights and collocation points.
    """

    values: Tensor
    weights: Tensor

    def __init__(self, problem: HasHiddenTerm, config: UPINNConfig, seen: tuple[Observations, ...], seed: int) -> None:
        super().__init__()
        self.problem, self.config = problem, config
        equation = problem.rate_equation
        self.columns, self.chosen = equation.columns, equation.hidden_columns
        self.bends = sorted({column.axis for column in self.columns if column.order == 2})
        points, values, weights = _padded(seen)
        self.scales: Scales = scales_of(problem, seen)
        self.count, members = len(seen), config.members
        dims, channels = points.shape[-1], len(problem.fields)
        self.data_weight = config.data_weight or (25.0 if dims == 1 else 0.5)
        self.surrogate = StackedMLP(
            members * self.count, dims, channels, width=config.width, layers=config.layers or dims + 1,
            generator=rng.generator(seed, "surrogate"),
        )  # fmt: skip
        self.hidden = StackedMLP(
            members, len(self.chosen), channels, width=config.hidden_width, layers=2,
            generator=rng.generator(seed, "hidden"),
        )  # fmt: skip
        guesses = torch.tensor(list(equation.unknowns.values()), dtype=torch.float64)
        self.scalars = nn.Parameter(guesses.expand(members, -1).clone()) if len(guesses) else None
        self.data = Places(problem, points, self.scales, bends=self.bends)
        jitter = _jitter(seen, members, values.shape[1], rng.generator(seed, "jitter"))
        self.register_buffer("values", values + jitter, persistent=False)
        self.register_buffer("weights", weights, persistent=False)
        asked = config.collocation or (120 if dims == 1 else 1000)
        inner = _collocation(seen, asked, rng.generator(seed, "collocation"))
        self.inner = Places(problem, inner, self.scales, bends=self.bends)

    def at(self, places: Places) -> tuple[Tensor, Tensor, Tensor]:
        """State, its time derivative and the inputs at some places, ``member trajectory point …``."""
        members = self.config.members
        scaled = places.scaled.expand(members, *places.scaled.shape).flatten(0, 1)
        jet = places.state(self.surrogate.jet(scaled, self.bends), members, self.scales.field)
        return jet.value, jet.first[0], inputs_from(jet, self.columns, places.drivers)

    def term(self, inputs: Float[Tensor, "member *point input"]) -> Float[Tensor, "member *point channel"]:
        """The hidden term of every member at its own inputs, in physical units."""
        scaled = (inputs - self.scales.input_offset)[..., self.chosen] / self.scales.input[self.chosen]
        terms = self.hidden(scaled.flatten(1, -2))
        return terms.view(*inputs.shape[:-1], -1) * (self.scales.rate * self.problem.is_hidden)

    def known(self, times: Tensor, inputs: Float[Tensor, "member trajectory point input"]) -> Tensor:
        """The known part at the inputs, with every member's own scalars."""
        flat = inputs.flatten(0, -2)
        names = list(self.problem.rate_equation.unknowns)
        rows = inputs[..., 0]
        scalars = {} if self.scalars is None else {
            name: self.scalars[:, i, None, None].expand_as(rows).flatten() for i, name in enumerate(names)
        }  # fmt: skip
        rates = self.problem.rate_equation.known(times.expand_as(rows).flatten(), flat, scalars)
        return rates.view(*inputs.shape[:-1], -1)

    def residual(self) -> Float[Tensor, "member trajectory point channel"]:
        """(∂_t U − K − F) / r at the collocation points."""
        _, rate, inputs = self.at(self.inner)
        return (rate - self.known(self.inner.coordinates[..., 0], inputs) - self.term(inputs)) / self.scales.rate

    def losses(self) -> tuple[Tensor, Tensor]:
        """Mean squared misfit of the data and of the equation, non-dimensional, per member."""
        state, _, _ = self.at(self.data)
        misfit = ((state - self.values) / self.scales.field).square() * self.weights
        data = misfit.sum((1, 2, 3)) / self.weights.sum()
        return data, self.residual().square().mean((1, 2, 3))

    def anywhere(self, visited: Visited) -> tuple[Tensor, Tensor]:
        """State and inputs of every member at any places, ``member point …``."""
        every = visited.coordinates.double().expand(self.count, -1, -1)
        places = Places(self.problem, every, self.scales, bends=self.bends).to(visited.coordinates.device)
        state, _, inputs = self.at(places)
        rows = torch.arange(every.shape[1], device=every.device)
        return state[:, visited.trajectory, rows], inputs[:, visited.trajectory, rows]

    @torch.no_grad()
    def measure(self, places: Visited) -> Measured:
        """Mean over members of inputs and hidden term, and the standard deviation between members."""
        _, inputs = self.anywhere(places)
        terms = self.term(inputs)
        spread = terms.std(0) if len(terms) > 1 else None
        return Measured(inputs.mean(0), terms.mean(0), spread)

    def term_of(self, inputs: Tensor) -> Tensor:
        """Mean of the members' hidden terms at given inputs."""
        return self.term(inputs.double().expand(self.config.members, *inputs.shape)).mean(0)

    def found_scalars(self) -> dict[str, float]:
        """Mean over members of the unknown scalars."""
        if self.scalars is None:
            return {}
        return dict(zip(self.problem.rate_equation.unknowns, self.scalars.detach().mean(0).tolist(), strict=True))

    def loss(self) -> Tensor:
        """The sum over members of what each minimises."""
        data, equation = self.losses()
        return (self.data_weight * data + equation).sum()


def steps_of(module: UPINN, steps: int) -> Phases[ObservationBatch]:
    """Adam, then L-BFGS for the rest of the steps."""
    config, parameters = module.config, list(module.parameters())
    first = min(config.adam, steps)
    return Phases(
        [
            (Adam(parameters, module.loss, steps=first, learning_rate=config.learning_rate), first),
            (LBFGS(parameters, module.loss, iterations=steps - first), steps - first),
        ]
    )


def _jitter(
    seen: tuple[Observations, ...], members: int, points: int, generator: torch.Generator
) -> Float[Tensor, "member trajectory point channel"]:
    """Noise once more, different for every member and zero on average over them.

    Members that see the same data share the error that its noise makes, and agree where they are wrong. With this they
    disagree as much as another measurement would, while their mean stays that of the data as they are.
    """
    channels = seen[0].values.shape[1]
    drawn = torch.randn(members, len(seen), points, channels, generator=generator, dtype=torch.float64)
    nothing = torch.zeros(channels, dtype=torch.float64)
    usual = [entry.typical_sigma for entry in seen]
    sigma = torch.stack([nothing if noise is None else noise.double() for noise in usual])
    return (drawn - drawn.mean(0)) * sigma[:, None]


def _padded(seen: tuple[Observations, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates, values and weights (one, or zero where there is no value), ``trajectory point …``."""
    most = max(len(entry.values) for entry in seen)

    def filled(values: Tensor) -> Tensor:
        return torch.cat([values, values[-1:].expand(most - len(values), *values.shape[1:])])

    there = torch.stack([torch.arange(most) < len(entry.values) for entry in seen])
    return (
        torch.stack([filled(entry.coordinates.double()) for entry in seen]),
        torch.stack([filled(entry.values.double().nan_to_num(0.0)) for entry in seen]),
        (torch.stack([filled(entry.seen) for entry in seen]) & there[..., None]).double(),
    )


def _collocation(seen: tuple[Observations, ...], count: int, generator: torch.Generator) -> Tensor:
    """Equidistant by the clock without space; else a Latin hypercube over the range of the observations."""
    blocks = []
    for entry in seen:
        lower, upper = entry.coordinates.amin(0).double(), entry.coordinates.amax(0).double()
        if len(lower) == 1:
            unit = torch.linspace(0, 1, count, dtype=torch.float64)[:, None]
        else:
            shifts = torch.rand(count, len(lower), generator=generator, dtype=torch.float64)
            order = torch.stack([torch.randperm(count, generator=generator) for _ in lower], 1)
            unit = (order + shifts) / count
        points, clock = lower + (upper - lower) * unit, Clock.of(entry.coordinates[:, 0])
        if not clock.even:
            points[:, 0] = clock.time(unit[:, 0])
        blocks.append(points)
    return torch.stack(blocks)
