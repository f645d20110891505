import errno
import multiprocessing
import os

import pytest

from sciml.core import paths
from sciml.core.errors import StorageError, UserError


@pytest.mark.parametrize("name", ["a", "shallow_water", "heat_2d", "x" * 64])
def test_good_names_pass(name):
    assert paths.check_name(name, "problem") == name


@pytest.mark.parametrize(
    "name", ["", "A", "2d", "a-b", "a/b", "..", "a\\b", "a b", "a.b", "a\n", "é", "x" * 65, "/etc", "a\x00"]
)
def test_names_that_could_be_paths_are_refused(name):
    with pytest.raises(UserError, match="lower snake case"):
        paths.check_name(name, "problem")


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path):
    target = tmp_path / "a.txt"
    paths.write_text(target, "old")
    with pytest.raises(RuntimeError), paths.atomic_write(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_temporary_lies_beside_the_target(tmp_path):
    with paths.atomic_write(tmp_path / "a.txt") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".tmp-")
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "no space left"), (errno.EROFS, "cannot write"), (errno.EACCES, "cannot write")],
)
def test_the_system_s_refusals_become_one_error(tmp_path, code, words):
    with pytest.raises(StorageError, match=words), paths.storage_errors(tmp_path):
        raise OSError(code, os.strerror(code))


def test_other_system_errors_pass(tmp_path):
    with pytest.raises(FileNotFoundError), paths.storage_errors(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "x")


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(StorageError, match="in the way"):
        paths.make_folder(tmp_path / "a" / "b")


def test_home_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "h"))
    assert paths.home() == tmp_path / "h"
    assert not (tmp_path / "h").exists()
    monkeypatch.delenv("SCIML_HOME")
    assert paths.home().name == "sciml"


def _hold(path, ready, release):
    with paths.locked(path, "holding"):
        ready.set()
        release.wait(20)


def test_a_held_lock_is_waited_for_then_reported(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / ".lock", ready, release))
    holder.start()
    try:
        assert ready.wait(20)
        with (
            pytest.raises(StorageError, match="another process has been generating"),
            paths.locked(tmp_path / ".lock", "generating", timeout=0.2),
        ):
            pass
    finally:
        release.set()
        holder.join()
    with paths.locked(tmp_path / ".lock", "generating", timeout=5.0):
        pass
