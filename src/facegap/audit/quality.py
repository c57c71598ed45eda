"""Whether an audit can have the quality that its settings name, before any image is opened."""

from __future__ import annotations

from facegap.audit.settings import AuditSettings
from facegap.errors import SettingError
from facegap.inputs.manifests.read import Manifest
from facegap.tables import QUALITIES


def require_quality(settings: AuditSettings, table: Manifest) -> None:
    """Raise SettingError for a quality that this audit does not measure."""
    named = settings.faces.quality
    if named is None:
        return
    if named not in QUALITIES:
        raise SettingError(
            f"--quality {named}: not one of {', '.join(QUALITIES)}; docs/covariates.md says what they are"
        )
    if named == "template_norm" and settings.embed is None:
        raise SettingError("--quality template_norm: needs an embedder; name one with --embed")
    if table.members is not None:
        raise SettingError(
            "--quality: a template of several images has no quality of its own; leave out the column template, or --quality"
        )
