"""A run in Python: tables, finding and charts; and in a notebook, escaped and self-contained."""

from __future__ import annotations

import base64
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from facegap.errors import FacegapError, RunError
from facegap.report.first_screen import headline
from facegap.report.groups import gap_table
from facegap.report.notebook import MOST_LINES, Run, main_chart, verdict_lines
from facegap.store.begun import SUMS
from facegap.store.run import Run as StoredRun
from facegap.store.run import broken_hashes, read_run

Stored = tuple[Path, StoredRun]


def test_the_tables_are_those_of_the_run_and_may_be_changed(answered_run: Stored) -> None:
    stored = answered_run[1]
    run = Run.of(stored)
    for name in ("rates", "gaps", "faces", "predictions"):
        pd.testing.assert_frame_equal(getattr(run, name), getattr(stored, name), check_like=True)
    assert list(run.gaps.columns[:5]) == ["metric", "threshold", "family", "group_a", "group_b"]
    assert list(run.rates.columns[:6]) == ["metric", "threshold", "gender", "town", "value", "low"]
    rates = run.rates
    rates["errors"] = 0
    assert run.rates["errors"].sum() == stored.rates["errors"].sum() > 0
    assert run.record is stored.record
    assert run.finding == " ".join(headline(stored))


def test_a_run_is_told_in_three_lines(answered_run: Stored) -> None:
    run = Run.of(answered_run[1])
    first, second, third = repr(run).splitlines()
    assert first == "facegap run: answers; 80 images; groups by gender, town x gender"
    assert second == run.finding
    assert third.startswith(f"{len(run.rates)} rates, {len(run.gaps)} gaps (")
    assert "exploratory" in third


def test_a_run_of_hostile_labels_is_still_three_lines_without_escapes(hostile_run: Stored) -> None:
    said = repr(Run.of(hostile_run[1]))
    assert len(said.splitlines()) == 3
    assert not re.search("[\x1b\u202e\ufffe]", said)


def test_an_alarm_stands_in_both_views(answered_run: Stored) -> None:
    stored = replace(answered_run[1], record=replace(answered_run[1].record, alarms=("CARD <LOOKS> WRONG",)))
    assert repr(Run.of(stored)).splitlines()[2].startswith("CARD <LOOKS> WRONG. ")
    assert "CARD &lt;LOOKS&gt; WRONG." in Run.of(stored)._repr_html_()


# ---- charts ----


def test_a_part_of_the_report_gives_its_first_chart_and_a_name_that_chart(compared_run: Stored) -> None:
    run = Run.of(compared_run[1])
    # test_figures.py validates charts against the schema, which takes a second for each.
    by_part, by_name = (run.plot(name).to_dict(validate=False) for name in ("rates", "error-fmr-by-gender"))
    assert by_part == by_name
    assert by_part["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
    assert run.plot().to_dict(validate=False) == by_part
    assert run.plot("matrix").to_dict(validate=False) != by_part


def test_one_chart_is_asked_for_and_no_other_part_is_made(
    compared_run: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import MappingProxyType

    from facegap.report import figures

    made: list[str] = []

    def counting(part: str, chart: Any) -> Any:
        def drawn(stored: StoredRun) -> list[Any]:
            made.append(part)
            found: list[Any] = chart(stored)
            return found

        return drawn

    parts = {part: counting(part, chart) for part, chart in figures.FIGURES.items()}
    monkeypatch.setattr(figures, "FIGURES", MappingProxyType(parts))
    run = Run.of(compared_run[1])
    run.plot("matrix")
    assert made == ["matrix"]
    made.clear()
    run.plot()
    run._repr_html_()
    assert made == ["errors", "errors"]


def test_a_chart_that_is_not_there_is_refused_with_the_names_of_those_that_are(compared_run: Stored) -> None:
    with pytest.raises(FacegapError, match=r"no chart 'roc'; it has rates, .*matrix.*, error-fmr-by-gender, "):
        Run.of(compared_run[1]).plot("roc")


# ---- files ----


def test_the_report_is_one_file_that_loads_nothing_and_hashes_no_strangers_tables(
    compared_run: Stored, tmp_path: Path
) -> None:
    (tmp_path / "rates.csv").write_text("of another run")
    path = Run.of(compared_run[1]).report(tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    assert path == tmp_path / "page.html"
    assert {entry.name for entry in tmp_path.iterdir()} == {"page.html", "rates.csv"}
    assert text.count("<figure") > 3
    assert "rates.csv</th>" not in text
    outside_script = text.split('<script type="module">')[0]
    assert not re.search(r'(?:src|href)="(?!data:|#)', outside_script)


def test_a_report_in_a_finished_run_folder_or_without_html_is_refused(compared_run: Stored, tmp_path: Path) -> None:
    run = Run.of(compared_run[1])
    with pytest.raises(RunError, match=r"finished run folder, .* facegap report"):
        run.report(compared_run[0] / "mine.html")
    assert not (compared_run[0] / "mine.html").exists()
    for path in (tmp_path / "report.pdf", tmp_path):
        with pytest.raises(RunError, match=r"ends in \.html"):
            run.report(path)


def test_a_written_run_is_a_whole_folder_that_reads_back_the_same(answered_run: Stored, tmp_path: Path) -> None:
    run = Run.of(answered_run[1])
    folder = run.write(tmp_path / "kept")
    assert (folder / SUMS).is_file() and (folder / "report.html").is_file()
    assert broken_hashes(folder) == []
    again = Run.of(read_run(folder))
    assert again.finding == run.finding
    assert again.rates["errors"].tolist() == run.rates["errors"].tolist()
    with pytest.raises(RunError, match="not empty"):
        run.write(folder)


# ---- in a notebook ----


class Seen(HTMLParser):
    """Tags, text and image sources of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.sources: list[str] = []
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_the_finding_the_verdicts_and_one_chart(compared_run: Stored) -> None:
    stored = compared_run[1]
    html = Run.of(stored)._repr_html_()
    seen = Seen(html)
    said = " ".join(seen.text.replace("\u00a0", " ").split())
    assert Run.of(stored).finding in said
    table = verdict_lines(stored)
    assert len(table.rows) == min(MOST_LINES, len(gap_table(stored).rows))
    for row in table.rows:
        assert all(cell in said for cell in row)
    assert seen.tags.count("img") == 1
    assert seen.sources[0].startswith("data:image/svg+xml;base64,")
    assert base64.b64decode(seen.sources[0].split(",")[1]).startswith(b"<svg")


def test_the_chart_of_a_notebook_is_that_of_the_finding(answered_run: Stored) -> None:
    figure = main_chart(answered_run[1])
    assert figure is not None
    assert figure.name == "error-error-rate-all-by-gender"
    assert "of men" in Run.of(answered_run[1]).finding


def test_a_run_without_groups_has_no_chart_of_errors_and_still_a_view(tmp_path: Path, make_answered: Any) -> None:
    stored = make_answered(tmp_path, ["Ayr"], people=4)
    rates = stored.rates[(stored.rates["town"] == "any") & (stored.rates["gender"] == "any")]
    run = Run.of(replace(stored, rates=rates, gaps=stored.gaps.iloc[:0], extra={}))
    html = run._repr_html_()
    assert "<img" not in html and "<table" not in html
    assert "undecided, because fewer than two groups are large enough to compare" in html
    with pytest.raises(FacegapError, match="it has no chart at all"):
        run.plot()


def test_the_view_of_a_notebook_formats_the_same_rows_as_the_terminal(compared_run: Stored) -> None:
    stored = compared_run[1]
    notebook, terminal = verdict_lines(stored), gap_table(stored)
    verdict = terminal.columns.index("verdict")
    primary_first = sorted(terminal.rows, key=lambda row: row[verdict] == "exploratory")
    for shown, printed in zip(notebook.rows, primary_first, strict=False):
        cells = dict(zip(terminal.columns, printed, strict=True))
        assert shown[1] == cells["worst against best"]
        ratios = ("FMR", "GFAR", "FNMR", "GFRR", "FTA")
        by_ratio = any(name in shown[0] for name in ratios)
        assert shown[3] == (f"ratio {cells['ratio']}" if by_ratio else cells["difference"])
        assert shown[4:] == (cells["p (Holm)"], cells["deciding interval"], cells["verdict"])


def test_hostile_labels_are_text_in_a_notebook(hostile_run: Stored) -> None:
    html = Run.of(hostile_run[1])._repr_html_()
    seen = Seen(html)
    assert set(seen.tags) <= {
        "div",
        "p",
        "span",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "img",
        "bdi",
        "wbr",
    }
    assert seen.attributes <= {"class", "style", "role", "scope", "src", "alt"}
    assert "<script>alert(1)</script>" in seen.text
    assert all(source.startswith("data:image/svg+xml;base64,") for source in seen.sources)


@pytest.fixture(scope="module")
def executed(hostile_run: Stored, compared_run: Stored, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A notebook over two runs after it was executed."""
    import nbformat
    from nbclient import NotebookClient

    cells = [
        "from facegap.report.notebook import Run\nfrom facegap.store.run import read_run\n"
        f"from pathlib import Path\nrun = Run.of(read_run(Path({str(compared_run[0])!r})))\nrun",
        "import altair\naltair.renderers.enable('svg')\nrun.plot('matrix')",
        "print(run)",
        f"Run.of(read_run(Path({str(hostile_run[0])!r})))",
        "run.rates",
        f"import facegap as fg\nfg.compare([{str(compared_run[0])!r}] * 2, names=['first', 'again'])",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "src"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


@pytest.mark.filterwarnings("default")  # of the kernel's packages, which are not ours
def test_a_notebook_can_be_executed_and_shows_run_and_chart(executed: Any, compared_run: Stored) -> None:
    run = Run.of(compared_run[1])
    shown, chart, printed, _, rates, both = (cell.outputs[0] for cell in executed.cells)
    assert shown.data["text/plain"] == repr(run)
    assert "<table" in shown.data["text/html"]
    assert "<svg" in chart.data["image/svg+xml"]
    assert printed.text.strip() == repr(run)
    assert "<th>value</th>" in rates.data["text/html"]  # a wide table loses its middle, not what is read first
    assert "facegap comparison: first, again" in both.data["text/html"] and "<table" in both.data["text/html"]
    assert sys.version_info[:2] == tuple(map(int, executed.metadata.language_info.version.split(".")[:2]))


@pytest.mark.browser
@pytest.mark.filterwarnings("default")
def test_the_view_of_a_notebook_is_drawn_and_runs_nothing(executed: Any, chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 1000, "height": 1400})
    asked, dialogs = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for k in (0, 3, 5):
        page.set_content(executed.cells[k].outputs[0].data["text/html"])
        box = page.locator("img").bounding_box()
        assert page.evaluate("document.images[0].complete && document.images[0].naturalWidth > 0")
        assert box["width"] > 300 and box["height"] > 60
        assert page.evaluate("document.documentElement.scrollWidth") <= 1000
    page.close()
    assert dialogs == []
    assert all(url.startswith("data:") for url in asked)
