"""The quality named in the settings of an audit: whether it is available, and its values if a file gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.audit.quality_source import Source, source_of_quality
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.settings import AuditSettings
from facegap.derive.groupings import Grouping
from facegap.derive.never_shown import counted_by_group
from facegap.errors import SettingError
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.qualities import MatchedQualities, match_qualities, read_qualities
from facegap.types import BoolArray


def require_quality(settings: AuditSettings, table: Manifest) -> None:
    """Raise SettingError for a quality that is not available in this audit; see also `source_of_quality`."""
    named = settings.faces.quality
    require_column(named, settings.faces.quality_column)
    if named == "template_norm" and settings.embed is None:
        raise SettingError("--quality template_norm: needs an embedder; give one with --embed")
    require_one_quality(table, named)


def require_column(named: str | None, column: str | None) -> Source | None:
    """The source that --quality names, None without one; SettingError for --quality-column without a file."""
    source = None if named is None else source_of_quality(named)
    if column is not None and source != "file":
        raise SettingError(f"--quality-column {column}: selects a column of the --quality file; give a file there")
    return source


def require_one_quality(table: Manifest, named: str | None) -> None:
    """Raise SettingError for templates pooled from several images, which have no single quality."""
    if named is not None and table.members is not None:
        raise SettingError(
            "--quality: a template of several images has no single quality; omit the column template, or --quality"
        )


def with_qualities(resolved: ResolvedAudit) -> ResolvedAudit:
    """The audit with the qualities from the file of --quality, and sentences on the images without one.

    Raises
    ------
    TableError : see `read_qualities` and `match_qualities`
    """
    faces, table = resolved.settings.faces, resolved.manifest
    if faces.quality is None or source_of_quality(faces.quality) != "file":
        return resolved
    given = read_qualities(Path(faces.quality), faces.quality_column)
    found = match_qualities(given, table.frame["image"].tolist(), table.name, table.left_out)
    said = quality_sentences(found, table.frame, resolved.groupings)
    return replace(resolved, qualities=found, notes=(*resolved.notes, *said))


def quality_sentences(found: MatchedQualities, manifest: pd.DataFrame, groupings: Sequence[Grouping]) -> list[str]:
    """Notes: images without a quality, by group and reason; unmatched rows of the file; how images were matched."""
    given, rows = found.given, len(manifest)
    said = [
        ". ".join([f"{int(lacking.sum()):,} of {rows:,} images {why}", *counted_by_group(manifest, lacking, groupings)])
        + "."
        for lacking, why in reasons(found)
        if lacking.any()
    ]
    if found.by_name:
        said.append(
            f"the images of {given.name} were matched by file name only, because none of its paths occurs in the "
            f"manifest"
        )
    if found.unused:
        said.append(
            f"{found.unused:,} of {len(given.images):,} rows of {given.name} belong to no image of the manifest"
        )
    return said


def reasons(found: MatchedQualities) -> list[tuple[BoolArray, str]]:
    """Images without a quality, bool (rows,), and the reason."""
    failed = "is -1 (the measure failed) or empty" if found.given.layout == "OFIQ" else "is empty"
    return [
        (~found.has_row, f"have no row in {found.given.name}, and so no quality"),
        (
            np.asarray(found.has_row & np.isnan(found.values)),
            f"have no quality: {found.given.column} of {found.given.name} {failed}",
        ),
    ]
