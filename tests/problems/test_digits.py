"""The digits: the numbers they should be, splits, and what simple classifiers make of them."""

import ast
import importlib

import numpy as np
import pytest
import torch

from sciml.core import registry
from sciml.core.capabilities import Classifies
from sciml.core.errors import DataError
from sciml.data import labelled_splits, read_card
from sciml.tasks.classification import ClassificationCard

PROBLEM = registry.problem("digits")
reference = importlib.import_module("sciml_problems.digits.reference")


@pytest.fixture(scope="module")
def splits():
    return labelled_splits(PROBLEM, read_card(PROBLEM).table("tiny", ClassificationCard))


def test_it_is_a_set_of_labelled_pictures():
    assert isinstance(PROBLEM, Classifies)
    pictures, labels = PROBLEM.samples()
    assert pictures.shape == (1797, 1, 8, 8)
    assert pictures.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert PROBLEM.classes == tuple("0123456789")
    assert torch.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_values_are_sixteenths_from_zero_to_one():
    pictures, _ = PROBLEM.samples()
    assert float(pictures.min()) == 0
    assert float(pictures.max()) == 1
    assert torch.equal((16 * pictures).round() / 16, pictures)
    assert float(pictures.mean()) == pytest.approx(0.305, abs=5e-4)  # as the README says
    assert float(pictures.std()) == pytest.approx(0.376, abs=5e-4)
    assert len(pictures.flatten(1).unique(dim=0)) == 1797


def test_they_are_upright():
    """The mean 0 is a ring, dark in the middle; the mean 1 is bright there; the mean 7 has its bar at the top."""
    pictures, labels = PROBLEM.samples()
    zero, one, seven = (pictures[labels == k, 0].mean(0) for k in (0, 1, 7))
    assert zero[3:5, 3:5].mean() < 0.2 < 0.6 < one[3:5, 3:5].mean()
    assert seven[0, 2:6].mean() > 2 * seven[7, 4:7].mean()


def test_other_numbers_are_refused(monkeypatch):
    import sklearn.datasets

    stored = sklearn.datasets.load_digits()
    stored.images[3, 4, 4] += 1
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: stored)
    reference.pictures.cache_clear()
    try:
        with pytest.raises(DataError, match=r"differ from those of this problem; got SHA-256 .*expected 87ff0c9e40dc"):
            PROBLEM.samples()
    finally:
        reference.pictures.cache_clear()


def test_splits_have_the_sizes_of_the_card_and_the_proportions_of_the_whole(splits):
    assert {name: len(split.labels) for name, split in splits.items()} == {"train": 1078, "valid": 270, "test": 449}
    whole = torch.bincount(PROBLEM.samples()[1]) / 1797
    for split in splits.values():
        counts = torch.bincount(split.labels, minlength=10)
        assert (counts - whole * len(split.labels)).abs().max() <= 1.5
    rows = torch.cat([split.features.flatten(1) for split in splits.values()])
    assert len(rows.unique(dim=0)) == 1797


def test_a_nearest_neighbour_reads_almost_all_of_them(splits):
    """Errors in the range the README gives; labels that were mixed up would make this 90 %."""
    train, test = splits["train"], splits["test"]
    distance = torch.cdist(test.features.flatten(1), train.features.flatten(1))
    error = float((train.labels[distance.argmin(1)] != test.labels).double().mean())
    assert 0.002 < error < 0.025


def test_the_presets_hold_the_same_samples():
    card = read_card(PROBLEM)
    assert (
        card.table("tiny", ClassificationCard)
        == card.table("small", ClassificationCard)
        == card.table("paper", ClassificationCard)
    )


def test_scikit_learn_is_loaded_only_when_pictures_are_asked_for():
    """No module of the folder imports it at its top."""
    for path in registry.folder_of(PROBLEM).glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            assert not (isinstance(node, ast.Import | ast.ImportFrom) and "sklearn" in ast.unparse(node)), path


def test_the_same_tensors_come_every_time():
    first, second = PROBLEM.samples(), PROBLEM.samples()
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
