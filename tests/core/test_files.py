"""Plain files of a bounded size are read, texts of a bounded depth, and folders that lead nowhere else."""

import os

import pytest

from sciml.core import files, paths
from sciml.core.config import read_json, read_toml
from sciml.core.errors import ConfigError, DataError, StorageError


@pytest.fixture
def strange(tmp_path):
    """Paths to what is no plain file, by name."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "link").symlink_to("plain")
    (tmp_path / "plain").write_text("{}")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", ["pipe", "circle", "folder", "/dev/zero", "/dev/null", "n" * 300, "a\0b"])
def test_what_is_no_plain_file_is_not_read(strange, name):
    with pytest.raises(DataError):
        read_json(strange / name)
    with pytest.raises(ConfigError):
        read_toml(strange / name)


@pytest.mark.parametrize(
    "name", ["pipe", "circle", "link", "folder", "/dev/null", "/dev/full", "plain/x", "n" * 300, "a\0b"]
)
def test_what_is_no_plain_file_is_not_written_over(strange, name):
    before = os.lstat(strange / name).st_mode if name in ("pipe", "circle", "link", "folder") else None
    with pytest.raises(StorageError):
        paths.write_text(strange / name, "new")
    if before is not None:
        assert os.lstat(strange / name).st_mode == before
    assert (strange / "plain").read_text() == "{}"
    assert not [entry for entry in os.listdir(strange) if entry.startswith(".tmp")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/dev/null", "/dev/null is a device, not a folder"),
        ("/dev/full/x", "/dev/full is a device, not a folder"),
        ("pipe/x", "pipe is a pipe, not a folder"),
        ("circle", "circle is a link that leads to no folder"),
        ("nowhere", "nowhere is a link that leads to no folder"),
        ("plain/x", "cannot be a folder because a file is in the way"),
        ("/proc/nothing/x", "no folder can be made at /proc/nothing/x"),
    ],
)
def test_what_is_no_folder_is_named_and_nobody_is_told_to_move_a_device(strange, name, words):
    (strange / "nowhere").symlink_to("nothing")
    with pytest.raises(StorageError) as raised:
        paths.make_folder(strange / name)
    assert words in str(raised.value)
    assert ("Move it away" in str(raised.value)) == (name == "plain/x")


def test_a_name_of_250_characters_is_written(tmp_path):
    paths.write_text(tmp_path / ("n" * 250), "new")
    assert (tmp_path / ("n" * 250)).read_text() == "new"


def test_a_tilde_is_no_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match="tilde"):
        paths.make_folder(paths.Path("~nobody/x"))
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_printed_is_escaped(tmp_path):
    assert paths.shown(paths.Path("\udcff\x1b[31m")) == "\\xff\\x1b[31m"
    assert len(paths.shown(paths.Path("n" * 5000))) < 200


TEXTS = {
    "deep": "[" * 70 + "]" * 70,
    "deeper": "[" * 100_000,
    "large number": "1" + "0" * 40,
    "larger number": "9" * 5000,
    "overflow": "1e999",
    "not a number": "[NaN]",
    "null character": '["a\\u0000b"]',
    "half a character": '{"\\ud800": 1}',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_json_without_bounds_is_refused(text):
    with pytest.raises(DataError, match="this text"):
        files.parse_json(text, "this text")


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 70 + "]" * 70, "a = " + "[" * 5000, "a = 1" + "0" * 40, "a = [", "= 1"]
)
def test_toml_without_bounds_is_refused(text):
    with pytest.raises(DataError, match="this text"):
        files.parse_toml(text, "this text")


def test_a_file_larger_than_its_limit_is_not_read(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(4 * 2**40)
    with pytest.raises(DataError, match="too large"):
        read_json(tmp_path / "sparse")


def test_a_file_that_may_not_be_read_is_no_bad_json(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text("{}")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    with pytest.raises(DataError, match="may not be read; got permission denied"):
        read_json(tmp_path / "a.json")


def test_a_folder_with_links_inside_of_itself_is_sealed(tmp_path):
    (tmp_path / "a").write_text("")
    (tmp_path / "b").symlink_to("a")
    assert files.check_sealed(tmp_path) == tmp_path
    (tmp_path / "c").symlink_to("..")
    with pytest.raises(DataError, match="a link, which leads out of it; got c"):
        files.check_sealed(tmp_path)
