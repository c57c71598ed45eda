"""Perturbations of a picture in memory, with their doses and units; deterministic for an image and a seed.

The size of the picture and the position of the face do not change, except for rotation, so that given points and aligned
crops remain valid.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facegap.errors import SettingError
from facegap.inputs.images.decode import Pixels
from facegap.types import FloatArray

MOST_DOSES = 20  # maximum doses of one perturbation


@dataclass(frozen=True)
class Place:
    """Position of the face in the unperturbed picture.

    points       : float64 (5, 2), pixels, NaN if unknown
    inter_eye_px : inter-eye distance
    """

    points: FloatArray
    inter_eye_px: float


@dataclass(frozen=True)
class Perturbation:
    """One way to degrade a picture.

    unit    : unit of a dose, in words; doses: the defaults, from mild to strong
    low, high : bounds of a dose
    apply   : picture, dose, place of the face, random numbers -> picture
    by_eyes : the dose is relative to the inter-eye distance, so the face must be known
    moves   : whether the position of the face changes
    """

    title: str
    unit: str
    doses: tuple[float, ...]
    low: float
    high: float
    apply: Callable[[Pixels, float, Place, np.random.Generator], Pixels]
    by_eyes: bool = False
    moves: bool = False


@dataclass(frozen=True)
class Dose:
    """A perturbation at one strength."""

    name: str
    amount: float

    @property
    def of(self) -> Perturbation:
        """The perturbation."""
        return PERTURBATIONS[self.name]


def perturbed(pixels: Pixels, dose: Dose, place: Place, *, seed: int, sha256: str) -> Pixels:
    """The perturbed picture; random parts depend only on the seed, the file's hash and the dose."""
    key = [seed, int(sha256[:15] or "0", 16), zlib.crc32(f"{dose.name}={dose.amount!r}".encode())]
    return dose.of.apply(pixels, dose.amount, place, np.random.default_rng(key))


# ---- the perturbations ----


def exposed(pixels: Pixels, ev: float, _place: Place, _rng: np.random.Generator) -> Pixels:
    """Light times 2 ** ev: sRGB values are linearised (IEC 61966-2-1), multiplied, clipped and converted back."""
    value = np.arange(256) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    light = np.minimum(linear * 2.0**ev, 1.0)
    again = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(cv2.LUT(pixels, np.round(again * 255).astype(np.uint8)), np.uint8)


def blurred(pixels: Pixels, share: float, place: Place, _rng: np.random.Generator) -> Pixels:
    """Gaussian blur; share : standard deviation in per cent of the inter-eye distance."""
    sigma = share / 100 * place.inter_eye_px
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


def moved(pixels: Pixels, share: float, place: Place, _rng: np.random.Generator) -> Pixels:
    """Motion blur along the rows; share : length in per cent of the inter-eye distance, rounded to an odd number of pixels."""
    length = 2 * round(share / 100 * place.inter_eye_px / 2) + 1
    kernel = np.full((1, length), 1 / length, np.float32)
    return np.asarray(cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)


def coarsened(pixels: Pixels, eyes_px: float, place: Place, _rng: np.random.Generator) -> Pixels:
    """Reduced resolution: averaged down to `eyes_px` pixels between the eyes, then resized bilinearly to the original size.

    A picture that already has no more pixels between the eyes is unchanged.
    """
    scale = eyes_px / place.inter_eye_px
    if scale >= 1:
        return pixels
    height, width = pixels.shape[:2]
    small = cv2.resize(
        pixels, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def compressed(pixels: Pixels, quality: float, _place: Place, _rng: np.random.Generator) -> Pixels:
    """JPEG compression with this quality, 4:2:0 as by libjpeg-turbo."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def noisy(pixels: Pixels, deviation: float, _place: Place, rng: np.random.Generator) -> Pixels:
    """Normal noise, independent in every pixel and channel; deviation : standard deviation in grey levels of 0..255."""
    noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(deviation)
    return np.clip(np.round(pixels + noise), 0, 255).astype(np.uint8)


def turned(pixels: Pixels, degrees: float, place: Place, _rng: np.random.Generator) -> Pixels:
    """Rotation about the centre of the face, counter-clockwise; black outside the picture."""
    height, width = pixels.shape[:2]
    middle = place.points.mean(axis=0) if np.isfinite(place.points).all() else np.array([width / 2, height / 2])
    turn = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), degrees, 1.0)
    return np.asarray(cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_LINEAR), np.uint8)


def covered(which: Sequence[int], width: float) -> Callable[[Pixels, float, Place, np.random.Generator], Pixels]:
    """A black bar over two points, parallel to the line of the eyes; the dose is its height in per cent of their distance.

    width : of the bar, in inter-eye distances
    """

    def cover(pixels: Pixels, share: float, place: Place, _rng: np.random.Generator) -> Pixels:
        along = (place.points[1] - place.points[0]) / place.inter_eye_px
        across = np.array([-along[1], along[0]])
        centre = place.points[list(which)].mean(axis=0)
        half, high = along * width * place.inter_eye_px / 2, across * share / 100 * place.inter_eye_px / 2
        corners = np.stack([centre - half - high, centre + half - high, centre + half + high, centre - half + high])
        shown = pixels.copy()
        cv2.fillConvexPoly(shown, np.round(np.clip(corners, -1e6, 1e6)).astype(np.int32), (0, 0, 0))
        return shown

    return cover


PERTURBATIONS: Mapping[str, Perturbation] = {
    "exposure": Perturbation("exposure", "EV, in linear light", (-1.0, -2.0, -3.0, 1.0, 2.0), -10, 10, exposed),
    "blur": Perturbation(
        "Gaussian blur", "sigma, % of the inter-eye distance", (3.0, 6.0, 10.0, 15.0), 0.1, 100, blurred, by_eyes=True
    ),
    "motion": Perturbation(
        "motion blur", "length, % of the inter-eye distance", (10.0, 20.0, 40.0), 1, 200, moved, by_eyes=True
    ),
    "resolution": Perturbation(
        "resolution", "px between the eyes", (24.0, 16.0, 12.0, 8.0), 2, 1000, coarsened, by_eyes=True
    ),
    "jpeg": Perturbation("JPEG compression", "quality", (50.0, 20.0, 10.0, 5.0), 1, 100, compressed),
    "noise": Perturbation("noise", "standard deviation, grey levels", (8.0, 16.0, 32.0, 48.0), 0.1, 255, noisy),
    "rotation": Perturbation("rotation", "degrees", (15.0, 30.0, 60.0), -180, 180, turned, moves=True),
    "eyes": Perturbation(
        "covered eyes",
        "height of the bar, % of the inter-eye distance",
        (25.0, 50.0),
        1,
        200,
        covered((0, 1), 2.0),
        True,
    ),
    "mouth": Perturbation(
        "covered mouth",
        "height of the bar, % of the inter-eye distance",
        (40.0, 80.0),
        1,
        200,
        covered((3, 4), 1.6),
        True,
    ),
}


def parsed_doses(given: Sequence[str]) -> tuple[Dose, ...]:
    """The doses of --perturb: "blur" with its default doses, "blur=2,5" with the given ones.

    Raises
    ------
    SettingError : an unknown perturbation, an invalid number, a value out of bounds, or a duplicate

    Examples
    --------
    >>> [dose.amount for dose in parsed_doses(["jpeg=50,20"])]
    [50.0, 20.0]
    """
    found: dict[Dose, None] = {}
    for text in given:
        name, equals, amounts = text.partition("=")
        of = PERTURBATIONS.get(name.strip())
        if of is None:
            raise SettingError(f"--perturb {text!r}: no such perturbation; choose one of {', '.join(PERTURBATIONS)}")
        for amount in amounts_of(amounts, text) if equals else of.doses:
            if not of.low <= amount <= of.high:
                raise SettingError(
                    f"--perturb {text!r}: {amount:g} is not within {of.low:g} to {of.high:g} ({of.unit})"
                )
            if Dose(name.strip(), amount) in found:
                raise SettingError(f"--perturb: {name.strip()} {amount:g} is given twice")
            found[Dose(name.strip(), amount)] = None
    return tuple(found)


def amounts_of(text: str, whole: str) -> list[float]:
    """Numbers separated by commas."""
    try:
        amounts = [float(one) for one in text.split(",")]
    except ValueError:
        raise SettingError(f"--perturb {whole!r}: write NAME=DOSE[,DOSE], such as blur=3,6") from None
    if len(amounts) > MOST_DOSES:
        raise SettingError(f"--perturb {whole!r}: {len(amounts)} doses are more than {MOST_DOSES}")
    return amounts
