"""Pages in headless Chromium."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_CHROMIUM = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

_PROBE = """<script>
addEventListener("load", () => {
  const images = [...document.images], letters = [...document.querySelectorAll("svg text")];
  const beside = [...document.querySelectorAll("main *, header *, footer *")].filter((element) =>
    !element.closest(".scroll, .equation, svg") && element.getBoundingClientRect().right > innerWidth + 1);
  const cut = letters.filter((letter) => {
    const inner = letter.getBoundingClientRect(), outer = letter.ownerSVGElement.getBoundingClientRect();
    return inner.right > outer.right + 1 || inner.left < outer.left - 1 || inner.bottom > outer.bottom + 1;
  });
  parent.postMessage({
    name: location.pathname.split("/").pop(), width: innerWidth, page: document.documentElement.scrollWidth,
    beside: beside.map((element) => element.tagName + "." + element.className),
    narrow: [...document.querySelectorAll("th, td")].filter((cell) => cell.scrollWidth > cell.clientWidth + 1)
      .map((cell) => cell.textContent),
    cut: cut.map((letter) => letter.textContent),
    broken: images.filter((image) => !image.naturalWidth).length, images: images.length,
    plots: [...document.querySelectorAll("figure svg")].map((svg) => svg.getBoundingClientRect().height),
    text: parseFloat(getComputedStyle(document.body).fontSize),
  }, "*");
});
</script>"""
_FRAME = """<!doctype html><script>
const seen = [];
addEventListener("message", (event) => { seen.push(event.data); document.title = JSON.stringify(seen); });
</script>"""
WIDTHS = (390, 1200)


def chromium(tmp_path, *arguments):
    """What the browser writes on standard output."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([*command, *arguments], capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


def layouts_of(pages, tmp_path):
    """What browser windows of `WIDTHS` make of pages, all at once, since starting a browser takes seconds."""
    frames = [_FRAME]
    for name, page in pages.items():
        probed = page.read_text(encoding="utf-8").replace("</head>", _PROBE + "</head>")
        (tmp_path / f"{name}.html").write_text(probed, encoding="utf-8")
        frames += [f'<iframe src="{name}.html" style="border:0;width:{w}px;height:900px"></iframe>' for w in WIDTHS]
    frame = tmp_path / "frame.html"
    frame.write_text("".join(frames))
    arguments = ("--window-size=1400,1000", "--virtual-time-budget=60000", "--dump-dom", frame.as_uri())
    title = re.search(r"<title>(.*?)</title>", chromium(tmp_path, *arguments), re.DOTALL)
    assert title, "no page loaded"
    seen = {
        (layout["name"].removesuffix(".html"), layout["width"]): layout for layout in json.loads(unescape(title[1]))
    }
    assert seen.keys() == {(name, width) for name in pages for width in WIDTHS}
    return seen


def check_layout(layout):
    """Nothing reaches beyond the window or out of its figure, and every picture is there."""
    assert layout["page"] <= layout["width"]
    assert layout["beside"] == []
    assert layout["cut"] == []
    assert layout["narrow"] == []  # words of a cell that lie over those of the next one
    assert layout["broken"] == 0
    assert layout["text"] >= 16
