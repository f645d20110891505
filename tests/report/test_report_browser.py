"""The pages as a browser lays them out: nothing overflows, every image is there, paper has no moving parts."""

import json
import re
import shutil
import subprocess

import pytest
from browser import NEEDS_CHROMIUM, WIDTHS, check_layout, chromium, layouts_of
from report_builders import make_problem, make_run, make_study

from sciml.report import write_index, write_run, write_study
from sciml.train import registered_tasks

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def run_page(tmp_path_factory):
    return write_run(make_run(tmp_path_factory.mktemp("run"), samples=3), problem=make_problem())


@pytest.fixture(scope="module")
def layouts(run_page, task_folders, other_folders, tmp_path_factory):
    place = tmp_path_factory.mktemp("layouts")
    pages = {task: folder / "report.html" for task, folder in (task_folders | other_folders).items()}
    labels = ("block.field.network.layers.0.weight", "U-Net", "Persistence")  # no word of the first can be broken
    study = write_study(make_study(tmp_path_factory.mktemp("study"), labels=labels))
    return layouts_of({**pages, "run": run_page, "study": study, "index": write_index(study.parent.parent)}, place)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", ["run", "study", "index"])
def test_nothing_overflows_and_every_image_loads(page, width, layouts):
    layout = layouts[page, width]
    check_layout(layout)
    assert layout["images"] == (15 if page == "run" else 0)  # 9 rows of strips, 6 of best and worst
    assert min(layout["plots"], default=200) > 150


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("task", sorted(registered_tasks()))
def test_pages_of_every_task_do_not_overflow(task, width, layouts):
    layout = layouts[task, width]
    check_layout(layout)
    assert min(layout["plots"]) > 150
    assert (layout["images"] > 0) == (task in ("density", "collocation", "forecast", "operator"))


_WIND = """<script>
addEventListener("load", () => {
  const slider = document.querySelector("input[type=range]");
  slider.value = 3;
  slider.dispatchEvent(new Event("input"));
  const reels = [...document.querySelectorAll(".reel")].map((reel) => getComputedStyle(reel).backgroundPosition);
  const clock = document.querySelector(".clock").getBoundingClientRect();
  const seen = [...document.querySelectorAll(".clock span")].filter((span) => {
    const box = span.getBoundingClientRect();
    return box.top >= clock.top - 1 && box.bottom <= clock.bottom + 1;
  });
  document.title = JSON.stringify([reels, seen.map((span) => span.textContent)]);
});
</script>"""


def test_a_slider_winds_all_films_together(run_page, tmp_path):
    page = tmp_path / "wound.html"
    page.write_text(run_page.read_text(encoding="utf-8").replace("</head>", _WIND + "</head>"), encoding="utf-8")
    title = re.search(r"<title>(.*?)</title>", chromium(tmp_path, "--dump-dom", page.as_uri()))
    reels, times = json.loads(title[1])
    assert len(reels) == 9
    assert set(reels) == {"0px 60%"}  # the fourth of six frames
    assert times == ["t = 2"]


def test_paper_shows_strips_and_no_animation(run_page, tmp_path):
    pdf = tmp_path / "page.pdf"
    chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", run_page.as_uri())
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
    assert 3 <= pages <= 12
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed; the text on paper is not checked")
    text = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, check=True, timeout=60).stdout.decode()
    for words in ("Frame by frame", "Against the baselines", "Every metric", "t = 0.5"):
        assert words in text
    assert text.count("t = 0.5") == 3  # a strip for every field, where the screen has one
