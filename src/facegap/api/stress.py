"""Stress tests with perturbed images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegap.api.given import Files, Words, named, output_of
from facegap.audit.settings import AuditSettings, CallableModel, Faces, Groups, Models, Output, Verify, section_of

if TYPE_CHECKING:
    from facegap.stress.notebook import StressTest


def stress(
    manifest: Any,
    *,
    perturb: str | Sequence[str] = (),
    detect: str | Path = AuditSettings.detect,
    classify: str | Path | CallableModel | None = AuditSettings.classify,
    embed: str | Path | CallableModel | None = AuditSettings.embed,
    by: str | Sequence[str] | None = AuditSettings.by,
    models: Models | Words | None = None,
    faces: Faces | Words | None = None,
    groups: Groups | Words | None = None,
    verify: Verify | Words | None = None,
    out: str | Path | Output | Words | None = None,
) -> StressTest:
    """Perturb every image and measure whether errors change more in one group than in another.

    Parameters
    ----------
    manifest, detect, by, models, faces, groups
        As for `audit`.
    perturb : str or sequence of str, optional
        Perturbations, optionally with doses: ``["exposure", "blur=3,6,10"]``. Default: exposure, blur, resolution, jpeg and noise.
    classify, embed : str, path or CallableModel, optional
        The model whose errors are measured; exactly one of the two.
    verify : Verify or mapping, optional
        With `embed`: how the threshold is set on the unperturbed images, excluded pairs, and the seed.
    out : path, Output or mapping, optional
        Folder for stress.html and the tables. If None, results are kept in memory only.

    Returns
    -------
    StressTest
        `rates` and `gaps` as DataFrames; a rate without trials is NaN.

    Raises
    ------
    FacegapError
        One of its subclasses; the message states what was wrong, where, and what to do.

    Notes
    -----
    Each person is their own control: both rates of a change are over the same trials (docs/stress.md).

    Examples
    --------
    >>> import facegap as fg
    >>> done = fg.stress("people.csv", classify="ssrnet_gender_imdb", by="gender", perturb=["blur=3,6"])  # doctest: +SKIP
    >>> done.gaps[["dose", "group_a", "group_b", "difference", "verdict"]]  # doctest: +SKIP
    """
    from facegap.stress.notebook import StressTest
    from facegap.stress.run import stress as perturbed

    settings = AuditSettings(
        str(detect),
        named(classify),
        named(embed),
        by,  # type: ignore[arg-type]
        output_of(out),
        section_of(Models, models),
        section_of(Faces, faces),
        section_of(Groups, groups),
        section_of(Verify, verify),
    )
    doses = [perturb] if isinstance(perturb, str) else list(perturb)
    with Files() as files:
        path, settings = files.manifest(manifest, settings)
        if settings.output.folder is None:
            settings = replace(settings, output=replace(settings.output, folder=files.folder()))
        return StressTest(perturbed(path, settings, doses))
