"""Command lines that somebody might type by mistake or in bad faith, drawn from a seed.

A line begins as a verb with arguments that are right; then a few of them are exchanged for what is wrong: numbers
without bounds, paths to devices, pipes and folders, names with separators, code and letters of other scripts, files of
another kind. What verbs and options there are is read from the command line itself, so that a new one is drawn too.
"""

import contextlib
import os
import random
import socket

import click
import numpy as np
import typer
import xarray

TEXTS = (
    "",
    " ",
    "-",
    "--",
    ".",
    "..",
    "/",
    "\\",
    "../../../escaped",
    "a/b",
    "a\\b",
    "~nobody_here/x",
    "$HOME",
    "%s%n",
    "{{7*7}}",
    "{0}",
    "'; DROP TABLE runs; --",
    "<script>alert(1)</script>",
    "__import__('os').system('touch hacked')",
    "os.system",
    "$(touch hacked)",
    "`touch hacked`",
    "é",
    "名前",
    "\u202egnp",
    "a\tb",
    "a\nb",
    "\x1b[31mred",
    "\x7f",
    "\udcff",
    "x" * 300,
    "x" * 70_000,
    "nan",
    "inf",
    "-inf",
    "None",
    "null",
    "true",
    "[]",
    "{}",
    "[" * 2000,
    "1e999",
    "0x10",
    "1_000",
    "tiny",
    "sinenet",
    "spiral",
    "x=1",
    "=",
    "=1",
    "a=b=c",
    ":",
    "1:2:3",
    ",",
    ",,,",
    "u,v",
    "*",
)
NUMBERS = (
    "0",
    "1",
    "-1",
    "2",
    "3.5",
    "1e6",
    "1e30",
    "1e308",
    "-1e308",
    "1e999",
    "nan",
    "inf",
    "1000000",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999",
    "1" + "0" * 30,
    "9" * 5000,
    "-0",
    "1e-320",
    "two",
    "",
)
ADDRESSES = (
    "tcp://127.0.0.1:1",
    "tls://127.0.0.1:1",
    "tcp://",
    "http://x",
    "tcp://127.0.0.1:99999",
    "tcp://[::1",
    "127.0.0.1",
    "inproc://x",
    "ucx://x",
    "tls://",
)
VALUES = (*NUMBERS, "true", "[]", "[1,2,3]", "{}", '"x"', "[1e30]", "[[]]", '["persistence"]', "[0]", "[-1]")
NOT_ALONE = {"--open", "--install-completion", "--show-completion", "--help", "-h"}
"""Options that would open a browser or change the shell, and those that answer before anything else is read."""


class Lines:
    """Draws command lines.

    Arguments:
        seed: of all choices.
        base: right lines, as tuples of words.
        settings: names for ``--set`` by solver or tool.
        paths: files of every kind, and where none are.
    """

    def __init__(self, seed, base, settings, paths):
        from sciml.cli import app

        self.random = random.Random(seed)
        self.base, self.settings, self.paths = base, settings, paths
        self.verbs = _verbs(typer.main.get_command(app))

    def line(self):
        """One line, a tuple of words."""
        if self.random.random() < 0.03:
            return tuple(self.random.choice(TEXTS) for _ in range(self.random.randint(1, 4)))
        words = list(self.random.choice(self.base))
        for _ in range(self.random.choice((1, 1, 1, 2, 2, 3))):
            self.random.choice((self._exchange, self._exchange, self._option, self._option, self._set, self._drop))(
                words
            )
        return tuple(words)

    def _exchange(self, words):
        """Another value for one of its words, of the same or of another kind."""
        place = self.random.randrange(1, len(words)) if len(words) > 1 else 0
        words[place] = self._any()

    def _option(self, words):
        """A further option with a value of its kind, right or wrong."""
        verb = max((v for v in self.verbs if tuple(words[: len(v)]) == v), key=len, default=())
        options = self.verbs.get(verb)
        if not options:
            return
        option = self.random.choice(options)
        words.append(self.random.choice([o for o in option.opts if o.startswith("-")]))
        if not option.is_flag:
            words.append(self._of_type(option))

    def _of_type(self, option):
        name = str(option.type.name)
        if self.random.random() < 0.15:
            return self._any()
        if "scheduler" in option.name:
            return self.random.choice(ADDRESSES)
        if name in ("integer", "float") or "range" in name:
            return self.random.choice(NUMBERS)
        if name in ("path", "file", "directory"):
            return self.random.choice(self.paths)
        return self.random.choice((*TEXTS, *self.paths))

    def _set(self, words):
        """A setting of the solver or tool with a value that may be anything."""
        keys = next((keys for key, keys in self.settings.items() if key in words), ["train.steps", "nothing"])
        words += ["--set", f"{self.random.choice(keys)}={self.random.choice(VALUES)}"]

    def _drop(self, words):
        """One word less."""
        if len(words) > 1:
            del words[self.random.randrange(1, len(words))]

    def _any(self):
        return self.random.choice(self.random.choice((TEXTS, NUMBERS, self.paths)))


def _verbs(command, before=()):
    """Options by verb, which is a tuple of words."""
    if isinstance(command, click.Group):
        found = {}
        for name, inner in command.commands.items():
            found |= _verbs(inner, (*before, name))
        return found
    options = [o for o in command.params if isinstance(o, click.Option) and not NOT_ALONE & set(o.opts)]
    return {before: options}


def strange_places(folder):
    """Files that are none, by path: devices, pipes, sockets, links in circles, folders, files of other kinds, names."""
    (folder / "folder").mkdir()
    (folder / "empty").touch()
    (folder / "text.txt").write_text("nothing but words\n")
    (folder / "numbers.csv").write_text("a,b\n1,2\n3,x\n")
    (folder / "table.csv").write_text("t,x,y\n" + "".join(f"{i},{i * i},{-i}\n" for i in range(12)))
    (folder / "no_rows.csv").write_text("t,x,y\n")
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "deep.toml").write_text("a = " + "[" * 5000)
    (folder / "bad.toml").write_text("title = \n")
    (folder / "study.toml").write_text('title = "t"\nquestion = "q"\nproblem = "/tmp"\n')
    (folder / "latin").write_bytes(b"a,b\n\xe9,\xff\n")
    (folder / "zeros.bin").write_bytes(bytes(4096))
    (folder / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    (folder / "cut.npz").write_bytes(b"PK\x03\x04" + bytes(100))
    np.save(folder / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    xarray.Dataset({"u": ("sample", np.zeros(0))}).to_netcdf(folder / "no_samples.nc", engine="h5netcdf")
    (folder / "to_nowhere").symlink_to("nothing")
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    with contextlib.chdir(folder):  # the names of sockets are short
        listener.bind("socket")
    listener.close()
    inside = [entry.name for entry in folder.iterdir()]
    return (
        *inside,
        *(f"{name}/x" for name in ("empty", "circle", "folder", "pipe", "new/folder")),
        "/dev/null",
        "/dev/full",
        "/dev/zero",
        "/dev/null/x",
        "nothing",
        "~nobody_here/x",
        "\udcff.nc",
        "n" * 250 + ".nc",
        "n" * 300,
        "new.nc",
        "new.csv",
        "a\0b",
        "/proc/self/mem",
        "/proc/1/environ",
        "",
    )
