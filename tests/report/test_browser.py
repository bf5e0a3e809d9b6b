"""The page in a browser: headings sort, filters hide, and no script fails."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lensproc.report.page import Page
from tests.report.documents import Element, parse

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=5000",
    "--dump-dom",
)


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium or Chrome is installed")
    return found


class Opened:
    """The document after its scripts ran."""

    def __init__(self, document: Element) -> None:
        (self.html,) = document.all("html")
        (table,) = document.all("table", id="cutouts")
        self.headings = {th.attributes["data-name"]: th for th in table.all("thead")[0].all("th")}
        self.rows = table.all("tbody")[0].all("tr")
        self.articles = document.all("article")
        self.count = document.all("output")[0].text

    def column(self, name: str) -> list[str]:
        index = list(self.headings).index(name)
        cells = [row.children[index] for row in self.rows]
        return [cell.attributes["data-v"] for cell in cells]  # type: ignore[union-attr]

    @property
    def visible(self) -> list[str]:
        return [row.children[0].text for row in self.rows if "hidden" not in row.attributes]  # type: ignore[union-attr]


def opened(browser: str, folder: Path, html: str, address: str = "", script: str = "") -> Opened:
    """Open the page, with a script run after its own as a user's hand would."""
    path = folder / "page.html"
    path.write_text(html.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    flags = [*FLAGS, f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [browser, *flags, f"{path.as_uri()}{address}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    page = Opened(parse(done.stdout))
    assert page.html.attributes.get("data-error") is None
    assert page.html.attributes["data-ready"] == "true"
    return page


def numbers(values: list[str]) -> list[float]:
    return [float(value) for value in values if value]


def test_it_opens_with_the_worst_first(browser: str, tmp_path: Path, example_page: Page) -> None:
    page = opened(browser, tmp_path, example_page.html)
    assert page.count == "5 of 5"
    assert page.column("QASTAT")[0] == "0"
    assert [row.attributes["data-panel"] for row in page.rows] == [a.attributes["id"] for a in page.articles]


def test_a_heading_sorts_up_then_down_and_the_panels_follow(
    browser: str, tmp_path: Path, example_page: Page
) -> None:
    click = "document.querySelector('[data-name=QACHI2] button').click();"
    up = opened(browser, tmp_path, example_page.html, script=click)
    assert numbers(up.column("QACHI2")) == sorted(numbers(up.column("QACHI2")))
    assert up.headings["QACHI2"].attributes["aria-sort"] == "ascending"
    assert up.headings["QASTAT"].attributes["aria-sort"] == "none"
    assert [row.attributes["data-panel"] for row in up.rows] == [a.attributes["id"] for a in up.articles]
    down = opened(browser, tmp_path, example_page.html, script=2 * click)
    assert numbers(down.column("QACHI2")) == numbers(up.column("QACHI2"))[::-1]
    assert down.headings["QACHI2"].attributes["aria-sort"] == "descending"


def test_filters_hide_rows_and_panels(browser: str, tmp_path: Path, example_page: Page) -> None:
    page = opened(browser, tmp_path, example_page.html, "#verdict=LOST&sort=QANLOST&order=desc")
    assert [name.split(" [")[0] for name in page.visible] == ["erased.fits"]
    assert page.count == "1 of 5"
    assert sum("hidden" not in article.attributes for article in page.articles) == 1


def test_status_and_name_filter_by_hand(browser: str, tmp_path: Path, example_page: Page) -> None:
    script = (
        "const box = document.querySelector('[name=stat][value=FAIL]'); box.checked = false;"
        "document.querySelector('[name=find]').value = 'IDEAL';"
        "box.dispatchEvent(new Event('input', {bubbles: true}));"
    )
    page = opened(browser, tmp_path, example_page.html, script=script)
    assert [name.split(" [")[0] for name in page.visible] == ["ideal.fits"]


def test_blinking_shows_the_input_in_the_output_s_place(
    browser: str, tmp_path: Path, example_page: Page
) -> None:
    script = (
        "const figures = document.querySelector('article').querySelectorAll('figure');"
        "const before = figures[0].querySelector('img').src;"
        "document.querySelector('.blink').click();"
        "setTimeout(() => { document.documentElement.dataset.same ="
        " String(figures[1].querySelector('img').src === before); }, 1000);"
    )
    page = opened(browser, tmp_path, example_page.html, script=script)
    assert page.html.attributes["data-same"] == "true"
