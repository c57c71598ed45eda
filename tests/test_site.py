"""The site holds together: every page is in one toctree, every link and anchor leads somewhere, nothing public is left out."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
import typer

import facegap
from facegap import statistics
from facegap.audit.settings import SETTING
from facegap.cli import app
from facegap.report.figures import FIGURES
from facegap.report.glossary import TERMS
from fixtures.campaigns import campaign
from sitegen import columns, links
from sitegen.fields import classes_below, fields_of, kind_in_words, notes_of
from sitegen.gallery import KINDS, NOT_SHOWN
from sitegen.glossary import LINKED, OF_THE_SITE, names_of, with_terms
from sitegen.links import (
    FROM_ROOT,
    LINK,
    REFERENCE,
    ROOT,
    Link,
    anchors,
    for_the_site,
    slug_of,
    text_of,
    toctree_entries,
)
from sitegen.pages import FILES, generated

IN_THE_REPOSITORY = [
    "README.md",
    "datasets.md",
    "CHANGELOG.md",
    "models/README.md",
    "benchmarks/README.md",
    "benchmarks/coverage.md",
]
START = "docs/index.md"


@pytest.fixture(scope="module")
def reference() -> Mapping[str, str]:
    """The generated pages by their path below docs/reference/."""
    return dict(generated())


@pytest.fixture(scope="module")
def site(reference: Mapping[str, str]) -> Mapping[str, str]:
    """Every page of the site as it is built, by its path from the root."""
    own = {page: for_the_site(page, text_of(page)) for page in links.pages()}
    return own | {f"{REFERENCE}/{name}.md": text for name, text in reference.items()}


def test_every_page_is_in_one_toctree_and_every_toctree_names_pages(site: Mapping[str, str]) -> None:
    entries = Counter(entry for page, text in site.items() for entry in dict.fromkeys(toctree_entries(page, text)))
    assert entries.keys() - site.keys() == set()
    assert site.keys() - entries.keys() == {START}, (
        "name the page in a toctree: tutorials, how_to, explanation, reference, contributing"
    )
    assert [page for page, times in entries.items() if times > 1] == []


def broken(document: str, text: str, known: Mapping[str, str]) -> list[Link]:
    """The links of a document whose file, or whose anchor in it, is not there."""
    found = []
    for link in links.links(document, text):
        there = known.get(link.target) or (
            text_of(link.target) if link.target.endswith(".md") and (ROOT / link.target).is_file() else None
        )
        missing_file = there is None and not (ROOT / link.target).exists()
        if missing_file or (link.anchor and there is not None and link.anchor not in anchors(there)):
            found.append(link)
    return found


def test_every_link_and_anchor_of_the_site_leads_somewhere(site: Mapping[str, str]) -> None:
    assert [link for page, text in site.items() for link in broken(page, text, site)] == []


def test_every_link_and_anchor_leads_somewhere_in_the_repository_too(site: Mapping[str, str]) -> None:
    # docs/reference/ is made when the site is built; a link to it works on the site alone
    documents = [
        *IN_THE_REPOSITORY,
        *links.pages(),
        *(path.relative_to(ROOT).as_posix() for path in (ROOT / ".github").rglob("*.md")),
    ]
    assert [link for document in documents for link in broken(document, text_of(document), site)] == []


def test_a_link_out_of_the_site_leads_to_the_repository_or_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "[cards](../models/README.md#keys), [the code](../src/facegap/api/runs.py), [all](../README.md#x), [a](age.md#b)"
    text = f"{words}\n```\n[x](../y)\n```\n"
    monkeypatch.setattr(links, "repository_url", lambda: "")
    assert for_the_site("docs/demo.md", text) == (
        "[cards](reference/model_cards.md#keys), the code, [all](index.md), [a](age.md#b)\n```\n[x](../y)\n```\n"
    )
    monkeypatch.setattr(links, "repository_url", lambda: "https://forge/facegap")
    assert "[the code](https://forge/facegap/blob/main/src/facegap/api/runs.py)" in for_the_site("docs/demo.md", text)


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("How sure can you be?", "how-sure-can-you-be"),
        ("`audit --by`: groups", "audit---by-groups"),
        ("A [link](x.md) in it", "a-link-in-it"),
        ("False alarms, 1:N", "false-alarms-1n"),
    ],
)
def test_an_anchor_is_spelled_as_github_spells_it(heading: str, anchor: str) -> None:
    assert slug_of(heading) == anchor


def test_a_heading_that_is_there_twice_gets_a_number() -> None:
    assert anchors('# One\n\n## Two\n\n## Two\n\n<a id="three"></a>\n```\n# no heading\n```\n') == {
        "one",
        "two",
        "two-1",
        "three",
    }


# ---- the glossary ----

# Abbreviations that are no terms of this field: formats, organisations, data sets, licences, laws, units, processors.
GENERAL = {
    *(
        "AI",
        "AMD",
        "API",
        "BGR",
        "BIPA",
        "BY",
        "CC",
        "CI",
        "CPU",
        "CSV",
        "CUDA",
        "EPYC",
        "EU",
        "EV",
        "EXIF",
        "FACE",
        "FAT",
        "FHIBE",
        "GB",
    ),
    *(
        "GDPR",
        "GPL",
        "GPU",
        "HTTP",
        "IBM",
        "IEC",
        "IEEE",
        "IJB",
        "IR",
        "ISO",
        "JPEG",
        "JSON",
        "KB",
        "LFW",
        "MB",
        "MIT",
        "NIST",
        "OFIQ",
        "ONNX",
    ),
    *("PDF", "PNG", "README", "RFW", "RGB", "SHA", "SVG", "TLS", "TOML", "US", "UTC", "UTF", "WACV"),
}


def test_an_abbreviation_that_several_pages_use_is_in_the_glossary() -> None:
    pages = [LINK.sub(r"\1", links.without_code(text_of(page))) for page in ["README.md", *links.pages()]]
    used = Counter(word for text in pages for word in {*re.findall(r"\b[A-Z]{2,6}\b", text)})
    assert {word for word, times in used.items() if times > 1} - GENERAL - {*LINKED} - {"DET"} == set()
    assert "DET curve" in OF_THE_SITE


def test_the_first_use_of_a_term_in_prose_leads_to_the_glossary() -> None:
    text = "# FMR\n\n`FMR` and [FMR](x.md):\n\n| FMR |\n|---|\n| FNMR |\n\nFMR, then FMR and FNMR.\n"
    told = with_terms(text)
    assert told == text.replace("| FNMR |", "| {term}`FNMR` |").replace("FMR, then", "{term}`FMR`, then")


def test_a_link_to_a_term_of_the_glossary_is_one_on_the_site_and_has_its_anchor() -> None:
    told = with_terms("The [smallest\ngap](reference/glossary.md#margin), and a [gap](verdicts.md#margins).")
    assert told == "The {term}`smallest gap <margin>`, and a [gap](verdicts.md#margins)."
    assert anchors(":::{glossary}\nprimary family\n  gaps: tested.\n\nFMR\n  x\n\n:::\n") == {"primary-family", "fmr"}
    with pytest.raises(KeyError):
        with_terms("[x](reference/glossary.md#no-term)")


def test_phrases_that_are_linked_are_in_the_glossary() -> None:
    assert {*LINKED} <= {name for entry in TERMS | OF_THE_SITE for name in names_of(entry)}


def test_no_term_is_defined_twice() -> None:
    names = Counter(name.lower() for entry in (*TERMS, *OF_THE_SITE) for name in names_of(entry))
    assert [name for name, times in names.items() if times > 1] == []


# ---- the generated reference ----


def test_every_command_and_every_option_of_it_is_on_its_page(reference: Mapping[str, str]) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in known.items():
        assert f"(cli/{name}.md)" in reference["cli"]
        for one in getattr(command, "commands", {"": command}).values():
            for parameter in one.params:
                assert f"`{parameter.opts[0]}" in reference[f"cli/{name}"], f"{name} {parameter.opts}"


def test_every_public_name_has_its_docstring_on_a_page(reference: Mapping[str, str]) -> None:
    for name in facegap.__all__:
        assert name == "__version__" or f"(api/{name}.md)" in reference["api"]
    for name in statistics.__all__:
        assert f":: facegap.statistics.{name}\n" in reference["api/statistics"]


def test_every_setting_is_on_the_page_of_its_class(reference: Mapping[str, str]) -> None:
    for group in (
        facegap.Faces,
        facegap.Groups,
        facegap.Identify,
        facegap.Models,
        facegap.Output,
        facegap.Service,
        facegap.Verify,
    ):
        for one in fields(group):
            assert SETTING not in one.metadata or f"| `{one.name}` |" in reference[f"api/{group.__name__}"]
    assert "| `min_subjects` | `--min-subjects` | `20` |" in reference["api/Groups"]


def test_every_column_of_every_table_is_explained() -> None:
    said = columns.notes()
    assert {one.name for one in columns.schemas()} == {*re.findall(r"^## (\w+)$", columns.tables_page(), re.MULTILINE)}
    unexplained = [f"{table}.{name}" for table, known in said.items() for name, text in known.items() if not text]
    assert unexplained == [], "say what the column holds in a comment beside it in src/facegap/tables"


def test_a_comment_in_tables_is_what_the_page_says_of_its_column() -> None:
    said = columns.notes()
    assert said["FRAMES"]["time_s"] == "since the first frame of the video"
    assert said["TONE"]["b_star"] == "CIELAB, D65, of the skin as photographed"  # one comment of three columns
    assert said["FACES"]["roll"] == "degrees, of the head"
    assert (
        said["GAPS"]["lost_b"] == "trials lost, such as images without a prediction or pairs with a lost image"
    )  # of a docstring
    assert said["EDC_POINTS"]["fnmr_low"] == "fnmr: lower limit of the interval"


@pytest.mark.parametrize("name", FILES)
def test_every_field_of_a_file_is_on_its_page(name: str, reference: Mapping[str, str]) -> None:
    page = reference[name]
    for one in classes_below(FILES[name][2]):
        assert f"\n## {one.__name__}\n" in page
        for field in fields_of(one):
            assert f"| `{field.name}` |" in page


def test_types_are_told_in_words() -> None:
    assert kind_in_words(tuple[int, int]) == "list of 2: integer"
    assert kind_in_words(tuple[str, ...] | None) == "list of: text"
    assert notes_of(
        "Two.\n\n    low, high : limits of\n        both\n    level : of them\n\n    Not a note: this."
    ) == {
        "low": "limits of both",
        "high": "limits of both",
        "level": "of them",
    }


def test_files_of_the_root_that_are_pages_are_there() -> None:
    assert [document for document in FROM_ROOT if not (ROOT / document).is_file()] == []


def test_every_kind_of_chart_is_in_the_gallery_or_said_not_to_be() -> None:
    assert KINDS.keys() | NOT_SHOWN.keys() == FIGURES.keys()
    assert not KINDS.keys() & NOT_SHOWN.keys()
    page = text_of("docs/gallery.md")
    assert {f"gallery/{path.name}" for path in (ROOT / "docs/gallery").iterdir()} == {
        *re.findall(r"\]\((gallery/[^)]+)\)", page)
    }
    assert [kind.title for kind in KINDS.values() if f"\n## {kind.title}\n" not in page] == []


@campaign
def test_the_gallery_is_made_anew_with_the_same_charts(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "sitegen.gallery", str(tmp_path)], cwd=ROOT / "docs", check=True)
    assert {path.name for path in (tmp_path / "gallery").iterdir()} == {
        path.name for path in (ROOT / "docs/gallery").iterdir()
    }


@campaign
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="needs the extra docs")
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "--keep-going", "docs", str(tmp_path)], cwd=ROOT, check=True
    )
    assert (tmp_path / "reference" / "cli" / "audit.html").is_file()
