"""Templates pooled from several images: the tables of the images, and the tables of the templates derived from them.

A run with pooling is stored by image (manifest.parquet, faces.parquet), with templates.parquet in addition. In memory, its
manifest and faces have a row per template, because templates are compared, counted and reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from facegap.tables import FACE_OUTCOMES, FACES, MEDIA, MEMBERSHIP, NEVER_SHOWN, TEMPLATE, TEMPLATES, check
from facegap.types import AnyArray, BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class Pooled:
    """The images, frames and templates of a run with pooling.

    manifest  : MANIFEST of the images, with the column template and optionally media
    faces     : FACES of the images, each with its own outcome; embedding_row is that of its template
    templates : TEMPLATES
    frames    : FRAMES of videos; None if no row is a decoded video
    """

    manifest: pd.DataFrame
    faces: pd.DataFrame
    templates: pd.DataFrame
    frames: pd.DataFrame | None = None

    def rows(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return manifest and FACES with a row per template; path, box and size are those of its representative image."""
        shown = self.templates["shown_by"].to_numpy(np.int64)
        _, first = template_codes(self.manifest)
        manifest = template_rows(self.manifest, first)
        manifest["path"] = self.manifest["path"].to_numpy()[shown]
        faces = self.faces.iloc[shown].reset_index(drop=True)
        own = {name: self.templates[name].to_numpy() for name in ("outcome", "detail", "embedding_row")}
        return manifest, check(faces.assign(row=manifest["row"], image=manifest["image"], **own), FACES, "templates")

    def kept(self, images: BoolArray) -> Self:
        """Keep only some images, bool (images,), and renumber the embeddings; a template is kept or removed as a whole."""
        codes, _ = template_codes(self.manifest)
        stays = np.zeros(len(self.templates), np.bool_)
        stays[codes[images]] = True
        place = np.cumsum(images) - 1
        templates = self.templates[stays].reset_index(drop=True)
        templates["shown_by"] = place[templates["shown_by"].to_numpy(np.int64)]
        left = replace(
            self,
            manifest=self.manifest[images].reset_index(drop=True),
            faces=self.faces[images].reset_index(drop=True),
            templates=templates,
            frames=None if self.frames is None else frames_of(self.frames, images),
        )
        return left.numbered((templates["outcome"] == "ok").to_numpy(np.bool_))

    def numbered(self, usable: BoolArray) -> Self:
        """Assign rows of embeddings.npy to the usable templates, bool (templates,), and to their images."""
        number = np.where(usable, np.cumsum(usable) - 1, -1)
        codes, _ = template_codes(self.manifest)
        of_image = np.where(self.faces["outcome"] == "ok", number[codes], -1)
        return replace(
            self,
            faces=self.faces.assign(embedding_row=of_image),
            templates=self.templates.assign(embedding_row=number),
        )


def frames_of(frames: pd.DataFrame, images: BoolArray) -> pd.DataFrame:
    """Return FRAMES of the rows to keep, bool (rows,), renumbered."""
    stays, place = images[frames["row"].to_numpy(np.int64)], np.cumsum(images) - 1
    left: pd.DataFrame = frames[stays].reset_index(drop=True)
    return left.assign(row=place[left["row"].to_numpy(np.int64)])


def units_of(faces: pd.DataFrame, frames: pd.DataFrame | None) -> tuple[IntArray, AnyArray]:
    """Return row position, int64 (n,), and outcome, text (n,), of every image and every frame of a video, in order."""
    rows, outcomes = np.arange(len(faces)), faces["outcome"].to_numpy().astype(str)
    if frames is None:
        return rows, outcomes
    of_frame = frames["row"].to_numpy(np.int64)
    single = np.flatnonzero(~np.isin(rows, of_frame))
    both = np.concatenate([single, of_frame])
    told = np.concatenate([outcomes[single], frames["outcome"].to_numpy().astype(str)])
    order = np.argsort(both, kind="stable")  # frames of a video are in chronological order
    return both[order], told[order]


def frame_numbers(codes: IntArray) -> IntArray:
    """Number the frames of each template from 0, int64 (n,). codes : code of each frame's template"""
    return np.asarray(pd.Series(codes).groupby(codes).cumcount(), np.int64)


def pooled_from(manifest: pd.DataFrame, faces: pd.DataFrame, frames: pd.DataFrame | None = None) -> Pooled:
    """Derive the outcome of each template from the outcomes of its frames; embedding rows are -1 until `Pooled.numbered`.

    A template is ok if any of its frames is. Otherwise it has the commonest outcome among its frames that were processed by a
    model or, if there are none, among all of them; ties go to the first in FACE_OUTCOMES.

    manifest, faces : MANIFEST and FACES of the images and videos
    frames          : FRAMES of the videos
    """
    of_row, first = template_codes(manifest)
    row, outcomes = units_of(faces, frames)
    codes, media = of_row[row], media_codes(manifest)[row]
    ok = outcomes == "ok"
    counts = np.zeros((len(first), len(FACE_OUTCOMES)), np.int64)
    kinds = pd.Categorical(outcomes, categories=FACE_OUTCOMES).codes
    np.add.at(counts, (codes, kinds), 1)
    kind = decisive(counts)
    chosen = np.flatnonzero(kinds == kind[codes])
    shown_by = row[chosen[np.unique(codes[chosen], return_index=True)[1]]]
    templates = pd.DataFrame(
        {
            "template": manifest["template"].to_numpy()[first],
            "subject": manifest["subject"].to_numpy()[first],
            "outcome": np.array(FACE_OUTCOMES)[kind],
            "detail": [detail_of(row) for row in counts],
            "frames_given": counts.sum(axis=1),
            "frames_used": counts[:, 0],
            "media_given": distinct(codes, media, len(first)),
            "media_used": distinct(codes[ok], media[ok], len(first)),
            "shown_by": shown_by,
            "embedding_row": -1,
        }
    )
    return Pooled(manifest, faces, check(templates, TEMPLATES, "templates"), frames)


def template_codes(frame: pd.DataFrame) -> tuple[IntArray, IntArray]:
    """Return each row's template code in order of appearance, int64 (rows,), and each template's first row, int64 (n,)."""
    codes = np.asarray(pd.factorize(frame[TEMPLATE])[0], np.int64)
    _, first = np.unique(codes, return_index=True)
    return codes, first.astype(np.int64)


def media_codes(frame: pd.DataFrame) -> IntArray:
    """Return the code of each row's medium within its template, int64 (rows,). Without the column, each row is a medium."""
    if MEDIA not in frame.columns:
        return np.arange(len(frame), dtype=np.int64)
    return np.asarray(frame.groupby([TEMPLATE, MEDIA], sort=False).ngroup(), np.int64)


def template_rows(frame: pd.DataFrame, chosen: IntArray) -> pd.DataFrame:
    """Return a row per template from one chosen row of each, int64 (n,), named by the template, without template and media."""
    rows = frame.iloc[chosen].reset_index(drop=True)
    return rows.assign(image=rows[TEMPLATE]).drop(columns=list(MEMBERSHIP), errors="ignore")


def decisive(counts: IntArray) -> IntArray:
    """Return the outcome of each template, int64 (templates,), from counts of images by outcome, int64 (templates, outcomes)."""
    shown = np.array([name not in NEVER_SHOWN for name in FACE_OUTCOMES])
    commonest = np.where(
        counts[:, shown].any(axis=1), np.where(shown, counts, -1).argmax(axis=1), counts.argmax(axis=1)
    )
    return np.where(counts[:, 0] > 0, 0, commonest).astype(np.int64)


def decisive_of(outcomes: Sequence[str]) -> tuple[str, IntArray]:
    """Return the outcome of a video, derived as for a template, and the number of frames with each of FACE_OUTCOMES."""
    counts = np.array([list(outcomes).count(name) for name in FACE_OUTCOMES], np.int64)
    return FACE_OUTCOMES[int(decisive(counts[None])[0])], counts


def detail_of(counts: IntArray) -> str:
    """Describe how many images of a template were used and the outcomes of the others; empty if all were used."""
    if counts[0] == counts.sum():
        return ""
    others = [f"{count} {name}" for name, count in zip(FACE_OUTCOMES[1:], counts[1:], strict=True) if count]
    return f"{counts[0]} of {counts.sum()} frames used; {', '.join(others)}"


def distinct(templates: IntArray, media: IntArray, count: int) -> IntArray:
    """Return the number of media of each template, int64 (count,)."""
    pairs = np.unique(np.stack([templates, media], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=count).astype(np.int64)
