"""Illustrated people, reproducible by seed, with the truth about each picture: person, landmarks, light.

A `Person` has the constant properties, a `Photograph` the changing ones. `draw` renders a picture of both: always the same
bytes on one machine. They are illustrations and look like it; results on them hold for illustrations only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.demo.illustrated.backdrop import paint_backdrop
from facegap.demo.illustrated.body import paint_body, paint_ears
from facegap.demo.illustrated.camera import expose
from facegap.demo.illustrated.canvas import Bytes
from facegap.demo.illustrated.extras import paint_beard, paint_glasses
from facegap.demo.illustrated.eyes import PUPIL_UP, paint_brow, paint_eye
from facegap.demo.illustrated.geometry import Floats, xy
from facegap.demo.illustrated.hair import paint_back, paint_front
from facegap.demo.illustrated.head import head_outline, paint_head
from facegap.demo.illustrated.mouth import LIP_LIFT, corner, paint_mouth
from facegap.demo.illustrated.person import Gender, Person, draw_person
from facegap.demo.illustrated.photograph import PLAIN, Photograph, draw_photograph
from facegap.demo.illustrated.sitting import Sitting, sitting_of

__all__ = ["PLAIN", "SIZE", "Drawing", "Gender", "Person", "Photograph", "draw", "draw_person", "draw_photograph"]

SIZE = (176, 220)  # default width and height of a picture
FOREHEAD = -0.80  # y of the upper edge of a detector's box


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture with its true landmarks and box.

    pixels : uint8 (height, width, 3), blue, green, red
    points : float64 (5, 2), as in tables.POINTS: left and right eye, nose, left and right mouth corner as seen in the
             picture; pixel centres have integer coordinates
    box    : float64 (4,), x1, y1, x2, y2 of the face from forehead to chin, without ears
    """

    pixels: Bytes
    points: Floats
    box: Floats


def draw(person: Person, photograph: Photograph, *, size: tuple[int, int] = SIZE) -> Drawing:
    """The picture of a person; the same bytes for the same arguments.

    size : width, height in pixels; everything scales with the width, so a larger picture is sharper, not wider
    """
    sitting = sitting_of(person, photograph, size)
    outline = head_outline(sitting)
    paint_backdrop(sitting.canvas.colour, photograph)
    paint_back(sitting)
    paint_body(sitting, outline)
    paint_ears(sitting)
    paint_head(sitting, outline)
    paint_beard(sitting)
    paint_mouth(sitting)
    for sign in (-1, 1):
        paint_eye(sitting, sign)
        paint_brow(sitting, sign)
    paint_glasses(sitting)
    paint_front(sitting)
    return Drawing(expose(sitting.canvas, photograph), true_points(sitting), true_box(outline, sitting))


def true_points(sitting: Sitting) -> Floats:
    """True positions of the eyes (the pupils when looking ahead), the tip of the nose and the corners of the mouth, in pixels."""
    p, view = sitting.person, sitting.view
    x, y = corner(sitting)
    pupil = p.eye_height - PUPIL_UP * p.eye_open
    eyes = view.relief(xy((-p.eye_spacing, pupil), (p.eye_spacing, pupil)))
    nose = view.turned(xy((0.0, p.nose_length - 0.05)), np.array([1.03]))
    mouth = view.relief(xy((-x, y), (x, y)), LIP_LIFT)
    return np.concatenate([eyes, nose, mouth])


def true_box(outline: Floats, sitting: Sitting) -> Floats:
    """The box around the face from the forehead to the chin, in pixels."""
    forehead = sitting.view.relief(xy((0.0, FOREHEAD)))[0, 1]
    face = outline[outline[:, 1] >= forehead]
    return np.array([face[:, 0].min(), forehead, face[:, 0].max(), face[:, 1].max()])
