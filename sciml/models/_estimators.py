"""Regressors in the manner of scikit-learn: arrays or data frames in, arrays out, no problem, run or settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, no_type_check

import numpy as np
import torch
from torch import Tensor, nn

from sciml.core.estimator import HasParameters
from sciml.models._maps import KernelRidgeMap, Processes
from sciml.models._trees import BoostedTreesMap
from sciml.nn import MLP, Activation

if TYPE_CHECKING:
    from sklearn.utils import Tags

N = TypeVar("N", bound=nn.Module)


class Estimator(HasParameters):
    """What regressors and classifiers share: standardised features, and the conventions of scikit-learn.

    They do not inherit from scikit-learn's classes, so that importing `sciml.models` does not import scikit-learn.
    """

    map_: nn.Module
    _x_mean: np.ndarray
    _x_std: np.ndarray

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "map_")

    def _standardised(self, X: Any) -> Tensor:  # Any: as for `fit`
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self)
        return torch.from_numpy((validate_data(self, X, reset=False, dtype=np.float64) - self._x_mean) / self._x_std)


R = TypeVar("R", bound="Regressor")


class Regressor(Estimator):
    """What the regressors share: standardising, checking, `score`.

    Attributes:
        map_: the fitted module, standardised features to standardised outputs.
        n_features_in_, feature_names_in_: as in scikit-learn.
    """

    def fit(self: R, X: Any, y: Any) -> R:  # Any: arrays, lists, data frames; scikit-learn's names
        """Learn from rows.

        Arguments:
            X: ``row feature``.
            y: ``row`` or ``row output``.

        Returns: itself.

        Raises: ValueError for what is no finite table of at least two rows.
        """
        from sklearn.utils.validation import validate_data

        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64, ensure_min_samples=2)
        table = np.asarray(y, dtype=np.float64)
        self._flat = table.ndim == 1
        table = table.reshape(len(table), -1)
        (self._x_mean, self._x_std), (self._y_mean, self._y_std) = moments(X), moments(table)
        self.map_ = self._fitted(
            torch.from_numpy((X - self._x_mean) / self._x_std), torch.from_numpy((table - self._y_mean) / self._y_std)
        )
        return self

    def predict(self, X: Any) -> np.ndarray:  # Any: as for `fit`
        """Outputs, ``row`` or ``row output`` as y was. Raises NotFittedError before `fit`."""
        return self._restored(self._values(self._standardised(X)))

    def score(self, X: Any, y: Any) -> float:  # Any: as for `fit`
        """R², mean over outputs; 1 is perfect."""
        from sklearn.metrics import r2_score

        return float(r2_score(y, self.predict(X)))

    def __sklearn_tags__(self) -> Tags:
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True, multi_output=True, single_output=True),
            regressor_tags=RegressorTags(),
            input_tags=InputTags(two_d_array=True),
        )

    def _fitted(self, x: Tensor, y: Tensor) -> nn.Module:
        """The map, fitted to standardised rows in float64."""
        raise NotImplementedError

    def _values(self, x: Tensor) -> Tensor:
        """Standardised outputs."""
        with torch.no_grad():
            return self.map_(x)

    def _restored(self, values: Tensor, *, deviation: bool = False) -> np.ndarray:
        answer = values.numpy() * self._y_std + (0.0 if deviation else self._y_mean)
        return answer[:, 0] if self._flat else answer


class KernelRidgeRegressor(Regressor):
    """Kernel ridge regression; kernel, its scale and the penalty are chosen by cross-validation.

    Arguments:
        degree: of the polynomial kernel, which is tried beside the radial one.
        gammas, alphas: scales of the kernels (of standardised features) and penalties that are tried.
        folds: parts of the cross-validation.
    """

    @no_type_check  # at run time, in tests: scikit-learn sets arguments to anything, and only `fit` may complain
    def __init__(
        self,
        *,
        degree: int = 3,
        gammas: Sequence[float] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
        alphas: Sequence[float] = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        folds: int = 5,
    ) -> None:
        self.degree, self.gammas, self.alphas, self.folds = degree, gammas, alphas, folds

    def _fitted(self, x: Tensor, y: Tensor) -> nn.Module:
        map = KernelRidgeMap(x.shape[1], y.shape[1], samples=len(x), degree=self.degree)
        map.fit(x, y, gammas=self.gammas, alphas=self.alphas, folds=self.folds)
        return map


class GaussianProcessRegressor(Regressor):
    """A Gaussian process per output, with a scale per feature and noise, by maximum marginal likelihood.

    Arguments:
        restarts: further starting points of the search for the scales.
        folds: parts of the rows that are left out in turn to calibrate the standard deviations; 0: one by one, cheaply.
    """

    @no_type_check  # see KernelRidgeRegressor
    def __init__(self, *, restarts: int = 1, folds: int = 5) -> None:
        self.restarts, self.folds = restarts, folds

    def predict(self, X: Any, return_std: bool = False) -> Any:  # Any: as for `fit`; an array, or two
        """Means; with `return_std` also the standard deviations, noise included."""
        x = self._standardised(X)
        with torch.no_grad():
            means, variances = self.map_(x)
        mean = self._restored(means)
        if not return_std:
            return mean
        return mean, self._restored((variances + self.map_.noise).sqrt(), deviation=True)

    def _fitted(self, x: Tensor, y: Tensor) -> nn.Module:
        map = Processes(y.shape[1], len(x), x.shape[1])
        for i, wanted in enumerate(y.unbind(1)):
            if float(wanted.std(correction=0)) > 0:  # else there is nothing but the mean
                map.learn(i, x, wanted, self.restarts, self.folds)
        return map


class BoostedTreesRegressor(Regressor):
    """Boosted trees of every output; depth and number of trees are chosen by cross-validation.

    Arguments:
        trees: most trees.
        depths: depths tried.
        learning_rate: share of its step that each tree takes.
        leaf: fewest rows in a leaf.
        folds: parts of the cross-validation.
    """

    @no_type_check  # see KernelRidgeRegressor
    def __init__(
        self,
        *,
        trees: int = 200,
        depths: Sequence[int] = (1, 2, 3),
        learning_rate: float = 0.1,
        leaf: int = 3,
        folds: int = 5,
    ) -> None:
        self.trees, self.depths, self.learning_rate, self.leaf, self.folds = trees, depths, learning_rate, leaf, folds

    def _fitted(self, x: Tensor, y: Tensor) -> nn.Module:
        map = BoostedTreesMap(
            y.shape[1], trees=self.trees, depth=max(self.depths), learning_rate=self.learning_rate, leaf=self.leaf
        )
        for i, wanted in enumerate(y.unbind(1)):
            map.fit_values(i, x, wanted, depths=self.depths, folds=self.folds)
        return map


class MLPRegressor(Regressor):
    """A fully connected network, trained by Adam on all rows at once; weights are kept where held-out rows fit best.

    Arguments:
        width, layers: neurons of a hidden layer, and hidden layers.
        nonlinearity: between the layers.
        steps: of training.
        learning_rate: of the first step; it falls as a cosine.
        held_out: share of the rows that decide which weights are kept.
        seed: of weights and held-out rows.
    """

    @no_type_check  # see KernelRidgeRegressor
    def __init__(
        self,
        *,
        width: int = 32,
        layers: int = 2,
        nonlinearity: Activation = "tanh",
        steps: int = 1000,
        learning_rate: float = 1e-2,
        held_out: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.width, self.layers, self.nonlinearity, self.steps = width, layers, nonlinearity, steps
        self.learning_rate, self.held_out, self.seed = learning_rate, held_out, seed

    def _fitted(self, x: Tensor, y: Tensor) -> nn.Module:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(self.seed)
            network = MLP(
                x.shape[1], y.shape[1], width=self.width, layers=self.layers, nonlinearity=self.nonlinearity
            ).double()
            order = torch.randperm(len(x))
        return descend(network, x, y, mean_squares, order, self.steps, self.learning_rate, self.held_out)


Loss = Callable[[Tensor, Tensor], Tensor]
"""Of what a network gives and what it should give."""


def mean_squares(predicted: Tensor, wanted: Tensor) -> Tensor:
    """The mean squared error."""
    return (predicted - wanted).square().mean()


def descend(
    network: N, x: Tensor, y: Tensor, loss: Loss, order: Tensor, steps: int, learning_rate: float, held_out: float
) -> N:
    """Adam on all rows at once, the rate falling as a cosine; weights are kept where held-out rows fit best.

    Arguments:
        network: trained in place.
        x, y: rows.
        loss: to minimise.
        order: of the rows, the first of which are held out.
        steps, learning_rate, held_out: as for the estimators.
    """
    held = order[: max(1, round(held_out * len(x)))] if len(x) > 9 else order
    seen = order[len(held) :] if len(x) > 9 else order
    optimiser = torch.optim.Adam(network.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    best, kept = float("inf"), network.state_dict()
    with torch.enable_grad():
        for _ in range(steps):
            optimiser.zero_grad()
            loss(network(x[seen]), y[seen]).backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                error = float(loss(network(x[held]), y[held]))
            if error < best:
                best, kept = error, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return network


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation by column; the deviation of a constant is 1."""
    mean, std = values.mean(0), values.std(0)
    return mean, np.where(std > 1e-12 * np.abs(mean), std, 1.0)
