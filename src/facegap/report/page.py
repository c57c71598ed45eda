"""The report of a run: one HTML file without external resources, with the finding first."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from facegap.derive.unnamed import unnamed
from facegap.errors import RunError
from facegap.report.glossary import TERMS_OF_FINDING, limits_of, methods_of, terms_of
from facegap.report.reproduce import command_of
from facegap.report.text import clean
from facegap.store.run import (
    Run,
    broken_hashes,
    explained,
    finish,
    fitting_together,
    open_folder,
    read_run,
    require_unsealed,
    write_bytes,
)

if TYPE_CHECKING:
    from facegap.report.examples import Example
    from facegap.report.figures.bundle import Begun
    from facegap.report.figures.render import Drawn

NO_BREAK = "\u00a0"
LONGEST_WORD = 24  # letters of a word in a table row that are not broken
PAGE, FIGURES, SHARED = "report.html", "figures", "shared.css"
OWN_PACKAGE = "facegap.report"
SIGNS = {"gap": "▲", "no gap": "≈", "not enough": "?", "answer rates": "≠", "no difference": "≈"}


@dataclass(frozen=True)
class Images:
    """Permission to show thumbnails of failed images. folder : of the manifest, to which its paths are relative."""

    folder: Path
    allow_outside: bool = False


def add_report(folder: Path, run: Run, *, include_ids: bool, images: Images | None = None) -> None:
    """Write report.html and figures/ to a finished run folder and update its hashes.

    images : show thumbnails of failed images; without it no image is opened

    Raises
    ------
    RunError : if the folder cannot be written, or is sealed
    TableError : if the images to show are not in the folder of `images`
    """
    from facegap.report.figures import figures_of
    from facegap.report.figures.bundle import begin_bundle
    from facegap.report.figures.render import drawn, written_for

    require_unsealed(folder)
    begun = begin_bundle(written_for())
    shown: list[Example] = []
    if images is not None:
        from facegap.report.examples import examples_of

        shown = examples_of(run, images.folder, include_ids=include_ids, allow_outside=images.allow_outside)
    pictures = {part: [drawn(figure) for figure in found] for part, found in figures_of(run).items()}
    write_figures(folder / FIGURES, [picture for found in pictures.values() for picture in found])
    script = script_for(pictures, begun)
    write_bytes(folder / PAGE, page(run, pictures, shown, folder, script, include_ids=include_ids).encode())
    with explained(folder):
        finish(folder)


def page_alone(run: Run, *, include_ids: bool) -> str:
    """The report as text, for a file outside any run folder: without file hashes and photographs."""
    from facegap.report.figures import figures_of
    from facegap.report.figures.render import drawn

    pictures = {part: [drawn(figure) for figure in found] for part, found in figures_of(run).items()}
    return page(run, pictures, (), None, script_for(pictures, None), include_ids=include_ids)


def report_again(folder: Path, *, include_ids: bool, images: Images | None = None) -> Path:
    """Write report.html and figures/ of a finished run again from the stored tables; return the path of the report.

    Raises
    ------
    RunError : if there is no finished run, it was changed after it finished, or another process is writing it
    """
    changed = [said for said in broken_hashes(folder) if not said.startswith((f"{PAGE}:", f"{FIGURES}/"))]
    if changed:  # a new report would give the changed tables new hashes
        raise RunError(f"{folder}: the run in it was changed after it finished: {'; '.join(changed[:3])}")
    with open_folder(folder, resume=True), fitting_together(folder):
        add_report(folder, read_run(folder), include_ids=include_ids, images=images)
    return folder / PAGE


def write_figures(folder: Path, pictures: Sequence[Drawn]) -> None:
    """Write every figure as SVG, PNG, PDF and spec; figures of an earlier report are removed."""
    with explained(folder.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    for picture in pictures:
        for name, content in picture.files().items():
            write_bytes(folder / name, content)


def page(
    run: Run,
    pictures: Mapping[str, Sequence[Drawn]],
    examples: Sequence[Example],
    folder: Path | None,
    script: str,
    *,
    include_ids: bool,
) -> str:
    """The report as text; every value is escaped by the template engine, and its policy allows one script, by hash.

    folder : of the run, whose files are hashed; None for a run without a folder
    """
    from facegap.report.figures.render import with_narrow
    from facegap.report.first_screen import lines_of
    from facegap.report.questions import Material, figures_of_finding, reproduced, sections_of
    from facegap.report.tested import about

    lines = lines_of(run)
    everything = {picture.figure.name: with_narrow(picture) for found in pictures.values() for picture in found}
    figures = {part: [picture.figure for picture in found] for part, found in pictures.items()}
    material = Material(run, lines, figures, examples, folder, include_ids)
    sections, last = sections_of(material), reproduced(material)
    style = stylesheet("report.css")
    return (
        environment()
        .get_template(PAGE)
        .render(
            about=about(run),
            record=run.record,
            lines=lines,
            told=figures_of_finding(material),
            warnings=warnings_of(run, include_ids=include_ids),
            sections=sections,
            last=last,
            pictures=everything,
            finding_terms=TERMS_OF_FINDING,
            terms=terms_of(TERMS_OF_FINDING, *(section.terms for section in sections)),
            limits=limits_of(run),
            methods=methods_of(run),
            command=command_of(run.record),
            style=own(style),
            script=own(script),
            policy=policy(style, script),
        )
    )


def warnings_of(run: Run, *, include_ids: bool) -> list[str]:
    """Warnings below the alarms, without the names of images and subjects unless these were requested."""
    alarms = run.record.alarms  # shown above everything else
    found = [warning for warning in run.record.warnings if warning not in alarms]
    return found if include_ids else unnamed(found, run)


def own(text: str) -> Markup:
    """Mark text as safe HTML: only facegap's own style and script, never external text."""
    return Markup(text)  # noqa: S704


def script_for(pictures: Mapping[str, Sequence[Drawn]], begun: Begun | None) -> str:
    """The script that renders the charts; empty without charts."""
    from facegap.report.figures.bundle import runtime_script
    from facegap.report.figures.render import written_for

    script = runtime_script(asset("live.js"), written_for(), begun)
    if not any(pictures.values()):
        return ""
    assert "</script" not in script.lower() and "<!--" not in script, "the bundle would end its element"
    return script


def policy(style: str, script: str) -> str:
    """Content-Security-Policy: no resources except this style, this script, and images inside the page."""
    allowed = f"script-src {hash_source(script)}; " if script else ""
    return f"default-src 'none'; img-src data:; style-src {hash_source(style)}; {allowed}base-uri 'none'; form-action 'none'"


def hash_source(text: str) -> str:
    """A source expression that allows one inline element by its sha256."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@lru_cache(maxsize=16)
def asset(name: str, package: str = OWN_PACKAGE) -> str:
    """A file next to the templates of a package."""
    return files(package).joinpath("templates", name).read_text(encoding="utf-8")


def stylesheet(name: str = "", package: str = OWN_PACKAGE) -> str:
    """The style of a page: shared rules, rules for charts on a dark screen, and the page's own file, if any."""
    from facegap.report.figures.dark import dark_rules

    own_rules = [asset(name, package)] if name else []
    return "\n".join([asset(SHARED), dark_rules(".live"), *own_rules])


def environment(package: str = OWN_PACKAGE) -> Environment:
    """The template engine with the filters of the page; package : its folder `templates` has priority over that of the report."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, OWN_PACKAGE))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "clean": clean,
        "unbroken": unbroken,
        "breakable": breakable,
        "apart": apart,
        "badge": badge,
        "picture": picture_source,
        "narrow": narrow_source,
        "anchor": anchor,
        "spec": spec_text,
    }
    return made


def unbroken(text: str) -> str:
    """Text that may wrap between a value, its interval and its counts, but not inside them; letters are unchanged."""
    tied = re.sub(r"\[[^\]]*\]", lambda found: found.group().replace(" ", NO_BREAK), text)
    return tied.replace("< ", f"<{NO_BREAK}")


def breakable(text: str) -> Markup:
    """Text in which long words may also be broken, so that no name can push the numbers next to it out of view."""
    marked = re.sub(rf"\S{{{LONGEST_WORD}}}(?=\S)", lambda found: f"{found[0]}\0", clean(text))
    return Markup(str(escape(marked)).replace("\0", "<wbr>"))  # noqa: S704  (escaped)


def apart(sentence: str) -> Markup:
    """A sentence in which each quoted name is isolated bidirectionally: a right-to-left name cannot reorder numbers."""
    quoted = re.sub("“(.*?)”", r"“<bdi>\1</bdi>”", str(escape(sentence)))
    return Markup(quoted)  # noqa: S704  (escaped)


class Badge(NamedTuple):
    """Appearance of a verdict in a table: a sign, so that it does not depend on colour alone, and its colour class."""

    sign: str
    look: str


def badge(text: str, column: str) -> Badge | None:
    """The badge of a cell in the verdict column; None for any other cell."""
    sign = next((mark for start, mark in SIGNS.items() if text.startswith(start)), "")
    return Badge(sign, clean(text).split()[0]) if sign and column == "verdict" else None


def anchor(text: str) -> str:
    """The id of an element for a name defined by facegap."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def picture_source(picture: Drawn) -> str:
    """The SVG as a data URL: as an image it cannot run scripts, and its ids cannot collide with those of other charts."""
    return svg_source(picture.svg)


def narrow_source(picture: Drawn) -> str:
    """The data URL of the version for a phone; the wide version if there is none."""
    return svg_source(picture.narrow or picture.svg)


def svg_source(svg: str) -> str:
    """An SVG as a data URL, with its rules for a dark screen."""
    from facegap.report.figures.dark import with_dark
    from facegap.report.figures.render import silent

    return f"data:image/svg+xml;base64,{base64.b64encode(with_dark(silent(svg)).encode()).decode()}"


def spec_text(picture: Drawn) -> Markup:
    """The spec as JSON for a data script element, without any `<` that could end it."""
    from facegap.report.figures.render import spec_json

    text = spec_json(picture.figure.spec)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704  (JSON without the letters of markup)
