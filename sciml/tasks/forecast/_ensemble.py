"""Several forecasters of one kind that differ by their random start: a module, and the base of their solvers."""

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core.capabilities import HasTrajectories
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.nn import Stepper
from sciml.tasks._conformal import conformal_widths, spread_factors
from sciml.tasks._ensembles import Members, built, initialise, mean_loss
from sciml.tasks.forecast._calibrates import Calibrates, Calibration
from sciml.tasks.forecast._data import ForecastConfig, ForecastContext, Window
from sciml.tasks.forecast._solver import StepperSolver, around, cpu, status_of
from sciml.tasks.forecast._task import FORECAST
from sciml.train import Examples, Solver

_FLOOR = 1e-3  # of a field's standard deviation, so that a band has a width where all members agree

E = TypeVar("E", bound=Members)


class ForecastEnsemble(nn.Module):
    """Members that each roll out by themselves; the forecast is the mean of their rollouts.

    Arguments:
        members: steppers, two at least, for the same data.
        band_steps: steps of a rollout whose errors will be calibrated; 0 for none, and then there is no spread.

    Attributes:
        factor: by step and field, what the members' standard deviation is multiplied by to have the size of the error.
        band: by step and field, half the width of a band in calibrated standard deviations; infinite at
            first.

    Any: settings of every kind of member.
    """

    factor: Tensor | None
    band: Tensor | None

    def __init__(self, members: Sequence[Stepper[Any]], *, band_steps: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        size = (band_steps, len(members[0].field_mean))
        self.register_buffer("factor", torch.ones(size) if band_steps else None)
        self.register_buffer("band", torch.full(size, torch.inf) if band_steps else None)

    @property
    def first(self) -> Stepper[Any]:
        """A member, for what all have in common."""
        return next(member for member in self.members if isinstance(member, Stepper))

    def forward(
        self,
        states: Float[Tensor, "batch history channel *space"],
        parameters: Float[Tensor, "batch parameter"],
        stride: Float[Tensor, " batch"],
        forcing: Float[Tensor, "batch 2 forcing"] | None = None,
    ) -> Float[Tensor, "batch 1 channel *space"]:
        """The mean of the members' next states."""
        return torch.stack([member(states, parameters, stride, forcing) for member in self.members]).mean(0)

    def rollouts(self, inputs: Window) -> Float[Tensor, "member batch steps channel *space"]:
        """Every member's own rollout."""
        return torch.stack([
            member.rollout(inputs.states, inputs.parameters, inputs.stride, inputs.steps, inputs.forcing)
            for member in self.members
            if isinstance(member, Stepper)
        ])  # fmt: skip


class ForecastEnsembleSolver(
    Solver[HasTrajectories, E, ForecastConfig, ForecastContext, data.WindowBatch, Window, ForecastEnsemble],
    Calibrates,
    Generic[E],
):
    """Base of ensembles of forecasters: a solver of this kind names its `member`, a recipe, and what every solver has.

    Its configuration is that of the member and `Members`. Members differ by their start and see the same batches (deep
    ensembles). With ``task.held_out``, the spread of their rollouts gets the size of the errors, and bands are
    multiples of it, both by step and field; without, no spread is stated. Any: settings of every kind of member.
    """

    task = FORECAST
    member: ClassVar[StepperSolver[Any, Any]]
    """What is built several times."""

    def supports(self, problem: Problem) -> Support:
        """What the member supports."""
        return self.member.supports(problem)

    def check_preset(self, problem: HasTrajectories, preset: str, model: E, task: ForecastConfig) -> None:
        """What the member checks."""
        self.member.check_preset(problem, preset, model, task)

    def build(self, problem: HasTrajectories, model: E, context: ForecastContext) -> ForecastEnsemble:
        """Members one after another, from torch's global generator."""
        plain = context.model_copy(update={"coverage": None})
        members = [m for m in built(self.member, problem, model, plain) if isinstance(m, Stepper)]
        return ForecastEnsemble(members, band_steps=context.steps if context.coverage else 0)

    def initialise(self, module: ForecastEnsemble, examples: Examples[data.WindowBatch]) -> None:
        """Of every member."""
        initialise(self.member, module.members, examples)

    def loss(self, module: ForecastEnsemble, batch: data.WindowBatch, along: float = 1.0) -> Tensor:
        """The mean of the members' losses."""
        return mean_loss(self.member, module.members, batch, along)

    @torch.no_grad()
    def predict(self, module: ForecastEnsemble, inputs: Window) -> Prediction:
        """The mean of the members' rollouts, with calibrated spread and band where there are some."""
        module.eval()
        rollouts = module.rollouts(inputs)
        mean = rollouts.mean(0)
        status = status_of(mean, module.first.active)
        if module.factor is None or module.band is None:
            return Prediction(mean, None, status)
        known = inputs.stride == module.first.band_stride
        spread = rollouts.std(0) * around(mean, module.factor, known)
        band = (spread + self._floor(module, mean)) * around(mean, module.band, known)
        return Prediction(mean, spread, status, band=band)

    def calibrate(self, module: ForecastEnsemble, rollouts: Sequence[Calibration], coverage: float) -> None:
        """Factors of the spread, then widths of the bands, by step and field."""
        assert module.factor is not None
        assert module.band is not None
        errors = torch.cat([(one.prediction.mean - one.true).abs() for one in rollouts])
        spread = torch.cat([one.prediction.spread for one in rollouts if one.prediction.spread is not None])
        active = cpu(module.first.active)
        inside = errors + spread if active is None else (errors + spread)[..., active]
        finite = inside.isfinite().flatten(1).all(1)
        if finite.any():
            change = spread_factors(errors[finite], spread[finite], active)
            module.factor.mul_(change.to(module.factor))
            spread = spread * change.view(1, *change.shape, *[1] * (spread.ndim - 3)).to(spread)
        floor = self._floor(module, spread).cpu()
        module.band.copy_(conformal_widths(errors, spread + floor, coverage, active))

    @staticmethod
    def _floor(module: ForecastEnsemble, like: Tensor) -> Tensor:
        return (_FLOOR * module.first.field_std).view(-1, *[1] * (like.ndim - 3))
