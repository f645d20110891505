"""Solvers that step fields forward in time: everything but the network."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from typing import ClassVar, Generic, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sciml import data, metrics
from sciml.core.capabilities import Evolves, HasTrajectories
from sciml.core.config import Config
from sciml.core.errors import ConfigError
from sciml.core.memory import bounded_building
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.nn import Stepper
from sciml.tasks._conformal import conformal_widths
from sciml.tasks.forecast._calibrates import Calibrates, Calibration
from sciml.tasks.forecast._data import ForecastConfig, ForecastContext, Window, check_length, num_held_out
from sciml.tasks.forecast._task import FORECAST
from sciml.train import Solver

M = TypeVar("M", bound=Config)
K = TypeVar("K", bound=nn.Module)
_LEAST_CHANGE = 0.1
"""Share of the usual change of a field below which a sample's own counts as this much: one at rest must not rule."""
_LEAST = 1e-3
"""Smallest root mean square of a standardised frame that its error is divided by: a field at rest must not rule."""


class StepperSolver(
    Solver[HasTrajectories, M, ForecastConfig, ForecastContext, data.WindowBatch, Window, Stepper[K]],
    Calibrates,
    Generic[M, K],
):
    """Base of the solvers whose module is a `Stepper`; a leaf gives the network and its recipes."""

    task = FORECAST
    max_spatial_dims: ClassVar[int] = 3
    """Largest number of spatial axes supported."""
    mask_channel: ClassVar[bool] = False
    """Whether the network takes `ForecastContext.channels_in`, with the mask of a masked grid as its last channel."""
    reads_forcings: ClassVar[bool] = False
    """Whether the network is conditioned on `ForecastContext.num_scalars` numbers, forcings among them."""
    timeless: ClassVar[bool] = False
    """Whether the forecast is the same for every time step, so that nobody needs to be told."""

    learns_changes: ClassVar[bool] = False
    """Whether the network predicts the change in a step where ``task.increments`` says so."""

    @abstractmethod
    def network(self, problem: HasTrajectories, model: M, context: ForecastContext) -> K:
        """The network in standardised units: ``batch history*channel *space``, ``batch condition`` to one frame."""

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories` on a grid of one to three axes."""
        if not isinstance(problem, HasTrajectories):
            return Support(False, "it has no trajectories")
        dims = len(problem.boundary)
        if not 1 <= dims <= self.max_spatial_dims:
            return Support(False, f"it is {dims}-D; this network is for 1 to {self.max_spatial_dims} spatial axes")
        if problem.forcings and not self.reads_forcings and "forcings" not in self.unread:
            names = ", ".join(entry.name for entry in problem.forcings)
            return Support(False, f"it is driven by {names}, which vary by time and which this solver does not read")
        if problem.time_step is not None and not self.timeless and "parameters" in self.unread:
            return Support(False, "its time step differs between trajectories, and this solver cannot be told it")
        return Support(True)

    def check_preset(self, problem: HasTrajectories, preset: str, model: M, task: ForecastConfig) -> None:
        """Let a network without values, and so without cost, answer on the grid of the preset."""
        if self.rule is None and task.horizon > 1:
            raise ConfigError(
                f"solver {self.key!r} takes no steps of training, so it cannot take several at a time",
                got=f"task.pushforward={task.pushforward}, task.unroll={task.unroll}",
                expected="task.pushforward=0 and task.unroll=1",
            )
        if task.increments and not self.learns_changes:
            raise ConfigError(
                f"solver {self.key!r} answers with whole frames",
                got="task.increments=true",
                expected="task.increments=false, or none",
            )
        if not isinstance(problem, Evolves):
            return  # its data is there
        card = data.read_card(problem).table(task.data or preset, data.PresetCard)
        check_length(task, card.frames)
        num_held_out(task, card.trajectories.train if task.trajectories is None else task.trajectories)
        with torch.device("meta"):
            context = _blank_context(problem, card, task)
            with bounded_building(f"the network of solver {self.key!r}"):
                stepper = self.build(problem, model, context)
            fields, size = len(problem.fields), context.grid.size
            forcing = torch.zeros(1, 2, len(problem.forcings)) if problem.forcings else None
            states, parameters = torch.zeros(1, task.history, fields, *size), torch.zeros(1, len(problem.parameters))
            stepper(states, parameters, torch.ones(1), forcing)

    def build(self, problem: HasTrajectories, model: M, context: ForecastContext) -> Stepper[K]:
        """The network wrapped with the dataset's constants.

        Raises: ConfigError for a network without a condition where the time step or a forcing must be one.
        """
        s, network = context.statistics, self.network(problem, model, context)
        forced = bool(problem.forcings) and "forcings" not in self.unread
        stepper = Stepper(
            network,
            field_mean=_means(context),
            field_std=s.field_std,
            parameter_mean=s.parameter_mean,
            parameter_std=s.parameter_std,
            forcing_mean=s.forcing_mean if forced else None,
            forcing_std=s.forcing_std if forced else None,
            active=context.active,
            mask_channel=self.mask_channel,
            band_steps=context.steps if context.coverage else 0,
            band_stride=min(context.strides),
            field_change=context.change if self.learns_changes else None,
            constant=_constant(problem, context),
        )
        several = len(context.strides) > 1 or problem.time_step is not None
        if not stepper.told and (forced or (several and not self.timeless)):
            raise ConfigError(
                f"solver {self.key!r} has no condition here, and must be told "
                + (", ".join(entry.name for entry in problem.forcings) if forced else "which time step it takes"),
                got=f"task.strides={list(context.strides)}" if len(context.strides) > 1 else None,
                expected="a network with a condition (model.condition=adagn), or data that needs none",
            )
        return stepper

    def loss(self, module: Stepper[K], batch: data.WindowBatch, along: float = 1.0) -> Tensor:
        """Scaled L2 of standardised frames: mean over samples, scored steps and channels of ‖e‖ / ‖u‖. Fields that are
        constant in the data are left out, and ‖u‖ counts as a thousandth of its usual size at least.

        A network of changes is scored by ‖e‖ / ‖Δu‖, Δu the true change in the step, since ‖u‖ may be much larger and
        samples may move at very different rates; ‖Δu‖ counts as a tenth of the usual change of its field at least.

        The first `WindowBatch.free` steps go on from the network's own answers without a gradient and without a score
        (push-forward); each of the others is scored and fed to the next one (unrolled training).

        Cells that are not active are zero in both and add to neither norm.

        Reference: Brandstetter, Worrall, Welling, "Message Passing Neural PDE Solvers", ICLR 2022, arXiv:2202.03376
            (push-forward).
        """
        window, targets = module.standardise(batch.inputs), module.standardise(batch.targets)
        predicted = []
        for step in range(targets.shape[1]):
            forcing = None if batch.forcing is None else batch.forcing[:, step : step + 2]
            condition = module.condition(batch.parameters, batch.stride, forcing)
            with torch.no_grad() if step < batch.free else nullcontext():
                following = module.advance(window, condition)
            if step >= batch.free:
                predicted.append(following.float())
            window = torch.cat([window[:, 1:], following], dim=1)
        answers, scored = torch.cat(predicted, dim=1), targets[:, batch.free :]
        if module.varying is not None:
            answers, scored = answers[:, :, module.varying], scored[:, :, module.varying]
        if module.change is not None:
            true = torch.cat([module.standardise(batch.inputs[:, -1:]), targets], dim=1).diff(dim=1)[:, batch.free :]
            usual = module.change
            if module.varying is not None:
                true, usual = true[:, :, module.varying], usual[module.varying]
            least = (_LEAST_CHANGE * usual).square()
            scale = (true.flatten(3).square().mean(3) + least).rsqrt()
            squares = (answers - scored).flatten(3).square().mean(3)
            return ((squares + 1e-14).sqrt() * scale).mean()  # √0 has no gradient
        return metrics.scaled_l2(answers, scored, guard=_LEAST, dims="sample time channel *space").mean()

    @torch.no_grad()
    def predict(self, module: Stepper[K], inputs: Window) -> Prediction:
        """A rollout of ``inputs.steps`` frames in physical units."""
        module.eval()
        mean = module.rollout(inputs.states, inputs.parameters, inputs.stride, inputs.steps, inputs.forcing)
        band = None if module.band is None else around(mean, module.band, inputs.stride == module.band_stride)
        return Prediction(mean, None, status_of(mean, module.active), band=band)

    def calibrate(self, module: Stepper[K], rollouts: Sequence[Calibration], coverage: float) -> None:
        """Half-widths by step and field, the same at all points and for all samples."""
        assert module.band is not None
        errors = torch.cat([(one.prediction.mean - one.true).abs() for one in rollouts])
        widths = conformal_widths(errors, torch.ones_like(errors), coverage, cpu(module.active))
        module.band.copy_(widths)


def status_of(
    states: Float[Tensor, "batch time channel *space"], active: Bool[Tensor, "*space"] | None
) -> Int[Tensor, " batch"]:
    """`OK` for samples that are finite at all active cells, `DIVERGED` for the others."""
    inside = states if active is None else states[..., active]
    return torch.where(inside.isfinite().flatten(1).all(1), int(Status.OK), int(Status.DIVERGED))


def around(
    mean: Float[Tensor, "batch time channel *space"],
    widths: Float[Tensor, "step channel"],
    known_stride: Bool[Tensor, " batch"],
) -> Float[Tensor, "batch time channel *space"]:
    """Calibrated numbers at the steps of a rollout; NaN beyond those, and for samples of another stride than theirs."""
    known = min(mean.shape[1], len(widths))
    rows = widths.new_full((mean.shape[1], mean.shape[2]), torch.nan)
    rows[:known] = widths[:known]
    rows = torch.where(known_stride.view(-1, 1, 1), rows, torch.nan)
    return rows.view(*rows.shape, *[1] * (mean.ndim - 3)).expand_as(mean).to(mean)


def cpu(values: Tensor | None) -> Tensor | None:
    """A tensor where predictions are compared."""
    return None if values is None else values.cpu()


def _constant(problem: HasTrajectories, context: ForecastContext) -> Bool[Tensor, " channel"] | None:
    """Which fields are constant; None where all vary."""
    if not context.constant:
        return None
    return torch.tensor([entry.name in context.constant for entry in problem.fields])


def _means(context: ForecastContext) -> Tensor:
    """What is subtracted of the fields: nothing of odd ones, whose 0 at the wall must stay 0."""
    means = context.statistics.field_mean
    if context.parity is None:
        return means
    return means * torch.tensor([0.0 if odd else 1.0 for odd in context.parity], device=means.device)


def _blank_context(problem: Evolves, card: data.PresetCard, task: ForecastConfig) -> ForecastContext:
    """The context of data that is not made yet, its statistics without values."""
    fields, parameters, forcings = len(problem.fields), len(problem.parameters), len(problem.forcings)
    numbers = [torch.ones(n) for n in (fields, fields, parameters, parameters, forcings, forcings)]
    return ForecastContext(
        grid=problem.grid(card.grid),
        statistics=data.Statistics(*numbers),
        history=task.history,
        dt=card.dt,
        steps=task.frames(card.frames) - task.history,
        strides=task.strides,
        parity=tuple(entry.odd for entry in problem.fields),
        coverage=task.coverage if task.held_out else None,
        change=numbers[0] if task.increments else None,
    )
