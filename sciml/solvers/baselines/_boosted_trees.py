"""Boosted trees from the parameters to the outcome of a trajectory, and the mean trajectory of that outcome."""

import math
from typing import Any

import numpy as np
import pydantic
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sciml.core.capabilities import HasOutcome
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.nn import Units
from sciml.solvers.baselines._frames import Frames, finished, supports_frames, whole
from sciml.solvers.baselines._kernel_ridge import chosen
from sciml.tasks.trajectories import (
    Start,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoriesSolver,
    TrajectoryBatch,
)
from sciml.train import Examples, Recipe, TrainConfig, recipe_of


class BoostedTreesConfig(Config):
    """Depths and numbers of trees that cross-validation chooses from."""

    samples: int = pydantic.Field(default=4096, ge=2)
    """Largest number of training trajectories used, spread evenly over all of them."""
    frames: int = pydantic.Field(default=256, ge=2)
    """Room for the times of a trajectory."""
    trees: int = pydantic.Field(default=200, ge=1)
    """Most trees."""
    depths: tuple[int, ...] = pydantic.Field(default=(1, 2, 3), min_length=1)
    """Depths tried."""
    learning_rate: float = pydantic.Field(default=0.1, gt=0, le=1)
    """Share of its step that each tree takes."""
    leaf: int = pydantic.Field(default=3, ge=1)
    """Fewest samples in a leaf."""
    folds: int = pydantic.Field(default=5, ge=2)
    """Parts of the cross-validation."""

    @pydantic.field_validator("depths")
    @classmethod
    def _sensible(cls, depths: tuple[int, ...]) -> tuple[int, ...]:
        if not all(1 <= depth <= 8 for depth in depths):
            raise ValueError("every depth must be from 1 to 8")
        return depths


class BoostedTrees(nn.Module):
    """chance(η) = σ(b + ρ Σ_m T_m(η)), and u(t; η) = ū₁(t) where the chance is above one half, ū₀(t) elsewhere.

    T_m are regression trees, each fitted to what is left of the labels by those before it; ū₁ and ū₀ are the mean
    training trajectories of either outcome. It is a classifier: its trajectories say no more than which of the two it
    takes them for. Fitted by `fit`; before that the chance is one half and it predicts zeros in standardised units.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.
        problem: whose outcome it is.

    Reference: Friedman, Greedy function approximation: a gradient boosting machine, Ann. Statist. 29 (2001).
    """

    base: Tensor
    feature: Tensor
    threshold: Tensor
    below: Tensor
    value: Tensor
    means: Tensor

    def __init__(self, config: BoostedTreesConfig, units: Units, problem: HasOutcome) -> None:
        super().__init__()
        self.config, self.problem, self.frames = config, problem, Frames(units, config.frames)
        self.names = [entry.name for entry in problem.parameters]
        trees, nodes = config.trees, 2 ** (max(config.depths) + 1) - 1
        self.register_buffer("base", torch.zeros((), dtype=torch.float64))
        self.register_buffer("feature", torch.zeros(trees, nodes, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(trees, nodes, dtype=torch.float64))
        self.register_buffer("below", torch.arange(nodes).expand(2, trees, nodes).clone())  # a leaf is its own child
        self.register_buffer("value", torch.zeros(trees, nodes, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(2, config.frames, units.channels, dtype=torch.float64))

    def forward(self, parameters: Float[Tensor, "batch parameter"]) -> Float[Tensor, " batch"]:
        """The chance of the outcome."""
        x = self.frames.units.known(parameters).float()
        node = torch.zeros(len(x), self.config.trees, dtype=torch.int64, device=x.device)
        tree = torch.arange(self.config.trees, device=x.device)
        for _ in range(max(self.config.depths)):
            right = x.gather(1, self.feature[tree, node]).double() > self.threshold[tree, node]
            node = self.below[right.long(), tree, node]
        return torch.sigmoid(self.base + self.config.learning_rate * self.value[tree, node].sum(1))

    def trajectories(self, chance: Float[Tensor, " batch"]) -> Float[Tensor, "batch frame channel"]:
        """Standardised frames: the mean trajectory of the outcome that is likelier."""
        return self.means[(chance > 0.5).long(), : int(self.frames.count)]

    @torch.no_grad()
    def learn(self, batch: TrajectoryBatch) -> None:
        """Means of either outcome; depth and number of trees by the cross-validated likelihood of the labels."""
        units = self.frames.units
        self.frames.learn(batch.times)
        params = dict(zip(self.names, batch.parameters.double().unbind(1), strict=True))
        happened = self.problem.chance(batch.states.double(), params) > 0.5
        y = units.standardise(batch.states).double()
        for i, of in enumerate((~happened, happened)):
            self.means[i, : y.shape[1]] = y[of if of.any() else ~of].mean(0)
        rarer = int(torch.minimum(happened.sum(), (~happened).sum()))
        if rarer < 2:  # nothing to learn a difference from
            self.base.fill_(math.log((int(happened.sum()) + 0.5) / (int((~happened).sum()) + 0.5)))
            return
        self._grow(units.known(batch.parameters).float().cpu().numpy(), happened, min(self.config.folds, rarer))

    def _grow(self, x: np.ndarray, happened: Bool[Tensor, " sample"], folds: int) -> None:
        from sklearn.model_selection import StratifiedKFold

        y, c = happened.cpu().numpy().astype(int), self.config
        losses = np.zeros((len(c.depths), c.trees))
        for train, held in StratifiedKFold(folds, shuffle=True, random_state=0).split(x, y):
            for i, depth in enumerate(c.depths):
                stages = self._estimator(depth, c.trees).fit(x[train], y[train]).staged_predict_proba(x[held])
                for j, chances in enumerate(stages):
                    likelihoods = np.clip(chances[np.arange(len(held)), y[held]], 1e-12, 1.0)
                    losses[i, j] -= np.log(likelihoods).sum()
        i, j = np.unravel_index(losses.argmin(), losses.shape)
        trees = self._estimator(c.depths[i], int(j) + 1).fit(x, y)
        share = float(y.mean())
        self.base.fill_(math.log(share / (1 - share)))
        for m, grown in enumerate(trees.estimators_[:, 0]):
            tree, count = grown.tree_, grown.tree_.node_count
            indices = np.arange(count)
            leaf = tree.children_left < 0
            columns = {
                "feature": np.where(leaf, 0, tree.feature),
                "threshold": np.where(leaf, 0.0, tree.threshold),
                "value": tree.value[:, 0, 0],
            }
            for name, values in columns.items():
                getattr(self, name)[m, :count] = torch.from_numpy(values).to(self.base.device)
            for side, children in enumerate((tree.children_left, tree.children_right)):
                self.below[side, m, :count] = torch.from_numpy(np.where(leaf, indices, children)).to(self.base.device)

    def _estimator(self, depth: int, trees: int) -> Any:  # Any: scikit-learn has no types
        from sklearn.ensemble import GradientBoostingClassifier

        c = self.config
        return GradientBoostingClassifier(
            n_estimators=trees,
            max_depth=depth,
            learning_rate=c.learning_rate,
            min_samples_leaf=c.leaf,
            random_state=0,
        )


_RECIPES = {
    preset: Recipe[BoostedTreesConfig, TrajectoriesConfig](
        model=BoostedTreesConfig(trees=trees, frames=frames),
        task=TrajectoriesConfig(window=None),
        train=TrainConfig(steps=0),
    )
    for preset, trees, frames in (("tiny", 100, 128), ("small", 200, 256), ("paper", 400, 512))
}


class BoostedTreesSolver(TrajectoriesSolver[HasOutcome, BoostedTreesConfig, BoostedTrees]):
    """Outcomes by boosted trees on the parameters."""

    key = "boosted_trees"
    title = "Boosted trees"
    citation = "Friedman, Greedy function approximation: a gradient boosting machine, Ann. Statist. 29 (2001)"
    claim = ""
    rule = None

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasOutcome` and `HasTrajectories`, has parameters and no spatial axes."""
        if not isinstance(problem, HasOutcome):
            return Support(False, "it has no outcome to classify")
        return supports_frames(problem)

    def recipe(self, preset: str) -> Recipe[BoostedTreesConfig, TrajectoriesConfig]:
        """Larger presets may grow more trees."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasOutcome, model: BoostedTreesConfig, context: TrajectoriesContext) -> BoostedTrees:
        """A classifier without trees."""
        return BoostedTrees(model, Units(context.statistics), problem)

    def loss(self, module: BoostedTrees, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised frames; nothing here has a gradient."""
        predicted = module.frames.at(module.trajectories(module(batch.parameters)), batch.times)
        return (predicted - module.frames.units.standardise(batch.states)).square().mean().float()

    @torch.no_grad()
    def predict(self, module: BoostedTrees, inputs: Start) -> Prediction:
        """The mean trajectory of the likelier outcome at ``inputs.times``, and the chance among the statistics."""
        chance = module(inputs.parameters)
        frames = module.frames.at(module.trajectories(chance), inputs.times)
        return finished(inputs, module.frames.units.restore(frames))._replace(stats={"chance": chance})

    def solve_closed_form(self, module: BoostedTrees, examples: Examples[TrajectoryBatch]) -> bool:
        """Trees grown one by one; `examples` must be whole trajectories."""
        batch = whole(examples, module.base.device)
        module.learn(chosen(batch, module.config.samples, module.config.frames))
        return True
