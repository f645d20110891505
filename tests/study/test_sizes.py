"""Sizes that no machine has, and places where no run can be, are refused before data are made."""

import pytest

from sciml.core.errors import ConfigError, StorageError
from sciml.study import RunRequest, run


@pytest.mark.parametrize(
    "settings",
    [
        {"parameters": 10**12},
        {"settings": ["model.levels=2", "model.width=100000000"]},
        {"solver": "unet", "settings": ["model.levels=2", "model.width=100000000"]},
        {"solver": "fno", "settings": ["model.width=100000000"]},
    ],
    ids=["parameters", "sinenet", "unet", "fno"],
)
def test_a_network_that_no_machine_holds_is_refused_before_data_are_made(advection, tmp_path, monkeypatch, settings):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    with pytest.raises(ConfigError, match="needs more memory than there is"):
        run(RunRequest(problem=advection, out=tmp_path / "runs", **settings))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("obstacle", ["runs", "runs/periodic_advection"])
def test_a_place_where_no_run_can_be_is_refused_before_data_are_made(advection, tmp_path, monkeypatch, obstacle):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    (tmp_path / obstacle).parent.mkdir(exist_ok=True)
    (tmp_path / obstacle).touch()
    with pytest.raises(StorageError, match="because a file is in the way"):
        run(RunRequest(problem=advection, solver="linear", out=tmp_path / "runs"))
    assert not (tmp_path / "home").exists()
