"""The report and its files: order, terms explained once, omissions, and that no image is opened."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.audit.run import recheck
from facegap.cli.app import main
from facegap.derive.metrics import ERROR_RATE_ALL, FMR, NO_ANSWER_RATE, PAIR_METRICS
from facegap.errors import RunError, TableError
from facegap.report.figures import bundle
from facegap.report.figures.bundle import begin_bundle, runtime_script
from facegap.report.figures.render import silent, written_for
from facegap.report.glossary import METHODS, TERMS, limits_of, methods_of
from facegap.report.page import Images, add_report, apart, badge, breakable, hash_source, policy, report_again, unbroken
from facegap.report.reproduce import command_of, hash_table
from facegap.report.sections import is_number
from facegap.report.tables import title_of
from facegap.report.tested import day
from facegap.store.record import AnnotationsFile, LabelsRecord, RequestRecord
from facegap.store.run import Run, read_run, read_sums
from fixtures.campaigns import campaign
from fixtures.charts import PICTURE
from fixtures.settings import audited

ORDER = (
    "finding",
    "who",
    "rates",
    "sure",
    "lost",
    "threshold",
    "limits",
    "methods",
    "reproduce",
    "glossary",
)


class Outline(HTMLParser):
    """Sections, headings, addresses and terms of a page, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: list[str] = []
        self.levels: list[int] = []
        self.addresses: list[str] = []
        self.kinds: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.kinds.append(tag)
        if tag == "section":
            self.sections.append(named.get("id") or named.get("class", ""))
        if re.fullmatch(r"h\d", tag):
            self.levels.append(int(tag[1]))
        self.addresses += [named[name] for name in ("src", "href", "action", "data", "poster") if name in named]


@pytest.fixture(scope="module")
def pages(
    compared_run: tuple[Path, Run], answered_run: tuple[Path, Run], hostile_run: tuple[Path, Run]
) -> dict[str, str]:
    """The page of each run."""
    found = {}
    for name, (folder, run) in {"compared": compared_run, "answered": answered_run, "hostile": hostile_run}.items():
        add_report(folder, run, include_ids=True)
        found[name] = (folder / "report.html").read_text()
    return found


@pytest.mark.parametrize("name", ["compared", "answered", "hostile"])
def test_sections_come_in_the_order_of_reading_and_those_without_content_are_left_out(
    pages: dict[str, str], name: str
) -> None:
    found = [section for section in Outline(pages[name]).sections if section in ORDER]
    assert found == [section for section in ORDER if section in found]
    assert set(found) == set(ORDER) - ({"threshold"} if name == "answered" else set())


@pytest.mark.parametrize("name", ["compared", "answered"])
def test_headings_go_down_by_one_step_at_most_and_there_is_one_title(pages: dict[str, str], name: str) -> None:
    levels = Outline(pages[name]).levels
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("name", ["compared", "answered"])
def test_each_term_is_explained_once_in_the_glossary_and_at_a_touch_of_its_name(
    pages: dict[str, str], name: str
) -> None:
    glossary = pages[name].split('id="glossary"')[1].split("</section>")[0]
    terms = re.findall(r"<dt>([^<]+)</dt><dd>", glossary)
    assert len(terms) >= 5
    assert len(terms) == len(set(terms))
    assert set(terms) <= set(TERMS)
    asked = set(re.findall(r'popovertarget="([^"]+)"', pages[name]))
    assert asked == set(re.findall(r'id="(t-[^"]+)" popover', pages[name]))
    assert len(asked) == len(terms)
    assert ("FMR" in terms) == (name == "compared")


@pytest.mark.parametrize("name", ["compared", "answered", "hostile"])
def test_no_table_says_a_row_twice_and_no_caption_repeats_its_heading(pages: dict[str, str], name: str) -> None:
    gaps = pages[name].split('id="who"')[1].split("</section>")[0]
    for table in re.findall(r"<tbody.*?</tbody>", gaps, re.DOTALL):
        rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
        assert len(rows) == len(set(rows))
    sections = re.findall(r"<section.*?</section>", pages[name], re.DOTALL)
    for section in sections:
        headings = {
            found.lower()
            for found in re.findall(r"<h2[^>]*>([^<]+)</h2>|<summary>([^<]+)</summary>", section)
            for found in found
        }
        captions = [found.lower() for found in re.findall(r"<figcaption>([^<]+)</figcaption>", section)]
        assert not headings & set(captions)
        assert not any(caption.startswith(heading) for caption in captions for heading in headings if heading)


def test_the_first_lines_say_who_was_tested_on_what_and_when(
    pages: dict[str, str], compared_run: tuple[Path, Run]
) -> None:
    header = pages["compared"].split("<header>")[1].split("</header>")[0]
    run = compared_run[1]
    assert f"<h1>Black box {run.record.models['embed']}</h1>" in header
    assert f"{len(run.manifest):,} images of {run.manifest['subject'].nunique():,} people" in header
    assert day(run.record.date) in header
    assert "set aside" not in header  # with folds, nobody is held out
    assert "detector" not in header


@pytest.mark.parametrize("name", ["compared", "answered", "hostile"])
def test_every_address_is_inside_the_page(pages: dict[str, str], name: str) -> None:
    addresses = Outline(pages[name]).addresses
    assert addresses
    assert all(address.startswith(("#", "data:image/svg+xml;base64,")) for address in addresses)


def test_hostile_names_are_text_and_the_page_has_no_element_of_theirs(pages: dict[str, str]) -> None:
    text = pages["hostile"]
    outline = Outline(text)
    assert outline.kinds.count("script") == 1 + outline.kinds.count("figure")  # the bundle, and a spec for each chart
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert not set(text) & {"\x1b", "\u202e", "\ufffe"}
    for spec in re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL):
        assert not set(spec) & set("<>&")


def test_the_policy_allows_one_style_and_one_script_by_hash_and_nothing_from_anywhere(pages: dict[str, str]) -> None:
    stated = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', pages["compared"])
    assert stated is not None
    said = stated[1].replace("&#39;", "'")
    style = re.search(r"<style>(.*?)</style>", pages["compared"], re.DOTALL)
    script = re.search(r'<script type="module">(.*?)</script>', pages["compared"], re.DOTALL)
    assert style is not None
    assert script is not None
    assert said == policy(style[1], script[1])
    assert "unsafe" not in said
    assert "http" not in said
    assert "script-src" not in policy("", "")


def test_figures_are_written_beside_the_page_and_the_run_still_holds(
    compared_run: tuple[Path, Run], pages: dict[str, str]
) -> None:
    folder = compared_run[0]
    names = {path.name for path in (folder / "figures").iterdir()}
    assert {Path(name).suffix for name in names} == {".svg", ".png", ".pdf", ".json"}
    assert {f"figures/{name}" for name in names} | {"report.html"} <= set(read_sums(folder))
    assert (folder / "figures").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (folder / "figures").iterdir()} == {0o600}
    assert recheck(folder) == []
    assert len(pages["compared"].encode()) < 3 * 2**20


@campaign  # the size for six groups, under 3 MiB, is tested in the plain suite
def test_the_page_of_a_verification_run_of_fourteen_groups_is_under_4_mib(tmp_path: Path, make_compared: Any) -> None:
    towns = ["Black", "East Asian", "Indian", "Latino_Hispanic", "Middle Eastern", "Southeast Asian", "White"]
    run = make_compared(tmp_path, towns, people=60, noise=0.8, out=tmp_path / "run")
    add_report(tmp_path / "run", run, include_ids=False)
    text = (tmp_path / "run" / "report.html").read_bytes()
    assert text.count(b'<figure class="chart">') >= 13  # of all parts, by gender and by the fourteen groups
    assert len(text) < 4 * 2**20


def test_a_report_made_again_is_the_same_to_the_byte_and_old_figures_go(
    compared_run: tuple[Path, Run], pages: dict[str, str]
) -> None:
    folder = compared_run[0]
    (folder / "figures" / "of-an-earlier-page.svg").write_text("old")
    assert report_again(folder, include_ids=True) == folder / "report.html"
    assert (folder / "report.html").read_text() == pages["compared"]
    assert not (folder / "figures" / "of-an-earlier-page.svg").exists()
    assert recheck(folder) == []


def test_a_run_that_was_changed_gets_no_new_report(answered_run: tuple[Path, Run], tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    answered_run[1].write(folder)
    (folder / "rates.csv").write_text((folder / "rates.csv").read_text().replace("female", "fernale"))
    with pytest.raises(RunError, match=r"changed after it finished: rates\.csv"):
        report_again(folder, include_ids=False)


def test_hostile_names_in_the_csv_of_a_run_begin_no_formula_and_are_read_back(
    hostile_run: tuple[Path, Run], hostile: str
) -> None:
    folder, run = hostile_run
    for path in folder.glob("*.csv"):
        for cell in re.findall(r'(?:^|,)"?([=+\-@\t][^",\n]*)', path.read_text(), re.MULTILINE):
            assert re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", cell), (path.name, cell)  # a number may be negative
    assert hostile in set(read_run(folder).rates["town"])
    assert hostile in set(run.rates["town"])


def test_the_command_line_prints_no_escape_of_a_hostile_name(
    hostile_run: tuple[Path, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a\x1b[2Jb"
    hostile_run[1].write(folder)
    monkeypatch.setattr(sys, "argv", ["facegap", "report", str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    out, err = capfd.readouterr()
    assert "Written to" in out
    assert "\x1b" not in out + err


def test_making_the_report_again_opens_no_image_and_loads_no_image_library(
    compared_run: tuple[Path, Run], tmp_path: Path
) -> None:
    shutil.copytree(compared_run[0], tmp_path / "run")
    script = (
        "import sys, builtins\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "from pathlib import Path\n"
        "import vl_convert\n"
        f"vl_convert.vegalite_to_svg = lambda spec, **options: {PICTURE!r}\n"  # rendering takes most of the time
        "from facegap.report.page import report_again\n"
        f"report_again(Path({str(tmp_path / 'run')!r}), include_ids=True)\n"
        "kinds = ('.jpg', '.jpeg', '.bmp', '.tif', '.webp')\n"
        "assert not [name for name in opened if name.lower().endswith(kinds)], opened\n"
        "assert 'cv2' not in sys.modules and 'onnxruntime' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# ---- examples of failed images ----


@pytest.fixture(scope="module")
def drawn_run(tmp_path_factory: pytest.TempPathFactory, draw: Any, toys: Any) -> tuple[Path, Run]:
    """Illustrated people, some misclassified and two without a face; the folder of the manifest and the run."""
    folder = tmp_path_factory.mktemp("people")
    lines = []
    for number in range(12):
        blank = number in (4, 5)
        pixels = np.zeros((64, 64, 3), np.uint8) if blank else draw(green=204 if number % 2 else 51)
        cv2.imwrite(str(folder / f"name{number}.png"), pixels)
        lines.append(f"name{number}.png,{'f' if number % 3 else 'm'}")
    (folder / "people.csv").write_text("image,gender\n" + "\n".join(lines) + "\n")
    return folder, audited(folder / "people.csv", out=folder / "run", min_subjects=2, **toys.two)


def test_failed_images_are_shown_only_when_asked_for_small_and_unnamed(drawn_run: tuple[Path, Run]) -> None:
    folder, run = drawn_run
    add_report(folder / "run", run, include_ids=False)
    assert "data:image/jpeg" not in (folder / "run" / "report.html").read_text()
    add_report(folder / "run", run, include_ids=False, images=Images(folder))
    text = (folder / "run" / "report.html").read_text()
    failed = int((run.faces["outcome"] != "ok").sum() + (run.predictions["outcome"] == "wrong").sum())
    assert text.count("data:image/jpeg;base64,") == failed > 2
    assert "do not share this page" in text
    assert "no face" in text
    assert "name4.png" not in text
    assert "(an image)" in text  # a warning on one image under two names
    add_report(folder / "run", run, include_ids=True, images=Images(folder))
    assert "name4.png" in (folder / "run" / "report.html").read_text()


def test_images_that_are_not_there_or_lie_outside_are_an_error(drawn_run: tuple[Path, Run], tmp_path: Path) -> None:
    folder, run = drawn_run
    with pytest.raises(TableError, match="holds none of the images"):
        add_report(folder / "run", run, include_ids=False, images=Images(tmp_path))
    outside = replace(run, manifest=run.manifest.assign(path="../" + run.manifest["path"]))
    with pytest.raises(TableError, match="outside"):
        add_report(folder / "run", outside, include_ids=False, images=Images(folder))


# ---- text ----


def test_the_command_of_a_run_is_one_that_a_shell_takes_apart_as_it_was(drawn_run: tuple[Path, Run]) -> None:
    settings = {
        "detect": "own.toml",
        "classify": "x",
        "embed": "e",
        "models": {"device": "cuda", "batch": 8},
        "groups": {"where": "age not in ('0-2') and name == \"a; rm -rf /\"", "min_subjects": 20},
        "verify": {"fmr": [0.001], "threshold": [], "split": 0.5, "seed": 3, "exclude_pairs": "x y.csv"},
    }
    record = replace(
        drawn_run[1].record,
        groupings=(("gender",), ("race", "gender")),
        request=RequestRecord("images", settings, None),
    )
    words = shlex.split(command_of(record))
    assert words[:3] == ["facegap", "audit", "MANIFEST.csv"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options["--where"] == "age not in ('0-2') and name == \"a; rm -rf /\""
    assert options["--detect"] == "own.toml"
    assert options["--exclude-pairs"] == "x y.csv"
    assert (options["--seed"], options["--device"]) == ("3", "cuda")
    assert options["--by"] == "gender,race*gender"
    assert not {"--batch", "--fmr", "--split", "--threshold", "--min-subjects"} & set(options)


def test_the_command_names_the_files_of_joined_labels_their_draws_and_what_was_sent(
    drawn_run: tuple[Path, Run], answered_run: tuple[Path, Run]
) -> None:
    folder, run = drawn_run
    labels = LabelsRecord(50, 7, {}, "ab" * 32, AnnotationsFile("cd" * 32, answers=1, annotators=1, scales=("monk",)))
    request = run.record.request
    settings = {
        **request.settings,
        "groups": {"tone": "tone.parquet", "annotations": "said.csv", "label_draws": 50},
        "verify": {"seed": 7},
        "service": {"send_images": True},
    }
    record = replace(run.record, labels=labels, request=replace(request, settings=settings))
    words = shlex.split(command_of(record))
    for flag in ("--send-images", "--no-isolation"):
        words.remove(flag)
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert (options["--tone"], options["--annotations"]) == ("tone.parquet", "said.csv")
    assert (options["--label-draws"], options["--seed"]) == ("50", "7")
    hashes = dict(hash_table(replace(run, record=record), folder / "run").rows)
    assert (hashes["tone"], hashes["annotations"]) == ("ab" * 32, "cd" * 32)
    plain = command_of(answered_run[1].record)
    assert not {"--tone", "--label-draws", "--seed", "--send-images"} & set(plain.split())


def test_a_tail_that_is_not_the_usual_one_is_in_the_command(compared_run: tuple[Path, Run]) -> None:
    record = compared_run[1].record
    assert "--tail-limit" not in command_of(record)
    settings = {**record.request.settings, "verify": {"tail_limit": 5000}}
    assert "--tail-limit 5000" in command_of(replace(record, request=replace(record.request, settings=settings)))


def test_black_boxes_name_their_own_commands(compared_run: tuple[Path, Run], answered_run: tuple[Path, Run]) -> None:
    assert command_of(compared_run[1].record).startswith("facegap audit-embeddings TEMPLATES.npy MANIFEST.csv --")
    assert command_of(answered_run[1].record).startswith("facegap audit-predictions PREDICTIONS.csv MANIFEST.csv")


def test_limits_and_methods_are_those_of_the_run(
    compared_run: tuple[Path, Run], answered_run: tuple[Path, Run]
) -> None:
    assert any("do not identify people" in limit for limit in limits_of(answered_run[1]))
    assert not any("do not identify people" in limit for limit in limits_of(compared_run[1]))
    names = {method.name for method in methods_of(answered_run[1])}
    assert FMR.title not in names
    assert {"Gender Shades table", ERROR_RATE_ALL.title, NO_ANSWER_RATE.title} < names
    of_pairs = [method.name for method in methods_of(compared_run[1])]
    titles = {metric.title for metric in PAIR_METRICS}
    assert titles < set(of_pairs)
    assert set(of_pairs) - {method.name for method in METHODS} == {
        title_of(name) for name in compared_run[1].rates["metric"]
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.5% [1, 2] 3/4", True),
        ("16.5 points [14, 18]", True),
        ("55 gap; 36 not enough data", False),
        ("–", True),
        ("1,752", True),
        ("< 0.0001", True),
        ("female", False),
        ("3f2a", False),
    ],
)
def test_columns_of_numbers_are_known_by_their_cells(text: str, expected: bool) -> None:
    assert is_number(text) is expected


def test_a_long_name_may_break_inside_and_stays_text() -> None:
    name = "<b>" + "x" * 60
    assert breakable(name) == "&lt;b&gt;" + "x" * 21 + "<wbr>" + "x" * 24 + "<wbr>" + "x" * 15
    assert (
        breakable("Southeast Asian female & [1.0,\u00a02.0] 34/56")
        == "Southeast Asian female &amp; [1.0,\u00a02.0] 34/56"
    )
    assert breakable("a\0b\x1b" + "y" * 24) == "a\ufffdb\ufffd" + "y" * 20 + "<wbr>" + "y" * 4


def test_quoted_names_in_the_finding_run_in_their_own_direction_and_stay_text() -> None:
    assert apart("2% of “<i>שלום” (1 of 50).") == "2% of “<bdi>&lt;i&gt;שלום</bdi>” (1 of 50)."


def test_the_methods_say_how_the_intervals_are_really_made(compared_run: tuple[Path, Run]) -> None:
    told = {method.name: method.formula for method in methods_of(compared_run[1])}
    run = compared_run[1]
    rate = run.rates[(run.rates["metric"] == "fnmr") & (run.rates["errors"] > 0)].iloc[0]
    # nobody has a second pair of photographs
    assert rate["method"] == "wilson, threshold uncertainty included"
    assert told["Interval of a rate of images or searches"].startswith(
        "if no subject has two trials, Wilson's interval"
    )
    assert "jackknife" in told["Interval of FMR and FNMR"]
    assert "squared and added" in told["Interval of FMR and FNMR at a target"]


def test_small_words() -> None:
    said = ("gap", "no gap larger than 0.02", "not enough data", "5 gaps")
    assert [badge(text, "verdict") for text in said] == [("▲", "gap"), ("≈", "no"), ("?", "not"), None]
    assert badge("gap", "note") is None
    assert unbroken("1% [1.0, 2.0] 3/4 < 5") == "1% [1.0,\u00a02.0] 3/4 <\u00a05"
    assert hash_source("") == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"


# ---- the cached script ----


@pytest.fixture
def small_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A bundle of a line instead of Vega, with the pinned hash, and a separate cache; the list of bundled versions."""
    import vl_convert

    made: list[str] = []
    monkeypatch.setattr(
        vl_convert, "javascript_bundle", lambda snippet, vl_version: made.append(snippet) or f"/* {snippet} */"
    )
    versions = (importlib.metadata.version("vl-convert-python"), "6.4")
    monkeypatch.setattr(bundle, "PINNED", {versions: bundle.hash_of(f"/* {bundle.SNIPPET} */")})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def kept_file(tmp_path: Path) -> Path:
    (kept,) = (tmp_path / "cache" / "facegap" / "page").iterdir()
    return kept


def test_the_hash_of_the_bundle_stands_in_the_package() -> None:
    """If this fails after a new vl-convert, add its version and the hash in the message to bundle.PINNED."""
    import vl_convert

    script = vl_convert.javascript_bundle(bundle.SNIPPET, vl_version=written_for())
    assert bundle.PINNED[importlib.metadata.version("vl-convert-python"), written_for()] == bundle.hash_of(script)


def test_a_script_in_the_cache_that_somebody_changed_is_never_used(small_bundle: list[str], tmp_path: Path) -> None:
    honest = runtime_script("draw();", "6.4")
    kept = kept_file(tmp_path)
    for forged in (
        b"alert(1);",
        b"",
        kept.read_bytes() + b" ",
        b"\xff\xfe",
        f"{bundle.hash_of('alert(1);')}\nalert(1);".encode(),
    ):
        kept.write_bytes(forged)
        assert runtime_script("draw();", "6.4") == honest
    kept.unlink()
    kept.symlink_to(tmp_path / "elsewhere.js")
    (tmp_path / "elsewhere.js").write_text("alert(1);")
    assert runtime_script("draw();", "6.4") == honest
    assert (tmp_path / "elsewhere.js").read_text() == "alert(1);"


def test_a_bundle_of_a_version_without_a_hash_is_made_every_time_and_not_kept(
    small_bundle: list[str], tmp_path: Path
) -> None:
    assert [runtime_script("draw();", "5.0") for _ in range(2)] == [
        f"/* {bundle.SNIPPET} */\n(() => {{\ndraw();\n}})();\n"
    ] * 2
    assert len(small_bundle) == 2
    assert not (tmp_path / "cache").exists()


def test_a_process_of_its_own_bundles_the_same_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    begun = begin_bundle(written_for())
    assert begun is not None
    assert bundle.hash_of(bundle.vega(written_for(), begun)) == bundle.pinned(written_for())
    assert begin_bundle(written_for()) is None  # cached now


def test_a_picture_in_the_page_loses_its_words_for_readers_and_nothing_that_is_seen() -> None:
    svg = '<svg><g role="x" class="a" aria-label="b &quot;c&quot;"><text>role="x" d</text></g></svg>'
    assert silent(svg) == '<svg><g class="a"><text>role="x" d</text></g></svg>'


def test_the_bundle_is_kept_in_the_users_cache_and_made_where_it_cannot_be(
    small_bundle: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert len({runtime_script("draw();", "6.4") for _ in range(2)}) == 1
    assert small_bundle == [bundle.SNIPPET]
    kept = kept_file(tmp_path)
    assert kept.read_text() == f"/* {bundle.SNIPPET} */"
    assert kept.stat().st_mode & 0o077 == 0
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert runtime_script("b", "6.4").startswith(f"/* {bundle.SNIPPET} */")
