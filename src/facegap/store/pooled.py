"""Templates that are pooled from several images: the images' own tables, and from them the tables of the templates.

A run that pools is stored by image (manifest.parquet, faces.parquet) with templates.parquet beside them. In memory its
manifest and faces have a row per template, since those are what is compared, counted and reported.
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
    """What the templates of a run are pooled from.

    manifest  : MANIFEST of the images, with the column template and perhaps media
    faces     : FACES of the images, every one with its own outcome; embedding_row is that of its template
    templates : TEMPLATES
    frames    : FRAMES of videos; None where no row is a video that was decoded
    """

    manifest: pd.DataFrame
    faces: pd.DataFrame
    templates: pd.DataFrame
    frames: pd.DataFrame | None = None

    def rows(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Manifest and FACES with a row per template: the image that stands for a template lends it path, box and size."""
        shown = self.templates["shown_by"].to_numpy(np.int64)
        _, first = template_codes(self.manifest)
        manifest = template_rows(self.manifest, first)
        manifest["path"] = self.manifest["path"].to_numpy()[shown]
        faces = self.faces.iloc[shown].reset_index(drop=True)
        own = {name: self.templates[name].to_numpy() for name in ("outcome", "detail", "embedding_row")}
        return manifest, check(faces.assign(row=manifest["row"], image=manifest["image"], **own), FACES, "templates")

    def kept(self, images: BoolArray) -> Self:
        """Without some images, bool (images,), of whose templates none may stay; embeddings are numbered anew."""
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
        """With rows of embeddings.npy for the usable templates, bool (templates,), and for the images that went into them."""
        number = np.where(usable, np.cumsum(usable) - 1, -1)
        codes, _ = template_codes(self.manifest)
        of_image = np.where(self.faces["outcome"] == "ok", number[codes], -1)
        return replace(
            self,
            faces=self.faces.assign(embedding_row=of_image),
            templates=self.templates.assign(embedding_row=number),
        )


def frames_of(frames: pd.DataFrame, images: BoolArray) -> pd.DataFrame:
    """FRAMES of the rows that stay, bool (rows,), by their new positions."""
    stays, place = images[frames["row"].to_numpy(np.int64)], np.cumsum(images) - 1
    left: pd.DataFrame = frames[stays].reset_index(drop=True)
    return left.assign(row=place[left["row"].to_numpy(np.int64)])


def units_of(faces: pd.DataFrame, frames: pd.DataFrame | None) -> tuple[IntArray, AnyArray]:
    """Every image and every frame of a video, in order: the position of its row, int64 (n,), and its outcome, text (n,)."""
    rows, outcomes = np.arange(len(faces)), faces["outcome"].to_numpy().astype(str)
    if frames is None:
        return rows, outcomes
    of_frame = frames["row"].to_numpy(np.int64)
    single = np.flatnonzero(~np.isin(rows, of_frame))
    both = np.concatenate([single, of_frame])
    told = np.concatenate([outcomes[single], frames["outcome"].to_numpy().astype(str)])
    order = np.argsort(both, kind="stable")  # frames of a video stand in the order of time
    return both[order], told[order]


def frame_numbers(codes: IntArray) -> IntArray:
    """The number of each frame among those of its template, from 0, int64 (n,). codes : of the template of each frame."""
    return np.asarray(pd.Series(codes).groupby(codes).cumcount(), np.int64)


def pooled_from(manifest: pd.DataFrame, faces: pd.DataFrame, frames: pd.DataFrame | None = None) -> Pooled:
    """What becomes of each template from what becomes of its frames; embedding rows are -1 until `Pooled.numbered`.

    A template is ok where a frame of it is. Else its outcome is the commonest one among its frames that were shown to a
    model, or, where none was, among all; of equally common ones the first of FACE_OUTCOMES.

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
    """Code of each row's template in order of appearance, int64 (rows,), and the first row of each template, int64 (n,)."""
    codes = np.asarray(pd.factorize(frame[TEMPLATE])[0], np.int64)
    _, first = np.unique(codes, return_index=True)
    return codes, first.astype(np.int64)


def media_codes(frame: pd.DataFrame) -> IntArray:
    """Code of each row's medium, int64 (rows,): a medium belongs to one template. Without a column each row is a medium."""
    if MEDIA not in frame.columns:
        return np.arange(len(frame), dtype=np.int64)
    return np.asarray(frame.groupby([TEMPLATE, MEDIA], sort=False).ngroup(), np.int64)


def template_rows(frame: pd.DataFrame, chosen: IntArray) -> pd.DataFrame:
    """One row per template from one row of each, int64 (n,): named by the template, without the columns of membership."""
    rows = frame.iloc[chosen].reset_index(drop=True)
    return rows.assign(image=rows[TEMPLATE]).drop(columns=list(MEMBERSHIP), errors="ignore")


def decisive(counts: IntArray) -> IntArray:
    """Which outcome each template has, int64 (templates,), from how many images have which: int64 (templates, outcomes)."""
    shown = np.array([name not in NEVER_SHOWN for name in FACE_OUTCOMES])
    commonest = np.where(
        counts[:, shown].any(axis=1), np.where(shown, counts, -1).argmax(axis=1), counts.argmax(axis=1)
    )
    return np.where(counts[:, 0] > 0, 0, commonest).astype(np.int64)


def decisive_of(outcomes: Sequence[str]) -> tuple[str, IntArray]:
    """The outcome of a video from those of its frames, as of a template, and how many frames have each of FACE_OUTCOMES."""
    counts = np.array([list(outcomes).count(name) for name in FACE_OUTCOMES], np.int64)
    return FACE_OUTCOMES[int(decisive(counts[None])[0])], counts


def detail_of(counts: IntArray) -> str:
    """How many images of a template were used, and the outcome of the others; empty where all were used."""
    if counts[0] == counts.sum():
        return ""
    others = [f"{count} {name}" for name, count in zip(FACE_OUTCOMES[1:], counts[1:], strict=True) if count]
    return f"{counts[0]} of {counts.sum()} frames used; {', '.join(others)}"


def distinct(templates: IntArray, media: IntArray, count: int) -> IntArray:
    """How many media each template has, int64 (count,)."""
    pairs = np.unique(np.stack([templates, media], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=count).astype(np.int64)
