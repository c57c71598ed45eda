"""Read IJB-B and IJB-C, 1:1 between templates, in the layout of InsightFace's files: space-separated, without headers.

The images are crops of photographs and video frames (loose_crop) and have five points each. A template has images of one person;
the images of one medium, a photograph or the frames of a video, are pooled first.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.protocols.bins import people_joined
from facegap.inputs.protocols.listing import (
    NO_FOLD,
    Counted,
    Listing,
    contradictions,
    read_bytes,
)
from facegap.inputs.protocols.lists import NOT_SEEN
from facegap.inputs.records import read_records
from facegap.types import IntArray

MAX_BYTES = 2**30  # the 15,658,489 pairs of IJB-C take a quarter of this
IMAGES = "loose_crop"
Gallery = Literal["1", "2", "both"]
ROLE, GALLERY, PROBE = "role", "gallery", "probe"


@dataclass(frozen=True)
class Edition:
    """Names and counts of one of the two protocols. Source : InsightFace, recognition/_evaluation_/ijb, also for the number of
    pairs of IJB-C, as others report it"""

    name: str
    title: str
    images: int
    templates: int | None
    pairs: int
    genuine: int
    galleries: tuple[str, str]


IJBB = Edition("ijbb", "IJB-B", 227_630, 12_115, 8_010_270, 10_270, ("S1", "S2"))
IJBC = Edition("ijbc", "IJB-C", 469_375, None, 15_658_489, 19_557, ("G1", "G2"))


def ijbb(root: Path) -> Listing:
    """Read IJB-B, see `ijb`."""
    return ijb(root, IJBB)


def ijbc(root: Path) -> Listing:
    """Read IJB-C, see `ijb`."""
    return ijb(root, IJBC)


def ijb(root: Path, edition: Edition) -> Listing:
    """Read the template pairs of IJB from meta/NAME_face_tid_mid.txt and meta/NAME_template_pair_label.txt.

    The subject of a template is taken from meta/NAME_1N_gallery_*.csv and NAME_1N_probe_mixed.csv if they exist; otherwise
    templates connected by genuine pairs are of one person. The points are in meta/NAME_name_5pts_score.txt.

    Raises
    ------
    TableError : If a file is missing or malformed (names the line), or a pair contains a template without images.
    """
    meta = f"meta/{edition.name}"
    faces, files, points = images_of(root, edition)
    listed, pairs_sha256 = numbers(root, f"{meta}_template_pair_label.txt", names=("first", "second", "genuine"))
    ids, rows = np.unique(faces["template"].to_numpy(np.int64), return_index=True)
    order = np.argsort(rows)
    row_of = np.empty(len(ids), np.int64)
    row_of[order] = np.arange(len(ids))  # templates are numbered in order of appearance
    pairs = np.stack(
        [
            rows_of(listed[side].to_numpy(np.int64), ids, row_of, f"{meta}_template_pair_label.txt")
            for side in ("first", "second")
        ],
        axis=1,
    )
    genuine = listed["genuine"].to_numpy(np.int64) == 1
    joined = people_joined(pairs[genuine], len(ids))
    subjects = np.array([f"joined-{person + 1}" for person in joined], dtype=object)
    stated, of_searches = stated_subjects(root, edition)
    names = ids[order]
    known = np.array([int(name) in stated for name in names], np.bool_)
    subjects[known] = [stated[int(name)] for name in names[known]]
    notes = [NOT_SEEN, *subject_notes(int(known.sum()), len(names))]
    of_image = row_of[np.searchsorted(ids, faces["template"].to_numpy(np.int64))]
    people = pd.DataFrame(
        {
            "image": faces["image"].to_numpy(),
            "subject": subjects[of_image],
            "template": faces["template"].astype(str).to_numpy(),
            "media": faces["media"].astype(str).to_numpy(),
        }
    )
    counts = [
        Counted("images", len(faces), edition.images),
        Counted("templates", len(ids), edition.templates),
        Counted("pairs", len(pairs), edition.pairs),
        Counted("genuine pairs", int(genuine.sum()), edition.genuine),
    ]
    return Listing(
        edition.name,
        edition.title,
        root / IMAGES,
        people,
        pairs,
        genuine,
        np.full(len(pairs), NO_FOLD, np.int64),
        np.zeros(len(pairs), dtype="<U1"),
        tuple(counts),
        (*files, (f"{meta}_template_pair_label.txt", pairs_sha256), *of_searches),
        notes=(*notes, *contradictions(pd.Series(subjects), pairs, genuine)),
        points=points,
    )


def images_of(root: Path, edition: Edition) -> tuple[pd.DataFrame, list[tuple[str, str]], Path]:
    """Return the images with template and media, the list files with their hashes, and the path of the points."""
    meta = f"meta/{edition.name}"
    faces, sha256 = numbers(root, f"{meta}_face_tid_mid.txt", names=("image", "template", "media"))
    points = root / f"{meta}_name_5pts_score.txt"
    if not points.is_file():
        raise TableError(
            f"{root}: no file {meta}_name_5pts_score.txt; --root must be the folder into which the protocol was "
            f"unpacked"
        )
    own = hashlib.sha256(read_bytes(points, MAX_BYTES)).hexdigest()
    return faces, [(f"{meta}_face_tid_mid.txt", sha256), (f"{meta}_name_5pts_score.txt", own)], points


def ijbb_search(root: Path, gallery: Gallery) -> Listing:
    """Read the searches (1:N) of IJB-B, see `ijb_search`."""
    return ijb_search(root, IJBB, gallery)


def ijbc_search(root: Path, gallery: Gallery) -> Listing:
    """Read the searches (1:N) of IJB-C, see `ijb_search`."""
    return ijb_search(root, IJBC, gallery)


def ijb_search(root: Path, edition: Edition, gallery: Gallery) -> Listing:
    """Read the searches of IJB: templates of NAME_1N_probe_mixed.csv in the gallery of NAME_1N_gallery_GALLERY.csv.

    gallery : 1 or 2, each with half of the people, so that the other half has no mate; both: all people are enrolled

    Raises
    ------
    TableError : If a file is missing or malformed, or a template has no images.
    """
    parts = edition.galleries if gallery == "both" else (edition.galleries[int(gallery) - 1],)
    faces, files, points = images_of(root, edition)
    role_of: dict[int, str] = {}
    for role, names in ((GALLERY, [f"gallery_{part}" for part in parts]), (PROBE, ["probe_mixed"])):
        for name in names:
            place = f"meta/{edition.name}_1N_{name}.csv"
            if not (root / place).is_file():
                raise TableError(f"{root}: no file {place}, which a gallery search needs")
            subjects, _ = stated_subjects(root, edition, (name,))
            both = next((template for template in subjects if template in role_of), None)
            if both is not None:
                raise TableError(f"{place}: template {both} is already in the gallery or listed")
            role_of |= dict.fromkeys(subjects, role)
    stated, of_searches = stated_subjects(root, edition)
    present = set(faces["template"].tolist())
    absent = [template for template in role_of if template not in present]
    if absent:
        raise TableError(
            f"meta/{edition.name}_face_tid_mid.txt: no image of template {absent[0]} ({len(absent):,} such templates)"
        )
    faces = faces[faces["template"].isin(list(role_of))]
    people = pd.DataFrame(
        {
            "image": faces["image"].to_numpy(),
            "subject": faces["template"].map(stated).to_numpy(),
            "template": faces["template"].astype(str).to_numpy(),
            "media": faces["media"].astype(str).to_numpy(),
            ROLE: faces["template"].map(role_of).to_numpy(),
        }
    )
    roles = list(role_of.values())
    counts = [Counted("enrolled templates", roles.count(GALLERY), None), Counted("searches", roles.count(PROBE), None)]
    return Listing(
        edition.name,
        f"{edition.title} 1:N, gallery {' and '.join(parts)}",
        root / IMAGES,
        people,
        np.empty((0, 2), np.int64),
        np.empty(0, np.bool_),
        np.empty(0, np.int64),
        np.empty(0, dtype="<U1"),
        tuple(counts),
        (*files, *of_searches),
        notes=(NOT_SEEN,),
        points=points,
        gallery=gallery,
    )


def numbers(root: Path, place: str, *, names: tuple[str, str, str]) -> tuple[pd.DataFrame, str]:
    """Read a file of three cells per line, integers except a first column `image`, and its sha256.

    Raises
    ------
    TableError : If the file is missing or malformed; names the first such line.
    """
    if not (root / place).is_file():
        raise TableError(f"{root}: no file {place}; --root must be the folder into which the protocol was unpacked")
    content = read_bytes(root / place, MAX_BYTES)
    first = rb"\S{1,200}" if names[0] == "image" else rb"\d{1,9}"
    last = rb"[01]" if names[2] == "genuine" else rb"-?\d{1,9}"
    line = re.compile(first + rb"[ \t]+\d{1,9}[ \t]+" + last + rb"[ \t]*\r?")
    for number, text in enumerate(io.BytesIO(content), start=1):
        if not line.fullmatch(text.rstrip(b"\n")) and text.strip():
            shown = text[:60].decode("utf-8", "replace").strip()
            raise TableError(
                f"{place} line {number}: found {shown!r}; each line is '{' '.join(names)}' separated by spaces"
            )
    if not content.strip():
        raise TableError(f"{place}: the file is empty")
    kinds = {name: "int64" for name in names if name != "image"}
    frame = pd.read_csv(
        io.BytesIO(content),
        sep=r"\s+",
        header=None,
        names=list(names),
        dtype={**kinds, **dict.fromkeys(["image"], "str")} if names[0] == "image" else kinds,
        keep_default_na=False,
        quoting=3,
    )
    return frame, hashlib.sha256(content).hexdigest()


def rows_of(templates: IntArray, ids: IntArray, row_of: IntArray, place: str) -> IntArray:
    """Return the row of each template of a list. ids : ascending; row_of : row of each id

    Raises
    ------
    TableError : If a template has no image; names the line.
    """
    found = np.minimum(np.searchsorted(ids, templates), len(ids) - 1)
    unknown = np.flatnonzero(ids[found] != templates)
    if len(unknown):
        raise TableError(
            f"{place} line {unknown[0] + 1}: template {templates[unknown[0]]} has no image in the list of images ({len(unknown):,} "
            "such lines)"
        )
    return np.asarray(row_of[found], np.int64)


def stated_subjects(
    root: Path, edition: Edition, lists: tuple[str, ...] = ()
) -> tuple[dict[int, str], list[tuple[str, str]]]:
    """Return the subject of each template in the 1:N lists, and the files read. Raises TableError for two subjects."""
    found: dict[int, str] = {}
    files = []
    for list_name in lists or (*(f"gallery_{part}" for part in edition.galleries), "probe_mixed"):
        place = f"meta/{edition.name}_1N_{list_name}.csv"
        if not (root / place).is_file():
            continue
        records = read_records(root / place)
        columns = [str(name) for name in records.frame.columns]
        if len(columns) < 2:
            raise TableError(
                f"{place} line 1: expected columns for the template and the subject, found {', '.join(columns)}"
            )
        cells = records.frame[columns[:2]].to_numpy()
        for line, (template, subject) in zip(records.lines, cells, strict=True):
            if not re.fullmatch(r"\d{1,9}", template) or not subject:
                raise TableError(
                    f"{place} line {line}: found {template!r}, {subject!r}; expected a template and a subject"
                )
            if found.setdefault(int(template), subject) != subject:
                raise TableError(
                    f"{place} line {line}: template {template} belongs to subject {subject} here and to "
                    f"{found[int(template)]} on an earlier line"
                )
        files.append((place, records.sha256))
    return found, files


def subject_notes(known: int, templates: int) -> tuple[str, ...]:
    """Describe the templates without a subject in the 1:N lists."""
    if known == templates:
        return ()
    return (
        f"{templates - known:,} of {templates:,} templates have no subject in the 1:N lists: those connected by "
        f"genuine pairs count as one person, and a person whose templates are connected by no pair counts as "
        f"several, so intervals may be too narrow",
    )
