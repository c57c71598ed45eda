"""Charts to files and to the script that draws them in the page; everything offline, by vl-convert."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import platformdirs

from facegap.errors import RunError
from facegap.report.figures.style import Figure
from facegap.store import write_bytes

DEFINED = re.compile(r' id="((?:gradient_|clip)\d+)"')
NAMED = re.compile(r'( id="|="url\(#)((?:gradient_|clip)\d+)("|\)")')
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
    return Drawn(figure, numbered_anew(str(svg)))


def numbered_anew(svg: str) -> str:
    """The SVG with its gradients and clips numbered from 0: Vega counts on through all charts of a process."""
    order: dict[str, str] = {}
    for name in DEFINED.findall(svg):
        order.setdefault(name, f"own_{len(order)}")
    return NAMED.sub(lambda found: f"{found[1]}{order.get(found[2], found[2])}{found[3]}", svg)


def spec_json(spec: Mapping[str, Any]) -> str:
    """A spec as JSON, the same every time."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def vegalite_version(spec: Mapping[str, Any]) -> str:
    """The Vega-Lite version that a spec names: `6.1` of .../vega-lite/v6.1.0.json."""
    version = str(spec["$schema"]).rsplit("/v", 1)[1].removesuffix(".json")
    return ".".join(version.split(".")[:2])


@lru_cache(maxsize=4)
def runtime_script(snippet: str, version: str) -> str:
    """`snippet` bundled with the Vega that it calls as vegaEmbed; one script that loads nothing.

    To bundle takes seconds and gives the same script every time, so it is kept in the user's cache; a kept script that
    does not have its hash is made again, and where nothing can be kept it is made each time.
    """
    import vl_convert

    made_by = importlib.metadata.version("vl-convert-python")
    key = hashlib.sha256(f"{made_by} {version}\n{snippet}".encode()).hexdigest()
    kept = Path(platformdirs.user_cache_dir("facegap")) / "page" / f"{key}.js"
    if (script := kept_script(kept)) is not None:
        return script
    script = str(vl_convert.javascript_bundle(snippet, vl_version=version))
    with contextlib.suppress(OSError, RunError):
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_bytes(kept, f"{hash_of(script)}\n{script}".encode())
    return script


def kept_script(path: Path) -> str | None:
    """A script that was kept: its sha256, a line end, then the script; None where it is not there or not whole."""
    try:
        stated, _, script = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return None
    return script if script and hash_of(script) == stated else None


def hash_of(script: str) -> str:
    """sha256 in hex."""
    return hashlib.sha256(script.encode()).hexdigest()
