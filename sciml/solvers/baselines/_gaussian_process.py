"""Gaussian processes from the parameters to trajectories in their own modes, and to their derived quantities."""

import math

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import HasDerivedQuantities, HasTrajectories
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.models import Processes
from sciml.nn import Units
from sciml.solvers.baselines._frames import (
    Frames,
    FramesProgram,
    Modes,
    chosen,
    features_of,
    finished,
    reads_start,
    supports_frames,
    training_times,
    whole,
)
from sciml.tasks.trajectories import (
    Start,
    StartRule,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoriesSolver,
    TrajectoryBatch,
    named_parameters,
)
from sciml.train import Examples, Recipe, TrainConfig, recipe_of

_TWO_SIGMA = 0.9545  # of a Gaussian's values lie within two standard deviations


class GaussianProcessConfig(Config):
    """One Gaussian process per mode."""

    samples: int = pydantic.Field(default=256, ge=2)
    """Largest number of training trajectories used, spread evenly over all of them."""
    frames: int = pydantic.Field(default=256, ge=2)
    """Room for the times of a trajectory."""
    modes: int = pydantic.Field(default=8, ge=1)
    """Proper orthogonal modes that are kept."""
    restarts: int = pydantic.Field(default=1, ge=0, le=1000)
    """Further starting points of the search for a kernel's scales."""
    use_start: bool | None = None
    """Whether the first state is a feature beside the parameters; without, it must be a function of them, and another
    one is refused. None: where that of the training data is no such function."""


class GaussianProcess(nn.Module):
    """u(t; η) = ū(t) + Σ_m c_m(η) φ_m(t), c_m Gaussian processes; and one for each derived quantity of a problem.

    φ_m are the `Modes` of the training trajectories in standardised units. A derived
    quantity is learned from the cases that have it. Fitted by `fit`; before that it predicts zeros. `forward` also
    gives the variance

        s_c² (Σ_m (v_m(η) + n_m) φ_m(t)² + r(t)),

    of the processes, of their noise n_m (without which a mode that is mostly noise seems known), and of the modes that
    were left out, r. The factor s_c of each field is such that |error| <= 2 spread for 95 % of the values of
    trajectories that modes and processes were fitted without, in parts of the training set (cross-validation): errors
    across an ignition are far from Gaussian.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.
        problem: whose trajectories these are.
    """

    summary_mean: Tensor  # of the derived quantities; stored weights have this name
    stretch: Tensor
    starts: StartRule | None = None  # what first states its answers are for, where it does not read them

    def __init__(self, config: GaussianProcessConfig, units: Units, problem: Problem) -> None:
        super().__init__()
        self.config, self.frames, self.problem = config, Frames(units, config.frames), problem
        features = units.num_parameters + units.channels * bool(config.use_start)
        self.derived_names = (
            tuple(entry.name for entry in problem.derived_quantities)
            if isinstance(problem, HasDerivedQuantities)
            else ()
        )
        self.modes = Modes(config.modes, config.frames, units.channels)
        self.register_buffer("summary_mean", torch.zeros(len(self.derived_names), dtype=torch.float64))
        self.register_buffer("stretch", torch.ones(units.channels, dtype=torch.float64))
        self.coefficients = Processes(config.modes, config.samples, features)
        self.quantities = Processes(len(self.derived_names), config.samples, features)

    def features(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch feature"]:
        """Standardised features in float64."""
        return features_of(self.frames.units, state, parameters, bool(self.config.use_start)).double()

    def forward(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        count: int | None = None,
    ) -> tuple[Float[Tensor, "batch frame channel"], Float[Tensor, "batch frame channel"]]:
        """Mean and variance of the standardised frames at the training times, or at the first `count`."""
        frames = int(self.frames.count) if count is None else count
        coefficients, doubt = self.coefficients(self.features(state, parameters))
        variance = self.modes.spread(doubt + self.coefficients.noise, frames)
        return self.modes.compose(coefficients, frames), variance * self.stretch.square()

    def derived_values(self, inputs: Start, mean: Float[Tensor, "batch frame channel"]) -> dict[str, Tensor]:
        """``summary/<name>`` by their own processes; NaN where the predicted trajectory has no such quantity.

        `mean` is the whole trajectory at the training times, whatever times are asked for.
        """
        if not isinstance(self.problem, HasDerivedQuantities):
            return {}
        params = named_parameters(self.problem, inputs.parameters)
        exists = self.problem.derived_values(self.frames.used().double(), mean.double(), params)
        means = self.quantities(self.features(inputs.state, inputs.parameters))[0] + self.summary_mean
        return {
            f"summary/{name}": torch.where(exists[name].isnan(), torch.nan, means[:, i])
            for i, name in enumerate(self.derived_names)
        }

    @torch.no_grad()
    def learn(self, batch: TrajectoryBatch) -> None:
        """Modes by a singular value decomposition, kernels by maximum likelihood, the spread by cross-validation."""
        self.frames.learn(batch.times)
        x = self.features(batch.states[:, 0], batch.parameters)
        y = self.frames.units.standardise(batch.states).double()
        self._learn_frames(x, y)
        self._learn_stretch(x, y)
        if isinstance(self.problem, HasDerivedQuantities):
            params = named_parameters(self.problem, batch.parameters)
            computed = self.problem.derived_values(batch.times.double(), batch.states.double(), params)
            for i, name in enumerate(self.derived_names):
                self._learn_derived(i, x, computed[name] if batch.derived is None else batch.derived[:, i])

    def _learn_frames(self, x: Float[Tensor, "sample feature"], y: Float[Tensor, "sample frame channel"]) -> None:
        for i, wanted in enumerate(self.modes.learn(y).unbind(1)):
            self.coefficients.learn(i, x, wanted, self.config.restarts)

    def _learn_stretch(self, x: Float[Tensor, "sample feature"], y: Float[Tensor, "sample frame channel"]) -> None:
        """What the spread is multiplied by, from samples left out in turn; 1 where there are too few of them.

        The quantile is the one without bias of the median. With the rank of one trajectory more, twenty cases gave the
        largest error of all, and a spread that held everything.

        Reference: Hyndman, Fan, "Sample quantiles in statistical packages", Am. Stat. 50 (1996), definition 8.
        """
        if len(x) < 4:
            return
        config = self.config.model_copy(update={"restarts": 0, "samples": len(x), "frames": y.shape[1]})
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).to(x.device)
        ratios = []
        for held in order.chunk(_folds(len(x))):
            seen = order[~torch.isin(order, held)]
            part = GaussianProcess(config, self.frames.units, self.problem).to(x.device)
            part._learn_frames(x[seen], y[seen])
            coefficients, doubt = part.coefficients(x[held])
            variance = part.modes.spread(doubt + part.coefficients.noise, y.shape[1])
            error = (part.modes.compose(coefficients, y.shape[1]) - y[held]).abs()
            ratios.append(error[:, 1:] / variance[:, 1:].clamp_min(1e-30).sqrt())
        pooled = torch.cat(ratios).flatten(0, 1)
        count = len(x)  # values of a trajectory err together, so ranks are counted in trajectories
        rank = math.ceil(len(pooled) * ((count + 1 / 3) * _TWO_SIGMA + 1 / 3) / count)
        self.stretch.copy_(pooled.kthvalue(min(rank, len(pooled)), dim=0).values / 2)

    def _learn_derived(self, number: int, x: Float[Tensor, "sample feature"], wanted: Float[Tensor, " sample"]) -> None:
        known = wanted.isfinite()
        if not known.any():
            return
        values = wanted[known].to(x)
        self.summary_mean[number] = values.mean()
        if values.std(correction=0) > 1e-12 * values.abs().max():  # else there is nothing but the mean to learn
            self.quantities.learn(number, x[known], values - values.mean(), self.config.restarts)


def _folds(count: int) -> int:
    """How many parts are left out in turn: one case each up to 20, a fifth each from 400 on.

    Processes from four fifths of few cases are surer than those of all, beside their errors, so that their ratios
    stretched the spread too far. With many cases that matters less, and a fit costs the cube of their number.
    """
    return max(5, min(count, 20, 2000 // count))


_RECIPES = {
    preset: Recipe[GaussianProcessConfig, TrajectoriesConfig](
        model=GaussianProcessConfig(samples=samples, frames=frames, modes=modes),
        task=TrajectoriesConfig(window=None),
        train=TrainConfig(steps=0),
    )
    for preset, samples, frames, modes in (("tiny", 64, 128, 6), ("small", 256, 256, 10), ("paper", 512, 512, 16))
}


class GaussianProcessSolver(TrajectoriesSolver[HasTrajectories, GaussianProcessConfig, GaussianProcess]):
    """Trajectories by Gaussian processes on the parameters."""

    regresses = True
    key = "gaussian_process"
    title = "Gaussian process"
    citation = "Guo, Hesthaven, Reduced order modeling for nonlinear structural analysis using Gaussian process regression, Comput. Methods Appl. Mech. Eng. 341 (2018)"  # fmt: skip # noqa: E501
    claim = ""
    rule = None

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories`, has parameters and no spatial axes."""
        return supports_frames(problem)

    def recipe(self, preset: str) -> Recipe[GaussianProcessConfig, TrajectoriesConfig]:
        """Larger presets have room for more trajectories and modes."""
        return recipe_of(_RECIPES, preset)

    def build(
        self, problem: HasTrajectories, model: GaussianProcessConfig, context: TrajectoriesContext
    ) -> GaussianProcess:
        """A regression without training points."""
        model = model.model_copy(update={"use_start": reads_start(model.use_start, context)})
        module = GaussianProcess(model, Units(context.statistics), problem)
        module.starts = None if context.starts is None else context.starts.of(problem)
        return module

    def loss(self, module: GaussianProcess, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised frames; nothing here has a gradient."""
        predicted = module.frames.at(module(batch.states[:, 0], batch.parameters)[0], batch.times)
        return (predicted - module.frames.units.standardise(batch.states)).square().mean().float()

    @torch.no_grad()
    def predict(self, module: GaussianProcess, inputs: Start) -> Prediction:
        """States at ``inputs.times``, interpolated between the training times, with the standard deviation claimed."""
        times = training_times(module.starts, module.config.use_start, inputs, module.frames.used())
        mean, variance = module(inputs.state, inputs.parameters)
        prediction = finished(inputs, module.frames.units.restore(module.frames.at(mean, times)))
        spread = module.frames.at(variance, times).sqrt() * module.frames.units.field_std
        spread[:, 0] = 0.0
        stats = {**prediction.stats, **module.derived_values(inputs, module.frames.units.restore(mean))}
        return prediction._replace(spread=spread.to(prediction.mean.dtype), stats=stats)

    def program(self, module: GaussianProcess) -> FramesProgram:
        """Start and parameters to the mean states at the training times, the first of which is the start."""
        return FramesProgram(module, module.frames)

    def solve_closed_form(self, module: GaussianProcess, examples: Examples[TrajectoryBatch]) -> bool:
        """Closed form but for the kernels' scales; `examples` must be whole trajectories."""
        batch = whole(examples, module.modes.mean.device)
        module.learn(chosen(batch, module.config.samples, module.config.frames))
        return True
