"""From a folder with a benchmark protocol to a run: the same audit as any other, of the protocol's pairs."""

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

FAR = (1e-3, 1e-2, 1e-1)  # a list of 3,000 impostor pairs says nothing of fewer than 1 in 3,000
FAR_OF_MILLIONS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # as InsightFace prints of IJB
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
    """Compare the pairs of a protocol and measure both its own numbers and the errors by group.

    Parameters
    ----------
    name : str
        A key of `facegap.inputs.protocols.READERS`.
    root : Path
        The folder that the protocol was unpacked to; of `bin` the file.
    settings : AuditSettings
        As of an audit. Faces are where the points of IJB say, and a .bin has aligned crops, unless a detector or a file of
        points is named. Thresholds of FMR and FNMR are set by the folds of the protocol, where no person is in two of them.
    far : sequence of float
        False accept rates at which the true accept rate is printed; without any those that are usual for the protocol.
    like : {"insightface"}, optional
        TAR by the rule of InsightFace as well.
    gallery : {"1", "2", "both"}, optional
        IJB: search this gallery (1:N) in place of comparing the listed pairs. Thresholds are then set as the protocol does, on
        the searches that they are evaluated on, and labelled so, unless the settings say otherwise.
    fpir : sequence of float
        False positive identification rates at which TPIR is printed.
    labels : Path, optional
        Table with labels of the protocol's images or subjects, to be split by.
    allow_incomplete : bool
        Go on where counts are not those of the protocol or images are missing. The run says so.

    Returns
    -------
    Run
        With the table protocol.csv.

    Raises
    ------
    FacegapError
        A list that is not of its layout, by file and line; counts of another protocol; and each kind that an audit raises.

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
    """The settings of a search: who is enrolled is a column, thresholds are in-sample unless they are set on somebody."""
    verify = settings.verify
    if verify.threshold_by is None and verify.threshold_on is None and not verify.threshold:
        verify = replace(verify, in_sample=True)
    return replace(settings, verify=verify, identify=Identify(role_column="role", rank=RANKS, fpir=tuple(fpir)))


def by_its_faces(settings: AuditSettings, listing: Listing) -> AuditSettings:
    """The settings with the points or the crops that the protocol comes with, unless a detector or other points are asked for."""
    asked = "detect" in settings.stated or settings.detect != AuditSettings.detect
    if asked or settings.faces.points is not None:
        return settings
    if listing.points is not None:
        return changed(settings, points=listing.points)
    return replace(settings, detect=ALIGNED) if listing.images else settings


def by_its_folds(settings: AuditSettings, listing: Listing) -> AuditSettings:
    """The settings with the protocol's own folds, where each person has one and thresholds are set by folds at all."""
    from facegap.inputs.protocols.listing import FOLD

    if FOLD not in listing.people.columns or not settings.by_folds:
        return settings
    return replace(settings, verify=replace(settings.verify, fold_column=FOLD))


@contextlib.contextmanager
def laid_out(listing: Listing) -> Iterator[Path]:
    """The manifest of a protocol's people, in a folder of its own that only its owner can read and that goes at the end.

    Images that a protocol holds itself lie beside it.
    """
    with temporary_folder() as folder:
        for name, content in listing.images.items():
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
        manifest = folder / PEOPLE
        listing.people.to_csv(manifest, index=False, lineterminator="\n", encoding="utf-8")
        yield manifest
