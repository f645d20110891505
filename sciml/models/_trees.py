"""Boosted trees from numbers to numbers or to the chance of a label, as tensors."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.models._known_settings import known_settings
from sciml.nn import Network


class BoostedTreesMap(Network):
    """y_o(x) = b_o + ρ Σ_m T_om(x), every T a regression tree fitted to what is left by those before it.

    Fitted by `fit_values` or `fit_labels`; before that it gives zeros. Features are compared in single precision, as
    scikit-learn does.

    Arguments:
        outputs: numbers predicted, each by trees of its own.
        trees: most trees of an output.
        depth: most levels of a tree.
        learning_rate: ρ.
        leaf: fewest samples in a leaf.

    Reference: Friedman, Greedy function approximation: a gradient boosting machine, Ann. Statist. 29 (2001).
    """

    base: Tensor
    feature: Tensor
    threshold: Tensor
    below: Tensor
    value: Tensor

    def __init__(
        self, outputs: int, *, trees: int = 200, depth: int = 3, learning_rate: float = 0.1, leaf: int = 3
    ) -> None:
        super().__init__()
        self.trees, self.depth, self.learning_rate, self.leaf = trees, depth, learning_rate, leaf
        nodes = 2 ** (depth + 1) - 1
        shape = (outputs, trees, nodes)
        self.register_buffer("base", torch.zeros(outputs, dtype=torch.float64))
        self.register_buffer("feature", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("below", torch.arange(nodes).expand(2, *shape).clone())  # a leaf is its own child
        self.register_buffer("value", torch.zeros(shape, dtype=torch.float64))

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch output"]:
        """y in float64."""
        x = x.float()
        out = torch.arange(len(self.base), device=x.device)[:, None]
        tree = torch.arange(self.trees, device=x.device)
        node = torch.zeros_like(self.feature[:, :, 0]) + torch.zeros_like(x[:, :1, None], dtype=torch.int64)
        for _ in range(self.depth):
            chosen = self.feature[out, tree, node]
            right = x.gather(1, chosen.flatten(1)).view_as(chosen).double() > self.threshold[out, tree, node]
            node = self.below[right.long(), out, tree, node]
        return self.base + self.learning_rate * self.value[out, tree, node].sum(2)

    @torch.no_grad()
    def fit_values(
        self,
        number: int,
        x: Float[Tensor, "sample feature"],
        wanted: Float[Tensor, " sample"],
        *,
        depths: Sequence[int],
        folds: int = 5,
    ) -> None:
        """Fit one output to numbers; depth (of `depths`) and number of trees by the cross-validated squared error."""
        from sklearn.model_selection import KFold

        features, y = x.float().cpu().numpy(), wanted.double().cpu().numpy()
        losses = np.zeros((len(depths), self.trees))
        splits = KFold(max(2, min(folds, len(y))), shuffle=True, random_state=0).split(features)
        with known_settings():
            for train, held in splits:
                for i, depth in enumerate(depths):
                    grown = self._regressor(depth, self.trees).fit(features[train], y[train])
                    losses[i] += [float(np.square(v - y[held]).sum()) for v in grown.staged_predict(features[held])]
            i, j = np.unravel_index(losses.argmin(), losses.shape)
            self._keep(number, self._regressor(depths[int(i)], int(j) + 1).fit(features, y), float(y.mean()))

    @torch.no_grad()
    def fit_labels(
        self,
        number: int,
        x: Float[Tensor, "sample feature"],
        labels: Int[Tensor, " sample"],
        *,
        depths: Sequence[int],
        folds: int = 5,
    ) -> None:
        """Fit one output to the logit of the chance of label 1; depth and number of trees by the cross-validated
        likelihood. Where a label has fewer than two samples the output is a constant."""
        from sklearn.model_selection import StratifiedKFold

        ones = int(labels.sum())
        rarer = min(ones, len(labels) - ones)
        if rarer < 2:  # nothing to learn a difference from
            self.base[number] = math.log((ones + 0.5) / (len(labels) - ones + 0.5))
            return
        features, y = x.float().cpu().numpy(), labels.cpu().numpy().astype(int)
        losses = np.zeros((len(depths), self.trees))
        splits = StratifiedKFold(min(folds, rarer), shuffle=True, random_state=0).split(features, y)
        with known_settings():
            for train, held in splits:
                for i, depth in enumerate(depths):
                    grown = self._classifier(depth, self.trees).fit(features[train], y[train])
                    for j, chances in enumerate(grown.staged_predict_proba(features[held])):
                        likelihoods = np.clip(chances[np.arange(len(held)), y[held]], 1e-12, 1.0)
                        losses[i, j] -= np.log(likelihoods).sum()
            i, j = np.unravel_index(losses.argmin(), losses.shape)
            share = float(y.mean())
            fitted = self._classifier(depths[int(i)], int(j) + 1).fit(features, y)
            self._keep(number, fitted, math.log(share / (1 - share)))

    def _keep(self, number: int, fitted: Any, base: float) -> None:  # Any: scikit-learn has no types
        self.base[number] = base
        for m, grown in enumerate(fitted.estimators_[:, 0]):
            tree, count = grown.tree_, grown.tree_.node_count
            indices = np.arange(count)
            leaf = tree.children_left < 0
            columns = {
                "feature": np.where(leaf, 0, tree.feature),
                "threshold": np.where(leaf, 0.0, tree.threshold),
                "value": tree.value[:, 0, 0],
            }
            for name, values in columns.items():
                getattr(self, name)[number, m, :count] = torch.from_numpy(values).to(self.base.device)
            for side, children in enumerate((tree.children_left, tree.children_right)):
                chosen = torch.from_numpy(np.where(leaf, indices, children)).to(self.base.device)
                self.below[side, number, m, :count] = chosen

    def _regressor(self, depth: int, trees: int) -> Any:  # Any: scikit-learn has no types
        from sklearn.ensemble import GradientBoostingRegressor

        return GradientBoostingRegressor(**self._settings(depth, trees))

    def _classifier(self, depth: int, trees: int) -> Any:  # Any: scikit-learn has no types
        from sklearn.ensemble import GradientBoostingClassifier

        return GradientBoostingClassifier(**self._settings(depth, trees))

    def _settings(self, depth: int, trees: int) -> dict[str, Any]:  # Any: arguments of either
        return {
            "n_estimators": trees,
            "max_depth": depth,
            "learning_rate": self.learning_rate,
            "min_samples_leaf": self.leaf,
            "random_state": 0,
        }
