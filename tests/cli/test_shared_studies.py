"""Folders of studies that somebody else sent: other values of any kind in their JSON end in an answer or in words."""

import json
import random
import shutil

import pytest
from test_cli_hostile import CODES, bounded, ending  # noqa: F401 (a fixture)
from test_shared_files import PAYLOADS, TRAP, files_of

from sciml.cli import main  # noqa: F401 (imported before memory is limited)

VALUES = (None, True, -1, 0.5, 10**30, 1e300, [], {}, [[]], {"a": {}}, *PAYLOADS)
STUDY = """title = "Waves"
question = "Does a net beat a line?"
problem = "spiral"
preset = "tiny"
seeds = [0]
metrics = ["rollout/relative_l2"]
budgets = ["steps", "time"]
clock = "net"

[[variants]]
name = "line"
label = "A line"
solver = "linear_ode"

[[variants]]
name = "net"
label = "A net"
solver = "neural_ode"
settings = ["train.steps=2", "model.width=4"]

[[claims]]
text = "The net is better"
metric = "rollout/relative_l2"
better = "net"
worse = "line"
"""
VERBS = (("report", "reports/waves"), ("study", "waves.toml", "--draft"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished study: its file, and the folder of its results, with the data beside it."""
    place = tmp_path_factory.mktemp("study")
    (place / "waves.toml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(place / "home"))
        patch.chdir(place)
        code, err = ending(("study", "waves.toml", "--draft"))
        assert code == 0, err
    return place


def places_of(value, path=()):
    """Paths to all values inside of a JSON value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places_of(inner, (*path, key))


def exchanged(value, path, other):
    """A copy with another value at `path`, or without it for ``...``."""
    copy = at = json.loads(json.dumps(value))
    *before, last = path
    for key in before:
        at = at[key]
    if other is ...:
        del at[last]
    else:
        at[last] = other
    return copy


def walk(folder, path, draw, every):
    """Exchange every so many-th value of a file of JSON, or of lines of it, and use the study; what ended wrongly."""
    lines = path.suffix == ".jsonl"
    text = path.read_text()
    content = [json.loads(line) for line in text.splitlines()] if lines else json.loads(text)
    kept = {file: file.read_bytes() for file in (folder / "reports").rglob("*.json*")}
    wrong, before = [], files_of(folder)
    for place in list(places_of(content))[draw.randrange(every) :: every]:
        other = draw.choice((*VALUES, ..., ...))
        changed = exchanged(content, place, other.replace("{here}", str(folder)) if isinstance(other, str) else other)
        path.write_text("".join(json.dumps(entry) + "\n" for entry in changed) if lines else json.dumps(changed))
        for verb in VERBS:
            code, err = ending(verb)
            if code not in CODES or "Traceback" in err:
                wrong.append((path.name, place, str(other)[:60], verb[0], str(code)[-600:]))
        for file, unchanged in kept.items():
            file.write_bytes(unchanged)
    strays = {p for p in files_of(folder) if p not in before and p.parts[0] not in ("reports", "home", "runs")}
    assert not strays
    return wrong


@pytest.fixture
def sent(finished, tmp_path, monkeypatch):
    """A copy of the study beside a folder that leaves a mark when it is imported."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap" / "__init__.py").write_text(TRAP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("name", ["study.json", "results.jsonl", "clock.json"])
def test_no_value_of_a_study_breaks_what_reads_it(sent, bounded, name):  # noqa: F811
    wrong = walk(sent, sent / "reports" / "waves" / name, random.Random(name), 12)
    assert not wrong, wrong
    assert not list(sent.rglob("executed")) and not list(sent.rglob("hacked"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["study.json", "results.jsonl", "clock.json"])
def test_no_value_of_a_study_breaks_what_reads_it_anywhere(sent, bounded, name, seed):  # noqa: F811
    wrong = walk(sent, sent / "reports" / "waves" / name, random.Random(f"{name} {seed}"), 1)
    assert not wrong, wrong
    assert not list(sent.rglob("executed")) and not list(sent.rglob("hacked"))
