"""Pairs of functions from files: every layout read as what it is, shapes checked against each other by role."""

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from sciml import api
from sciml.core import registry
from sciml.core.errors import ConfigError, DataError
from sciml.core.recorded import RecordedPairs
from sciml.data import ImportChoices, import_arrays, import_files, pair_set, read_card
from sciml.tasks.operator import OPERATOR, OperatorCard, OperatorConfig

X = np.linspace(0, 1, 20)
K = np.linspace(1, 3, 30)
U = np.cos(K[:, None] * X)
V = np.sin(K[:, None] * X) / K[:, None]


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))


def stored(problem):
    assert isinstance(problem, RecordedPairs)
    return pair_set(problem, read_card(problem).table("tiny", OperatorCard))


def imported(arrays, **choices):
    plans = []
    problem = import_arrays(arrays, ImportChoices(**choices), announce=plans.append)
    return problem, stored(problem), plans[0].words() if plans else []


def unaligned(count=200, seed=0):
    draw = np.random.default_rng(seed)
    k, x = draw.uniform(1, 3, count), draw.uniform(0, 1, count)
    return {"X_train0": np.cos(k[:, None] * X), "X_train1": x[:, None], "y_train": (np.sin(k * x) / k)[:, None]}


def check_antiderivative(pairs):
    """Every stored value is sin(kx) / k at its query, k read off the function."""
    for split in pairs.splits.values():
        k = torch.acos(split.functions[:, -1].double().clamp(-1, 1))[split.row]
        points = split.points(torch.arange(len(split)))[..., 0].expand(len(split), -1)
        expected = torch.sin(k[:, None] * points) / k[:, None]
        torch.testing.assert_close(split.values[..., 0].double(), expected, atol=1e-5, rtol=0)


def test_aligned_pairs():
    problem, pairs, words = imported({"branch": U, "trunk": X[:, None], "y": V})
    assert [entry.name for entry in problem.inputs] == ["u"]
    assert [entry.name for entry in problem.fields] == ["s"]
    assert problem.domain.names == ("x",)
    assert problem.solver == "deeponet"
    assert {name: len(split.functions) for name, split in pairs.splits.items()} == {"train": 24, "valid": 3, "test": 3}
    assert pairs.splits["train"].query is None
    assert pairs.lattice == (20,), "sensors are taken for the queries' own points"
    assert any("sensors of u are not stated" in line for line in words)
    check_antiderivative(pairs)


def test_unaligned_pairs_are_stored_by_number_and_never_tiled():
    problem, pairs, _ = imported(unaligned(), ranges={"x": (0.0, 1.0)})
    train = pairs.splits["train"]
    assert train.functions.shape == (160, 20)
    assert train.query.shape == (160, 1)
    assert train.queries.shape == (200, 1)
    assert problem.domain.axes[0].lower == 0.0
    check_antiderivative(pairs)


def shuffled(points):
    """Rows of one query each, ``points`` of every function, in any order."""
    rows = np.repeat(np.arange(30), points.shape[1])
    arrays = {"branch": U[rows], "trunk": X[points.ravel()][:, None], "y": V[rows, points.ravel()][:, None]}
    order = np.random.default_rng(1).permutation(len(rows))
    return {name: values[order] for name, values in arrays.items()}


def check_apart(pairs):
    seen = [set(map(bytes, split.functions.numpy())) for split in pairs.splits.values()]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_queries_of_every_function_s_own_are_stored_once():
    own = np.sort(np.random.default_rng(1).choice(X, size=(30, 7)), axis=1)
    values = np.sin(K[:, None] * own) / K[:, None]
    _, pairs, _ = imported({"branch": U, "trunk": own[..., None], "y": values})
    assert len(pairs.splits["train"].queries) == len(np.unique(own))
    assert pairs.splits["train"].query.shape == (24, 7)
    check_antiderivative(pairs)
    _, twice, _ = imported({"branch": U, "trunk": own[..., None], "y": np.stack([values, 2 * values], axis=2)})
    assert torch.equal(twice.splits["test"].values[..., :1], pairs.splits["test"].values)
    assert torch.equal(twice.splits["test"].values[..., 1:], 2 * pairs.splits["test"].values)


def test_rows_of_one_function_are_joined():
    """Five points per function, not the same ones: stored once, split by function."""
    _, pairs, _ = imported(shuffled((np.arange(30)[:, None] + 3 * np.arange(5)) % 20))
    assert pairs.splits["train"].functions.shape == (24, 20)
    assert pairs.splits["train"].query.shape == (24, 5)
    assert pairs.splits["train"].queries.shape == (20, 1)
    check_antiderivative(pairs)
    check_apart(pairs)


def test_tiled_pairs_are_aligned_again():
    """All functions at the same five points are aligned, however the rows stand: networks of fields and POD apply."""
    _, pairs, words = imported(shuffled(np.tile(np.arange(2, 7), (30, 1))))
    assert pairs.aligned
    assert pairs.splits["train"].values.shape == (24, 5, 1)
    assert any("all queries known for all functions" in line for line in words)
    check_antiderivative(pairs)
    check_apart(pairs)


def test_equal_functions_are_never_in_two_splits():
    twice = np.concatenate([np.arange(30), np.arange(0, 30, 3)])
    _, pairs, words = imported({"branch": U[twice], "trunk": X[:, None], "y": V[twice]})
    assert sum(len(split.functions) for split in pairs.splits.values()) == 40
    assert any("10 functions stand there more than once" in line for line in words)
    check_antiderivative(pairs)
    check_apart(pairs)


def test_a_test_split_that_was_trained_on_is_said():
    arrays = {"X_train0": U, "X_train1": X[:, None], "y_train": V}
    _, _, words = imported({**arrays, "X_test0": U[20:], "X_test1": X[:, None], "y_test": V[20:]})
    assert any("10 of 10 test functions of the file are in its training split" in line for line in words)


def test_functions_with_different_numbers_of_points_become_rows():
    rows = [0, 0, 0, 1, 1, *range(2, 30)]
    points = np.arange(len(rows)) % 20
    arrays = {"branch": U[rows], "trunk": X[points][:, None], "y": V[rows, points][:, None]}
    _, pairs, _ = imported(arrays)
    total = sum(len(split) for split in pairs.splits.values())
    assert total == len(rows)
    assert sum(len(split.functions) for split in pairs.splits.values()) == 30
    check_antiderivative(pairs)


def test_a_test_split_of_the_file_is_kept():
    test = {name.replace("train", "test"): values for name, values in unaligned(40, seed=1).items()}
    _, pairs, words = imported({**unaligned(), **test})
    assert {name: len(split.functions) for name, split in pairs.splits.items()} == {
        "train": 180, "valid": 20, "test": 40,
    }  # fmt: skip
    assert any("test split is that of the file" in line for line in words)
    check_antiderivative(pairs)


def test_two_functions_side_by_side():
    both = np.concatenate([U, V[:, ::2]], axis=1)
    arrays = {"branch": both, "trunk": X[:, None], "y": U * V}
    problem, pairs, _ = imported(arrays, functions=("u:20", "v:10"), units={"u": "m"})
    assert [(entry.name, entry.units) for entry in problem.inputs] == [("u", "m"), ("v", "1")]
    assert [len(points) for points in pairs.sensors] == [20, 10]
    assert problem.solver == "mionet"
    with pytest.raises(DataError, match=r"do not fill the columns.*20 \+ 20 of 30"):
        imported(arrays, functions=("u:20", "v:20"))
    equal, _, _ = imported({**arrays, "branch": np.concatenate([U, V], axis=1)}, functions=("u", "v=m"))
    assert [(entry.name, entry.units) for entry in equal.inputs] == [("u", "1"), ("v", "m")]


def test_several_branches_have_their_names_and_sensors():
    queries = np.random.default_rng(0).uniform(size=(9, 2))
    arrays = {
        "branch_shape": U,
        "branch_pulse": V[:, :7],
        "trunk": queries,
        "y": np.arange(30 * 9).reshape(30, 9),
        "sensors_shape": X**2,
        "sensors_pulse": np.arange(7.0),
    }
    problem, pairs, _ = imported(arrays, dims=("x", "t"), fields=("T=K",), units={"t": "s"})
    assert [entry.name for entry in problem.inputs] == ["shape", "pulse"]
    np.testing.assert_allclose(pairs.sensors[0][:, 0], X**2)
    assert problem.inputs[1].domain.axes[0].upper == 6.0
    assert problem.domain.names == ("x", "t")
    assert problem.domain.axes[1].units == "s"
    assert (problem.fields[0].name, problem.fields[0].units) == ("T", "K")


def test_functions_on_a_lattice(tmp_path):
    coeff = np.random.default_rng(0).uniform(3, 12, (10, 21, 15))
    savemat(tmp_path / "darcy.mat", {"coeff": coeff, "sol": np.sqrt(coeff), "Kcoeff": coeff})
    problem = import_files([tmp_path / "darcy.mat"])
    pairs = stored(problem)
    assert problem.name == "darcy_2", "a registered problem has that name"
    assert problem.solver == "fno_map"
    assert pairs.lattice == (21, 15)
    assert problem.domain.names == ("y", "x")
    train = pairs.splits["train"]
    torch.testing.assert_close(train.values[..., 0], train.functions.sqrt())
    torch.testing.assert_close(train.queries[16], torch.tensor([1 / 20, 1 / 14]).double())
    periodic, pairs, _ = imported({"a": coeff[:, :, 0], "u": coeff[:, :, 1]}, boundary={"x": "periodic"})
    assert periodic.domain.axes[0].periodic
    torch.testing.assert_close(pairs.sensors[0][:, 0], torch.arange(21).double() / 21)


@pytest.mark.parametrize("ending", ["npz", "mat", "h5", "pt", "mat73"])
def test_every_format_gives_the_same_pairs(tmp_path, ending):
    arrays = {"branch": U, "trunk": X[:, None], "y": V}
    path = tmp_path / f"pairs.{ending.removesuffix('73')}"
    if ending == "npz":
        np.savez(path, **arrays)
    elif ending == "mat":
        savemat(path, arrays)
    elif ending == "pt":
        torch.save({name: torch.from_numpy(values) for name, values in arrays.items()}, path)
    else:  # MATLAB 7.3 is HDF5 with the axes reversed
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values.T if ending == "mat73" else values
    pairs = stored(import_files([path]))
    expected = imported(arrays)[1]
    for name, split in pairs.splits.items():
        torch.testing.assert_close(split.values, expected.splits[name].values)
        torch.testing.assert_close(split.functions, expected.splits[name].functions)


def test_a_tuple_is_functions_queries_values():
    problem = api.dataset((U, torch.from_numpy(V[:, :5]), X[:, None], V))
    assert [entry.name for entry in problem.inputs] == ["u", "v"]
    assert stored(problem).splits["train"].values.shape == (24, 20, 1)


def test_the_same_data_is_imported_once_and_other_data_anew():
    first, *_ = imported({"branch": U, "trunk": X[:, None], "y": V})
    again, *_ = imported({"branch": U, "trunk": X[:, None], "y": V})
    other, *_ = imported({"branch": U, "trunk": X[:, None], "y": 2 * V})
    assert first.name == again.name != other.name


NAN = V.copy()
NAN[3, 4] = np.nan


@pytest.mark.parametrize(("arrays", "choices", "match"), [
    ({"branch": U, "trunk": np.linspace(0, 1, 21)[:, None], "y": V}, {},
     r"queries and values.*do not pair.*queries \('trunk'\) \(21, 1\).*expected values of shape \(30, 21\)"),
    ({"branch": U[:29], "trunk": X[:, None], "y": V}, {},
     r"functions and values.*do not pair.*29 rows of functions, 30 of values"),
    ({"branch": U, "trunk": X[:, None], "y": NAN}, {}, r"values.*not finite.*in 1 of 30 rows, the first of them 3"),
    ({"branch_u": U, "branch_v": V[:7], "trunk": X[:, None], "y": V}, {}, "different numbers of rows"),
    ({"coeff": np.ones((5, 8, 9)), "sol": np.ones((5, 8, 8))}, {}, "do not lie on one lattice"),
    ({"branch": U, "trunk": X[:, None], "y": V}, {"ranges": {"x": (0.2, 1.0)}}, "do not span the axis 'x'"),
    ({"branch": U, "trunk": X[:, None], "y": V}, {"dims": ("x", "t")}, "another number of axes"),
    ({"branch": U, "trunk": X[:, None], "y": V}, {"fields": ("u",)}, "'u' stands for two things"),
    ({"branch": U, "trunk": X[:, None], "y": V}, {"fields": ("v", "w")}, "another number of fields"),
    ({"branch": U, "trunk": X[:, None], "y": V, "sensors": X[:9]}, {}, "sensors of function 'u' do not fit"),
    ({"branch": U, "trunk": X[:, None], "y": V, "sensors": np.where(np.arange(20) == 3, X[4], X)}, {},
     r"two sensors of function 'u' lie at the same place.*1 coordinates"),
    ({"branch": U[:2], "trunk": X[:, None], "y": V[:2]}, {}, "too few functions"),
    ({"inputs": U, "points": X[:, None], "out": V}, {"layout": "pairs"}, r"does not name its functions.*--rename"),
    ({"branch": U, "trunk": X[:, None], "y": V.astype(complex)}, {}, "no real numbers"),
    ({"branch": U, "trunk": V, "y": X[:, None]}, {},
     r"functions and values.*queries \('trunk'\) \(30, 20\): 30 rows of functions, 20 of values"),
    ({"branch": U[:0], "trunk": X[:, None], "y": V[:0]}, {}, r"function u.*there are none; got.*\(0, 20\)"),
    ({"branch": U, "trunk": X[:0, None], "y": V}, {}, r"queries of.*there are none"),
    ({"branch": U, "trunk": np.where(X > 0.9, np.nan, X)[:, None], "y": V}, {}, r"queries.*not finite.*in \d of 20"),
    ({"branch": U, "trunk": X[:, None], "y": V[..., None, None]}, {}, r"queries and values.*do not pair"),
    ({"branch": U, "trunk": np.zeros((30, 7, 1)), "y": V}, {}, r"values of shape \(30, 7\).*function's own"),
])  # fmt: skip
def test_arrays_that_do_not_pair_are_named_by_their_roles(arrays, choices, match):
    with pytest.raises(DataError, match=match):
        imported(arrays, **choices)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (V > 0, "truth values"),
        (V.astype(str), "got text"),
        (np.arange(600).reshape(30, 20).astype("datetime64[s]"), "dates"),
        (np.array(1.0), "single number"),
        (1e39 * V, "single precision does not hold such numbers; got up to"),
        (1e-42 * V, "single precision does not hold such numbers; got up to"),
        (1e5 + 1e-6 * V, "single precision does not tell its numbers apart"),
    ],
)
def test_numbers_that_cannot_be_kept_are_refused_by_role(values, match):
    """A warning of NumPy and infinite or equal numbers otherwise."""
    for arrays, role in (
        ({"branch": U, "trunk": X[:, None], "y": values}, "values"),
        ({"branch": values, "trunk": X[:, None], "y": V}, "function u"),
    ):
        with pytest.raises(DataError, match=f"{role}.*{match}"):
            imported(arrays)


def test_offsets_and_constants_that_single_precision_holds_are_kept():
    rounding = np.random.default_rng(0).normal(size=V.shape) * 1e-16
    for values in (300 + V, 1 + rounding, 0 * V, (100 * V).astype(int), V.astype(np.float16)):
        _, pairs, _ = imported({"branch": U, "trunk": X[:, None], "y": values})
        kept = torch.cat([split.values[..., 0] for split in pairs.splits.values()])
        assert float(kept.double().mean()) == pytest.approx(float(values.mean()), rel=1e-3, abs=1e-3)


def test_pairs_without_values_are_said_to_have_none():
    with pytest.raises(
        DataError, match=r"no values of the operator; got branch \(30, 20\), trunk \(20, 1\).*--rename OLD=y"
    ):
        imported({"branch": U, "trunk": X[:, None], "outcome": V})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.to_sparse(), "one by one; got torch.sparse_coo"),
        (lambda t: torch.complex(t, t), "complex numbers"),
        (lambda t: t > 0, "truth values"),
    ],
)
def test_tensors_of_other_kinds_are_refused(tmp_path, change, match):
    path = tmp_path / "pairs.pt"
    torch.save({"branch": change(torch.tensor(U)), "trunk": torch.tensor(X)[:, None], "y": torch.tensor(V)}, path)
    with pytest.raises(DataError, match=match):
        import_files([path], ImportChoices(name="others"))


def test_tensors_with_gradients_and_in_short_precision_are_numbers(tmp_path):
    path = tmp_path / "pairs.pt"
    functions = torch.nn.Parameter(torch.tensor(U)).bfloat16()
    torch.save({"branch": functions, "trunk": torch.tensor(X)[:, None], "y": torch.nn.Parameter(torch.tensor(V))}, path)
    problem = import_files([path], ImportChoices(name="short"))
    kept = stored(problem).splits["train"].functions
    torch.testing.assert_close(kept, kept.bfloat16().float(), rtol=0, atol=0)


def test_a_pickle_inside_an_archive_is_refused(tmp_path):
    ragged = np.empty(2, dtype=object)
    ragged[:] = [U, X[:, None]]
    np.savez(tmp_path / "deepxde.npz", X=ragged, y=V)
    with pytest.raises(DataError, match=r"Python objects.*branch=X\[0\]"):
        import_files([tmp_path / "deepxde.npz"])


def test_imported_pairs_are_what_they_are():
    problem, *_ = imported({"branch": U, "trunk": X[:, None], "y": V})
    fewer = OPERATOR.prepare(problem, "tiny", OperatorConfig(functions=7))
    assert len(fewer.examples) == 7
    for settings, match in ((OperatorConfig(points=3), "points 3"), (OperatorConfig(sensors={"u": (5,)}), "sensors"),
                            (OperatorConfig(functions=25), "at most 24")):  # fmt: skip
        with pytest.raises(ConfigError, match=match):
            OPERATOR.prepare(problem, "tiny", settings)


def test_a_damaged_file_is_refused():
    problem, *_ = imported({"branch": U, "trunk": X[:, None], "y": V})
    path = registry.folder_of(problem) / "pairs.nc"
    with h5py.File(path, "r+") as file:
        file["train/values"][0, 0, 0] = 7.0
    with pytest.raises(DataError, match="not hold the numbers it was written with"):
        stored(problem)
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="does not hold the pairs"):
        stored(problem)


def test_trajectories_are_still_trajectories():
    """Names that pairs have too do not make pairs of fields over time."""
    with pytest.raises(DataError, match="dimensions"):
        import_arrays({"u": np.ones((6, 5, 8))}, ImportChoices())
    problem = import_arrays(
        {"u": np.random.default_rng(0).normal(size=(6, 5, 8)), "x": np.arange(8.0), "t": np.arange(5.0)}
    )
    assert not isinstance(problem, RecordedPairs)
