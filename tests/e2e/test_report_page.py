"""The page of a report in a real browser: it stands alone, explains itself, fits, and prints."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from results.store import Store
from tests.results.reports import small, written

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

CONTRASTS = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255).map(
      (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const words = [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!words || ["SCRIPT", "STYLE", "TITLE"].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const ink = parse(node.ownerSVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(node))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), node.tagName, node.textContent.trim().slice(0, 40)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small sweep."""
    store = Store(tmp_path_factory.mktemp("runs") / "small")
    small(store)
    return written(store, sweep_file={"name": "sweep/1.yaml", "text": "name: small\n"}).page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    unconfined = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=unconfined)
        yield started
        started.close()


class Opened:
    """The page in a tab, and what the browser complained of."""

    def __init__(self, browser: Any, file: Path, **settings: Any) -> None:
        self.tab = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **settings})
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.goto(file.as_uri())


def test_it_opens_from_a_file_without_a_word_or_a_request(browser: Any, page_file: Path) -> None:
    page = Opened(browser, page_file)
    assert page.tab.title().startswith("small: ")
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [page_file.as_uri()]
    page.tab.close()


def test_a_mark_explains_itself_under_the_pointer(browser: Any, page_file: Path) -> None:
    tab = Opened(browser, page_file).tab
    tip = tab.locator("#tooltip")
    assert not tip.is_visible()
    mark = tab.locator("#cliff svg .tip").nth(5)
    mark.hover()
    assert tip.is_visible()
    text = tip.inner_text()
    assert "topk, share" in text
    assert "sparsity 0." in text
    assert "trial topk-" in text
    box, screen = tip.bounding_box(), tab.viewport_size
    assert 0 <= box["x"] <= box["x"] + box["width"] <= screen["width"]
    tab.mouse.move(2, 2)
    assert not tip.is_visible()
    tab.close()


def test_the_keyboard_reaches_every_mark(browser: Any, page_file: Path) -> None:
    tab = Opened(browser, page_file).tab
    tip = tab.locator("#tooltip")
    tab.locator("#cliff svg .tip").first.focus()
    first = tip.inner_text()
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    assert tip.is_visible()
    assert tip.inner_text() != first
    focused = "document.activeElement.getAttribute('aria-label')"
    assert tab.evaluate(focused) == tip.inner_text()
    tab.keyboard.press("End")
    last = tab.locator("#cliff svg").first.locator(".tip").last
    assert tip.inner_text() == last.get_attribute("aria-label")
    tab.keyboard.press("Escape")
    assert not tip.is_visible()
    tab.keyboard.press("Home")
    assert tip.inner_text() == first
    tab.keyboard.press("Tab")
    inside = "document.activeElement.closest('svg') === document.querySelector('#cliff svg')"
    assert not tab.evaluate(inside), "one Tab leaves the drawing"
    tab.close()


def test_the_first_tab_skips_to_the_results(browser: Any, page_file: Path) -> None:
    tab = Opened(browser, page_file).tab
    tab.keyboard.press("Tab")
    skip = tab.locator(".skip")
    assert skip.bounding_box()["x"] >= 0
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#main"
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(browser: Any, page_file: Path, scheme: str) -> None:
    tab = Opened(browser, page_file, color_scheme=scheme).tab
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    tab.locator("#cliff svg .tip").first.focus()
    found = tab.evaluate(CONTRASTS)
    assert len(found) > 200
    assert [pair for pair in found if pair[0] < 4.5] == []
    surface = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (surface == "rgb(255, 255, 255)") == (scheme == "light")
    tab.close()


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_window(browser: Any, page_file: Path, width: int) -> None:
    tab = Opened(browser, page_file, viewport={"width": width, "height": 800}).tab
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    tab.close()


def test_words_of_a_drawing_stay_inside_it(browser: Any, page_file: Path) -> None:
    tab = Opened(browser, page_file).tab
    cut = tab.evaluate(
        """() => [...document.querySelectorAll("svg text")].filter((text) => {
          const inner = text.getBoundingClientRect();
          const outer = text.ownerSVGElement.getBoundingClientRect();
          return inner.left < outer.left - 2 || inner.right > outer.right + 2
            || inner.top < outer.top - 2 || inner.bottom > outer.bottom + 2;
        }).map((text) => text.textContent)"""
    )
    assert cut == []
    tab.close()


def test_it_reads_without_scripts(browser: Any, page_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page_file.as_uri())
    assert tab.locator("#cliff svg .tip title").count() > 10
    tab.locator("#cliff details summary").first.click()
    assert tab.locator("#cliff details table").first.is_visible()
    context.close()


def test_it_prints_in_ink_on_paper(browser: Any, page_file: Path, tmp_path: Path) -> None:
    tab = Opened(browser, page_file, color_scheme="dark").tab
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.locator("nav").is_visible()
    pdf = tab.pdf(path=tmp_path / "page.pdf", format="A4")
    assert pdf.startswith(b"%PDF")
    assert 2 <= pdf.count(b"/Type /Page\n") <= 12
    tab.close()
