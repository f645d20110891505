"""A task of another package, found by its entry point, is shown by its own view and template."""

import json

import pytest
from report_builders import Page, make_problem, make_run

from sciml.report import write_run
from sciml.train import find_task

MODULE = """
from pathlib import Path

from sciml import draw
from sciml.metrics import Metric
from sciml.tasks.forecast import Forecast
from sciml.train import Shown, View


def show(view):
    figures = draw.training(view.log, view.solver.best_step)
    return Shown({"plots": {"training": figures}, "greeting": f"{view.solver.title} <says> hello"}, figures)


class Greeting(Forecast):
    key = "greeting"
    metrics = (Metric("warmth", "warmth of the greeting", better="higher", headline=True),)
    view = View(show, Path(__file__).with_name("view.html.j2"), samples="guests", counted="greeting", timed="greeting")


GREETING = Greeting()
"""
TEMPLATE = '{% extends "run.html.j2" %}{% block shown %}<section><p>{{ greeting }}</p></section>{% endblock %}'


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A package outside of this one with the entry point of a task."""
    home = tmp_path / "site"
    (home / "stranger_greeting").mkdir(parents=True)
    (home / "stranger_greeting" / "__init__.py").write_text(MODULE)
    (home / "stranger_greeting" / "view.html.j2").write_text(TEMPLATE)
    info = home / "stranger_greeting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger-greeting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sciml.tasks]\ngreeting = stranger_greeting:GREETING\n")
    monkeypatch.syspath_prepend(home)
    return home


def test_a_task_of_another_package_has_its_page(stranger, tmp_path):
    assert find_task("greeting").view.samples == "guests"
    folder = make_run(tmp_path / "run", rank=0)
    record = json.loads((folder / "record.json").read_text()) | {"task": "greeting"}
    for entry, value in ((record, 3.0), (record["baselines"]["unet"], 2.0)):
        entry["metrics"] = {"test": {"warmth": value}}
    (folder / "record.json").write_text(json.dumps(record))
    text = Page(write_run(folder, problem=make_problem(0)).read_text(encoding="utf-8")).text
    assert "SineNet <says> hello" in text
    assert "SineNet beats U-Net (equal size) in warmth of the greeting: 3.00 vs 2.00" in text
    assert "operations per greeting" in text
