"""The report in Chromium: no request, no foreign script, interactive charts, nothing cut off at any width."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from facegap.report.page import add_report
from facegap.store.run import Run
from fixtures.settings import audited

PATIENCE_MS = 120_000  # other processes may be running
HOSTILE = '<script>document.title="owned"</script><img src=x onerror=alert(1)>'
PAGE = "report.html"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory, draw: Any, toys: Any) -> Path:
    """A run of illustrated people, some with a label that is HTML."""
    folder = tmp_path_factory.mktemp("hostile")
    lines = []
    for number in range(6):
        cv2.imwrite(str(folder / f"{number}.png"), draw(green=204 if number % 2 else 51))
        label = HOSTILE.replace('"', '""') if number < 3 else "plain"
        lines.append(f'{number}.png,{"f" if number % 3 else "m"},"{label}"')
    manifest = folder / "people.csv"
    manifest.write_text("image,gender,kind\n" + "\n".join(lines) + "\n", encoding="utf-8")
    out = folder / "run"
    run = audited(manifest, out=out, min_subjects=2, **toys.two)
    add_report(out, run, include_ids=True)
    return out


@pytest.fixture
def page(chromium: Any, run_folder: Path) -> Iterator[Any]:
    """The opened page, with every request and dialog recorded on it."""
    opened = chromium.new_page(viewport={"width": 390, "height": 800})
    opened.set_default_timeout(PATIENCE_MS)
    opened.asked = []
    opened.dialogs = []
    opened.complaints = []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("console", lambda message: opened.complaints.append(message.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("dialog", lambda dialog: (opened.dialogs.append(dialog.message), dialog.dismiss()))
    opened.goto((run_folder / PAGE).as_uri())
    yield opened
    opened.close()


DRAWN = "html[data-charts=drawn]"
OVERFLOWING = """
[...document.querySelectorAll("table, figure img, pre, p, li, h1, h2, h3")].filter(
  (shown) => shown.getClientRects().length && shown.getBoundingClientRect().right > document.documentElement.clientWidth + 1
).map((shown) => shown.textContent.slice(0, 60))
"""
# WCAG contrast of every text with the nearest background behind it; large letters need 3, others 4.5.
FAINT = """
() => {
  const part = (c) => { const s = c / 255; return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; };
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a] = numbers(getComputedStyle(at).backgroundColor);
      if (a === undefined || a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest("script, style, svg, [hidden]")) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(numbers(style.color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) found.push([ratio, walker.currentNode.textContent.slice(0, 40)]);
  }
  return found;
}
"""


def open_page(chromium: Any, folder: Path, width: int, **options: Any) -> Any:
    """A page of a given width, with its charts rendered if scripts run."""
    opened = chromium.new_page(viewport={"width": width, "height": 900}, **options)
    opened.set_default_timeout(PATIENCE_MS)
    opened.goto((folder / PAGE).as_uri())
    if options.get("java_script_enabled", True):
        opened.wait_for_selector(DRAWN)
    return opened


@pytest.fixture(scope="module")
def verification(compared_run: tuple[Path, Run]) -> Path:
    """The folder of a verification run of three towns by two genders, with its report."""
    folder, run = compared_run
    add_report(folder, run, include_ids=True)
    return folder


def test_the_page_asks_for_nothing_but_itself(page: Any, run_folder: Path) -> None:
    page.wait_for_selector(DRAWN)
    assert [address for address in page.asked if not address.startswith("data:")] == [(run_folder / PAGE).as_uri()]
    assert page.complaints == []


def test_a_label_that_is_html_is_shown_as_text_and_runs_nothing(page: Any) -> None:
    page.wait_for_selector(DRAWN)
    assert page.title() == "facegap: error rates by group"
    assert page.dialogs == []
    assert page.locator("img:not(figure.chart img)").count() == 0
    assert page.get_by_text(HOSTILE).count() > 0


def test_no_script_of_anybody_else_runs_even_if_it_got_into_the_page(
    chromium: Any, verification: Path, tmp_path: Path
) -> None:
    owned = "document.title = 'owned'"
    foreign = f'<script>{owned}</script><img src=x onerror="{owned}"></main>'
    (tmp_path / PAGE).write_text((verification / PAGE).read_text().replace("</main>", foreign))
    page = open_page(chromium, tmp_path, 800)
    assert page.title() == "facegap: error rates by group"
    page.evaluate("setTimeout(\"document.title = 'made from text'\", 0)")
    page.wait_for_timeout(200)
    assert page.title() == "facegap: error rates by group"
    page.close()


def test_every_table_has_a_caption_and_headers_for_its_rows_and_columns(page: Any) -> None:
    tables = page.locator("main table")
    assert tables.count() >= 4
    for k in range(tables.count()):
        assert tables.nth(k).locator("caption").count() == 1
        assert tables.nth(k).locator("thead th[scope=col]").count() >= 2
        rows = tables.nth(k).locator("tbody tr").count()
        assert tables.nth(k).locator("tbody th[scope=row]").count() == rows


@pytest.fixture(scope="module")
def wide(chromium: Any, verification: Path) -> Iterator[Any]:
    """The report of a verification run on a desktop, for tests that do not change it."""
    page = open_page(chromium, verification, 1280)
    yield page
    page.close()


@pytest.fixture(scope="module")
def narrow(chromium: Any, verification: Path) -> Iterator[Any]:
    """The same on a phone."""
    page = open_page(chromium, verification, 390)
    yield page
    page.close()


UNFOLD = "for (const folded of document.querySelectorAll('details')) folded.open = true"


SIZES = ((1280, 800), (390, 844))
SCREENS_OF_BEFORE = {
    1280: 10_341,
    390: 16_501,
}  # height in px of the report of a verification run by one grouping, before it was halved


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("scripts", [True, False])
def test_the_first_screen_says_who_what_and_when_the_finding_its_verdict_and_begins_its_chart(
    chromium: Any, verification: Path, run_folder: Path, width: int, height: int, scripts: bool
) -> None:
    for folder in (verification, run_folder):
        page = open_page(chromium, folder, width, java_script_enabled=scripts)
        page.set_viewport_size({"width": width, "height": height})
        for place in ("h1", "header .about", ".finding .said", ".finding .details"):
            box = page.locator(place).first.bounding_box()
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= height, place
        said = page.locator(".finding .said").first
        assert float(said.evaluate("(one) => parseFloat(getComputedStyle(one).fontSize)")) >= 18
        finding, chart = (page.locator(place).first.bounding_box() for place in (".finding", ".told figure.chart"))
        assert finding["y"] + finding["height"] <= chart["y"] < finding["y"] + finding["height"] + 60
        assert chart["y"] + 60 < height
        page.close()


def test_the_page_is_at_most_half_as_long_as_it_was(wide: Any, narrow: Any) -> None:
    for page, width in ((wide, 1280), (narrow, 390)):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = false")
        assert page.evaluate("document.documentElement.scrollHeight") <= SCREENS_OF_BEFORE[width] / 2


def test_a_term_is_explained_at_a_press_of_enter_and_closed_by_escape_without_a_script(
    chromium: Any, verification: Path
) -> None:
    page = open_page(chromium, verification, 390, java_script_enabled=False)
    term = page.locator("button.term").first
    meaning = page.locator(f"#{term.get_attribute('popovertarget')}")
    assert not meaning.is_visible()
    term.focus()
    page.keyboard.press("Enter")
    assert meaning.is_visible()
    page.keyboard.press("Escape")
    assert not meaning.is_visible()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_on_light_and_dark_screens(chromium: Any, verification: Path, scheme: str) -> None:
    page = open_page(chromium, verification, 1280, color_scheme=scheme)
    page.evaluate(UNFOLD)
    assert page.evaluate(FAINT) == []
    page.close()


def test_the_page_never_scrolls_sideways(page: Any, wide: Any, narrow: Any) -> None:
    page.wait_for_selector(DRAWN)
    for opened, widths in ((page, (320, 390)), (narrow, (320, 390)), (wide, (640, 768, 1280))):
        opened.evaluate(UNFOLD)
        for width in widths:
            opened.set_viewport_size({"width": width, "height": 900})
            assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_every_chart_is_drawn_live_and_says_in_words_what_it_shows(wide: Any) -> None:
    page = wide
    page.evaluate(UNFOLD)
    figures = page.locator("figure.chart")
    assert figures.count() >= 8
    page.wait_for_function("document.querySelectorAll('figure.chart:not(.drawn)').length === 0")
    assert page.locator("figure.chart.drawn").count() == figures.count()
    for k in range(figures.count()):
        said = figures.nth(k).locator("img").get_attribute("alt")
        assert len(said) > 40
        assert figures.nth(k).locator(".live").get_attribute("aria-label") == said
        assert figures.nth(k).locator(".live svg").count() == 1


def test_a_mark_tells_errors_trials_subjects_and_interval_under_the_pointer(wide: Any) -> None:
    page = wide
    mark = page.locator(".told figure.chart").first.locator("svg path[aria-roledescription]").first
    mark.scroll_into_view_if_needed()
    mark.hover()
    rows = page.locator(".tip tr")
    said = {
        rows.nth(k).locator("th").text_content(): rows.nth(k).locator("td").text_content() for k in range(rows.count())
    }
    assert set(said) == {"group", "rate", "errors of trials", "subjects", "interval"}
    assert re.fullmatch(r"[\d,]+ of [\d,]+", said["errors of trials"])
    assert re.fullmatch(r"95%: \[[\d.]+, [\d.]+\]", said["interval"])


def test_charts_grow_no_wider_than_a_phone(narrow: Any) -> None:
    page = narrow
    for part in (".told", "#rates", "#lost", "#threshold"):
        for svg in page.locator(f"{part} .live svg").all():
            assert svg.bounding_box()["width"] <= 359


def test_without_scripts_the_pictures_stand_in(chromium: Any, verification: Path) -> None:
    page = open_page(chromium, verification, 390, java_script_enabled=False)
    hidden = page.locator("details:not([open]) figure.chart img").count()
    assert page.locator("figure.chart img").count() - hidden == page.locator("figure.chart img:visible").count() >= 4
    assert all(
        box["width"] <= 359 for box in [one.bounding_box() for one in page.locator("figure.chart img:visible").all()]
    )
    assert page.locator(".live:visible").count() == 0
    page.close()


def test_on_paper_nothing_is_cut_folds_are_open_and_pictures_stand_for_charts(
    chromium: Any, verification: Path
) -> None:
    page = open_page(chromium, verification, 688)  # A4 at 14 mm margins
    page.emulate_media(media="print")
    assert page.evaluate(OVERFLOWING) == []
    assert page.locator("figure.chart img:visible").count() == page.locator("figure.chart").count()
    assert page.locator(".live:visible").count() == 0
    folded = page.locator("details table")
    assert folded.count() > 0
    assert all(folded.nth(k).bounding_box()["height"] > 20 for k in range(folded.count()))
    assert page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()


def test_every_text_stands_out_from_its_background(page: Any, wide: Any) -> None:
    page.wait_for_selector(DRAWN)
    for opened in (page, wide):
        opened.evaluate(UNFOLD)
        assert opened.evaluate(FAINT) == []


def test_the_keyboard_reaches_the_skip_link_the_contents_the_folds_and_the_tables(
    chromium: Any, verification: Path
) -> None:
    page = open_page(chromium, verification, 1280)
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or reached[-1] == "BODY"
    assert reached[0] == "skip"
    assert {"A", "SUMMARY", "scroll"} <= set(reached)
    page.close()


def test_all_names_of_parts_are_unique_and_every_link_leads_to_one(wide: Any) -> None:
    page = wide
    names = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(names) == len(set(names))
    links = page.evaluate("[...document.querySelectorAll('a')].map((one) => one.getAttribute('href'))")
    assert links
    assert all(link.startswith("#") and link[1:] in names for link in links)
