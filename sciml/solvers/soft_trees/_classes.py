"""Classes of samples by soft trees."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import Classifies
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.models import SoftTrees
from sciml.nn import Units
from sciml.solvers.soft_trees._config import CITATION, CLAIM, SoftTreesConfig
from sciml.solvers.soft_trees._trajectories import SoftTreesSolver
from sciml.tasks.classification import (
    ClassificationConfig,
    ClassificationContext,
    ClassificationSolver,
    Labelled,
    Pictures,
    as_read,
    sample_dims,
)
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class SoftTreesClasses(nn.Module):
    """Logits f((x − μ)/σ) of samples, f soft trees of all their numbers, one feature each.

    Arguments:
        trees: f.
        units: what standardises the fields.
        per_field: whether the first axis of a sample counts the fields.
    """

    def __init__(self, trees: SoftTrees, units: Units, per_field: bool) -> None:
        super().__init__()
        self.map, self.units, self.per_field = trees, units, per_field

    def forward(self, inputs: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch class"]:
        """Logits of samples in physical units."""
        fields = self.units.channels if self.per_field else 1
        x = inputs.flatten(1).unflatten(1, (fields, -1))  # `len` would fix the batch size of an exported program
        return self.map(self.units.standardise(x.transpose(1, 2)).flatten(1))


def _recipe(trees: int, steps: int, batch: int) -> Recipe[SoftTreesConfig, ClassificationConfig]:
    return Recipe[SoftTreesConfig, ClassificationConfig](
        model=SoftTreesConfig(trees=trees),
        task=ClassificationConfig(),
        train=TrainConfig(
            steps=steps, batch_size=batch, learning_rate=1e-2, weight_decay=1e-3, evaluate_every=max(1, steps // 20)
        ),
    )


_RECIPES = {"tiny": _recipe(32, 300, 64), "small": _recipe(64, 1000, 128), "paper": _recipe(256, 4000, 512)}


class SoftTreesClassesSolver(ClassificationSolver[SoftTreesConfig, SoftTreesClasses]):
    """Classes by an ensemble of soft trees of all numbers of a sample."""

    key = "soft_trees_classes"
    family = SoftTreesSolver.key
    title = SoftTreesSolver.title
    citation = CITATION
    claim = CLAIM
    knob = Knob("trees", 1, 2**14)
    networks = (SoftTrees,)

    def recipe(self, preset: str) -> Recipe[SoftTreesConfig, ClassificationConfig]:
        """Larger presets have more trees and train longer."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Classifies, model: SoftTreesConfig, context: ClassificationContext) -> SoftTreesClasses:
        """The trees with the data's constants."""
        units = Units(context.statistics)
        trees = model.network(math.prod(context.shape), len(problem.classes))
        return SoftTreesClasses(trees, units, sample_dims(context.shape, as_read(problem, context.inputs))[0])

    def loss(self, module: SoftTreesClasses, batch: Labelled, along: float = 1.0) -> Tensor:
        """Mean cross-entropy."""
        return nn.functional.cross_entropy(module(batch.inputs), batch.labels)

    @torch.no_grad()
    def predict(self, module: SoftTreesClasses, inputs: Pictures) -> Prediction:
        """Probabilities of the classes."""
        module.eval()
        mean = module(inputs.inputs).softmax(1)
        fine = mean.isfinite().all(1)
        return Prediction(mean, None, torch.where(fine, int(Status.OK), int(Status.DIVERGED)))
