"""Interrupts of a process that is ours."""

import importlib
import os
import signal
import sys
import time
from contextlib import suppress
from multiprocessing import util

import pytest

from sciml.core.processes import Interrupt, processes, terminations_interrupt

SLOW = """
import os, signal, time
os.kill(os.getpid(), signal.{name})
for _ in range({steps}):
    time.sleep(0.01)
whole = True
"""


@pytest.fixture
def slow_import(tmp_path, monkeypatch):
    """``slow_import(signal, steps)``: imports a module that is interrupted, and then takes that many hundredths."""
    monkeypatch.syspath_prepend(tmp_path)

    def begin(name, steps):
        (tmp_path / "half_way.py").write_text(SLOW.format(name=name, steps=steps))
        importlib.invalidate_caches()
        try:
            return importlib.import_module("half_way")
        finally:
            time.sleep(0.2)  # where the interrupt comes that had to wait

    yield begin
    sys.modules.pop("half_way", None)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_waits_for_an_import_to_end(slow_import, name):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminations_interrupt():
        slow_import(name, 10)
    assert sys.modules["half_way"].whole
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_but_not_for_one_without_end(slow_import, monkeypatch):
    monkeypatch.setattr(Interrupt, "PATIENCE", 0.1)
    with pytest.raises(KeyboardInterrupt), terminations_interrupt():
        slow_import("SIGTERM", 500)
    assert "half_way" not in sys.modules


def test_an_interrupt_waits_for_a_worker_to_be_started(monkeypatch, capfd):
    spawned, workers = util.spawnv_passfds, []

    def interrupted(program, words, files):
        started = spawned(program, words, files)
        if any("spawn_main" in os.fsdecode(word) for word in words):
            workers.append(started)
            os.kill(os.getpid(), signal.SIGTERM)  # before it is told what to do
            time.sleep(0.1)
        return started

    monkeypatch.setattr(util, "spawnv_passfds", interrupted)
    with pytest.raises(KeyboardInterrupt), terminations_interrupt(), processes(1) as pool:
        pool.submit(time.sleep, 30).result()
    with suppress(ChildProcessError):  # the pool has waited for it
        os.waitpid(workers[0], 0)
    assert "Traceback" not in capfd.readouterr().err  # a worker that is told nothing says EOFError


def test_an_interrupt_that_is_switched_off_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with terminations_interrupt():
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
