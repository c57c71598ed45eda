"""Run a benchmark protocol from its folder, as an audit of the protocol's pairs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from facegap.audit.settings import ALIGNED, AuditSettings, Identify, changed
from facegap.errors import SettingError
from facegap.store.temporary import temporary_folder

if TYPE_CHECKING:
    from facegap.audit.protocols import Like
    from facegap.inputs.protocols.ijb import Gallery
    from facegap.inputs.protocols.listing import Listing
    from facegap.store.run import Run

FAR = (1e-3, 1e-2, 1e-1)  # 3,000 impostor pairs cannot resolve rates below 1 in 3,000
FAR_OF_MILLIONS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # as reported by InsightFace for IJB
MILLIONS = ("ijbb", "ijbc")
RANKS = (1, 5, 10)
FPIR = (0.01, 0.1)
PEOPLE = "people.csv"


def run_protocol(
    name: str,
    root: Path,
    settings: AuditSettings,
    *,
    far: Sequence[float] = (),
    like: Like | None = None,
    gallery: Gallery | None = None,
    fpir: Sequence[float] = FPIR,
    labels: Path | None = None,
    allow_incomplete: bool = False,
) -> Run:
    """Compare the pairs of a protocol, and compute its own results and errors by group.

    Parameters
    ----------
    name : str
        A key of `facegap.inputs.protocols.READERS`.
    root : Path
        The folder with the unpacked protocol; for `bin` the file.
    settings : AuditSettings
        As for an audit. For IJB, faces are located by its landmarks, and a .bin has aligned crops, unless a detector or
        a file of points is given. Thresholds of FMR and FNMR are set by the folds of the protocol if no person is in
        two folds.
    far : sequence of float
        False accept rates at which the true accept rate is reported; by default those usual for the protocol.
    like : {"insightface"}, optional
        Also report TAR by the InsightFace rule.
    gallery : {"1", "2", "both"}, optional
        IJB: search this gallery (1:N) instead of comparing the listed pairs. As in the protocol, thresholds are then
        set in-sample, on the searches that are evaluated, and labelled as such, unless the settings specify otherwise.
    fpir : sequence of float
        False positive identification rates at which TPIR is reported.
    labels : Path, optional
        Table with labels of the protocol's images or subjects, by which results are split.
    allow_incomplete : bool
        Continue if counts differ from the protocol or images are missing. The run states this.

    Returns
    -------
    Run
        With the table protocol.csv.

    Raises
    ------
    FacegapError
        If a list does not have the expected layout (with file and line), or counts differ from the protocol; and all
        errors of an audit.

    Examples
    --------
    >>> from facegap.audit.settings import settings_from
    >>> run_protocol("lfw", Path("LFW"), settings_from({"embed": "face_reid_0095"}))  # doctest: +SKIP
    """
    from facegap.audit.protocols import listed_protocol
    from facegap.audit.run import audit
    from facegap.inputs.protocols import READERS, SEARCHES
    from facegap.inputs.protocols.labels import with_labels
    from facegap.inputs.protocols.listing import require_complete

    if settings.embed is None:
        raise SettingError("--embed: a protocol compares faces; name the card of an embedder")
    far = far or (FAR_OF_MILLIONS if name in MILLIONS else FAR)
    for rate in far:
        if not 0 < rate < 1:
            raise SettingError(f"--far {rate:g}: a false accept rate is between 0 and 1")
    if gallery is not None and name not in SEARCHES:
        raise SettingError(f"--gallery: {name} has no gallery; {' and '.join(SEARCHES)} have")
    listing = READERS[name](root) if gallery is None else SEARCHES[name](root, gallery)
    if gallery is not None:
        settings = searching(settings, fpir)
    if not allow_incomplete:
        require_complete(listing)
    if labels is not None:
        listing = with_labels(listing, labels)
    protocol = listed_protocol(listing, far=far, like=like)
    with laid_out(listing) as manifest:
        folder = manifest.parent if listing.images else listing.folder
        chosen = changed(settings, images_dir=folder, allow_missing=allow_incomplete)
        return audit(manifest, by_its_folds(by_its_faces(chosen, listing), listing), protocol)


def searching(settings: AuditSettings, fpir: Sequence[float]) -> AuditSettings:
    """The settings of a search: a column names who is enrolled, and thresholds are in-sample unless set on other subjects."""
    verify = settings.verify
    if verify.threshold_by is None and verify.threshold_on is None and not verify.threshold:
        verify = replace(verify, in_sample=True)
    return replace(settings, verify=verify, identify=Identify(role_column="role", rank=RANKS, fpir=tuple(fpir)))


def by_its_faces(settings: AuditSettings, listing: Listing) -> AuditSettings:
    """The settings with the landmarks or crops of the protocol, unless a detector or other points are given."""
    has_detector = "detect" in settings.stated or settings.detect != AuditSettings.detect
    if has_detector or settings.faces.points is not None:
        return settings
    if listing.points is not None:
        return changed(settings, points=listing.points)
    return replace(settings, detect=ALIGNED) if listing.images else settings


def by_its_folds(settings: AuditSettings, listing: Listing) -> AuditSettings:
    """The settings with the folds of the protocol, if each person is in one fold and thresholds are set by folds."""
    from facegap.inputs.protocols.listing import FOLD

    if FOLD not in listing.people.columns or not settings.by_folds:
        return settings
    return replace(settings, verify=replace(settings.verify, fold_column=FOLD))


@contextlib.contextmanager
def laid_out(listing: Listing) -> Iterator[Path]:
    """Write the manifest of a protocol to a temporary folder that only its owner can read; it is removed at the end.

    Images contained in a protocol file are written to the same folder.
    """
    with temporary_folder() as folder:
        for name, content in listing.images.items():
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
        manifest = folder / PEOPLE
        listing.people.to_csv(manifest, index=False, lineterminator="\n", encoding="utf-8")
        yield manifest
