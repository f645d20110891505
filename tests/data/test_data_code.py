"""What code a dataset's digest follows: the definitions that its problem reaches, and no others."""

import shutil
from pathlib import Path

import pytest

import sciml.reference
from sciml.core import registry
from sciml.data import code_digest, generate, make_layout

REFERENCE = Path(sciml.reference.__path__[0])
FLOW = "shallow_water_dam_break"


@pytest.fixture
def moved(tmp_path, monkeypatch):
    """A copy of a problem's folder and of `sciml.reference`, and a function that edits a file of either."""
    engine = Path(shutil.copytree(REFERENCE, tmp_path / "engine"))
    folder = Path(shutil.copytree(registry.folder_of(registry.problem(FLOW)), tmp_path / FLOW))
    shutil.copy(registry.card_path(registry.problem(FLOW)), folder / "dataset.toml")
    monkeypatch.setattr("sciml.data._code._FOLDER", engine)
    problem = registry.find_problem(folder)

    def edit(name, old, new, *, inside=engine):
        path = inside / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return code_digest(problem)

    return problem, folder, edit


def test_equal_code_has_one_digest_wherever_it_lies(moved):
    problem, _, _ = moved
    original = code_digest(registry.problem(FLOW))
    assert code_digest(problem) == original
    assert len(original) == 64
    assert code_digest(registry.problem("shallow_water")) != original


def test_changed_equations_change_it(moved):
    problem, folder, edit = moved
    seen = [code_digest(problem)]
    for name, old, new in (
        ("_shallow_water.py", "COURANT = 0.4", "COURANT = 0.3"),
        ("_shallow_water.py", "2 * c_right)", "3 * c_right)"),
        ("_finite_volume.py", "clamp_(min=0).mul_(2)", "clamp_(min=0).mul_(1)"),  # two modules away
        ("_stepping.py", "return (y + y1 + dt * tendency(y1)) / 2", "return y1"),
    ):
        seen.append(edit(name, old, new))
    seen.append(edit("equations.py", "GRAVITY = 1.0", "GRAVITY = 2.0", inside=folder))
    seen.append(edit("reference.py", "SAMPLES = 16", "SAMPLES = 8", inside=folder))
    assert len(set(seen)) == len(seen)


def test_words_and_code_that_nothing_reaches_do_not_change_it(moved):
    problem, folder, edit = moved
    before = code_digest(problem)
    assert edit("_shallow_water.py", "Exactly zero between equal states", "Zero between equal states") == before
    assert edit("_shallow_water.py", "# of pressure", "# of hydrostatic pressure") == before
    assert (
        edit("_finite_volume.py", "return torch.where(product > 0, 2 *", "return torch.where(product > 0, 3 *")
        == before
    )
    assert edit("_compressible.py", "COURANT = 0.4", "COURANT = 0.1") == before
    assert edit("_stepping.py", "y2 = 3 / 4 * y", "y2 = 1 / 4 * y") == before  # ssp_rk3
    assert edit("__init__.py", "Radial dam break (shallow water)", "A dam", inside=folder) == before
    assert edit("equations.py", "(hu.abs() + hv.abs()) / h", "hu / h", inside=folder) == before  # an invariant
    assert edit("_finite_volume.py", "GHOSTS = 2", "GHOSTS = 3") != before


def test_data_of_changed_code_is_made_again(variant, empty_home):
    first = generate(variant("before"), "tiny")
    changed = variant("after", {"return Trajectory(states,": "return Trajectory(1.5 * states,"})
    assert make_layout(changed, "tiny").folder != first.layout.folder
    assert code_digest(changed) != code_digest(first.problem)
