"""Data without trajectories: cards, splits, description, checks; what asks for trajectories says why there are none."""

import dataclasses

import pytest
import torch

from sciml.core import registry
from sciml.core.errors import ConfigError, UnsupportedError, UserError
from sciml.data import (
    InMemoryCard,
    as_channels,
    density_splits,
    generate,
    labelled_splits,
    open_dataset,
    read_card,
    sample_statistics,
    samples_digest,
)
from sciml.tasks import card_tables, check_data, describe_data
from sciml.tasks.classification import ClassificationCard
from sciml.tasks.density import DensityCard
from sciml.testing import PROBLEMS

FIXTURES = PROBLEMS


def in_memory(problem):
    """Keys of the tables whose data is made in memory."""
    return [key for key, table in card_tables(problem, "tiny").items() if isinstance(table, InMemoryCard)]


def failed(problem):
    """Names of the checks that fail."""
    return [check.name for checks in check_data(problem, "tiny").values() for check in checks if not check.ok]


LONG = ("combustor_pressure", "network_", "ignition_delay", "mass_spring_identification", "reactor_regimes")
"""Beginnings of the names of problems that simulate chemistry or long series, or train networks, for their samples."""
IN_MEMORY = [
    pytest.param(name, marks=[pytest.mark.slow] if name.startswith(LONG) else [])
    for name in registry.problem_folders()
    if in_memory(registry.find_problem(name))
]


@pytest.fixture(scope="module")
def spots():
    return registry.find_problem(FIXTURES / "three_spots")


@pytest.fixture(scope="module")
def card(spots):
    return read_card(spots).table("tiny", ClassificationCard)


@pytest.fixture
def changed(tmp_path):
    """A changed copy of a fixture problem: ``changed(fixture, name, {old: new})``."""

    def make(fixture, name, changes):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("__init__.py", "dataset.toml"):
            text = (FIXTURES / fixture / file).read_text().replace(f'name="{fixture}"', f'name="{name}"')
            for old, new in changes.items():
                text = text.replace(old, new)
            (folder / file).write_text(text)
        return registry.find_problem(folder)

    return make


def test_every_task_reads_its_own_table(toy, spots):
    assert list(card_tables(toy, "tiny")) == ["trajectories"]
    assert {key: type(table) for key, table in card_tables(spots, "tiny").items()} == {
        "classification": ClassificationCard,
        "density": DensityCard,
    }
    assert list(card_tables(registry.find_problem(FIXTURES / "two_noises"), "tiny")) == ["paths"]
    assert [bool(in_memory(problem)) for problem in (toy, spots)] == [False, True]


def test_a_table_that_no_task_reads_is_refused(changed):
    problem = changed("two_noises", "odd_one", {"[presets.tiny.paths]": "[presets.tiny.path]"})
    with pytest.raises(ConfigError, match=r"\[presets\.tiny\.path\] that no task reads.*paths"):
        card_tables(problem, "tiny")


@pytest.mark.parametrize(
    ("fixture", "old", "new", "message"),
    [
        ("three_spots", "train = 60", "train = 0", r"presets\.tiny.*samples\.train: .*got 0"),
        ("three_spots", "seed = 0", "seed = -1", r"seed: .*got -1"),
        (
            "three_spots",
            "seed = 0",
            "seed = 0\ngrid = [3]",
            r"unknown key 'grid'.*valid keys: cost, samples.train, .*, seed",
        ),
        ("three_spots", "[presets.tiny.", "[preset.tiny.", r"has no presets; expected tables \[presets.NAME.TASK\]"),
        ("three_spots", "[presets.tiny.density]", "[presets.tiny]", r"'seed' stands outside of a task's table"),
        ("two_noises", "step = 0.02", "step = 0.0", r"step: .*greater than 0"),
        ("two_noises", "step = 0.02", "", r"step: Field required"),
        ("two_noises", "test = 2000", "test = 1", r"a variance needs at least 2 paths"),
    ],
)
def test_faults_of_a_card_name_the_file_and_the_key(changed, fixture, old, new, message):
    problem = changed(fixture, "odd_one", {old: new})
    with pytest.raises(ConfigError, match=message) as error:
        card_tables(problem, "tiny")
    assert "dataset.toml" in str(error.value)


def test_splits_are_disjoint_and_keep_the_proportions(spots, card):
    splits = labelled_splits(spots, card)
    assert {name: len(split.labels) for name, split in splits.items()} == {"train": 60, "valid": 24, "test": 30}
    rows = [tuple(row) for split in splits.values() for row in split.features.tolist()]
    assert len(set(rows)) == 114
    for split in splits.values():
        counts = torch.bincount(split.labels, minlength=3)
        expected = torch.tensor([40, 20, 60]) * len(split.labels) / 120
        assert (counts - expected).abs().max() <= 1
    features, labels = spots.samples()
    label_of = dict(zip(map(tuple, features.tolist()), labels.tolist(), strict=True))
    for split in splits.values():
        assert [label_of[tuple(row)] for row in split.features.tolist()] == split.labels.tolist()


def test_the_seed_of_the_card_decides_the_split(spots, card):
    first, again = labelled_splits(spots, card), labelled_splits(spots, card)
    other = labelled_splits(spots, card.model_copy(update={"seed": 1}))
    assert torch.equal(first["test"].features, again["test"].features)
    assert not torch.equal(first["test"].features, other["test"].features)


def test_chance_decides_between_classes_of_equal_rank(spots, card):
    """The ranks begin 1/120 (top), 1/80 (origin), 3/120 (top) and 1/40 (right): the third place is open."""
    small = card.model_copy(update={"samples": card.samples.model_copy(update={"train": 1, "valid": 1, "test": 1})})
    first = {int(labelled_splits(spots, small.model_copy(update={"seed": s}))["test"].labels[0]) for s in range(30)}
    assert first == {1, 2}


def test_more_samples_than_there_are_is_an_error_that_counts(changed):
    greedy = changed("three_spots", "greedy", {"train = 60": "train = 70"})
    message = r"asks for more samples.*got 124 \(70 train, 24 valid, 30 test\); expected at most 120"
    with pytest.raises(ConfigError, match=message):
        labelled_splits(greedy, read_card(greedy).table("tiny", ClassificationCard))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("torch.arange(3)", "torch.arange(1, 4)", "labels from 1 to 3"),
        ("torch.cat(spots),", "torch.cat(spots) / 0,", "features that are not finite"),
        ("torch.cat(spots),", "torch.cat(spots)[:50],", "50 samples and 120 labels"),
        ("torch.cat(spots),", "torch.cat(spots).repeat(1, 2),", r"samples of shape \(4,\), 2 fields"),
    ],
)
def test_faulty_samples_are_explained(changed, old, new, fault):
    problem = changed("three_spots", "faulty", {old: new})
    with pytest.raises(UserError, match=fault):
        labelled_splits(problem, read_card(problem).table("tiny", ClassificationCard))
    checks = check_data(problem, "tiny")["classification"]
    assert not next(check for check in checks if check.name == "samples").ok


def test_a_density_must_draw_what_it_is_asked_for(changed):
    problem = changed("three_spots", "short", {"torch.rand(count, 2": "torch.rand(count - 1, 2"})
    with pytest.raises(UserError, match=r"draws wrong samples from its density 'square'; got shape \(59, 2\)"):
        density_splits(problem, "square", read_card(problem).table("tiny", DensityCard))
    assert failed(problem) == ["density square"]


def test_statistics_are_per_field(spots):
    features = spots.samples()[0]
    assert as_channels(spots, features) is features
    found = sample_statistics(features)
    torch.testing.assert_close(found.field_mean, features.mean(0))
    torch.testing.assert_close(found.field_std, features.std(0, correction=0))
    assert found.parameter_mean.shape == (0,)
    single = dataclasses.replace(spots, fields=spots.fields[:1])
    assert as_channels(single, torch.zeros(5, 8, 8)).shape == (5, 1, 8, 8)
    assert as_channels(single, torch.zeros(5, 1, 8, 8)).shape == (5, 1, 8, 8)


def test_the_digest_follows_the_data_and_not_the_prose(spots, card, changed):
    base = samples_digest(spots, card)
    assert samples_digest(spots, card.model_copy(update={"cost": "much"})) == base
    others = {
        samples_digest(spots, card, shape="square"),
        samples_digest(spots, card.model_copy(update={"seed": 1})),
        samples_digest(dataclasses.replace(spots, version=2), card),
        samples_digest(dataclasses.replace(changed("three_spots", "moved", {"6.0": "7.0"}), name="three_spots"), card),
    }
    assert len(others | {base}) == 5


@pytest.mark.parametrize("name", IN_MEMORY)
def test_registered_problems_are_described_and_in_order(name):
    """Every registered problem whose data is made in memory."""
    problem = registry.find_problem(name)
    card = read_card(problem)
    assert set(problem.presets) <= set(card.presets)
    assert {"tiny", "small", "paper"} <= set(card.presets)
    assert card.licence
    assert card.not_modelled
    for key in in_memory(problem):
        table = card_tables(problem, "tiny")[key]
        assert all(check.ok for check in table.checks(problem))
        assert table.summary(problem, card.time_units)
        assert len(samples_digest(problem, table)) == 64


def test_info_counts_classes_and_describes_densities(spots):
    tables = describe_data(spots, "tiny")
    found = tables["classification"]
    assert found["digest"] == samples_digest(spots, read_card(spots).table("tiny", ClassificationCard))
    assert found["stored"].startswith("nowhere")
    assert found["available"] == 120
    assert found["shape"] == [2]
    assert sum(found["classes"]["train"].values()) == 60
    assert abs(found["classes"]["train"]["top"] - 30) <= 1
    found = tables["density"]
    assert found["shapes"]["gaussian"]["log density"] == "known"
    assert found["shapes"]["square"]["log density"] == "not known"
    assert found["shapes"]["square"]["fields"]["y"]["units"] == "m"
    noises = describe_data(registry.find_problem(FIXTURES / "two_noises"), "tiny")["paths"]
    assert noises["paths"] == {"train": 4000, "valid": 500, "test": 2000}
    assert noises["times"] == {"first": 0.0, "last": 1.0, "number": 6, "units": "s"}
    assert noises["start"] == {"x": 2.0, "y": 1.0}


def test_checks_find_what_is_wrong(changed):
    assert failed(registry.find_problem(FIXTURES / "three_spots")) == []
    same = changed("three_spots", "same", {"torch.rand(count, 2, generator=generator": "torch.rand(count, 2"})
    assert failed(same) == ["square: reproduced"]
    twice = changed(
        "three_spots", "twice", {"return torch.rand(count, 2, generator=generator": "return torch.ones(count, 2"}
    )
    assert failed(twice) == ["square: draws"]
    rare = changed("three_spots", "rare", {"(40, 20, 60)": "(78, 2, 60)"})
    (bad,) = (check for check in check_data(rare, "tiny")["classification"] if not check.ok)
    assert bad.name == "classes"
    assert "has none of 'right'" in bad.detail
    assert failed(registry.find_problem(FIXTURES / "two_noises")) == []
    broken = changed("two_noises", "broken", {"VOLATILITY * state[:, 1]], 1)": "state[:, 1] / 0], 1)"})
    assert failed(broken) == ["diffusion"]
    backward = changed("two_noises", "backward", {"linspace(0.0, 1.0": "linspace(1.0, 0.0"})
    assert failed(backward) == ["times"]


def test_what_needs_trajectories_says_where_the_data_is(spots):
    for verb in (generate, open_dataset):
        with pytest.raises(
            UnsupportedError, match=r"capability Evolves\. `sciml data info \S+three_spots` describes what data it has"
        ):
            verb(spots, "tiny")
