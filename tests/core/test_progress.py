"""Where long work reports: lines in a pipe, bars in a notebook, and each only once."""

import io
import subprocess
import sys
import types

import pytest

from sciml.core.progress import (
    BarProgress,
    LineProgress,
    NotebookProgress,
    Progress,
    SilentProgress,
    interactive_progress,
    make_progress,
)


class Shown:
    """What IPython gives for a displayed object that may be displayed again in its place."""

    def __init__(self, first):
        self.texts = [self.text(first)]

    def update(self, again):
        self.texts.append(self.text(again))

    @staticmethod
    def text(bars):
        bundle = bars._repr_mimebundle_([], [])
        assert "<pre" in bundle["text/html"]
        return bundle["text/plain"]


@pytest.fixture
def notebook(monkeypatch):
    """A process that looks like the kernel of a notebook; the displays it was asked for."""
    displays = []
    package, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")

    def display(bars, display_id):
        assert display_id is True
        displays.append(Shown(bars))
        return displays[-1]

    package.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return displays


def test_a_notebook_shows_one_bar_per_task_redrawn_in_place(notebook, capfd):
    progress = interactive_progress()
    assert isinstance(progress, NotebookProgress)
    progress = NotebookProgress(every=0.0)
    with progress.task("training", 4, done=1) as advance:
        advance(note="loss 0.5")
        advance(2, note="loss 0.25")
    with progress.task("verifying", 2):
        pass
    progress.log("wrote a page")
    assert len(notebook) == 2
    texts = notebook[0].texts
    assert "1/4" in texts[0]
    assert "2/4" in texts[1]
    assert "loss 0.5" in texts[1]
    assert "4/4" in texts[-1]
    assert "loss 0.25" in texts[-1]
    assert "0/2" in notebook[1].texts[-1]
    out, err = capfd.readouterr()
    assert out == "wrote a page\n"  # the bars went nowhere else
    assert err == ""


def test_a_notebook_is_not_flooded_and_shows_where_an_error_came(notebook):
    progress = NotebookProgress(every=3600.0)
    with pytest.raises(ValueError, match="boom"), progress.task("training", 1000) as advance:
        for _ in range(500):
            advance()
        raise ValueError("boom")
    assert len(notebook[0].texts) == 2
    assert "500/1000" in notebook[0].texts[-1]


def test_a_program_is_silent_and_a_prompt_is_not(monkeypatch):
    assert isinstance(interactive_progress(), SilentProgress)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert isinstance(interactive_progress(), SilentProgress)  # a script with -i in a pipe
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(interactive_progress(), BarProgress)
    assert isinstance(make_progress(), BarProgress)
    assert isinstance(make_progress(quiet=True), SilentProgress)


def test_lines_in_a_pipe_come_now_and_then():
    stream = io.StringIO()
    with LineProgress(stream, every=0.0).task("training", 2) as advance:
        advance(note="loss 1")
        advance(note="loss 0")
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["training: 1/2 loss 1", "training: 2/2 loss 0"]
    assert lines[2].startswith("training: 2/2 in ")
    assert len(lines) == 3


def test_all_are_places_to_report():
    assert all(isinstance(kind(), Progress) for kind in (SilentProgress, LineProgress, BarProgress, NotebookProgress))


def test_asking_needs_no_notebook_software():
    code = (
        "import sys; from sciml.core.progress import interactive_progress; interactive_progress(); "
        "print([m for m in sys.modules if m.split('.')[0] in ('IPython', 'rich', 'torch')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
    assert out.stderr == ""


def test_a_kernel_shows_a_run(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    source = (
        "from sciml.core.progress import interactive_progress\n"
        "with interactive_progress().task('training', 3) as advance:\n"
        "    for _ in range(3):\n"
        "        advance()\n"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (output,) = notebook.cells[0].outputs  # one display and nothing on the streams
    assert output.output_type == "display_data"
    assert "3/3" in output.data["text/plain"]
