"""Charts on a dark screen: the colours that are not data change, in pictures as images and in charts drawn in place.

The files of figures/ stay as they are: they go to paper. Colours of data stay too, but for two that are too dark there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from facegap.report.figures.style import GRID, INK, MUTED, PAPER

DARK_PAPER = "#14181e"  # --paper of shared.css
# By colour of light paper, for marks and words; tests/report/test_figures.py measures that each stands out from DARK_PAPER.
DARK: Mapping[str, str] = MappingProxyType(
    {
        INK: "#e6eaef",
        MUTED: "#a9b3bf",
        GRID: "#303944",
        "#0072b2": "#3d9bdc",
        "#882255": "#c4628f",
    }
)


def dark_rules(of: str = "") -> str:
    """CSS for a dark screen. of : a selector of what holds the charts; without it the rules are those of one picture."""
    inside = f"{of} " if of else ""
    background = f"{inside}svg>rect[fill='{PAPER}']{{fill:{DARK_PAPER}}}"
    if of:  # Vega in the page sets the background in the style of the element
        background = f"{inside}svg{{background:{DARK_PAPER}!important}}"
    rules = [background, f"{inside}[stroke='{PAPER}']{{stroke:{DARK_PAPER}}}"]
    for light, dark in DARK.items():
        rules += [f"{inside}[{name}='{light}']{{{name}:{dark}}}" for name in ("fill", "stroke")]
    return f"@media screen and (prefers-color-scheme: dark){{{''.join(rules)}}}"


def with_dark(svg: str) -> str:
    """The SVG with the rules of a dark screen in it; nothing else changes."""
    start = svg.index(">") + 1
    return f"{svg[:start]}<style>{dark_rules()}</style>{svg[start:]}"
