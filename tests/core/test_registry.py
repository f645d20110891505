import importlib
import importlib.metadata
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sciml.core import registry
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.problem import Problem
from sciml.testing import PROBLEMS
from sciml.tools import Tool
from sciml.train import Solver, Task, find_solver, registered_solvers


def test_the_checkout_s_problems_are_found_by_being_there():
    assert "shallow_water" in registry.problem_folders()
    problem = registry.problem("shallow_water")
    assert isinstance(problem, Problem)
    assert registry.folder_of(problem).name == "shallow_water"
    assert registry.card_path(problem).name == "shallow_water.toml"


def test_a_folder_of_the_user_s_own_is_loaded_by_path(advection):
    problem = registry.find_problem(advection)
    assert problem.name == advection.name
    assert registry.folder_of(problem) == advection
    assert registry.card_path(problem) == advection / "dataset.toml"
    assert registry.find_problem(str(advection)) is problem


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'shallow_water'"):
        registry.problem("shalow_water")


@pytest.mark.parametrize("name", ["no/such/folder", "../x", "/nowhere", "a\\b", "./"])
def test_paths_that_are_no_problem_are_refused(name):
    with pytest.raises(UserError, match="no problem folder at this path"):
        registry.find_problem(name)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", "does not export its problem"),
        ("PROBLEM = 3", "does not export its problem"),
        ("import not_a_module_at_all", "could not be imported"),
        ("1 +", "could not be imported"),
    ],
)
def test_a_broken_folder_is_reported_not_raised_through(tmp_path, code, words):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "__init__.py").write_text(code)
    with pytest.raises(UserError, match=words):
        registry.find_problem(folder)


def test_a_folder_whose_problem_has_another_name(tmp_path, advection):
    other = tmp_path / "other_name"
    other.mkdir()
    (other / "__init__.py").write_text(
        f"import sys; sys.path.insert(0, {str(advection.parent)!r})\nfrom {advection.name} import PROBLEM\n"
    )
    with pytest.raises(UserError, match="name='other_name'"):
        registry.find_problem(other)
    sys.path.remove(str(advection.parent))


def test_solvers_register_by_being_there():
    solvers = registered_solvers()
    assert {"sinenet", "persistence", "linear", "unet", "fno", "dilresnet"} <= set(solvers)
    assert all(key == solver.key for key, solver in solvers.items())
    with pytest.raises(UnknownNameError, match="Did you mean 'sinenet'"):
        find_solver("sinnet")


_IMPORTS = """
import sys
def none_of(*names):
    loaded = [name for name in names if name in sys.modules]
    assert not loaded, loaded
import sciml, sciml.cli
from sciml.core.errors import UserError
none_of("torch", "deepxde", "matplotlib", "pysr", "pyoperon", "cantera", "xarray")
import torch, random
state, rand = torch.get_rng_state(), random.getstate()
import sciml.ode
none_of("torchdiffeq", "torchsde")
import sciml.models
none_of("sklearn", "torchdiffeq", "torchsde", "sciml.data", "sciml.train", "sciml.solvers", "sciml.study")
import sciml.api
assert torch.get_default_dtype() is torch.float32
assert torch.get_default_device().type == "cpu"
assert torch.equal(state, torch.get_rng_state()) and rand == random.getstate()
none_of("deepxde", "pysr", "pyoperon", "cantera", "sklearn")
from sciml.core import registry
from sciml.tools import registered_tools
from sciml.train import registered_solvers
assert registered_solvers() and registered_tools() and registry.problems()
assert "sciml.solvers.discovery" in sys.modules
none_of("deepxde", "pysr", "pyoperon", "juliacall", "cantera", "sklearn", "torchdiffeq", "torchsde", "matplotlib")
none_of("scipy.stats", "scipy.interpolate", "scipy.optimize", "scipy.integrate", "scipy.signal")
"""


def test_importing_is_light():
    """The package without torch, integrators and networks by themselves, everything registered without any guest; no
    global state is touched: device, dtype and random state stay as they were. One process, since each takes seconds."""
    done = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_package_registers_its_problem_by_entry_point(monkeypatch, advection):
    monkeypatch.syspath_prepend(str(advection.parent))
    points = [importlib.metadata.EntryPoint(advection.name, advection.name, "sciml.problems")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points if group == "sciml.problems" else [])
    assert registry.problem_folders()[advection.name] == advection
    assert registry.find_problem(advection.name).name == advection.name


def test_a_problem_of_another_name_than_its_folder_is_named_and_the_rest_works(monkeypatch, advection):
    monkeypatch.syspath_prepend(str(advection.parent))
    points = [importlib.metadata.EntryPoint("other_name", advection.name, "sciml.problems")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points if group == "sciml.problems" else [])
    assert "other_name" not in registry.problem_folders()
    assert "expected that name" in registry.problem_failures()["other_name"]
    with pytest.raises(UserError, match=r"'other_name' of group sciml\.problems cannot be used"):
        registry.problem("other_name")


def test_two_problems_of_one_name_are_an_error_only_where_they_are_asked_for(monkeypatch, tmp_path):
    (tmp_path / "shallow_water").mkdir()
    (tmp_path / "shallow_water" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [importlib.metadata.EntryPoint("shallow_water", "shallow_water", "sciml.problems")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points if group == "sciml.problems" else [])
    with pytest.raises(UserError, match="the name is taken by"):
        registry.problem("shallow_water")
    assert registry.problem("spiral").name == "spiral"


def test_everything_that_the_package_brings_works():
    assert registry.problem_failures() == {}
    for kind, base in (("solvers", Solver), ("tasks", Task), ("tools", Tool)):
        assert registry.failures(kind, base) == {}


def test_a_solver_in_a_module_of_its_own_is_found(monkeypatch, tmp_path):
    """Adding a solver is adding a module: nothing else is edited."""
    import sciml.solvers

    (tmp_path / "my_family.py").write_text(
        "from sciml.solvers.baselines import PersistenceSolver\n\n\n"
        "class Mine(PersistenceSolver):\n    key = 'mine'\n\n\nSOLVERS = (Mine(),)\n"
    )
    monkeypatch.setattr(sciml.solvers, "__path__", [*sciml.solvers.__path__, str(tmp_path)])
    assert find_solver("mine").key == "mine"


def test_two_folders_of_one_name_stay_apart(advection, tmp_path):
    """What the first one imports late, and its card, are its own when another of that name has been loaded."""
    one, other = (Path(shutil.copytree(advection, tmp_path / part / "twin_advection")) for part in "ab")
    for folder, number in ((one, 1), (other, 2)):
        code = (folder / "__init__.py").read_text().replace(advection.name, one.name)
        (folder / "__init__.py").write_text(code)
        (folder / "late.py").write_text(f"NUMBER = {number}\n")
    first, second = registry.find_problem(one), registry.find_problem(other)
    assert first is not second and first is registry.find_problem(one)
    assert [registry.folder_of(problem) for problem in (first, second)] == [one, other]
    assert registry.card_path(first).parent == one
    assert [registry.folder_of(pickle.loads(pickle.dumps(problem))) for problem in (first, second)] == [one, other]
    late = [importlib.import_module(".late", type(problem).__module__).NUMBER for problem in (first, second)]
    assert late == [1, 2]


def test_a_problem_that_two_threads_want_first_is_loaded_once(tmp_path):
    """The second used to find half of a module, or one that the first had just taken out."""
    folder = tmp_path / "slow_rotation"
    shutil.copytree(PROBLEMS / "plane_rotation", folder)
    code = (folder / "__init__.py").read_text().replace('name="plane_rotation"', 'name="slow_rotation"')
    (folder / "__init__.py").write_text("import time\ntime.sleep(0.05)\n" + code)
    with ThreadPoolExecutor(4) as pool:
        problems = list(pool.map(registry.find_problem, [folder] * 4))
    assert all(problem is problems[0] for problem in problems)
