"""Soft trees in the manner of scikit-learn: a regressor and a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, no_type_check

import numpy as np
import torch
from torch import Tensor, nn

from sciml.models._estimators import Estimator, Regressor, descend, mean_squares, moments
from sciml.models._soft_trees import SoftTrees
from sciml.nn.soft_tree import Gate, TreeKind

if TYPE_CHECKING:
    from sklearn.utils import Tags

C = TypeVar("C", bound="SoftTreesClassifier")  # not Self, which the type checks of the tests cannot read


class _Settings:
    """Arguments that the two share.

    Attributes: those of the constructors.
    """

    trees: int
    depth: int
    kind: TreeKind
    gate: Gate
    steps: int
    learning_rate: float
    held_out: float
    seed: int

    def _ensemble(self, features: int, outputs: int, rows: int) -> tuple[SoftTrees, Tensor]:
        """Fresh trees in float64, and an order of the rows."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = SoftTrees(
                features, outputs, trees=self.trees, depth=self.depth, kind=self.kind, gate=self.gate
            ).double()
            return network, torch.randperm(rows)


class SoftTreesRegressor(Regressor, _Settings):
    """An ensemble of soft trees, trained by Adam on all rows at once; weights are kept where held-out rows fit best.

    Arguments:
        trees, depth, kind, gate: of `SoftTrees`.
        steps: of training.
        learning_rate: of the first step; it falls as a cosine.
        held_out: share of the rows that decide which weights are kept.
        seed: of weights and held-out rows.
    """

    @no_type_check  # see KernelRidgeRegressor
    def __init__(
        self,
        *,
        trees: int = 64,
        depth: int = 2,
        kind: TreeKind = "oblivious",
        gate: Gate = "sigmoid",
        steps: int = 500,
        learning_rate: float = 3e-2,
        held_out: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.trees, self.depth, self.kind, self.gate, self.steps = trees, depth, kind, gate, steps
        self.learning_rate, self.held_out, self.seed = learning_rate, held_out, seed

    def _fitted(self, x: Tensor, y: Tensor) -> nn.Module:
        network, order = self._ensemble(x.shape[1], y.shape[1], len(x))
        return descend(network, x, y, mean_squares, order, self.steps, self.learning_rate, self.held_out)


class SoftTreesClassifier(Estimator, _Settings):
    """Classes by an ensemble of soft trees, trained on the cross-entropy as `SoftTreesRegressor` is on squares.

    Arguments: those of `SoftTreesRegressor`.

    Attributes:
        classes_: the labels, sorted.
        map_: the fitted module, standardised features to logits.
        n_features_in_, feature_names_in_: as in scikit-learn.
    """

    @no_type_check  # see KernelRidgeRegressor
    def __init__(
        self,
        *,
        trees: int = 64,
        depth: int = 2,
        kind: TreeKind = "oblivious",
        gate: Gate = "sigmoid",
        steps: int = 300,
        learning_rate: float = 3e-2,
        held_out: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.trees, self.depth, self.kind, self.gate, self.steps = trees, depth, kind, gate, steps
        self.learning_rate, self.held_out, self.seed = learning_rate, held_out, seed

    def fit(self: C, X: Any, y: Any) -> C:  # Any: as for `Regressor.fit`
        """Learn from rows.

        Arguments:
            X: ``row feature``.
            y: labels of any kind, one per row.

        Returns: itself.

        Raises: ValueError for what is no finite table, for targets that are no labels, and for a single class.
        """
        from sklearn.utils.multiclass import check_classification_targets
        from sklearn.utils.validation import column_or_1d, validate_data

        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs two classes or more; all rows have class {self.classes_[0]!r}")
        self._x_mean, self._x_std = moments(X)
        x, wanted = torch.from_numpy((X - self._x_mean) / self._x_std), torch.from_numpy(numbers)
        network, order = self._ensemble(x.shape[1], len(self.classes_), len(x))
        self.map_ = descend(
            network, x, wanted, nn.functional.cross_entropy, order, self.steps, self.learning_rate, self.held_out
        )
        return self

    def predict_proba(self, X: Any) -> np.ndarray:  # Any: as for `fit`
        """Probabilities, ``row class`` in the order of `classes_`. Raises NotFittedError before `fit`."""
        x = self._standardised(X)
        with torch.no_grad():
            return self.map_(x).softmax(1).numpy()

    def predict(self, X: Any) -> np.ndarray:  # Any: as for `fit`
        """The most probable label of every row."""
        chances = self.predict_proba(X)
        return self.classes_[chances.argmax(1)]

    def score(self, X: Any, y: Any) -> float:  # Any: as for `fit`
        """Accuracy."""
        return float((self.predict(X) == np.asarray(y)).mean())

    def __sklearn_tags__(self) -> Tags:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True, single_output=True),
            classifier_tags=ClassifierTags(multi_class=True),
            input_tags=InputTags(two_d_array=True),
        )
