"""Pairs of functions written for other loaders: importing is the inverse, and faulty files are refused."""

import json

import h5py
import numpy as np
import pytest
import torch

from sciml.core import registry
from sciml.core.errors import DataError, UnknownNameError, UnsupportedError
from sciml.data import ImportChoices, export_pairs, import_arrays, import_files, pair_set, read_card
from sciml.tasks.operator import OperatorCard
from sciml.tasks.sequences import SequencesCard

X = np.linspace(0, 1, 20)
K = np.linspace(1, 3, 30)
U = np.cos(K[:, None] * X)
V = np.sin(K[:, None] * X) / K[:, None]
UNEVEN = np.sort(np.random.default_rng(0).uniform(0, 1, 20))
RAGGED = np.repeat(np.arange(30), 1 + np.arange(30) % 3)
POINTS = np.random.default_rng(1).uniform(0, 1, len(RAGGED))

KINDS = {
    "two functions": (
        {"branch_u": U, "branch_p": 2 * U, "trunk": X[3:9, None], "y": V[:, 3:9], "sensors_p": UNEVEN},
        {"units": {"u": "Pa", "x": "m", "s": "m2 s-1"}, "ranges": {"x": (0.0, 1.5), "u_x": (-1.0, 1.0)}},
    ),
    "rows": (
        {"branch": U[RAGGED], "trunk": POINTS[:, None], "y": (np.sin(K[RAGGED] * POINTS) / K[RAGGED])[:, None]},
        {"ranges": {"x": (0.0, 1.0)}, "dims": ("t",), "boundary": {"t": "periodic"}},
    ),
    "two fields": ({"branch": U, "trunk": np.stack((X, X**2), 1), "y": np.stack((V, U), 2)}, {"fields": ("a=K", "b")}),
    "lattice": (
        {"coeff": np.random.default_rng(2).uniform(size=(9, 5, 6)), "sol": np.zeros((9, 5, 6))},
        {"ranges": {"x": (0.0, 2.0)}, "boundary": {"y": "periodic"}, "units": {"coeff": "m2"}},
    ),
}


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))


def card_of(problem):
    return read_card(problem).table("tiny", OperatorCard)


def exported(kind, format, folder):
    arrays, choices = KINDS[kind]
    problem = import_arrays(arrays, ImportChoices(**choices))
    (path,) = card_of(problem).export(problem, format, folder, preset="tiny")
    return problem, path


@pytest.mark.parametrize("format", ["netcdf", "npz"])
@pytest.mark.parametrize("kind", KINDS)
def test_importing_is_the_inverse(tmp_path, kind, format):
    problem, path = exported(kind, format, tmp_path)
    again = import_files([path], ImportChoices())
    assert again.inputs == problem.inputs
    assert again.fields == problem.fields
    assert again.domain == problem.domain
    assert again.solver == problem.solver
    first, second = (pair_set(each, card_of(each)) for each in (problem, again))
    assert second.lattice == first.lattice
    for one, two in zip(first.sensors, second.sensors, strict=True):
        assert torch.equal(one, two)
    for split in ("train", "valid", "test"):
        one, two = first.splits[split], second.splits[split]
        assert torch.equal(one.functions, two.functions)
        assert torch.equal(one.values, two.values)
        assert torch.equal(one.row, two.row)
        rows = torch.arange(len(one))
        assert torch.equal(one.points(rows), two.points(rows))


def test_other_names_keep_the_sensors_of_the_file(tmp_path):
    problem, path = exported("two functions", "npz", tmp_path)
    renamed = import_files([path], ImportChoices(functions=("force", "load=N"), units={"x": "mm"}))
    assert [(entry.name, entry.units) for entry in renamed.inputs] == [("force", "1"), ("load", "N")]
    assert renamed.domain.axes[0].units == "mm"
    first, second = (pair_set(each, card_of(each)) for each in (problem, renamed))
    assert all(torch.equal(one, two) for one, two in zip(first.sensors, second.sensors, strict=True))


def test_functions_and_queries_are_never_tiled(tmp_path):
    _, path = exported("rows", "npz", tmp_path)
    with np.load(path) as arrays:
        functions, row, query = arrays["X_train0"], arrays["row_train"], arrays["query_train"]
        assert len(functions) == 24 < len(row) == len(query)
        triple = functions[row], arrays["X_train1"][query[:, 0], 0], arrays["y_train"][:, 0, 0]
    k = np.arccos(triple[0][:, -1].astype(float).clip(-1, 1))
    np.testing.assert_allclose(triple[2], np.sin(k * triple[1]) / k, atol=1e-5)


def test_pairs_of_a_reference_are_exported(tmp_path):
    problem = registry.problem("legendre_transform")
    sizes = {"functions": {"train": 6, "valid": 2, "test": 2}, "probes": 2}
    card = OperatorCard.model_validate(card_of(problem).model_dump() | sizes)
    pairs = pair_set(problem, card)
    (path,) = export_pairs(problem, pairs, "netcdf", tmp_path, preset="tiny")
    again = import_files([path], ImportChoices())
    for split, part in pair_set(again, card_of(again)).splits.items():
        assert torch.equal(part.functions, pairs.splits[split].functions)
        assert torch.equal(part.values, pairs.splits[split].values)


def test_what_cannot_be_exported_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="'well'; expected one of: netcdf, npz"):
        exported("rows", "well", tmp_path)
    problem = registry.problem("delay_memory")
    with pytest.raises(UnsupportedError, match=r"'delay_memory' is not exported.*'sequences'"):
        read_card(problem).table("tiny", SequencesCard).export(problem, "netcdf", tmp_path, preset="tiny")


def changed(path, change):
    with np.load(path) as arrays:
        content = dict(arrays)
    change(content)
    np.savez(path, **content)


@pytest.mark.parametrize(("change", "match"), [
    (lambda a: a.update(row_train=a["row_train"] + 24), r"numbers of functions and queries.*row \(R,\) below 24"),
    (lambda a: a.update(query_train=a["query_train"] - 1), r"do not fit its arrays.*query \(R, P\) below"),
    (lambda a: a.update(row_train=a["row_train"][:-1]), "do not fit its arrays"),
    (lambda a: a.update(row_train=a["row_train"].astype(float)), "do not fit its arrays"),
    (lambda a: a.update(pairs_of_functions="{"), "does not say what its pairs are"),
    (lambda a: a.update(pairs_of_functions=json.dumps({"functions": [], "fields": [], "axes": [], "run": "x"})),
     "does not say what its pairs are.*run"),
    (lambda a: a.update(pairs_of_functions="[" * 100_000), "does not say what its pairs are"),
])  # fmt: skip
def test_damaged_archives_are_refused(tmp_path, change, match):
    _, path = exported("rows", "npz", tmp_path)
    changed(path, change)
    with pytest.raises(DataError, match=match):
        import_files([path], ImportChoices())


def test_a_netcdf_file_that_lost_its_arrays_is_refused(tmp_path):
    _, path = exported("rows", "netcdf", tmp_path)
    with h5py.File(path, "a") as file:
        del file["y_train"]
    with pytest.raises(DataError, match=r"does not hold the pairs it says it holds.*X_train0"):
        import_files([path], ImportChoices())


def test_uneven_points_are_no_lattice():
    """A network of fields would take them for equidistant ones."""
    for points, lattice in ((X, (20,)), (UNEVEN, None)):
        arrays = {"branch": U, "trunk": points[:, None], "y": V, "sensors": points}
        problem = import_arrays(arrays, ImportChoices(name="even" if lattice else "uneven"))
        assert pair_set(problem, card_of(problem)).lattice == lattice
