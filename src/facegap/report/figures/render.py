"""Render charts to files: the specification, SVG, PNG and PDF."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt

from facegap.errors import RunError
from facegap.report.figures import renderer
from facegap.report.figures.pdf import stable_pdf
from facegap.report.figures.style import Figure

DEFINED = re.compile(r' id="((?:gradient_|clip)\d+)"')
NAMED = re.compile(r'( id="|="url\(#)((?:gradient_|clip)\d+)("|\)")')
TAG = re.compile(r"<[A-Za-z][^<>]*>")
SPOKEN = re.compile(r' (?:aria-[a-z]+|role)="[^"]*"')
UNSEEN = re.compile(r"(?<=\d\.\d\d)\d+")  # of a position in pixels
WIDTH = re.compile(r'<svg[^>]* width="([\d.]+)"')
PHONE_PX = 358  # a screen of 390 minus its margins
NARROW_SLACK_PX = {"left": 14, "right": 8, "top": 4, "bottom": 4}  # for fonts of phones that are wider than those here
LABELS_OF_PHONE_PX, LEGEND_OF_PHONE_PX, MOST_TURNS = 150, 220, 3
CELL_OF_NUMBER_PX = 30  # a narrower cell contains no number
MOST_NARROW = 60_000  # characters: a longer chart would make the page too large, and the wide one is used instead
PNG_SCALE = 2.0  # pixels of the PNG per pixel of the chart: sharp in print and on high-density screens


@dataclass(frozen=True)
class Drawn:
    """A figure and its rendered chart; `files` gives the files of figures/ by suffix.

    narrow : the version for a phone, at most PHONE_PX wide if possible
    """

    figure: Figure
    svg: str
    narrow: str = ""

    def files(self) -> dict[str, bytes]:
        """SVG, PNG and PDF, and the spec, by file name. The same figure gives the same bytes."""
        stem = self.figure.name
        with explained_drawing(stem):
            png, pdf = renderer.svg_to_png(self.svg, scale=PNG_SCALE), renderer.svg_to_pdf(self.svg)
        return {
            f"{stem}.vl.json": spec_json(self.figure.spec).encode(),
            f"{stem}.svg": self.svg.encode(),
            f"{stem}.png": png,
            f"{stem}.pdf": stable_pdf(pdf),
        }


def drawn(figure: Figure) -> Drawn:
    """The figure rendered as a standalone SVG."""
    with explained_drawing(figure.name):
        svg = renderer.vegalite_to_svg(figure.spec, vl_version=written_for())
    return Drawn(figure, numbered_anew(svg))


@contextlib.contextmanager
def explained_drawing(name: str) -> Iterator[None]:
    """Convert a failure of the rendering process, which has threads and files of its own, to one error."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise RunError(
            f"the chart {name} cannot be drawn ({' '.join(str(error).split())[:200]}); too few files or threads may be allowed "
            "(ulimit -n), or too little memory. The tables are written; make the report by: facegap report RUN"
        ) from error


def with_narrow(picture: Drawn) -> Drawn:
    """The chart with its narrow version, for phones without scripts; a plugin's chart unchanged."""
    spec = json.loads(spec_json(picture.figure.spec))
    if "width" not in spec.get("spec", spec):  # a plugin's chart need not state its width
        return picture
    plot, meta, config = spec.get("spec", spec), spec["usermeta"], spec["config"]
    columns = spec["columns"] = 1 if "columns" in spec else 0
    config["legend"]["columns"] = 1
    config["axis"]["labelLimit"] = min(config["axis"]["labelLimit"], LABELS_OF_PHONE_PX)
    spec["padding"] = dict(NARROW_SLACK_PX)
    for legend in legends_of(spec):
        legend["labelLimit"] = min(legend["labelLimit"], LEGEND_OF_PHONE_PX)
    if not columns:
        del spec["columns"]
    plot["width"] = max(meta["least"], min(plot["width"], PHONE_PX - (meta["outside"] or PHONE_PX // 3)))
    for _ in range(MOST_TURNS):
        if meta["cells"] and plot["width"] / meta["cells"] < CELL_OF_NUMBER_PX:
            plot["layer"] = [layer for layer in plot["layer"] if layer["mark"]["type"] != "text"]
        with explained_drawing(picture.figure.name):
            svg = renderer.vegalite_to_svg(spec, vl_version=written_for())
        width = WIDTH.search(svg)
        excess = math.ceil(float(width[1]) - PHONE_PX) if width else 0
        if excess <= 0 or plot["width"] <= meta["least"]:
            break
        plot["width"] = max(meta["least"], plot["width"] - excess)
    narrow = numbered_anew(svg)
    return Drawn(picture.figure, picture.svg, narrow if len(silent(narrow)) <= MOST_NARROW else "")


def legends_of(part: Any) -> Iterator[dict[str, Any]]:
    """The legends in a part of a spec that limit the length of their labels."""
    if isinstance(part, dict):
        found = part.get("legend")
        if isinstance(found, dict) and "labelLimit" in found:
            yield found
        for name, inner in part.items():
            if name != "datasets":
                yield from legends_of(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from legends_of(inner)


def numbered_anew(svg: str) -> str:
    """The SVG with its gradients and clips numbered from 0: Vega continues the numbering over all charts of a process."""
    order: dict[str, str] = {}
    for name in DEFINED.findall(svg):
        order.setdefault(name, f"own_{len(order)}")
    return NAMED.sub(lambda found: f"{found[1]}{order.get(found[2], found[2])}{found[3]}", svg)


def silent(svg: str) -> str:
    """The SVG for use as an image: without ARIA texts, which screen readers cannot reach there, with positions to 0.01 pixels."""
    return TAG.sub(lambda tag: UNSEEN.sub("", SPOKEN.sub("", tag[0])), svg)


def spec_json(spec: Mapping[str, Any]) -> str:
    """A spec as JSON, reproducibly."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def written_for() -> str:
    """The Vega-Lite version that altair targets, as vl-convert names it: `6.1` for v6.1.0."""
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
