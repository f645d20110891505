"""The command line as a user meets it: arguments in; exit code, standard output and standard error out."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from sciml.testing import PROBLEMS

ROOT = Path(__file__).parents[2]
ADVECTION = PROBLEMS / "periodic_advection"
QUICK = ("model.levels=2", "model.waves=1", "model.width=4", "train.steps=4", 'baselines=["persistence","linear"]')


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        """Standard output, which must be one JSON document and nothing else, without NaN."""
        return json.loads(self.out, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))

    @property
    def complaint(self):
        """The error message: one paragraph, the last thing on standard error, with no traceback anywhere."""
        assert "Traceback" not in self.err
        last = self.err.rstrip("\n").splitlines()[-1]
        assert last.startswith("error: "), self.err
        assert last.endswith((".", "?", "continues", "there")), last
        return last.removeprefix("error: ")


@pytest.fixture
def quick():
    """Settings that make a run of the fixture problem take a second."""
    return tuple(word for setting in QUICK for word in ("--set", setting))


@pytest.fixture
def sciml(capsys, monkeypatch, tmp_path):
    """``sciml("show", "sinenet", "--json")``, in this process, in an empty folder."""
    from sciml.cli import main

    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["sciml", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return Answer(int(stopped.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def refused(sciml):
    """The message with which a command ends with exit code 2."""

    def call(*arguments):
        answer = sciml(*arguments)
        assert answer.code == 2, answer
        assert answer.out == ""
        return answer.complaint

    return call


@pytest.fixture
def start(tmp_path):
    """Start the command line as a process of its own, in the same empty folder."""
    started = []

    def begin(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "sciml", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished run of SineNet on the fixture problem; nobody changes it."""
    import sciml

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        return sciml.run(ADVECTION, settings=QUICK, out=tmp_path_factory.mktemp("runs")).folder


@pytest.fixture
def variant(tmp_path):
    """A changed copy of the fixture problem: ``variant(name, {old: new})`` gives its folder."""

    def make(name, changes):
        folder = tmp_path / "problems" / name
        folder.mkdir(parents=True)
        for file in ("__init__.py", "dataset.toml"):
            text = (ADVECTION / file).read_text().replace('name="periodic_advection"', f'name="{name}"')
            for old, new in changes.items():
                text = text.replace(old, new)
            (folder / file).write_text(text)
        return folder

    return make


@pytest.fixture
def small_disk(tmp_path):
    """``small_disk("size=192k")``: a folder on a file system of its own; called again, it changes the options."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mounted = False

    def mount(options):
        nonlocal mounted
        options = f"remount,{options}" if mounted else options
        result = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True
        )
        if result.returncode:
            pytest.skip(f"cannot mount a tmpfs here: {result.stderr.strip()}")
        mounted = True
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", folder], check=True)
