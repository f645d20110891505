"""Gaussian processes from the parameters to the coefficients of trajectories in their own modes."""

from typing import Any

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.solvers.baselines._frames import Frames, features_of, finished, supports_frames, whole
from sciml.solvers.baselines._kernel_ridge import chosen
from sciml.solvers.baselines._units import Units
from sciml.train import (
    Recipe,
    Solver,
    Spec,
    Start,
    TrainConfig,
    Trajectories,
    TrajectoriesConfig,
    TrajectoryBatch,
    recipe_of,
)


class GaussianProcessConfig(Config):
    """One Gaussian process per mode."""

    samples: int = pydantic.Field(256, ge=2)
    """Largest number of training trajectories used, spread evenly over all of them."""
    frames: int = pydantic.Field(256, ge=2)
    """Room for the times of a trajectory."""
    modes: int = pydantic.Field(8, ge=1)
    """Proper orthogonal modes that are kept."""
    restarts: int = pydantic.Field(1, ge=0)
    """Further starting points of the search for a kernel's scales."""
    use_start: bool = False
    """Whether the first state is a feature beside the parameters; without, it must be a function of them."""


class GaussianProcess(nn.Module):
    """u(t; η) = ū(t) + Σ_m c_m(η) φ_m(t), c_m a Gaussian process with kernel v exp(-Σ_d (x_d - y_d)² / 2 l_d²) + noise.

    φ_m are the leading right singular vectors of the centred training trajectories in standardised units; v, l and the
    noise maximise the marginal likelihood, mode by mode. Fitted by `fit`; before that it predicts zeros. `forward` also
    gives the variance that the processes claim.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.

    Reference: Rasmussen, Williams, "Gaussian Processes for Machine Learning" (2006), algorithm 2.1.
    """

    points: Tensor
    modes: Tensor
    mean: Tensor
    scales: Tensor
    variance: Tensor
    offset: Tensor
    dual: Tensor
    inverse: Tensor

    def __init__(self, config: GaussianProcessConfig, units: Units) -> None:
        super().__init__()
        self.config, self.frames = config, Frames(units, config.frames)
        features = units.num_parameters + units.channels * config.use_start
        n, m = config.samples, config.modes
        for name, shape in {
            "points": (n, features),
            "modes": (m, config.frames, units.channels),
            "mean": (config.frames, units.channels),
            "variance": (m,),
            "offset": (m,),
            "dual": (m, n),
            "inverse": (m, n, n),
        }.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("scales", torch.ones(m, features, dtype=torch.float64))

    def features(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch feature"]:
        """Standardised features in float64."""
        return features_of(self.frames.units, state, parameters, self.config.use_start).double()

    def forward(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> tuple[Float[Tensor, "batch frame channel"], Float[Tensor, "batch frame channel"]]:
        """Mean and variance of the standardised frames at the training times."""
        x, count = self.features(state, parameters), int(self.frames.count)
        apart = (x[:, None, None] - self.points[None, :, None]) / self.scales
        kernel = self.variance * torch.exp(-0.5 * apart.square().sum(3))  # batch sample mode
        coefficients = self.offset + torch.einsum("bnm,mn->bm", kernel, self.dual)
        explained = torch.einsum("bnm,mnk,bkm->bm", kernel, self.inverse, kernel)
        doubt = (self.variance - explained).clamp_min(0.0)
        modes = self.modes[:, :count]
        mean = self.mean[:count] + torch.einsum("bm,mfc->bfc", coefficients, modes)
        return mean, torch.einsum("bm,mfc->bfc", doubt, modes.square())

    @torch.no_grad()
    def learn(self, batch: TrajectoryBatch) -> None:
        """Modes by a singular value decomposition, kernels by maximum likelihood."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        self.frames.learn(batch.times)
        x = self.features(batch.states[:, 0], batch.parameters)
        y = self.frames.units.standardise(batch.states).double()
        mean = y.mean(0)
        left, sizes, right = torch.linalg.svd((y - mean).flatten(1), full_matrices=False)
        kept = min(self.config.modes, len(sizes) - 1, int((sizes > 1e-9 * sizes[0]).sum()))
        self.mean[: y.shape[1]] = mean
        self.points[: len(x)] = x
        given = x.cpu().numpy()
        for i in range(kept):
            wanted = left[:, i] * sizes[i]
            size = float(wanted.std(correction=0))
            kernel = ConstantKernel(1.0, (1e-3, 1e4)) * RBF([2.0] * x.shape[1], (1e-2, 1e4)) + WhiteKernel(
                1e-3, (1e-8, 1e2)
            )
            estimator = GaussianProcessRegressor(kernel, n_restarts_optimizer=self.config.restarts, random_state=0)
            with _quiet():
                estimator.fit(given, (wanted / size).cpu().numpy())
            fitted = estimator.kernel_
            self.modes[i, : y.shape[1]] = right[i].unflatten(0, y.shape[1:])
            self.variance[i] = float(fitted.k1.k1.constant_value) * size**2
            self.scales[i] = torch.as_tensor(fitted.k1.k2.length_scale).to(self.scales)
            apart = (x[:, None] - x) / self.scales[i]
            matrix = self.variance[i] * torch.exp(-0.5 * apart.square().sum(2))
            noise = (float(fitted.k2.noise_level) + 1e-10) * size**2
            matrix = matrix + noise * torch.eye(len(x), dtype=matrix.dtype, device=matrix.device)
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix))
            self.inverse[i, : len(x), : len(x)] = inverse
            self.dual[i, : len(x)] = inverse @ wanted


def _quiet() -> Any:
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


class GaussianProcessSolver(Solver):
    """Trajectories by Gaussian processes on the parameters."""

    key = "gaussian_process"
    title = "Gaussian process"
    citation = "Guo, Hesthaven, Reduced order modeling for nonlinear structural analysis using Gaussian process regression, Comput. Methods Appl. Mech. Eng. 341 (2018)"  # fmt: skip # noqa: E501
    claim = ""
    task = Trajectories

    def supports(self, problem: Problem) -> Support:
        """A problem that `Evolves`, has parameters and no spatial axes."""
        return supports_frames(problem)

    def recipe(self, preset: str) -> Recipe:
        """Larger presets have room for more trajectories and modes."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> GaussianProcess:
        """A regression without training points."""
        return GaussianProcess(spec.model, Units(spec.statistics))

    def loss(self, module: nn.Module, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised frames; nothing here has a gradient."""
        assert isinstance(module, GaussianProcess)
        found = module.frames.at(module(batch.states[:, 0], batch.parameters)[0], batch.times)
        return (found - module.frames.units.standardise(batch.states)).square().mean().float()

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Start) -> Prediction:
        """States at ``inputs.times``, interpolated between the training times, with the standard deviation claimed."""
        assert isinstance(module, GaussianProcess)
        mean, variance = module(inputs.state, inputs.parameters)
        found = finished(inputs, module.frames.units.restore(module.frames.at(mean, inputs.times)))
        spread = module.frames.at(variance, inputs.times).sqrt() * module.frames.units.field_std
        spread[:, 0] = 0.0
        return found._replace(spread=spread.to(found.mean.dtype))

    def fit(self, module: nn.Module, examples: Any) -> bool:
        """Closed form but for the kernels' scales; `examples` must be whole trajectories."""
        assert isinstance(module, GaussianProcess)
        batch = whole(examples, module.points.device)
        module.learn(chosen(batch, module.config.samples, module.config.frames))
        return True
