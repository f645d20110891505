"""The best linear differential equation, in closed form."""

import math
from collections.abc import Sequence

import numpy as np
import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import HasDynamics, HasTrajectories
from sciml.core.config import Config
from sciml.core.least_squares import least_squares
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.nn import Units
from sciml.tasks.trajectories import (
    Cautions,
    Start,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoriesSolver,
    TrajectoryBatch,
)
from sciml.train import Examples, Recipe, TrainConfig, recipe_of

_ROWS = 2**16  # pairs of frames laid out at a time
_NEAR = 0.8 * math.pi  # radians per frame from which on a word is said


class LinearODEConfig(Config):
    """One linear equation for all states."""

    windows: int = pydantic.Field(default=4096, ge=1)
    """Largest number of training windows used, spread evenly over all of them."""


class LinearODE(nn.Module):
    """dy/dt = A y + B p + b, solved exactly by the exponential of the generator G of w = (ỹ, p̃, 1).

        dw/dt = G w,   w(t) = exp(G (t - t_0)) w(t_0)

    Fitted by `fit`, not by gradient; before that nothing moves. Everything is computed in float64.

    Arguments:
        config: hyper-parameters.
        units: what standardises states and parameters.
        times: of the frames of the data, which a program answers at; none for no program.
    """

    def __init__(self, config: LinearODEConfig, units: Units, times: Sequence[float] = ()) -> None:
        super().__init__()
        self.windows, self.units, self.times = config.windows, units, tuple(times)
        size = units.channels + units.num_parameters + 1
        self.rates = nn.Parameter(torch.zeros(units.channels, size, dtype=torch.float64))

    def forward(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        times: Float[Tensor, " time"],
    ) -> Float[Tensor, "batch time channel"]:
        """Standardised states at `times`, the first of which is that of `state`, in float64."""
        start = self.extend(self.units.standardise(state.double()), parameters)
        generator = torch.cat((self.rates, self.rates.new_zeros(start.shape[1] - len(self.rates), start.shape[1])))
        elapsed = (times.double() - times[0].double()).to(start.device)
        propagators = torch.linalg.matrix_exp(elapsed[:, None, None] * generator)[:, : self.units.channels]
        return torch.einsum("tij,bj->bti", propagators, start)

    def extend(
        self, states: Float[Tensor, "*batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "*batch component"]:
        """w = (ỹ, p̃, 1) of standardised states and physical parameters."""
        known = self.units.known(parameters.double())
        known = known.view(len(known), *[1] * (states.ndim - 2), -1).expand(*states.shape[:-1], -1)
        return torch.cat((states, known, torch.ones_like(states[..., :1])), dim=-1)

    @torch.no_grad()
    def equation(
        self,
    ) -> tuple[Float[Tensor, "channel channel"], Float[Tensor, "channel parameter"], Float[Tensor, " channel"]]:
        """A, B and b in physical units."""
        u, channels = self.units, self.units.channels
        mean, std = u.field_mean.double(), u.field_std.double()
        matrix = std[:, None] * self.rates[:, :channels] / std
        coupling = std[:, None] * self.rates[:, channels:-1] / u.parameter_std.double()
        return matrix, coupling, std * self.rates[:, -1] - matrix @ mean - coupling @ u.parameter_mean.double()

    @torch.no_grad()
    def angles(self, gap: float) -> Float[Tensor, " channel"]:
        """By how many radians each mode turns in a time `gap`, the largest first."""
        turns = torch.linalg.eigvals(self.rates[:, : self.units.channels]).imag.abs()
        return (turns * gap).sort(descending=True).values

    @torch.no_grad()
    def pairs(self, batch: TrajectoryBatch) -> Float[Tensor, "row column"]:
        """One row (w_k, ỹ_{k+1} - ỹ_k) for every two consecutive frames."""
        states = self.units.standardise(batch.states.double())
        rows = torch.cat((self.extend(states, batch.parameters)[:, :-1], states.diff(dim=1)), dim=-1)
        return rows.flatten(0, 1)

    @torch.no_grad()
    def solve(self, factor: Float[Tensor, "row column"], gap: float) -> None:
        """Set G from the triangular factor of all `pairs`, `gap` apart.

        The propagator E over a gap is fitted by least squares, and G = log(E) / gap. Where E has no real logarithm
        (an eigenvalue that is zero or negative: noise, or frames too far apart), G is fitted directly instead, with the
        slope between two frames taken as the mean of those at its ends.
        """
        channels, factor = self.units.channels, factor.cpu()
        now, change = factor[:, :-channels], factor[:, -channels:]
        step = _least_squares(now, change)
        propagator = torch.eye(now.shape[1], dtype=torch.float64)
        propagator[:channels] += step
        logarithm = _real_logarithm(propagator)
        if logarithm is None:
            middle = now.clone()
            middle[:, :channels] += change / 2
            logarithm = _least_squares(middle, change)
        self.rates.copy_(logarithm[:channels] / gap)


class LinearODEProgram(nn.Module):
    """The equation at fixed times: one product with a stored propagator per time, float64 inside.

    Arguments:
        equation: fitted, with times.
    """

    propagators: Tensor

    def __init__(self, equation: LinearODE) -> None:
        super().__init__()
        self.equation = equation
        size = equation.rates.shape[1]
        with torch.no_grad():
            generator = torch.cat((equation.rates, equation.rates.new_zeros(size - len(equation.rates), size)))
            times = torch.tensor(equation.times, dtype=torch.float64, device=generator.device)
            propagators = torch.linalg.matrix_exp((times - times[0])[:, None, None] * generator)
        self.register_buffer("propagators", propagators[:, : equation.units.channels].clone())

    def forward(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch time channel"]:
        """States in physical units."""
        units = self.equation.units
        z = units.standardise(state.double())
        start = torch.cat((z, units.known(parameters.double()), torch.ones_like(z[:, :1])), dim=1)
        return units.restore(torch.einsum("tij,bj->bti", self.propagators, start)).to(state.dtype)


def _least_squares(known: Float[Tensor, "row n"], wanted: Float[Tensor, "row m"]) -> Float[Tensor, "m n"]:
    return least_squares(known, wanted).T


def _real_logarithm(matrix: Float[Tensor, "n n"]) -> Float[Tensor, "n n"] | None:
    """The principal logarithm; None where there is no real one, or it is not accurate."""
    from scipy.linalg import logm

    eigenvalues = torch.linalg.eigvals(matrix)
    size = eigenvalues.abs().max()
    if bool(((eigenvalues.imag.abs() <= 1e-12 * size) & (eigenvalues.real <= 1e-12 * size)).any()):
        return None
    logarithm = torch.from_numpy(np.real(np.asarray(logm(matrix.numpy()))).copy())
    exact = bool(((torch.linalg.matrix_exp(logarithm) - matrix).abs() <= 1e-8 * size).all())
    return logarithm if exact else None


def _jacobian_angle(
    problem: HasTrajectories, states: Float[Tensor, "row channel"], context: TrajectoriesContext
) -> float | None:
    """Largest angle by which the stated dynamics turn between two frames; None where there are none."""
    if not isinstance(problem, HasDynamics):
        return None
    known = {p.name: states.new_full((1,), 0.5 * (p.low + p.high), dtype=torch.float64) for p in problem.parameters}
    closures, zero = problem.closures(), torch.zeros(1, dtype=torch.float64)

    def rate(state: Tensor) -> Tensor:
        return problem.dynamics(zero, state[None], known, closures)[0]

    angles = []
    for state in states.double():
        jacobian = torch.autograd.functional.jacobian(rate, state)
        if isinstance(jacobian, Tensor) and jacobian.isfinite().all():
            angles.append(float(torch.linalg.eigvals(jacobian).imag.abs().max()) * context.dt)
    return max(angles, default=None)


_RECIPES = {
    preset: Recipe[LinearODEConfig, TrajectoriesConfig](
        model=LinearODEConfig(windows=windows), task=TrajectoriesConfig(), train=TrainConfig(steps=0)
    )
    for preset, windows in {"tiny": 4096, "small": 16_384, "paper": 65_536}.items()
}


class LinearODESolver(TrajectoriesSolver[HasTrajectories, LinearODEConfig, LinearODE], Cautions):
    """Trajectories by the best linear equation: how much of the dynamics is not non-linear."""

    key = "linear_ode"
    title = "Linear ODE"
    citation = "dynamic mode decomposition with a matrix logarithm; ordinary least squares"
    claim = ""
    rule = None

    def recipe(self, preset: str) -> Recipe[LinearODEConfig, TrajectoriesConfig]:
        """Larger presets use more of the training windows."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasTrajectories, model: LinearODEConfig, context: TrajectoriesContext) -> LinearODE:
        """An equation in which nothing moves yet."""
        times = [context.dt * frame for frame in range(context.frames)]
        return LinearODE(model, Units(context.statistics), times)

    def program(self, module: LinearODE) -> "LinearODEProgram | None":
        """Start and parameters to the states at the times of the data, the start first."""
        return LinearODEProgram(module) if module.times else None

    def loss(self, module: LinearODE, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised states after the first."""
        predicted = module(batch.states[:, 0], batch.parameters, batch.times)[:, 1:]
        return (predicted - module.units.standardise(batch.states[:, 1:])).square().mean().float()

    @torch.no_grad()
    def predict(self, module: LinearODE, inputs: Start) -> Prediction:
        """States in physical units at ``inputs.times``; NaN, and a status, from where they are too large to hold."""
        states = module.units.restore(module(inputs.state, inputs.parameters, inputs.times)).to(inputs.state.dtype)
        finite = states.isfinite().all(2).cumprod(1).bool()
        states = torch.where(finite[..., None], states, torch.nan)
        return Prediction(states, None, torch.where(finite.all(1), int(Status.OK), int(Status.DIVERGED)))

    def cautions(
        self,
        module: LinearODE,
        problem: HasTrajectories,
        context: TrajectoriesContext,
        states: Float[Tensor, "row channel"],
    ) -> tuple[str, ...]:
        """Whether modes turn so far between two frames that their frequency cannot be told from slower ones.

        Where the problem states its dynamics, the modes are those of its Jacobian at `states`; else the learned ones,
        which show no more than that a turn is close to half a circle.
        """
        words, known = [], _jacobian_angle(problem, states, context)
        learned = float(module.angles(context.dt)[0])
        if known is not None and known > _NEAR:
            words.append(
                f"Frames are {context.dt:g} {context.time_units} apart, in which the equation turns by up to "
                f"{known / math.pi:.2f} pi: from pi on a rotation looks like a slower one, so that the learned "
                "frequencies may be aliases. They fit the frames and are wrong in between."
            )
        elif learned > _NEAR:
            words.append(
                f"A learned mode turns by {learned / math.pi:.2f} pi between two frames, close to half a circle, "
                "beyond which a rotation looks like a slower one: it may be an alias. Store frames more often."
            )
        return tuple(words)

    def solve_closed_form(self, module: LinearODE, examples: Examples[TrajectoryBatch]) -> bool:
        """Least squares in float64 over (at most ``model.windows``) training windows of equally spaced frames."""
        device, generator = module.rates.device, rng.generator(0, "linear_ode")
        chosen = torch.linspace(0, len(examples) - 1, min(len(examples), module.windows)).long()
        factor, gap = module.rates.new_zeros(0, module.rates.shape[1] + len(module.rates)), 1.0
        for rows in chosen.split(max(1, _ROWS // len(examples.batch(chosen[:1], generator).times))):
            batch = examples.batch(rows, generator).to(device)
            gap = float(batch.times[-1] - batch.times[0]) / (len(batch.times) - 1)
            factor = torch.linalg.qr(torch.cat((factor.detach(), module.pairs(batch))), mode="r").R
        module.solve(factor, gap)
        return True
