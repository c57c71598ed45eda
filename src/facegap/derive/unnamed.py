"""Sentences without the names of images and people, for all output without `--include-ids`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from facegap.store.run import Run

SOMEBODY = "(an image)"


def unnamed(sentences: Sequence[str], run: Run) -> list[str]:
    """The sentences with SOMEBODY in place of each name of an image or person of the manifest.

    Plain numbers are kept: they cannot be distinguished from counts, and identify nobody without the manifest.
    """
    if not sentences:
        return []
    names = {*run.manifest["image"].astype(str), *run.manifest["subject"].astype(str)}
    if run.pooled is not None:
        names |= set(run.pooled.manifest["image"].astype(str))
    present = [name for name in names if name and not name.isdigit() and any(name in text for text in sentences)]
    if not present:
        return list(sentences)
    longest_first = sorted(present, key=lambda name: (-len(name), name))
    any_name = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest_first))
    return [any_name.sub(SOMEBODY, text) for text in sentences]
