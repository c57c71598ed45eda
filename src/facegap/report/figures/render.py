"""Charts to files and to the script that draws them in the page; everything offline, by vl-convert."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from facegap.report.figures.style import Figure

PNG_SCALE = 2.0  # pixels of the PNG per pixel of the chart: sharp on paper and on dense screens


@dataclass(frozen=True)
class Drawn:
    """A figure and its picture; the files of figures/ by suffix come from `files`."""

    figure: Figure
    svg: str

    def files(self) -> dict[str, bytes]:
        """SVG, PNG and PDF, and the spec itself, by file name. The same figure gives the same SVG and PNG to the byte."""
        import vl_convert

        stem = self.figure.name
        return {
            f"{stem}.vl.json": spec_json(self.figure.spec).encode(),
            f"{stem}.svg": self.svg.encode(),
            f"{stem}.png": vl_convert.svg_to_png(self.svg, scale=PNG_SCALE),
            f"{stem}.pdf": vl_convert.svg_to_pdf(self.svg),
        }


def drawn(figure: Figure) -> Drawn:
    """The figure as an SVG of its own."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(figure.spec, vl_version=vegalite_version(figure.spec), allowed_base_urls=[])
    return Drawn(figure, str(svg))


def spec_json(spec: Mapping[str, Any]) -> str:
    """A spec as JSON, the same every time."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def vegalite_version(spec: Mapping[str, Any]) -> str:
    """The Vega-Lite version that a spec names: `6.1` of .../vega-lite/v6.1.0.json."""
    version = str(spec["$schema"]).rsplit("/v", 1)[1].removesuffix(".json")
    return ".".join(version.split(".")[:2])


@lru_cache(maxsize=4)
def runtime_script(snippet: str, version: str) -> str:
    """`snippet` bundled with the Vega that it calls as vegaEmbed; one script that loads nothing."""
    import vl_convert

    return str(vl_convert.javascript_bundle(snippet, vl_version=version))
