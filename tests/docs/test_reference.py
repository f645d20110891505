"""The reference of the documentation: it covers what is public, and docstrings reach Sphinx as they are meant."""

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sciml

DOCS = Path(__file__).parents[2] / "docs"
MODULES = {
    "sciml.models",
    "sciml.metrics",
    "sciml.ode",
    "sciml.discovery",
    "sciml.data",
    "sciml.core.statement",
    "sciml.core.errors",
    "sciml.testing",
}
DOCSTRING = """Lift |u|, mix *space, keep u_x; see `relative_l2`, `gain` and ``f(*args)``.

    v_0 = P(u, x)

    v_1 = |v_0|

Plain text
with a second line:
    an aside
Arguments:
    x, y: of the *grid*.
        Continued.
    gain: the `Metric`-like k_1.

Returns: the norm
    of both.

Raises:
    UserError: shapes differ.

- a point of
  two lines
- another
"""


@pytest.fixture(scope="module")
def docstrings():
    """The extension, which lies beside the pages and is no package."""
    spec = importlib.util.spec_from_file_location("docstrings", DOCS / "_extensions" / "docstrings.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["docstrings"] = module  # where its data class looks for its annotations
    spec.loader.exec_module(module)
    yield module
    del sys.modules["docstrings"]


def test_docstrings_become_text_code_links_and_sections(docstrings):
    importlib.import_module("sciml.metrics")
    lines = DOCSTRING.splitlines()
    docstrings.rewrite(None, "function", "sciml.metrics.rmse", None, None, lines)
    text = "\n".join(lines).replace("\\ ", "")
    assert text.startswith(r"Lift \|u\|, mix \*space, keep u\_x; see :py:obj:`relative_l2`, ``gain`` and ``f(*args)``.")
    assert "::\n\n    v_0 = P(u, x)\n\n    v_1 = |v_0|\n" in text
    assert "Plain text\nwith a second line:\n\n::\n\n    an aside\n" in text
    assert "**Arguments**\n\n\n``x``, ``y``\n    of the \\*grid\\*.\n    Continued.\n" in text
    assert "``gain``\n    the :py:obj:`Metric`-like k\\_1.\n" in text
    assert "**Returns** – the norm\nof both.\n" in text
    assert "``UserError``\n    shapes differ.\n" in text
    assert text.rstrip().endswith("- a point of\n  two lines\n- another")


def test_the_reference_covers_what_is_public():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    assert set(re.findall(r"automodule:: (\S+)", pages)) == MODULES
    verbs = {name for name in sciml.__all__ if callable(getattr(sciml, name))}
    assert set(re.findall(r"autofunction:: sciml\.(?:api\.)?(\w+)", pages)) == verbs


@pytest.mark.parametrize("name", sorted(MODULES - {"sciml.core.statement", "sciml.core.errors"}))
def test_everything_public_has_words(name):
    module = importlib.import_module(name)
    assert module.__doc__
    silent = [
        public
        for public in module.__all__
        if (inspect.isclass(value := getattr(module, public)) or inspect.isroutine(value)) and not value.__doc__
    ]
    assert not silent


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("furo")
    pytest.importorskip("myst_nb")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "api" / "models.html").read_text(encoding="utf-8")
    assert "Lift, mix the lowest Fourier modes" in page
    assert re.search(r"in_channel.*\*space", re.sub(r"<[^>]+>", "", page))  # shapes of tensors
