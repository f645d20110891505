"""The container's recipe, as far as it can be held without a container: its instructions, files and commands exist."""

import fnmatch
import json
import re
import shlex
import tomllib
from pathlib import Path

import typer.main

from sciml.cli import app

ROOT = Path(__file__).parents[1]
INSTRUCTIONS = {"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}


def instructions():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def values(name):
    return [rest for instruction, rest in instructions() if instruction == name]


def test_every_instruction_is_one():
    assert {name for name, _ in instructions()} <= INSTRUCTIONS
    assert instructions()[0][0] == "FROM"


def test_the_image_has_a_python_that_the_package_takes():
    (image,) = values("FROM")
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim", image)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"Programming Language :: Python :: {version[1]}.{version[2]}" in project["classifiers"]
    assert "'.[export]'" in " ".join(values("RUN"))
    assert "export" in project["optional-dependencies"]


def test_what_is_copied_exists_and_is_all_that_the_wheel_needs():
    copied = {source for line in values("COPY") for source in shlex.split(line)[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["packages"], *wheel["force-include"], "pyproject.toml"} <= copied
    assert {project["project"]["readme"], *project["project"]["license-files"]} <= copied
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"]
    assert all(any(fnmatch.fnmatch(source, pattern) for pattern in kept) for source in copied)


def test_it_runs_commands_that_exist_as_nobody_special():
    (entry,), (default,) = (json.loads(line) for line in (values("ENTRYPOINT")[0], values("CMD")[0]))
    assert entry == "sciml"
    assert default == "--help"
    commands = set(typer.main.get_command(app).commands)
    run = " ".join(values("RUN"))
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    verbs = re.findall(r"&& sciml (\w+)", run) + re.findall(r"\bsciml (run)\b", text)
    assert verbs
    assert set(verbs) <= commands
    users = [i for i, (name, _) in enumerate(instructions()) if name == "USER"]
    assert users
    assert all(name in ("WORKDIR", "ENTRYPOINT", "CMD") for name, _ in instructions()[users[-1] + 1 :])
    assert values("USER")[-1] in run
