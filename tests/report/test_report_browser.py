"""The pages as a browser lays them out: nothing overflows, every image is there, paper has no moving parts."""

import json
import re
import shutil
import subprocess

import pytest
from report_builders import make_problem, make_run, make_study
from task_runs import RUNS

from sciml.report import write_run, write_study

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

_PROBE = """<script>
addEventListener("load", () => {
  const images = [...document.images];
  const beside = [...document.querySelectorAll("main *, header *, footer *")].filter((element) =>
    !element.closest(".scroll, .equation, svg") && element.getBoundingClientRect().right > innerWidth + 1);
  parent.postMessage(JSON.stringify({
    width: innerWidth, page: document.documentElement.scrollWidth,
    beside: beside.map((element) => element.tagName + "." + element.className),
    broken: images.filter((image) => !image.naturalWidth).length, images: images.length,
    plots: [...document.querySelectorAll("figure svg")].map((svg) => svg.getBoundingClientRect().height),
    text: parseFloat(getComputedStyle(document.body).fontSize),
  }), "*");
});
</script>"""
_FRAME = """<!doctype html><iframe src="{name}" style="border:0;width:{width}px;height:900px"></iframe>
<script>addEventListener("message", (event) => {{ document.title = event.data; }});</script>"""


def _chromium(tmp_path, *arguments):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([*command, *arguments], capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


def _layout(page, width, tmp_path):
    """What a browser window `width` pixels wide makes of a page."""
    probed, frame = tmp_path / f"probed-{width}.html", tmp_path / f"frame-{width}.html"
    probed.write_text(page.read_text(encoding="utf-8").replace("</head>", _PROBE + "</head>"), encoding="utf-8")
    frame.write_text(_FRAME.format(name=probed.name, width=width))
    arguments = ("--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom", frame.as_uri())
    title = re.search(r"<title>(.*?)</title>", _chromium(tmp_path, *arguments))
    assert title, "the page did not load"
    return json.loads(title[1])


@pytest.fixture(scope="module")
def run_page(tmp_path_factory):
    return write_run(make_run(tmp_path_factory.mktemp("run"), samples=3), problem=make_problem())


@pytest.fixture(scope="module")
def study_page(tmp_path_factory):
    return write_study(make_study(tmp_path_factory.mktemp("study")))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("kind", ["run", "study"])
def test_nothing_overflows_and_every_image_loads(kind, width, run_page, study_page, tmp_path):
    layout = _layout(run_page if kind == "run" else study_page, width, tmp_path)
    assert layout["width"] == width
    assert layout["page"] <= width
    assert layout["beside"] == []
    assert layout["broken"] == 0
    assert layout["images"] == (0 if kind == "study" else 18)  # 3 moving, 9 rows of strips, 6 of best and worst
    assert min(layout["plots"]) > 150
    assert layout["text"] >= 16


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("task", RUNS)
def test_pages_of_tasks_without_space_do_not_overflow(task, width, task_folders, tmp_path):
    layout = _layout(task_folders[task] / "report.html", width, tmp_path)
    assert layout["page"] <= width
    assert layout["beside"] == []
    assert layout["broken"] == 0
    assert min(layout["plots"]) > 150
    assert (layout["images"] > 0) == (task in ("density", "collocation"))


def test_paper_shows_strips_and_no_animation(run_page, tmp_path):
    pdf = tmp_path / "page.pdf"
    _chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", run_page.as_uri())
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
    assert 3 <= pages <= 12
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed; the text on paper is not checked")
    text = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, check=True, timeout=60).stdout.decode()
    for words in ("Frame by frame", "Against the baselines", "Every metric", "t = 0.5"):
        assert words in text
    assert text.count("t = 0.5") == 3  # a strip for every field, where the screen has one
