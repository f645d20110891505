"""A run that begins with the weights of another one."""

import json

import pytest

from sciml.core.errors import ConfigError, DataError, UserError
from sciml.study import RunRequest, load_run, read_config, run

SMALL = ("task.case=line", "task.points=30", "model.width=6")


def request(out, steps, **more):
    settings = (*SMALL, f"train.steps={steps}", "train.evaluate_every=1", *more.pop("settings", ()))
    return RunRequest(problem="poisson", settings=settings, out=out, **more)


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(request(tmp_path_factory.mktemp("begun"), 12, settings=("model.embedding.fourier=4",)))


def test_it_goes_on_from_there(finished, tmp_path):
    """With another seed, whose random features would be others: they come along with the weights."""
    settings = ("model.embedding.fourier=4",)
    warm = run(request(tmp_path, 1, start=finished.folder, seed=1, settings=settings))
    assert losses(warm.folder)[0] < losses(finished.folder)[-1] < 0.2 * losses(finished.folder)[0]
    assert read_config(warm.folder).start.startswith(f"{finished.folder.name} (")
    assert load_run(warm.folder).module is not None
    with pytest.raises(ConfigError, match=r"started with other settings.*start"):
        run(request(tmp_path, 1, seed=1, settings=settings, resume=True))
    again = run(request(tmp_path, 1, seed=1, settings=settings, resume=True, start=finished.folder))
    assert again.folder == warm.folder


def test_what_cannot_be_begun_with_is_refused(finished, tmp_path):
    with pytest.raises(UserError, match="weights to begin with are those of another network"):
        run(request(tmp_path, 1, start=finished.folder, settings=("model.layers=3",)))
    with pytest.raises(DataError, match=r"config.json"):
        run(request(tmp_path, 1, start=tmp_path / "nothing"))
    with pytest.raises(UserError, match=r"weights of the same solver; got .*, a run of pinn; expected unet"):
        run(RunRequest(problem="shallow_water", solver="unet", out=tmp_path, start=finished.folder))
