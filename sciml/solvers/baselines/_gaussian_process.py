"""Gaussian processes from the parameters to trajectories in their own modes, and to their derived quantities."""

from contextlib import AbstractContextManager
from typing import Any, cast

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import HasDerivedQuantities, HasTrajectories
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.nn import Units
from sciml.solvers.baselines._frames import Frames, features_of, finished, supports_frames, whole
from sciml.solvers.baselines._kernel_ridge import chosen
from sciml.tasks.trajectories import (
    Start,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoriesSolver,
    TrajectoryBatch,
    named_parameters,
)
from sciml.train import Examples, Recipe, TrainConfig, recipe_of


class GaussianProcessConfig(Config):
    """One Gaussian process per mode."""

    samples: int = pydantic.Field(default=256, ge=2)
    """Largest number of training trajectories used, spread evenly over all of them."""
    frames: int = pydantic.Field(default=256, ge=2)
    """Room for the times of a trajectory."""
    modes: int = pydantic.Field(default=8, ge=1)
    """Proper orthogonal modes that are kept."""
    restarts: int = pydantic.Field(default=1, ge=0)
    """Further starting points of the search for a kernel's scales."""
    use_start: bool = False
    """Whether the first state is a feature beside the parameters; without, it must be a function of them."""


class Processes(nn.Module):
    """Independent Gaussian processes with kernel v exp(-Σ_d (x_d - y_d)² / 2 l_d²) + noise, zero mean and given points.

    v, l and the noise maximise the marginal likelihood, one process after the other. Fitted by `learn`; before that the
    means are zero.

    Arguments:
        count: of the processes.
        samples: room for the points of each.
        features: dimensions of x.

    Reference: Rasmussen, Williams, "Gaussian Processes for Machine Learning" (2006), algorithm 2.1.
    """

    points: Tensor
    scales: Tensor
    variance: Tensor
    dual: Tensor
    inverse: Tensor

    def __init__(self, count: int, samples: int, features: int) -> None:
        super().__init__()
        for name, shape in {
            "points": (count, samples, features),
            "variance": (count,),
            "dual": (count, samples),
            "inverse": (count, samples, samples),
        }.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("scales", torch.ones(count, features, dtype=torch.float64))

    def forward(
        self, x: Float[Tensor, "batch feature"]
    ) -> tuple[Float[Tensor, "batch process"], Float[Tensor, "batch process"]]:
        """Mean and variance."""
        apart = (x[:, None, None] - self.points.transpose(0, 1)) / self.scales  # batch sample process feature
        kernel = self.variance * torch.exp(-0.5 * apart.square().sum(3))
        explained = torch.einsum("bnm,mnk,bkm->bm", kernel, self.inverse, kernel)
        return torch.einsum("bnm,mn->bm", kernel, self.dual), (self.variance - explained).clamp_min(0.0)

    def learn(
        self, number: int, x: Float[Tensor, "sample feature"], wanted: Float[Tensor, " sample"], restarts: int
    ) -> None:
        """Fit one process."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        size = float(wanted.std(correction=0))
        lengths: Any = [2.0] * x.shape[1]  # Any: scikit-learn's default, a single one, is taken for the type
        kernel = ConstantKernel(1.0, (1e-3, 1e4)) * RBF(lengths, (1e-2, 1e4)) + WhiteKernel(1e-3, (1e-8, 1e2))
        estimator = GaussianProcessRegressor(kernel, n_restarts_optimizer=restarts, random_state=0)
        with _quiet():
            estimator.fit(x.cpu().numpy(), (wanted / size).cpu().numpy())
        fitted = cast(Any, estimator.kernel_)  # Any: its type is that of the sum above
        self.points[number, : len(x)] = x
        self.variance[number] = float(fitted.k1.k1.constant_value) * size**2
        self.scales[number] = torch.as_tensor(fitted.k1.k2.length_scale).to(self.scales)
        apart = (x[:, None] - x) / self.scales[number]
        matrix = self.variance[number] * torch.exp(-0.5 * apart.square().sum(2))
        noise = (float(fitted.k2.noise_level) + 1e-10) * size**2
        matrix = matrix + noise * torch.eye(len(x), dtype=matrix.dtype, device=matrix.device)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix))
        self.inverse[number, : len(x), : len(x)] = inverse
        self.dual[number, : len(x)] = inverse @ wanted


class GaussianProcess(nn.Module):
    """u(t; η) = ū(t) + Σ_m c_m(η) φ_m(t), c_m Gaussian processes; and one for each derived quantity of a problem.

    φ_m are the leading right singular vectors of the centred training trajectories in standardised units. A derived
    quantity is learned from the cases that have it. Fitted by `fit`; before that it predicts zeros. `forward` also
    gives the variance that the processes claim.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.
        problem: whose trajectories these are.
    """

    modes: Tensor
    mean: Tensor
    summary_mean: Tensor  # of the derived quantities; stored weights have this name

    def __init__(self, config: GaussianProcessConfig, units: Units, problem: Problem) -> None:
        super().__init__()
        self.config, self.frames, self.problem = config, Frames(units, config.frames), problem
        features = units.num_parameters + units.channels * config.use_start
        self.derived_names = (
            tuple(entry.name for entry in problem.derived_quantities)
            if isinstance(problem, HasDerivedQuantities)
            else ()
        )
        self.register_buffer("modes", torch.zeros(config.modes, config.frames, units.channels, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(config.frames, units.channels, dtype=torch.float64))
        self.register_buffer("summary_mean", torch.zeros(len(self.derived_names), dtype=torch.float64))
        self.coefficients = Processes(config.modes, config.samples, features)
        self.quantities = Processes(len(self.derived_names), config.samples, features)

    def features(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch feature"]:
        """Standardised features in float64."""
        return features_of(self.frames.units, state, parameters, self.config.use_start).double()

    def forward(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> tuple[Float[Tensor, "batch frame channel"], Float[Tensor, "batch frame channel"]]:
        """Mean and variance of the standardised frames at the training times."""
        count = int(self.frames.count)
        coefficients, doubt = self.coefficients(self.features(state, parameters))
        modes = self.modes[:, :count]
        mean = self.mean[:count] + torch.einsum("bm,mfc->bfc", coefficients, modes)
        return mean, torch.einsum("bm,mfc->bfc", doubt, modes.square())

    def derived_values(self, inputs: Start, mean: Float[Tensor, "batch time channel"]) -> dict[str, Tensor]:
        """``summary/<name>`` by their own processes; NaN where the predicted trajectory has no such quantity."""
        if not isinstance(self.problem, HasDerivedQuantities):
            return {}
        params = named_parameters(self.problem, inputs.parameters)
        exists = self.problem.derived_values(inputs.times.double(), mean.double(), params)
        means = self.quantities(self.features(inputs.state, inputs.parameters))[0] + self.summary_mean
        return {
            f"summary/{name}": torch.where(exists[name].isnan(), torch.nan, means[:, i])
            for i, name in enumerate(self.derived_names)
        }

    @torch.no_grad()
    def learn(self, batch: TrajectoryBatch) -> None:
        """Modes by a singular value decomposition, kernels by maximum likelihood."""
        self.frames.learn(batch.times)
        x = self.features(batch.states[:, 0], batch.parameters)
        y = self.frames.units.standardise(batch.states).double()
        mean = y.mean(0)
        left, sizes, right = torch.linalg.svd((y - mean).flatten(1), full_matrices=False)
        kept = min(self.config.modes, len(sizes) - 1, int((sizes > 1e-9 * sizes[0]).sum()))
        self.mean[: y.shape[1]] = mean
        for i in range(kept):
            self.coefficients.learn(i, x, left[:, i] * sizes[i], self.config.restarts)
            self.modes[i, : y.shape[1]] = right[i].unflatten(0, y.shape[1:])
        if isinstance(self.problem, HasDerivedQuantities):
            params = named_parameters(self.problem, batch.parameters)
            wanted = self.problem.derived_values(batch.times.double(), batch.states.double(), params)
            for i, name in enumerate(self.derived_names):
                self._learn_derived(i, x, wanted[name])

    def _learn_derived(self, number: int, x: Float[Tensor, "sample feature"], wanted: Float[Tensor, " sample"]) -> None:
        known = wanted.isfinite()
        if not known.any():
            return
        values = wanted[known].to(x)
        self.summary_mean[number] = values.mean()
        if values.std(correction=0) > 1e-12 * values.abs().max():  # else there is nothing but the mean to learn
            self.quantities.learn(number, x[known], values - values.mean(), self.config.restarts)


def _quiet() -> AbstractContextManager[object]:
    """Scales at the end of their range are no reason to worry: a parameter that does not matter has them."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    return warnings.catch_warnings(action="ignore", category=ConvergenceWarning)


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
        return GaussianProcess(model, Units(context.statistics), problem)

    def loss(self, module: GaussianProcess, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised frames; nothing here has a gradient."""
        predicted = module.frames.at(module(batch.states[:, 0], batch.parameters)[0], batch.times)
        return (predicted - module.frames.units.standardise(batch.states)).square().mean().float()

    @torch.no_grad()
    def predict(self, module: GaussianProcess, inputs: Start) -> Prediction:
        """States at ``inputs.times``, interpolated between the training times, with the standard deviation claimed."""
        mean, variance = module(inputs.state, inputs.parameters)
        prediction = finished(inputs, module.frames.units.restore(module.frames.at(mean, inputs.times)))
        spread = module.frames.at(variance, inputs.times).sqrt() * module.frames.units.field_std
        spread[:, 0] = 0.0
        stats = {**prediction.stats, **module.derived_values(inputs, prediction.mean)}
        return prediction._replace(spread=spread.to(prediction.mean.dtype), stats=stats)

    def solve_closed_form(self, module: GaussianProcess, examples: Examples[TrajectoryBatch]) -> bool:
        """Closed form but for the kernels' scales; `examples` must be whole trajectories."""
        batch = whole(examples, module.mean.device)
        module.learn(chosen(batch, module.config.samples, module.config.frames))
        return True
