"""The functions that `import facegap` offers. Each is one call of the audit or of a tool, with settings as small values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegap.audit.settings import (
    AuditSettings,
    CallableModel,
    Faces,
    Groups,
    Identify,
    Models,
    Output,
    Service,
    Verify,
    section_of,
)

if TYPE_CHECKING:
    from facegap.store.run import Run

Words = Mapping[str, Any]  # settings in the words of the command line: {"min_subjects": 10}


def audit(
    manifest: Any,
    *,
    detect: str = AuditSettings.detect,
    classify: str | CallableModel | None = AuditSettings.classify,
    embed: str | CallableModel | None = AuditSettings.embed,
    by: str | Sequence[str] | None = AuditSettings.by,
    models: Models | Words | None = None,
    faces: Faces | Words | None = None,
    groups: Groups | Words | None = None,
    verify: Verify | Words | None = None,
    identify: Identify | Words | bool | None = None,
    service: Service | Words | None = None,
    out: str | Path | Output | Words | None = None,
) -> Run:
    """Run."""
    from facegap.audit import run

    return run.audit(
        Path(manifest),
        AuditSettings(
            detect,
            classify,
            embed,
            by,  # type: ignore[arg-type]
            output_of(out),
            section_of(Models, models),
            section_of(Faces, faces),
            section_of(Groups, groups),
            section_of(Verify, verify),
            None if identify is None or identify is False else section_of(Identify, identify),
            section_of(Service, service),
        ),
    )


def audit_predictions(
    predictions: Any,
    manifest: Any,
    *,
    model: str | None = None,
    classes: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = AuditSettings.by,
    groups: Groups | Words | None = None,
    faces: Faces | Words | None = None,
    seed: int = Verify.seed,
    out: str | Path | Output | Words | None = None,
) -> Run:
    """Run."""
    from facegap.audit import predictions as stage

    settings = AuditSettings(
        by=by,  # type: ignore[arg-type]
        output=output_of(out),
        faces=section_of(Faces, faces),
        groups=section_of(Groups, groups),
        verify=Verify(seed=seed),
    )
    return stage.audit_predictions(Path(predictions), Path(manifest), settings, model=model, classes=classes)


def audit_embeddings(
    embeddings: Any,
    manifest: Any,
    *,
    model: str = "embeddings",
    by: str | Sequence[str] | None = AuditSettings.by,
    models: Models | Words | None = None,
    groups: Groups | Words | None = None,
    verify: Verify | Words | None = None,
    out: str | Path | Output | Words | None = None,
) -> Run:
    """Run."""
    from facegap.audit import scores as stage

    settings = AuditSettings(
        by=by,  # type: ignore[arg-type]
        output=output_of(out),
        models=section_of(Models, models),
        groups=section_of(Groups, groups),
        verify=section_of(Verify, verify),
    )
    return stage.audit_embeddings(Path(embeddings), Path(manifest), settings, model=model)


def audit_scores(
    scores: Any,
    manifest: Any = None,
    *,
    model: str = "scores",
    by: str | Sequence[str] | None = AuditSettings.by,
    groups: Groups | Words | None = None,
    verify: Verify | Words | None = None,
    out: str | Path | Output | Words | None = None,
) -> Run:
    """Run."""
    from facegap.audit import scores as stage

    settings = AuditSettings(
        by=by,  # type: ignore[arg-type]
        output=output_of(out),
        groups=section_of(Groups, groups),
        verify=section_of(Verify, verify),
    )
    return stage.audit_scores(Path(scores), None if manifest is None else Path(manifest), settings, model=model)


def recheck(run: str | Path) -> list[str]:
    """Problems."""
    from facegap.audit import run as stage

    return stage.recheck(run)


def output_of(out: str | Path | Output | Words | None) -> Output:
    """Where a run goes: a folder, or an Output that says more."""
    return Output(Path(out)) if isinstance(out, str | Path) else section_of(Output, out)
