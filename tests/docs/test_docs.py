"""The documentation is true: its Python runs, its TOML parses, its commands exist, its links lead somewhere."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
import typer.main

from sciml.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "datasets" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
VERBS = typer.main.get_command(app)
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


LONG = {"docs/reduced_models.md-2"}
"""Blocks that take ten seconds; a reduced model of a table is also trained in tests/study."""


def blocks(language):
    for page in PAGES:
        for i, (kind, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if kind == language:
                name = f"{page.relative_to(ROOT)}-{i}"
                yield pytest.param(text, id=name, marks=[pytest.mark.slow] if name in LONG else [])


def commands():
    """Every ``sciml …`` in a shell block or between backticks."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shell = [line for kind, block in BLOCK.findall(text) if kind == "sh" for line in block.splitlines()]
        inline = re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
        for command in sorted({command.strip() for line in [*shell, *inline] for command in line.split("&&")}):
            if (
                command.startswith("sciml ")
                and "|" not in command
                and "…" not in command
                and command.split()[1].islower()
            ):
                yield pytest.param(command, id=f"{page.relative_to(ROOT)}: {command}")


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory):
    return tmp_path_factory.mktemp("docs_home")


@pytest.mark.parametrize("code", list(blocks("python")))
def test_python_blocks_run(code, tmp_path, monkeypatch, shared_home):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCIML_HOME", str(shared_home))
    names = {"__name__": "block"}
    exec(compile(code, "block", "exec"), names)
    assert len(names) > 2, "a block that defines nothing shows nothing"


@pytest.mark.parametrize("text", list(blocks("toml")))
def test_toml_blocks_parse(text):
    assert tomllib.loads(text)


@pytest.mark.parametrize("line", list(commands()))
def test_commands_exist_with_their_options(line):
    words, command = shlex.split(line, comments=True)[1:], VERBS
    context = click.Context(command, info_name="sciml")
    while isinstance(command, click.Group):
        verb = command.get_command(context, words[0])
        assert verb is not None, f"no verb {words[0]!r}"
        command, words = verb, words[1:]
        context = click.Context(command, parent=context)
        if not words and isinstance(command, click.Group):
            return
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
