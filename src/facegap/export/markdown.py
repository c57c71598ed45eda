"""Untrusted text, and tables of it, as Markdown without any markup."""

from __future__ import annotations

from collections.abc import Sequence

from facegap.report.text import clean

SPECIAL = frozenset("\\`*_[]|#~$>")
AT_THE_START = "+-="  # these start a list or a heading


def md(text: object) -> str:
    """Untrusted text as Markdown: on one line, without markup, links or HTML."""
    line = clean(text)
    kept = "".join(f"\\{letter}" if letter in SPECIAL else letter for letter in line)
    kept = f"\\{kept}" if line.startswith(tuple(AT_THE_START)) else kept
    kept = kept.replace("&", "&amp;").replace("<", "&lt;").replace("\\>", "&gt;")
    # renderers turn bare addresses into links
    return kept.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; every cell is text."""
    lines = [columns, ["---"] * len(columns), *[[md(cell) for cell in row] for row in rows]]
    return ["| " + " | ".join(line) + " |" for line in lines]
