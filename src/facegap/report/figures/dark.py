"""Charts on a dark screen: colours that do not encode data are changed, in images and in charts rendered in the page.

The files in figures/ are unchanged, as they are for print. Colours of data also stay, except two that are too dark.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from facegap.report.figures.style import GRID, INK, MUTED, PAPER

DARK_PAPER = "#14181e"  # --paper of shared.css
# By colour of light paper, for marks and text; tests/report/test_figures.py checks the contrast of each with DARK_PAPER.
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
    """CSS for a dark screen. of : selector of the element that contains the charts; without it the rules are for a single image."""
    inside = f"{of} " if of else ""
    background = f"{inside}svg>rect[fill='{PAPER}']{{fill:{DARK_PAPER}}}"
    if of:  # Vega sets the background in the style attribute of the element in the page
        background = f"{inside}svg{{background:{DARK_PAPER}!important}}"
    rules = [background, f"{inside}[stroke='{PAPER}']{{stroke:{DARK_PAPER}}}"]
    for light, dark in DARK.items():
        rules += [f"{inside}[{name}='{light}']{{{name}:{dark}}}" for name in ("fill", "stroke")]
    return f"@media screen and (prefers-color-scheme: dark){{{''.join(rules)}}}"


def with_dark(svg: str) -> str:
    """The SVG with the rules for a dark screen; nothing else changes."""
    start = svg.index(">") + 1
    return f"{svg[:start]}<style>{dark_rules()}</style>{svg[start:]}"
