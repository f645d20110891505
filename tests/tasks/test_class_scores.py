"""Scores of answers with classes where one class is rare, or missing."""

import math

import pytest
import torch

from sciml.tasks import Answers, absent_classes, class_scores, confusion_table, ranking_area

NAMES = ("common", "rare", "unseen")


def test_always_answering_with_the_commonest_class_is_seen_through():
    """19 of 20 samples are of one class: right in 95 %, no better than the majority, recall of the rare one 0."""
    labels, known = torch.tensor([0] * 19 + [1]), torch.tensor([0] * 90 + [1] * 10)
    always = torch.tensor([0.9, 0.1, 0.0]).repeat(20, 1)
    scores = class_scores(always, labels, known, NAMES)
    assert scores["accuracy"] == scores["majority_accuracy"] == pytest.approx(0.95)
    assert scores["recall/common"] == 1.0
    assert scores["recall/rare"] == 0.0
    assert scores["balanced_accuracy"] == 0.5
    assert "recall/unseen" not in scores
    perfect = torch.nn.functional.one_hot(labels, 3).float()
    assert class_scores(perfect, labels, known, NAMES)["balanced_accuracy"] == 1.0
    broken = torch.full((20, 3), torch.nan)
    assert class_scores(broken, labels, known, NAMES)["accuracy"] == 0.0


def test_classes_without_samples_are_named():
    reasons = absent_classes(torch.tensor([0, 0, 2]), torch.tensor([0, 1]), NAMES)
    assert reasons == {
        "recall/rare": "no test sample is of this class",
        "auc/rare": "no test sample is of this class",
        "recall/unseen": "no training sample is of this class",
    }
    assert absent_classes(torch.tensor([0]), torch.tensor([0]), NAMES[:1]) == {
        "auc/common": "every test sample is of this class"
    }


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    draw = torch.Generator().manual_seed(0)
    scores = torch.randint(8, (60,), generator=draw) / 7  # with many ties
    members = torch.rand(60, generator=draw) < 0.3
    inside, outside = scores[members][:, None], scores[~members]
    pairs = ((inside > outside).double() + 0.5 * (inside == outside).double()).mean()
    assert ranking_area(scores, members) == pytest.approx(float(pairs), abs=1e-12)
    assert ranking_area(members.float(), members) == 1.0
    assert ranking_area(-members.float(), members) == 0.0
    assert ranking_area(torch.ones(60), members) == 0.5
    assert math.isnan(ranking_area(scores, torch.zeros(60, dtype=torch.bool)))


def test_an_answer_that_is_not_finite_is_ranked_on_the_wrong_side():
    members = torch.tensor([True, True, False, False])
    assert ranking_area(torch.tensor([0.9, torch.nan, 0.1, 0.2]), members) == 0.5
    assert ranking_area(torch.tensor([0.9, 0.8, torch.inf, 0.2]), members) == 0.5


def test_areas_of_classes_are_one_against_the_rest():
    labels = torch.tensor([0, 0, 1, 1])
    rows = torch.tensor([[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.2, 0.8, 0.0], [0.5, 0.5, 0.0]])
    scores = class_scores(rows, labels, labels, NAMES)
    assert (scores["auc/common"], scores["auc/rare"]) == (0.75, 0.75)
    assert "auc/unseen" not in scores
    assert "auc/common" not in class_scores(rows[:2], labels[:2], labels, NAMES)


def test_the_page_has_recall_precision_and_the_majority():
    labels = torch.tensor([0] * 9 + [1]).numpy()
    answers = Answers(NAMES, labels, labels * 0, torch.tensor([[0.8, 0.2, 0.0]] * 10).numpy(), None)
    table = confusion_table(answers)
    assert table["majority"] == "common is the class of 90.0%"
    assert table["absent"] == "unseen"
    assert [row[2:] for row in table["rows"]] == [(9, 9, "90%"), (0, 1, "never said"), (0, 0, "never said")]
