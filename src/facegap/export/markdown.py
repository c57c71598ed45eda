"""Text from outside, and tables of it, as Markdown in which nothing of it is markup."""

from __future__ import annotations

from collections.abc import Sequence

from facegap.report.text import clean

SPECIAL = frozenset("\\`*_[]|#~$>")
AT_THE_START = "+-="  # would make a list or a heading there


def md(text: object) -> str:
    """Text from outside for Markdown: on one line, nothing in it is markup, a link or HTML."""
    said = clean(text)
    kept = "".join(f"\\{letter}" if letter in SPECIAL else letter for letter in said)
    kept = f"\\{kept}" if said.startswith(tuple(AT_THE_START)) else kept
    kept = kept.replace("&", "&amp;").replace("<", "&lt;").replace("\\>", "&gt;")
    # renderers make links of bare addresses
    return kept.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; every cell is text."""
    lines = [columns, ["---"] * len(columns), *[[md(cell) for cell in row] for row in rows]]
    return ["| " + " | ".join(line) + " |" for line in lines]
