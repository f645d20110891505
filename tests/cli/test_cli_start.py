"""How the command line starts: fast, completable, as a module, into a pipe."""

import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "sciml", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_answers_before_one_wonders():
    """In processor time, which is the wall time of an idle machine and does not depend on what else runs here."""
    taken = []
    for _ in range(3):
        before = os.times()
        assert run("--help").returncode == 0
        after = os.times()
        taken.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert statistics.median(taken) < 0.5


def test_completion_knows_the_verbs_and_the_groups():
    answer = run(_SCIML_COMPLETE="complete_bash", COMP_WORDS="sciml da", COMP_CWORD="1")
    assert answer.stdout.split() == ["data"]
    answer = run(_SCIML_COMPLETE="complete_bash", COMP_WORDS="sciml data ", COMP_CWORD="2")
    assert {"generate", "import", "verify", "info", "export"} == set(answer.stdout.split())


def test_a_closed_pipe_is_no_error(tmp_path):
    listing = subprocess.Popen(
        [sys.executable, "-m", "sciml", "new", "problem", "heat", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    listing.stdout.close()
    assert listing.wait(60) == 0
    assert listing.stderr is not None
    with listing.stderr as err:
        assert b"Traceback" not in err.read()


def test_closed_output_is_no_error(monkeypatch):
    """``>&-``: Python then has None in the place of the stream, which no table can ask for its width."""
    from sciml.__main__ import start

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "argv", ["sciml", "list"])
    try:
        with pytest.raises(SystemExit) as stopped:
            start()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not stopped.value.code
    sys.stdout.close()
