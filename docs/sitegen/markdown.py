"""Small pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def cell(text: str) -> str:
    """Text for a cell of a table: one line, its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Text as code."""
    return f"`{text}`"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; columns that are empty in every row are left out."""
    filled = [[cell(text) for text in row] for row in rows]
    kept = [k for k, _ in enumerate(heads) if any(row[k] for row in filled)]
    lines = [[heads[k] for k in kept], ["---"] * len(kept), *([row[k] for k in kept] for row in filled)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def escaped(text: str) -> str:
    """Plain text that Markdown shows as it is, apart from code in backticks."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if k % 2 else re.sub(r"([\\*_<>\[\]])", r"\\\1", part) for k, part in enumerate(parts))
