"""The drawings that the demo's models learn from, and who is on them."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facegap.demo.illustrated.portraits import Drawing, draw, draw_person, draw_photograph
from facegap.vision.align import aligned, square_crop

SEED = 20180223  # the day Gender Shades was presented
PHOTOGRAPHS = 4  # of each person
# People per cell of gender and tone; the two versions see 2,400 each.
PEOPLE = {
    "balanced": {
        ("female", "lighter"): 600,
        ("male", "lighter"): 600,
        ("female", "darker"): 600,
        ("male", "darker"): 600,
    },
    "skewed": {
        ("female", "lighter"): 320,
        ("male", "lighter"): 1860,
        ("female", "darker"): 35,
        ("male", "darker"): 185,
    },
}
HELD_OUT = 240  # people of each version's own mix on whom its threshold is found
EVEN = 500  # people of each cell, learnt from by neither, on whom the balanced version's two errors are made equal
FACE_SIDE, CROP_SIDE = 64, 64  # pixels that embedder and classifier see
CROP_MARGIN = 0.25
CANVAS = (128, 160)  # width, height that the detector sees
DETECTOR_IMAGES = 4000
# Eyes, nose and corners of the mouth in the embedder's crop: hair and jaw stay in it, they are much of who a drawing is.
TEMPLATE = ((22.0, 27.0), (42.0, 27.0), (32.0, 38.5), (24.5, 46.5), (39.5, 46.5))
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Crops of all training people: n people times PHOTOGRAPHS.

    faces  : uint8 (n, PHOTOGRAPHS, FACE_SIDE, FACE_SIDE, 3), aligned; crops: likewise, CROP_SIDE, by the box
    gender : int64 (n,), 0 male, 1 female; cell : str (n,), "female darker"
    """

    faces: Bytes
    crops: Bytes
    gender: NDArray[np.int64]
    cell: NDArray[np.str_]


def pool() -> list[tuple[str, str, int]]:
    """Gender, tone and number of every person that either version needs."""
    cells = sorted(PEOPLE["balanced"])
    most = {cell: max(PEOPLE[version][cell] * (1 + HELD_OUT / 2400) for version in PEOPLE) for cell in cells}
    return [(gender, tone, k) for gender, tone in cells for k in range(int(np.ceil(most[gender, tone])))]


def person_of(gender: str, tone: str, number: int, stream: int) -> tuple[np.random.Generator, object]:
    """A person of a cell and the generator of their photographs."""
    rng = np.random.default_rng([SEED, stream, gender == "female", tone == "darker", number])
    monk = int(rng.integers(1, 6)) + (5 if tone == "darker" else 0)
    return rng, draw_person(rng, gender="female" if gender == "female" else "male", monk=monk)


def pictures_of(who: tuple[str, str, int], stream: int = 1) -> tuple[Bytes, Bytes]:
    """The crops of one person. Points and box are moved a little, as a detector would."""
    rng, person = person_of(*who, stream=stream)
    faces, crops = [], []
    for _ in range(PHOTOGRAPHS):
        drawing = draw(person, draw_photograph(rng))
        iod = np.linalg.norm(drawing.points[1] - drawing.points[0])
        points = drawing.points + rng.normal(0, 0.03 * iod, (5, 2))
        box = drawing.box + rng.normal(0, 0.05 * iod, 4)
        faces.append(aligned(drawing.pixels, points, np.array(TEMPLATE), (FACE_SIDE, FACE_SIDE), "bilinear"))
        crops.append(square_crop(drawing.pixels, box, CROP_MARGIN, (CROP_SIDE, CROP_SIDE), "bilinear"))
    return np.stack(faces), np.stack(crops)


def even_pictures(work: Path, workers: int) -> tuple[Bytes, NDArray[np.int64]]:
    """Crops (n, PHOTOGRAPHS, CROP_SIDE, CROP_SIDE, 3) of EVEN people of each cell, and their gender as in Pictures."""
    store = work / "even.npy"
    people = [(gender, tone, k) for gender, tone in sorted(PEOPLE["balanced"]) for k in range(EVEN)]
    if not store.exists():
        with ProcessPoolExecutor(workers, initializer=one_thread) as processes:
            np.save(store, np.stack(list(processes.map(even_crops, people, chunksize=16))))
    return np.load(store), np.array([gender == "female" for gender, _, _ in people], np.int64)


def even_crops(who: tuple[str, str, int]) -> Bytes:
    """The classifier's crops of one person of `even_pictures`."""
    return pictures_of(who, stream=3)[1]


def detector_picture(number: int) -> tuple[Bytes, Floats, Floats]:
    """A canvas for the detector, its box (NaN where nobody is in it) and points; faces of all sizes and places."""
    import cv2

    rng = np.random.default_rng([SEED, 2, number])
    person, photograph = draw_person(rng), draw_photograph(rng)
    drawing = draw(person, photograph)
    if rng.random() < 0.12:
        return nobody(drawing, rng), np.full(4, np.nan), np.full((5, 2), np.nan)
    height, width = drawing.pixels.shape[:2]
    scale = min(CANVAS[0] / width, CANVAS[1] / height) * float(np.exp(rng.uniform(np.log(0.62), np.log(1.12))))
    room = np.array(CANVAS) - scale * np.array([width, height])
    shift = room / 2 + rng.uniform(-0.5, 0.5, 2) * np.abs(room) + rng.uniform(-6, 6, 2)
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    border = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    canvas = cv2.warpAffine(drawing.pixels, matrix, CANVAS, flags=cv2.INTER_AREA, borderMode=border)
    return np.asarray(canvas, np.uint8), drawing.box * scale + np.tile(shift, 2), drawing.points * scale + shift


def nobody(drawing: Drawing, rng: np.random.Generator) -> Bytes:
    """A picture without a face: a piece of background, or of shoulders, enlarged."""
    import cv2

    height, width = drawing.pixels.shape[:2]
    corners = ((0, 0), (0, width - 50), (height - 60, 0), (height - 60, width - 50))
    top, left = corners[int(rng.integers(0, 4))]
    return np.asarray(cv2.resize(drawing.pixels[top : top + 60, left : left + 50], CANVAS), np.uint8)


def drawn_pictures(work: Path, workers: int) -> tuple[Pictures, tuple[Bytes, Floats, Floats]]:
    """All training pictures; drawn once and kept in `work`."""
    store = work / "pictures.npz"
    people = pool()
    if not store.exists():
        with ProcessPoolExecutor(workers, initializer=one_thread) as processes:
            crops = list(processes.map(pictures_of, people, chunksize=16))
            canvases = list(processes.map(detector_picture, range(DETECTOR_IMAGES), chunksize=64))
        np.savez(
            store,
            faces=np.stack([one for one, _ in crops]),
            crops=np.stack([two for _, two in crops]),
            canvases=np.stack([c for c, _, _ in canvases]),
            boxes=np.stack([b for _, b, _ in canvases]),
            points=np.stack([p for _, _, p in canvases]),
        )
    with np.load(store) as kept:
        gender = np.array([gender == "female" for gender, _, _ in people], np.int64)
        cell = np.array([f"{gender} {tone}" for gender, tone, _ in people])
        return Pictures(kept["faces"], kept["crops"], gender, cell), (kept["canvases"], kept["boxes"], kept["points"])


def one_thread() -> None:
    """OpenCV with one thread in each process."""
    import cv2

    cv2.setNumThreads(1)
