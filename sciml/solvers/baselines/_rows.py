"""Regressions from parameters to numbers: the maps of the regressions of trajectories, without the times."""

from typing import Generic, TypeVar

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import MapsParameters
from sciml.core.config import Config
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.models import BoostedTreesMap, KernelRidgeMap, Processes
from sciml.nn import MLP, Activation, Units
from sciml.solvers.baselines._boosted_trees import BoostedTreesSolver, sensible_depths
from sciml.solvers.baselines._gaussian_process import GaussianProcessSolver
from sciml.solvers.baselines._kernel_ridge import KernelRidgeSolver
from sciml.solvers.baselines._mlp_regression import MLPRegressionSolver
from sciml.tasks.regression import Point, RegressionConfig, RegressionContext, RegressionSolver, RowBatch
from sciml.train import Choices, Examples, Knob, Places, Recipe, Searchable, Slot, Space, TrainConfig, recipe_of, spread

M = TypeVar("M", bound=Config)
F = TypeVar("F", bound=nn.Module)
_COMPARED = ("mean_rows",)


class RowModule(nn.Module, Generic[F, M]):
    """y(η) = μ + σ f((η - μ_η) / σ_η): parameters to targets in physical units.

    Arguments:
        map: f, standardised parameters to standardised targets.
        units: what standardises them.
        config: hyper-parameters of the solver.
    """

    def __init__(self, map: F, units: Units, config: M) -> None:
        super().__init__()
        self.map, self.units, self.config = map, units, config

    def standardised(self, parameters: Float[Tensor, "batch parameter"]) -> Float[Tensor, "batch target"]:
        """f, of a Gaussian process the mean."""
        x = self.units.known(parameters)
        return self.map.mean(x.double()) if isinstance(self.map, Processes) else self.map(x)

    def forward(self, parameters: Float[Tensor, "batch parameter"]) -> Float[Tensor, "batch target"]:
        """Targets in physical units, float32."""
        return self.units.restore(self.standardised(parameters)).float()

    def rows(
        self, examples: Examples[RowBatch], most: int
    ) -> tuple[Float[Tensor, "sample parameter"], Float[Tensor, "sample target"]]:
        """Standardised training rows, float64, at most so many of them, spread evenly."""
        every = torch.arange(len(examples))
        chosen = every if len(every) <= most else torch.linspace(0, len(every) - 1, most).long()
        batch = examples.batch(chosen, rng.generator(0, "rows")).to(self.units.field_mean.device)
        return self.units.known(batch.parameters).double(), self.units.standardise(batch.targets).double()


class RowRegression(RegressionSolver[M, RowModule[F, M]], Generic[F, M]):
    """Loss and prediction of all of them; a leaf says what its map is and how it is fitted."""

    def loss(self, module: RowModule[F, M], batch: RowBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised targets."""
        error = module.standardised(batch.parameters) - module.units.standardise(batch.targets)
        return error.square().mean().float()

    @torch.no_grad()
    def predict(self, module: RowModule[F, M], inputs: Point) -> Prediction:
        """Targets in physical units; of a Gaussian process with the standard deviations that it states."""
        module.eval()
        mean, spread = module(inputs.parameters), None
        if isinstance(module.map, Processes):
            variance = module.map(module.units.known(inputs.parameters).double())[1] + module.map.noise
            spread = (variance.sqrt() * module.units.field_std).float()
        fine = mean.isfinite().all(1)
        return Prediction(mean, spread, torch.where(fine, int(Status.OK), int(Status.DIVERGED)))


def _closed(model: M) -> Recipe[M, RegressionConfig]:
    return Recipe[type(model), RegressionConfig](
        model=model, task=RegressionConfig(), train=TrainConfig(steps=0), baselines=_COMPARED
    )


class KernelRidgeRowsConfig(Config):
    """Kernels and penalties that cross-validation chooses from."""

    samples: int = pydantic.Field(default=1024, ge=2)
    """Largest number of training rows used, spread evenly over all of them."""
    degree: int = pydantic.Field(default=3, ge=1, le=100)
    """Of the polynomial kernel (γ x·y + 1)^degree."""
    gammas: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
    """Values of γ tried, in both kernels; parameters are standardised."""
    alphas: tuple[float, ...] = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    """Penalties tried."""
    folds: int = pydantic.Field(default=5, ge=2, le=1000)
    """Parts of the cross-validation."""


class KernelRidgeRowsSolver(RowRegression[KernelRidgeMap, KernelRidgeRowsConfig]):
    """Numbers by kernel ridge regression on the parameters."""

    key = "kernel_ridge_rows"
    family = KernelRidgeSolver.key
    title = KernelRidgeSolver.title
    citation = KernelRidgeSolver.citation
    claim = ""
    rule = None

    def recipe(self, preset: str) -> Recipe[KernelRidgeRowsConfig, RegressionConfig]:
        """Larger presets have room for more rows."""
        sizes = {"tiny": 256, "small": 1024, "paper": 4096}
        return recipe_of({name: _closed(KernelRidgeRowsConfig(samples=size)) for name, size in sizes.items()}, preset)

    def build(
        self, problem: MapsParameters, model: KernelRidgeRowsConfig, context: RegressionContext
    ) -> RowModule[KernelRidgeMap, KernelRidgeRowsConfig]:
        """A regression without points."""
        units = Units(context.statistics)
        map = KernelRidgeMap(units.num_parameters, units.channels, samples=model.samples, degree=model.degree)
        return RowModule(map, units, model)

    def solve_closed_form(
        self, module: RowModule[KernelRidgeMap, KernelRidgeRowsConfig], examples: Examples[RowBatch]
    ) -> bool:
        """Cross-validated closed form."""
        map, c = module.map, module.config
        x, y = module.rows(examples, c.samples)
        map.fit(x, y, gammas=c.gammas, alphas=c.alphas, folds=c.folds)
        return True


class GaussianProcessRowsConfig(Config):
    """One Gaussian process per target."""

    samples: int = pydantic.Field(default=512, ge=2)
    """Largest number of training rows used, spread evenly over all of them."""
    restarts: int = pydantic.Field(default=1, ge=0, le=1000)
    """Further starting points of the search for a kernel's scales."""
    folds: int = pydantic.Field(default=5, ge=0, le=1000)
    """Parts of the rows that are left out in turn to calibrate the stated deviations."""


class GaussianProcessRowsSolver(RowRegression[Processes, GaussianProcessRowsConfig]):
    """Numbers by Gaussian processes on the parameters, with the standard deviation of each."""

    key = "gaussian_process_rows"
    family = GaussianProcessSolver.key
    title = GaussianProcessSolver.title
    citation = 'Rasmussen, Williams, "Gaussian Processes for Machine Learning", MIT Press (2006)'
    claim = ""
    rule = None

    def recipe(self, preset: str) -> Recipe[GaussianProcessRowsConfig, RegressionConfig]:
        """Larger presets have room for more rows. They are compared with all other regressions."""
        others = (*_COMPARED, "kernel_ridge_rows", "boosted_trees_rows", "mlp_rows")
        sizes = {"tiny": 256, "small": 512, "paper": 1024}
        recipes = {name: _closed(GaussianProcessRowsConfig(samples=size)) for name, size in sizes.items()}
        return recipe_of({n: r.model_copy(update={"baselines": others}) for n, r in recipes.items()}, preset)

    def build(
        self, problem: MapsParameters, model: GaussianProcessRowsConfig, context: RegressionContext
    ) -> RowModule[Processes, GaussianProcessRowsConfig]:
        """Processes without points."""
        units = Units(context.statistics)
        return RowModule(Processes(units.channels, model.samples, units.num_parameters), units, model)

    def solve_closed_form(
        self, module: RowModule[Processes, GaussianProcessRowsConfig], examples: Examples[RowBatch]
    ) -> bool:
        """Closed form but for the kernels' scales; a target that is the same in all rows has none."""
        map, c = module.map, module.config
        x, y = module.rows(examples, c.samples)
        for i, wanted in enumerate(y.unbind(1)):
            if float(wanted.std(correction=0)) > 0:
                map.learn(i, x, wanted, c.restarts, c.folds)
        return True


class BoostedTreesRowsConfig(Config):
    """Depths and numbers of trees that cross-validation chooses from."""

    samples: int = pydantic.Field(default=100_000, ge=2)
    """Largest number of training rows used, spread evenly over all of them."""
    trees: int = pydantic.Field(default=200, ge=1, le=100_000)
    """Most trees of a target."""
    depths: tuple[int, ...] = pydantic.Field(default=(1, 2, 3), min_length=1)
    """Depths tried, from 1 to 8."""
    learning_rate: float = pydantic.Field(default=0.1, gt=0, le=1)
    """Share of its step that each tree takes."""
    leaf: int = pydantic.Field(default=3, ge=1)
    """Fewest samples in a leaf."""
    folds: int = pydantic.Field(default=5, ge=2, le=1000)
    """Parts of the cross-validation."""

    @pydantic.field_validator("depths")
    @classmethod
    def _sensible(cls, depths: tuple[int, ...]) -> tuple[int, ...]:
        return sensible_depths(depths)


class BoostedTreesRowsSolver(RowRegression[BoostedTreesMap, BoostedTreesRowsConfig]):
    """Numbers by boosted trees on the parameters."""

    key = "boosted_trees_rows"
    family = BoostedTreesSolver.key
    title = BoostedTreesSolver.title
    citation = BoostedTreesSolver.citation
    claim = ""
    rule = None

    def recipe(self, preset: str) -> Recipe[BoostedTreesRowsConfig, RegressionConfig]:
        """Larger presets may grow more trees."""
        trees = {"tiny": 200, "small": 400, "paper": 1000}
        return recipe_of({name: _closed(BoostedTreesRowsConfig(trees=count)) for name, count in trees.items()}, preset)

    def build(
        self, problem: MapsParameters, model: BoostedTreesRowsConfig, context: RegressionContext
    ) -> RowModule[BoostedTreesMap, BoostedTreesRowsConfig]:
        """A regression without trees."""
        units, depth = Units(context.statistics), max(model.depths)
        map = BoostedTreesMap(
            units.channels, trees=model.trees, depth=depth, learning_rate=model.learning_rate, leaf=model.leaf
        )
        return RowModule(map, units, model)

    def solve_closed_form(
        self, module: RowModule[BoostedTreesMap, BoostedTreesRowsConfig], examples: Examples[RowBatch]
    ) -> bool:
        """Grow the trees."""
        map, c = module.map, module.config
        x, y = module.rows(examples, c.samples)
        for i, wanted in enumerate(y.unbind(1)):
            map.fit_values(i, x, wanted, depths=c.depths, folds=c.folds)
        return True


class MLPRowsConfig(Config):
    """A fully connected network."""

    width: int = pydantic.Field(default=64, ge=1)
    """Neurons of a hidden layer."""
    layers: int = pydantic.Field(default=3, ge=1, le=1000)
    """Hidden layers."""
    nonlinearity: Activation = "tanh"
    """Between the layers."""


def _trained(width: int, layers: int, steps: int, every: int) -> Recipe[MLPRowsConfig, RegressionConfig]:
    return Recipe[MLPRowsConfig, RegressionConfig](
        model=MLPRowsConfig(width=width, layers=layers),
        task=RegressionConfig(),
        train=TrainConfig(steps=steps, batch_size=32, learning_rate=3e-3, weight_decay=1e-4, evaluate_every=every),
        baselines=_COMPARED,
    )


_MLP = {
    "tiny": _trained(32, 2, 1000, 50),
    "small": _trained(64, 3, 5000, 100),
    "paper": _trained(128, 3, 20_000, 500),
}


class MLPRowsSolver(RowRegression[nn.Module, MLPRowsConfig], Searchable):
    """Numbers by a fully connected network of the parameters, stopped where validation is best."""

    key = "mlp_rows"
    family = MLPRegressionSolver.key
    title = MLPRegressionSolver.title
    citation = MLPRegressionSolver.citation
    claim = ""
    knob = Knob("width", 1, 2**14)

    def recipe(self, preset: str) -> Recipe[MLPRowsConfig, RegressionConfig]:
        """Larger presets are wider and train longer."""
        return recipe_of(_MLP, preset)

    def build(
        self, problem: MapsParameters, model: MLPRowsConfig, context: RegressionContext
    ) -> RowModule[nn.Module, MLPRowsConfig]:
        """The network with the data's constants."""
        units = Units(context.statistics)
        map = MLP(
            units.num_parameters,
            units.channels,
            width=model.width,
            layers=model.layers,
            nonlinearity=model.nonlinearity,
        )
        return RowModule(map, units, model)

    def space(self, problem: MapsParameters, model: MLPRowsConfig, context: RegressionContext) -> Space:
        """Depth, width and nonlinearity."""
        return _mlp_space(model)


def _mlp_space(model: MLPRowsConfig) -> Space:
    """One to four hidden layers, all a quarter, half, as, or twice as wide as the recipe's."""
    depths = tuple(range(1, max(4, model.layers) + 1))
    widths = spread(model.width // 4, model.width // 2, model.width, 2 * model.width)
    nonlinearities = tuple(dict.fromkeys(("tanh", "relu", "gelu", model.nonlinearity)))
    slots = (Slot("layers", depths), Slot("width", widths), Slot("nonlinearity", nonlinearities))

    def places(choices: Choices) -> Places:
        readers = {f"map.layers.{2 * place}": "width" for place in range(1, int(choices["layers"]) + 1)}
        return Places({"map": ("layers", "nonlinearity")}, readers)

    return Space(slots, lambda choices: model.model_copy(update=dict(choices)), places)


class MeanConfig(Config):
    """Nothing to choose."""


class MeanMap(nn.Module):
    """f = 0, so that the answer is the mean of the training rows.

    Arguments:
        outputs: number of targets.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch output"]:
        """Zeros; NaN stays NaN."""
        return (0.0 * x).sum(1, keepdim=True).expand(-1, self.outputs)


class MeanRowsSolver(RowRegression[MeanMap, MeanConfig]):
    """The mean of the training rows, whatever the parameters: what knowing nothing gives."""

    key = "mean_rows"
    title = "Mean of the training data"
    citation = "the training data"
    claim = ""
    rule = None
    unread = {"parameters": "the mean is the same for all of them"}

    def recipe(self, preset: str) -> Recipe[MeanConfig, RegressionConfig]:
        """The same for all presets."""
        plain = Recipe[MeanConfig, RegressionConfig](
            model=MeanConfig(), task=RegressionConfig(), train=TrainConfig(steps=0)
        )
        return recipe_of(dict.fromkeys(("tiny", "small", "paper"), plain), preset)

    def build(
        self, problem: MapsParameters, model: MeanConfig, context: RegressionContext
    ) -> RowModule[MeanMap, MeanConfig]:
        """The mean is among the constants of the data."""
        units = Units(context.statistics)
        return RowModule(MeanMap(units.channels), units, model)

    def solve_closed_form(self, module: RowModule[MeanMap, MeanConfig], examples: Examples[RowBatch]) -> bool:
        """Nothing is left to fit."""
        return True
