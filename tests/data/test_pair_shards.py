"""Pairs of functions on disk: made once, whole, the same for any shards and workers, checked when they are read."""

import dataclasses
import pickle
import shutil
import threading
from concurrent.futures import Executor, Future

import h5py
import numpy as np
import pytest
import torch
import xarray

from sciml.core import registry
from sciml.core.capabilities import AppliesOperator
from sciml.core.errors import ConfigError, DataError, UserError
from sciml.core.progress import SilentProgress
from sciml.core.status import Status
from sciml.data import PairShards, generate_pairs, pair_set, probe_pairs, read_card
from sciml.tasks import check_data, describe_data
from sciml.tasks.operator import OPERATOR, OperatorCard, OperatorConfig
from sciml.testing import PROBLEMS

TWO = PROBLEMS / "two_sources"


def card(**changes):
    table = {"functions": {"train": 12, "valid": 3, "test": 4}, "sensors": {"u": (7,), "p": (5,)}, "queries": (6, 5),
             "seed": 0, "probes": 3}  # fmt: skip
    return OperatorCard(**{**table, **changes})


@pytest.fixture(scope="module")
def two():
    return registry.find_problem(TWO)


@pytest.fixture
def counted(two, monkeypatch):
    """How often functions were drawn and the reference was applied."""
    calls = {"draw_functions": 0, "apply": 0}

    def count(name):
        original = getattr(type(two), name)

        def counting(self, *args):
            calls[name] += 1
            return original(self, *args)

        monkeypatch.setattr(type(two), name, counting)

    for name in calls:
        count(name)
    return calls


def content(shards):
    return {piece.filename: shards.path(piece).read_bytes() for piece in shards.all_pieces()}


def same(one, two):
    return all(
        torch.equal(getattr(one.splits[name], part), getattr(two.splits[name], part))
        for name in one.splits
        for part in ("functions", "values")
    )


def test_a_second_run_draws_nothing(two, counted):
    first, probes = pair_set(two, card(points=4)), probe_pairs(two, card(points=4), "constants")
    assert counted == {"draw_functions": 4, "apply": 4}
    counted.update(draw_functions=0, apply=0)
    again = pair_set(two, card(points=4))
    assert same(first, again)
    assert torch.equal(first.splits["train"].query, again.splits["train"].query)
    assert torch.equal(probe_pairs(two, card(points=4), "constants").values, probes.values)
    OPERATOR.prepare(two, "tiny", OperatorConfig())
    before = dict(counted)
    OPERATOR.prepare(two, "tiny", OperatorConfig())
    assert before == counted
    assert before["draw_functions"] == 3, "only the other card was new"


@pytest.mark.parametrize("size", [1, 5, 12])
def test_functions_do_not_depend_on_the_shards(two, size):
    whole, cut = pair_set(two, card(points=4)), pair_set(two, card(points=4, shard_size=size))
    assert same(whole, cut)
    assert torch.equal(whole.splits["train"].query, cut.splits["train"].query)
    assert len(PairShards(two, card(shard_size=size)).pieces("train")) == -(-12 // size)


class LastFirst(Executor):
    """Somebody else's workers: tasks are pickled, and run from the last to the first once a result is waited for."""

    def __init__(self):
        self.tasks = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.tasks.append((future, pickle.dumps((fn, args))))
        if len(self.tasks) == 1:
            threading.Timer(0.2, self.work).start()
        return future

    def work(self):
        while self.tasks:
            future, task = self.tasks.pop()
            fn, args = pickle.loads(task)
            future.set_result(fn(*args))


def test_the_bits_do_not_depend_on_the_workers(two, tmp_path, monkeypatch):
    alone = content(generate_pairs(two, card(points=4, shard_size=5)))
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "other"))
    assert content(generate_pairs(two, card(points=4, shard_size=5), executor=LastFirst())) == alone


@pytest.mark.slow
def test_the_bits_do_not_depend_on_processes(two, tmp_path, monkeypatch):
    alone = content(generate_pairs(two, card(points=4, shard_size=5)))
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "other"))
    assert content(generate_pairs(two, card(points=4, shard_size=5), workers=2)) == alone
    with pytest.raises(ConfigError, match="too few workers"):
        generate_pairs(two, card(seed=1), workers=-1)


def test_what_was_finished_is_kept_and_the_rest_is_made(two, counted):
    shards = generate_pairs(two, card(shard_size=5))
    whole = content(shards)
    (shards.folder / ".tmp-1-train-0000.nc").write_bytes(b"left by a killed run")
    shards.path(shards.pieces("train")[1]).unlink()
    counted.update(draw_functions=0, apply=0)
    generate_pairs(two, card(shard_size=5))
    assert counted == {"draw_functions": 1, "apply": 1}
    assert content(shards) == whole
    assert not list(shards.folder.glob(".tmp-*"))


class Lines(SilentProgress):
    def __init__(self):
        self.lines = []

    def log(self, message):
        self.lines.append(message)


def damage(path):
    with h5py.File(path, "r+") as file:
        file["v"][0, 0] += 1.0


def cut_off(path):
    path.write_bytes(path.read_bytes()[:500])


def relabel(path):
    with h5py.File(path, "r+") as file:
        file.attrs["split"] = "test"


@pytest.mark.parametrize(("harm", "match"), [
    (damage, "not hold the numbers"), (cut_off, "damaged"), (relabel, "header says split"),
])  # fmt: skip
def test_damaged_files_are_set_aside_and_made_again(two, harm, match):
    shards = generate_pairs(two, card())
    before, piece = pair_set(two, card()), shards.pieces("valid")[0]
    harm(shards.path(piece))
    with pytest.raises(DataError, match=match):
        shards.load(piece)
    failed = [check.name for check in card().checks(two) if not check.ok]
    assert failed == ["content"]
    progress = Lines()
    assert same(before, pair_set(two, card(), progress=progress))
    assert any("set aside as valid-0000.nc.bad-0" in line for line in progress.lines)


def test_files_say_what_they_hold(two):
    shards = generate_pairs(two, card(points=4))
    with xarray.open_dataset(shards.path(shards.pieces("train")[0]), engine="h5netcdf") as file:
        assert dict(file.sizes) == {"sample": 12, "u_sensor": 7, "p_sensor": 5, "query": 30, "point": 4}
        assert file["u"].attrs["units"] == "kg"
        assert file["v"].attrs["units"] == "J"
        assert file["t"].attrs["units"] == "s"
        np.testing.assert_allclose(file["u_x"], two.sensors("u", (7,))[:, 0])
        assert file["query_number"].dims == ("sample", "point")


def test_the_code_of_a_problem_is_part_of_its_pairs(tmp_path):
    """A reference that is written anew must not be answered by old pairs."""
    values = []
    for place, constant in (("before", "0.1"), ("after", "0.2")):
        folder = tmp_path / place / "rewritten"
        shutil.copytree(TWO, folder, ignore=shutil.ignore_patterns("__pycache__"))
        code = (folder / "__init__.py").read_text().replace('name="two_sources"', 'name="rewritten"')
        (folder / "__init__.py").write_text(code.replace("u**2 + 0.1", f"u**2 + {constant}"))
        values.append(pair_set(registry.find_problem(folder), card()).splits["test"].values[..., 1])
    torch.testing.assert_close(values[1], values[0] + 0.1)


def test_hashes_of_cards_without_the_new_keys_stay(two):
    assert "shard_size" not in card().content()
    assert "scattered" not in card().content()
    assert card(shard_size=3).content()["shard_size"] == 3
    digests = {PairShards(two, changed).digest for changed in (card(), card(space="chebyshev"))}
    assert len(digests) == 1, "the first space by name or by default is one dataset"
    assert PairShards(dataclasses.replace(two, version=2), card()).digest not in digests


def test_scattered_queries_differ_between_training_and_test(two):
    asked = card(queries=(), scattered=20, points=4)
    pairs = pair_set(two, asked)
    train, test = pairs.splits["train"], pairs.splits["test"]
    assert train.queries.shape == test.queries.shape == (20, 2)
    assert two.domain.contains(train.queries).all()
    assert not set(map(tuple, train.queries.tolist())) & set(map(tuple, test.queries.tolist()))
    assert torch.equal(test.queries, pairs.queries)
    assert not pair_set(two, card(queries=(), scattered=20)).aligned
    assert pair_set(two, card()).aligned
    with pytest.raises(ConfigError, match=r"on a lattice and for scattered ones.*one of them"):
        pair_set(two, card(scattered=20))


def test_info_and_verify_know_the_files(two):
    missing = {check.name: check for check in check_data(two, "tiny")["operator"]}
    assert not missing["files"].ok
    assert "0 of 3 shards" in missing["files"].detail
    assert f"sciml data generate {registry.folder_of(two)}" in missing["files"].detail
    table = OPERATOR.card(**registry_card(two))
    table.generate(two, workers=1, executor=None, progress=SilentProgress())
    numbers = describe_data(two, "tiny")["operator"]
    assert numbers["shards"] == "4 of 4"
    assert numbers["bytes"] > 0
    assert numbers["stored"] == str(PairShards(two, table).folder)
    assert all(check.ok for check in check_data(two, "tiny")["operator"])


def registry_card(problem):
    return read_card(problem).presets["tiny"]["operator"]


def test_a_reference_that_fails_leaves_statuses_and_what_it_calls_fine_must_be_finite(two, monkeypatch):
    original = type(two).apply

    def broken(self, functions, queries, code=int(Status.DIVERGED)):
        images = original(self, functions, queries)
        images.values[1] = torch.nan
        images.status[1] = code
        return images

    monkeypatch.setattr(type(two), "apply", broken)
    pairs = pair_set(two, card())
    assert pairs.outcomes["train"] == {"ok": 11, "diverged": 1}
    assert len(pairs.splits["train"]) == 11
    monkeypatch.setattr(type(two), "apply", lambda self, f, q: broken(self, f, q, int(Status.OK)))
    with pytest.raises(UserError, match="calls values that are not finite fine"):
        pair_set(two, card(seed=1))
    monkeypatch.setattr(
        type(two), "apply", lambda self, f, q: original(self, f, q)._replace(values=torch.zeros(2, 3, 1))
    )
    with pytest.raises(UserError, match=r"wrong shape.*\(2, 3, 1\).*\(12, 30, 2\)"):
        pair_set(two, card(seed=2))


OPERATORS = [name for name in registry.problem_folders() if isinstance(registry.find_problem(name), AppliesOperator)]


LONG = {"ignition_operator", "vorticity_operator"}
"""Problems that take seconds, and are tried by their own tests, too."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in OPERATORS])
def test_registered_operators_are_made_and_in_order(name):
    """The tiny preset of every operator: cut to a few functions where it has many, so that it is made in no time."""
    problem = registry.find_problem(name)
    card = read_card(problem)
    assert set(problem.presets) <= set(card.presets)
    table = card.table("tiny", OperatorCard)
    few = {"functions": {"train": 6, "valid": 3, "test": 4}, "probes": 4, "shard_size": 4}
    table = OperatorCard(**{**table.model_dump(), **few})
    table.generate(problem, workers=1, executor=None, progress=SilentProgress())
    checks = table.checks(problem)
    assert all(check.ok for check in checks), checks
    assert table.summary(problem, card.time_units)["shards"] == "{0} of {0}".format(3 + len(problem.spaces))
