"""Samples in two splits, names that collide, statistics changed by hand."""

import json

import pytest
import torch

from sciml.core.errors import UserError
from sciml.core.paths import check_name
from sciml.core.problem import DERIVED, RESERVED, Field, Parameter, Problem
from sciml.data import generate, load_statistics, open_dataset, twin_trajectories, twins
from sciml.testing import PROBLEMS


def test_samples_of_two_splits_are_counted():
    train = torch.arange(12.0).view(4, 3)
    words = twins({"train": train, "valid": train[:2] + 0.5, "test": torch.cat((train[1:3], train[:1] - 9))})
    (sentence,) = words
    assert sentence.startswith("2 of 3 samples of split 'test' are also in split 'train', bit for bit")
    assert twins({"train": train, "test": train + 1e-6}) == ()


def test_trajectories_made_from_seeds_are_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path))
    dataset = generate(PROBLEMS / "periodic_advection", "tiny")
    assert twin_trajectories(dataset) == ()
    test = dataset.split("test")
    train = dataset.split("train")
    frames = train.frames.all()
    frames[3] = test.states[1]
    train.parameters[3] = test.parameters[1]
    assert "1 of 5 samples of split 'test'" in twin_trajectories(dataset)[0]
    path = dataset.layout.folder / "statistics.json"
    content = json.loads(path.read_text())
    first = next(iter(content["fields"]))
    right = content["fields"][first]["std"]
    content["fields"][first]["std"] = 100 * right
    path.write_text(json.dumps(content))
    assert load_statistics(dataset.layout) is None
    assert float(open_dataset(dataset.problem, "tiny").statistics.field_std[0]) == pytest.approx(right)


def _problem(fields, parameters=(), boundary=None):
    return Problem(
        name="any",
        title="any",
        equation="",
        fields=tuple(Field(name, name, "1", name) for name in fields),
        parameters=tuple(Parameter(name, name, "1", name, 0.0, 1.0) for name in parameters),
        boundary=boundary or {},
        citation="",
    )


@pytest.mark.parametrize("name", ["vrmse", "relative_l2", "field", "status", "sample", "chance"])
def test_names_of_files_of_their_own_are_refused(name):
    assert name in RESERVED
    for fields, parameters in (((name, "h"), ()), (("h",), (name,))):
        with pytest.raises(UserError, match=rf"{name!r}.*files of data and predictions"):
            _problem(fields, parameters)


def test_axes_and_derived_names_are_refused():
    with pytest.raises(UserError, match=r"'x'.*name of an axis"):
        _problem(("h",), ("x",), {"x": "periodic"})
    for prefix in DERIVED:
        with pytest.raises(UserError, match=rf"{prefix}_h.*derived from 'h'"):
            _problem(("h", f"{prefix}_h"))
    assert _problem(("h", "sigma_other")).fields


@pytest.mark.parametrize("name", ["con", "nul", "com1", "lpt9"])
def test_a_folder_that_windows_cannot_have_is_refused(name):
    with pytest.raises(UserError, match="Windows"):
        check_name(name, "problem")
    assert check_name("console", "problem") == "console"
