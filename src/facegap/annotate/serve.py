"""Run `facegap annotate` and `facegap annotations` on a manifest, a file of answers and a server."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from facegap.annotate.database import Imported, open_store
from facegap.audit.settings import Models
from facegap.errors import FacegapError, TableError
from facegap.groups.annotations import MOST_NAME_CHARACTERS, read_annotations
from facegap.groups.scales import scale_named
from facegap.inputs.images.decode import Pixels
from facegap.inputs.manifests.read import read_manifest
from facegap.inputs.records import read_records
from facegap.store.run import write_csv
from facegap.tables import ANNOTATIONS

NO_DETECT = "none"
CROP_MARGIN = 0.6  # of the face's box on every side: includes hair, neck and some background, but rarely other people


@dataclass(frozen=True)
class Started:
    """What is announced once the server listens. address : includes the access key, if one was generated"""

    address: str
    images: int
    scale: str
    db: Path
    readable_on_the_way: bool
    warnings: tuple[str, ...]


def default_db(manifest: Path) -> Path:
    """The default file of answers, in the current folder."""
    return Path(f"{manifest.stem}.annotations.sqlite")


def annotate(
    manifest: Path,
    *,
    scale: str,
    port: int,
    host: str,
    token: str | None,
    tls: tuple[Path | None, Path | None],
    plain_http: bool,
    annotator: str | None,
    db: Path | None,
    where: str | None,
    allow_outside: bool,
    images_dir: Path | None = None,
    detect: str,
    models_dirs: Sequence[Path],
    timeout_s: float | None = Models.model_timeout,
    seed: int,
    practice: int,
    announce: Callable[[Started], None],
) -> None:
    """Serve the annotation pages until the process is stopped; `announce` is called when they can be opened.

    Raises
    ------
    FacegapError : a public host without TLS, an invalid certificate, a scale that cannot be annotated by eye, a port in
                   use, or missing packages of the extra `web`; also as `read_manifest` and `open_store`
    """
    from facegap.web.serve import address, certificate_of, listening_socket, require_web, serve

    require_web()
    from facegap.annotate.page import Door, Task, create_app, proper_name
    from facegap.annotate.pictures import Pictures
    from facegap.annotate.text import wording_of
    from facegap.web.security import is_loopback, made_key, require_safe

    certificate = certificate_of(*tls)
    require_safe(host, token, tls=certificate is not None, plain_http=plain_http)
    wording_of(scale_named(scale))
    if annotator is not None and proper_name(annotator) is None:
        raise FacegapError(f"--annotator must be a name of 1 to {MOST_NAME_CHARACTERS} characters, not {annotator!r}")
    table = read_manifest(manifest, allow_outside=allow_outside, where=where, images_dir=images_dir)
    crop = face_crop(detect, models_dirs, timeout_s)
    path = db or default_db(manifest)
    with listening_socket(host, port) as listening:
        store = open_store(path, table.sha256)
        bound = int(listening.getsockname()[1])
        task = Task(scale_named(scale), proper_name(annotator or ""), seed, practice)
        made = None if token else made_key(store.secret)
        door = Door(host, bound, token or made, tls=certificate is not None)
        app = create_app(task, store, Pictures(table, store.secret, crop), door)
        open_it = address(host, bound, tls=door.tls) + (
            f"?key={made}" if made else ""
        )  # a token chosen by the user is not printed
        readable = not is_loopback(host) and not door.tls
        announce(Started(open_it, len(table.frame), scale, path, readable, table.warnings))
        serve(app, listening, certificate)


def face_crop(
    detect: str, models_dirs: Sequence[Path], timeout_s: float | None = Models.model_timeout
) -> Callable[[Pixels], Pixels] | None:
    """A function that crops the largest face with CROP_MARGIN, and returns a picture without a face unchanged.

    None if no detector is requested.
    """
    if detect == NO_DETECT:
        return None
    from facegap.inputs.cards.read import resolve_card
    from facegap.inputs.cards.weights import models_folders, read_weights
    from facegap.runtime.models import open_model
    from facegap.vision.detect import choose, detector
    from facegap.vision.detect import detect as faces_of

    card, given = resolve_card(detect, "detect")
    content = read_weights(card, models_folders(models_dirs), given)
    session = open_model(content, name=card.name, file=str(card.file), timeout_s=timeout_s)
    model = detector(card, session)

    def crop(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        faces = faces_of(model, pixels)
        chosen = choose(faces, "largest", (width, height)) if len(faces) else None
        if chosen is None:
            return pixels
        x1, y1, x2, y2 = faces.boxes[chosen]
        margin = CROP_MARGIN * max(x2 - x1, y2 - y1)
        left, top = max(0, int(x1 - margin)), max(0, int(y1 - margin))
        right, bottom = min(width, int(x2 + margin) + 1), min(height, int(y2 + margin) + 1)
        return pixels[top:bottom, left:right] if left < right and top < bottom else pixels

    return crop


def export_annotations(manifest: Path, out: Path, *, db: Path | None) -> tuple[int, int]:
    """Write all valid answers as CSV, readable by its owner only; return the numbers of answers and annotators.

    Servers may continue meanwhile.
    """
    path = db or default_db(manifest)
    if not path.is_file():
        raise TableError(f"{path}: no answers file; give it with --db, or annotate first")
    with contextlib.closing(open_store(path, read_records(manifest).sha256)) as store:
        table = store.table()
    write_csv(out, table, ANNOTATIONS)
    return len(table), int(table["annotator"].nunique())


def import_annotations(manifest: Path, annotations: Path, *, db: Path | None) -> Imported:
    """Add the answers of a CSV file to the file of answers; of two answers to one image the later one is valid.

    Raises
    ------
    TableError : an invalid table (see `read_annotations`), an image that is not in the manifest, or a full disk
    """
    frame = read_annotations(annotations)
    records = read_records(manifest)
    images = records.frame.get("image", pd.Series(dtype="str"))
    known = frame["image"].isin(set(images))
    if not known.all():
        raise TableError(
            f"{annotations.name}: {int((~known).sum())} rows are about images that {manifest.name} does not have, the "
            f"first about {frame['image'][~known].iloc[0]!r}; import with the manifest that was used for annotation"
        )
    path = db or default_db(manifest)
    try:
        with contextlib.closing(open_store(path, records.sha256)) as store:
            return store.add(frame)
    except sqlite3.Error as error:
        raise TableError(
            f"{path}: cannot be written ({error}); free some space or choose another --db; import again"
        ) from error
