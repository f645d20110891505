"""Regressors in the manner of scikit-learn pass its own checks, and give what the solvers give."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from sciml.models import (
    BoostedTreesRegressor,
    GaussianProcessRegressor,
    KernelRidgeRegressor,
    MLPRegressor,
    SoftTreesClassifier,
    SoftTreesRegressor,
)

SMALL = {
    "kernel_ridge": KernelRidgeRegressor(gammas=(0.03, 0.3), alphas=(1e-6, 1e-2), folds=3),
    "gaussian_process": GaussianProcessRegressor(restarts=0, folds=0),
    "boosted_trees": BoostedTreesRegressor(trees=60, depths=(1, 2), folds=3),
    "mlp": MLPRegressor(width=12, steps=300),
    "soft_trees": SoftTreesRegressor(trees=24, steps=300),
}
GENERATOR = np.random.default_rng(0)
X = GENERATOR.uniform(-1, 1, (80, 2))
Y = np.stack([np.sin(2 * X[:, 0]) + X[:, 1] ** 2, 5 + X[:, 0] * X[:, 1]], axis=1)
LEAST = {"kernel_ridge": 0.99, "gaussian_process": 0.999, "boosted_trees": 0.6, "mlp": 0.9, "soft_trees": 0.95}


LONG = ("gaussian_process", "mlp", "soft_trees")
CHECKED = SMALL | {
    "soft_trees": SoftTreesRegressor(trees=16, steps=100, learning_rate=0.1),
    "boosted_trees": BoostedTreesRegressor(trees=20, depths=(1,), learning_rate=0.3, folds=2),
}


@pytest.mark.parametrize("key", [pytest.param(key, marks=[pytest.mark.slow] * (key in LONG)) for key in sorted(SMALL)])
def test_scikit_learn_s_own_checks_pass(key):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not inherit from BaseEstimator, which would import scikit-learn
        results = check_estimator(clone(CHECKED[key]), on_skip=None)
    assert [entry["check_name"] for entry in results if entry["status"] not in ("passed", "skipped")] == []
    assert sum(entry["status"] == "passed" for entry in results) >= 40


@pytest.mark.parametrize("key", sorted(SMALL))
def test_it_learns_a_smooth_function_of_several_outputs(key):
    estimator = clone(SMALL[key])
    assert estimator.fit(X[:60], Y[:60]) is estimator
    assert estimator.predict(X[60:]).shape == (20, 2)
    assert estimator.score(X[60:], Y[60:]) > LEAST[key]
    single = clone(SMALL[key]).fit(X[:60], Y[:60, 0])
    assert single.predict(X[60:]).shape == (20,)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict(X), estimator.predict(X))


@pytest.mark.slow
def test_scikit_learn_s_own_checks_pass_for_the_classifier():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        results = check_estimator(SoftTreesClassifier(trees=16, steps=100), on_skip=None)
    assert [entry["check_name"] for entry in results if entry["status"] not in ("passed", "skipped")] == []
    assert sum(entry["status"] == "passed" for entry in results) >= 45


def test_a_classifier_learns_a_curved_border_and_keeps_labels():
    labels = np.where(np.square(X).sum(1) > 0.5, "outside", "inside")
    estimator = SoftTreesClassifier(trees=24, steps=200).fit(X[:60], labels[:60])
    assert estimator.classes_.tolist() == ["inside", "outside"]
    assert estimator.score(X[60:], labels[60:]) >= 0.85
    chances = estimator.predict_proba(X[60:])
    np.testing.assert_allclose(chances.sum(1), 1)
    assert (estimator.predict(X[60:]) == estimator.classes_[chances.argmax(1)]).all()
    again = clone(estimator).set_params(seed=1).fit(X[:60], labels[:60])
    assert not np.allclose(again.predict_proba(X), estimator.predict_proba(X))
    with pytest.raises(ValueError, match="two classes"):
        clone(estimator).fit(X, np.zeros(len(X), dtype=int))


def test_a_gaussian_process_states_its_doubt():
    estimator = GaussianProcessRegressor().fit(X[:60], Y[:60])
    mean, near = estimator.predict(X[60:], return_std=True)
    far = estimator.predict(X[60:] + 5, return_std=True)[1]
    assert (near.mean(0) < 0.1 * far.mean(0)).all()
    np.testing.assert_array_equal(mean, estimator.predict(X[60:]))


def test_frames_pipelines_and_names():
    frame = pd.DataFrame(X, columns=["a", "b"])
    pipeline = make_pipeline(StandardScaler(), KernelRidgeRegressor(folds=3)).fit(frame, Y)
    assert pipeline.score(frame, Y) > 0.99
    estimator = KernelRidgeRegressor(folds=3).fit(frame, Y)
    assert list(estimator.feature_names_in_) == ["a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(frame.rename(columns={"a": "c"}))
