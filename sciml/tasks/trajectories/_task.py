"""Learning the dynamics of an ordinary differential equation."""

from pathlib import Path

import xarray
from torch import Tensor, nn

from sciml import data
from sciml.core.capabilities import Evolves, HasTrajectories
from sciml.core.errors import UserError
from sciml.core.progress import Progress
from sciml.core.types import Prediction
from sciml.tasks._inputs import halved
from sciml.tasks._labels import Labelled, labelled_parameters
from sciml.tasks._no_space import (
    labelled_fields,
    labelled_outcome,
    labelled_spread,
    open_trajectories,
    time_coordinate,
)
from sciml.tasks.trajectories._answer import completed, in_own_terms
from sciml.tasks.trajectories._bands import add_band, check_conformal
from sciml.tasks.trajectories._bench import TrajectoriesBench
from sciml.tasks.trajectories._data import (
    Start,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoryBatch,
    read_start,
)
from sciml.tasks.trajectories._metrics import METRICS
from sciml.tasks.trajectories._seen import unseen_starts
from sciml.tasks.trajectories.view import VIEW
from sciml.train import AnySolver, Column, Task, columns_of


class Trajectories(Task[HasTrajectories, TrajectoriesConfig, TrajectoriesContext, TrajectoryBatch, Start]):
    """Learn u(t_0) -> u(t_0), u(t_1), … on pieces of reference trajectories; be judged on whole ones.

    Metrics on the test split, every prediction from the first frame:
        rollout/relative_l2: ‖u_pred - u‖ / ‖u‖, norms over time and channel, mean over samples; a channel of large
            magnitude dominates.
        rollout/mae_share: mean absolute error in standard deviations of the test signal, mean over channels.
        window/relative_l2: the first with a restart from the truth after every training window; not where training
            examples are whole trajectories.
        mae/<field>: mean absolute error of a field in its units, over samples and times.
        outcome/accuracy, outcome/auc: for a problem that `HasOutcome`, the share of samples whose outcome is predicted
            right, and the area under the ROC curve of the predicted chance; the latter where both outcomes occur.
        summary/<name>, compared/<name>: for a problem with derived quantities, the mean absolute error of each quantity
            over the samples that have it in truth and in prediction, and how many these are.
        covered/<field>: where the solver states a spread, the share of the values within two standard deviations, 95 %
            nominally.
        held/<field>: with ``task.conformal``, the share of the values within their band.
        constraint/<name>: for a problem that `HasConstraints`, the largest violation anywhere in the predictions.
        beyond/mae_share, beyond/mae/<field>, beyond/outcome/…: the same on the split of parameters outside of their
            ranges, where the dataset has one, the share in standard deviations of the test signal too.
        evaluations, calls: of the right-hand side, mean over samples, and of the network, where the solver counts them.
        prediction/seconds: median wall time of predicting the whole test split.
    """

    key = "trajectories"
    title = "Trajectories of ordinary differential equations"
    capability = HasTrajectories
    card = data.PresetCard
    config = TrajectoriesConfig
    context = TrajectoriesContext
    metrics = METRICS
    view = VIEW
    shared = frozenset({"times"})

    def prepare(
        self,
        problem: HasTrajectories,
        preset: str,
        settings: TrajectoriesConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> "TrajectoriesBench":
        """Generate what is missing of the preset's dataset and open it."""
        if settings.conformal is not None and isinstance(problem, Evolves):
            card = data.read_card(problem).table(preset, data.PresetCard)
            check_conformal(settings.conformal, card.trajectories.valid)
        dataset = open_trajectories(problem, preset, progress=progress, workers=workers)
        return TrajectoriesBench(problem, dataset, settings)

    def inputs(self, batch: TrajectoryBatch) -> Start:
        """The first state of every window, asked for at the times of the window."""
        return batch.start

    def read_inputs(
        self, path: Path, problem: HasTrajectories, context: TrajectoriesContext, steps: int | None
    ) -> Start:
        """Initial states, parameters and perhaps times from a user's NetCDF file."""
        return read_start(path, problem, context, steps)

    def write_inputs(self, inputs: Start, problem: HasTrajectories, context: TrajectoriesContext) -> xarray.Dataset:
        """The initial states, the parameters, and the times asked for."""
        arrays: Labelled = {
            field.name: ("sample", values.cpu().numpy(), {"units": field.units, "long_name": field.long_name})
            for field, values in zip(problem.fields, inputs.state.unbind(1), strict=True)
        }
        arrays |= labelled_parameters(problem, inputs.parameters.cpu())
        return xarray.Dataset(arrays, {"time": time_coordinate(inputs.times, context.time_units, inputs.origin)})

    def describe(
        self, inputs: Start, prediction: Prediction, problem: HasTrajectories, context: TrajectoriesContext
    ) -> xarray.Dataset:
        """A prediction as named fields with units at the times asked for, the start included."""
        arrays = labelled_fields(problem, prediction.mean.cpu()) | labelled_outcome(prediction)
        arrays |= labelled_spread(problem, prediction, context.conformal)
        arrays |= in_own_terms(problem, inputs, prediction)
        return xarray.Dataset(arrays, {"time": time_coordinate(inputs.times, context.time_units, inputs.origin)})

    def complete(
        self, solver: AnySolver, module: nn.Module, inputs: Start, prediction: Prediction, problem: HasTrajectories
    ) -> Prediction:
        """With its conformal band, and the derived quantities of the problem."""
        return completed(solver, module, inputs, prediction, problem)

    def equip(self, module: nn.Module, context: TrajectoriesContext) -> None:
        """With ``task.conformal``, room for the widths of bands at the stored times."""
        if context.conformal is not None:
            add_band(module, context)

    def conformal(self, share: float) -> tuple[str, ...]:
        """One setting: the validation trajectories calibrate."""
        return (f"task.conformal={share}",)

    def unseen(self, inputs: Start, problem: HasTrajectories, context: TrajectoriesContext) -> list[UserError]:
        """First states far from all those that training examples begin with."""
        return unseen_starts(inputs, problem, context)

    def shorten(self, inputs: Start) -> tuple[Start, slice] | None:
        """The first step alone."""
        return (inputs._replace(times=inputs.times[:2]), slice(0, 2)) if len(inputs.times) > 2 else None

    def arguments(self, inputs: Start) -> tuple[Tensor, ...] | None:
        """State and parameters; a program answers at the training times."""
        return inputs.state, inputs.parameters

    def columns(self, problem: HasTrajectories, context: TrajectoriesContext) -> tuple[tuple[Column, ...], ...]:
        """Fields, and parameters."""
        return columns_of(problem.fields), columns_of(problem.parameters)

    def refine(self, inputs: Start) -> tuple[Start, slice] | None:
        """A time between any two."""
        return inputs._replace(times=halved(inputs.times)), slice(None, None, 2)


TRAJECTORIES = Trajectories()
