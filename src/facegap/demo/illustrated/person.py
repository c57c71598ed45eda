"""An illustrated person: the parameters of a face, and their random generation.

Each person has one number for how feminine or masculine the face looks. Every trait depends loosely on it, so that no
single trait identifies women or men, but all together mostly do, as in real people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from facegap.demo.illustrated.canvas import Colour
from facegap.groups.scales import MONK

Gender = Literal["female", "male"]
Beard = Literal["none", "stubble", "moustache", "goatee", "full"]
Glasses = Literal["none", "round", "square", "cat-eye", "aviator"]

PRESENTATION_SPREAD = 0.34  # standard deviation of this number around +1 (women) and -1 (men)
TRAIT_SPREAD = 0.80  # standard deviation of each trait around it

HAIR_COLOURS = MappingProxyType(
    {
        "black": (30.0, 26.0, 26.0),
        "soft black": (44.0, 40.0, 44.0),
        "dark brown": (38.0, 48.0, 68.0),
        "brown": (46.0, 70.0, 104.0),
        "chestnut": (40.0, 60.0, 118.0),
        "auburn": (38.0, 62.0, 146.0),
        "ginger": (52.0, 104.0, 198.0),
        "dark blond": (88.0, 134.0, 172.0),
        "blond": (116.0, 178.0, 220.0),
        "grey": (160.0, 160.0, 164.0),
        "white": (212.0, 216.0, 222.0),
        "blue": (150.0, 100.0, 60.0),
        "rose": (150.0, 120.0, 214.0),
    }
)
EYE_COLOURS = MappingProxyType(
    {
        "dark brown": (24.0, 34.0, 58.0),
        "brown": (30.0, 58.0, 104.0),
        "hazel": (48.0, 96.0, 128.0),
        "green": (84.0, 128.0, 104.0),
        "blue": (176.0, 138.0, 86.0),
        "grey": (150.0, 142.0, 128.0),
    }
)
LONGER = ("long straight", "long wavy", "long curls", "bob", "bun", "ponytail", "fringe", "braids", "afro")
SHORTER = ("buzz", "crop", "side part", "quiff", "fade", "receding", "coily short", "bald", "curly short")
EITHER = ("pixie", "curly short", "afro", "bob", "locs", "long straight")


@dataclass(frozen=True)
class Person:
    """Everything that stays the same between photographs. Lengths are in units of half the width of a face.

    monk         : 1..10, position on Monk's scale; `skin` is its colour with the person's own undertone
    presentation : the mean of the traits: feminine (above 0) or masculine (below 0)
    age          : years; affects lines, lids and grey hair
    curl         : 0 straight to 1 tight; texture : seed of strands, freckles and stubble
    """

    gender: Gender
    monk: int
    presentation: float
    age: float
    skin: Colour
    face_width: float
    jaw_width: float
    chin_width: float
    chin_length: float
    cheek: float
    forehead: float
    eye_spacing: float
    eye_size: float
    eye_open: float
    eye_tilt: float
    eye_height: float
    lid_crease: float
    eye_colour: Colour
    lashes: float
    brow_width: float
    brow_arch: float
    brow_height: float
    brow_tilt: float
    brow_length: float
    nose_length: float
    nose_width: float
    nose_bridge: float
    nose_tip: float
    mouth_width: float
    mouth_height: float
    upper_lip: float
    lower_lip: float
    cupid: float
    lip_colour: float
    ear_size: float
    ear_out: float
    neck: float
    hair: str
    hair_colour: Colour
    hair_volume: float
    hair_length: float
    hairline: float
    parting: float
    lines: float
    freckles: float
    mole: tuple[float, float] | None
    glasses: Glasses
    glasses_colour: Colour
    beard: Beard
    beard_density: float
    earrings: bool
    texture: int


def draw_person(rng: np.random.Generator, *, gender: Gender | None = None, monk: int | None = None) -> Person:
    """A random person; gender and Monk tone are uniformly random unless given."""
    gender = gender or ("female" if rng.random() < 0.5 else "male")
    monk = monk or int(rng.integers(1, len(MONK.labels) + 1))
    presentation = float((1 if gender == "female" else -1) + PRESENTATION_SPREAD * rng.standard_normal())
    age = float(18 + 60 * rng.beta(1.3, 2.3))

    def trait(middle: float, lean: float, spread: float, low: float, high: float) -> float:
        """A trait with mean proportional to presentation (factor `lean`) and standard deviation `spread`."""
        value = middle + lean * (presentation + TRAIT_SPREAD * rng.standard_normal()) + spread * rng.standard_normal()
        return float(np.clip(value, low, high))

    hair = random_hair(rng, presentation + TRAIT_SPREAD * rng.standard_normal(), age, monk)
    beard = random_beard(rng, presentation + 0.6 * rng.standard_normal())
    return Person(
        gender=gender,
        monk=monk,
        presentation=presentation,
        age=age,
        skin=random_skin(rng, monk),
        face_width=trait(0.945, -0.012, 0.033, 0.85, 1.04),
        jaw_width=trait(0.765, -0.035, 0.03, 0.64, 0.90),
        chin_width=trait(0.275, -0.04, 0.03, 0.16, 0.42),
        chin_length=trait(1.37, -0.035, 0.045, 1.22, 1.52),
        cheek=trait(0.0, 0.008, 0.02, -0.05, 0.06),
        forehead=trait(0.94, 0.0, 0.03, 0.86, 1.02),
        eye_spacing=trait(0.440, 0.0, 0.014, 0.40, 0.48),
        eye_size=trait(0.242, 0.006, 0.013, 0.20, 0.28),
        eye_open=trait(0.124, 0.008, 0.014, 0.085, 0.165),
        eye_tilt=trait(0.014, 0.006, 0.020, -0.04, 0.07),
        eye_height=trait(0.0, 0.0, 0.016, -0.05, 0.05),
        lid_crease=float(np.clip(rng.beta(2.2, 1.3), 0.0, 1.0)),
        eye_colour=random_eyes(rng, monk),
        lashes=trait(0.32, 0.25, 0.08, 0.0, 1.0),
        brow_width=trait(0.078, -0.012, 0.010, 0.038, 0.125),
        brow_arch=trait(0.052, 0.012, 0.014, 0.0, 0.11),
        brow_height=trait(0.285, 0.016, 0.02, 0.21, 0.37),
        brow_tilt=trait(-0.012, 0.006, 0.022, -0.07, 0.05),
        brow_length=trait(0.55, 0.0, 0.028, 0.47, 0.63),
        nose_length=trait(0.515, -0.006, 0.022, 0.45, 0.58),
        nose_width=trait(0.235, -0.014, 0.032, 0.165, 0.34),
        nose_bridge=trait(0.085, -0.006, 0.018, 0.045, 0.14),
        nose_tip=trait(0.105, -0.004, 0.014, 0.07, 0.15),
        mouth_width=trait(0.350, -0.002, 0.018, 0.30, 0.40),
        mouth_height=trait(0.845, 0.0, 0.016, 0.80, 0.89),
        upper_lip=trait(0.074, 0.009, 0.014, 0.03, 0.125),
        lower_lip=trait(0.104, 0.009, 0.015, 0.045, 0.15),
        cupid=trait(0.022, 0.004, 0.007, 0.0, 0.045),
        lip_colour=trait(0.42, 0.20, 0.10, 0.0, 1.0),
        ear_size=trait(0.30, -0.008, 0.022, 0.23, 0.37),
        ear_out=trait(0.10, 0.0, 0.025, 0.04, 0.17),
        neck=trait(0.60, -0.055, 0.02, 0.46, 0.76),
        hair=hair,
        hair_colour=random_hair_colour(rng, monk, age),
        hair_volume=float(np.clip(1 + 0.28 * rng.standard_normal(), 0.4, 1.7)),
        hair_length=float(np.clip(1.9 + 0.35 * rng.standard_normal(), 1.45, 2.6)),
        hairline=float(np.clip(0.035 * rng.standard_normal(), -0.08, 0.08)),
        parting=float(np.clip(rng.choice([-0.32, 0.0, 0.32]) + 0.06 * rng.standard_normal(), -0.45, 0.45)),
        lines=float(np.clip((age - 32) / 42 + 0.12 * rng.standard_normal(), 0.0, 1.0)),
        freckles=float(rng.random() if monk <= 5 and rng.random() < 0.16 else 0.0),
        mole=random_mole(rng),
        glasses=random_glasses(rng),
        glasses_colour=random_frame(rng),
        beard=beard,
        beard_density=float(rng.uniform(0.55, 1.0)),
        earrings=bool(rng.random() < 1 / (1 + np.exp(-1.6 * (presentation - 0.9)))),
        texture=int(rng.integers(0, 2**31)),
    )


def random_skin(rng: np.random.Generator, monk: int) -> Colour:
    """The published colour of the tone, with a small change in brightness and between red and yellow."""
    red, green, blue = (int(MONK.swatches[monk - 1][k : k + 2], 16) for k in (1, 3, 5)) if MONK.swatches else (0, 0, 0)
    bright, warm = np.clip(1 + 0.022 * rng.standard_normal(), 0.95, 1.05), 0.018 * rng.standard_normal()
    values = np.array([blue * (1 - warm), green, red * (1 + warm / 2)]) * bright
    b, g, r = (float(value) for value in np.clip(values, 0, 255))
    return b, g, r


def picked(rng: np.random.Generator, names: Sequence[str], weights: Sequence[float]) -> str:
    """A random name, with the given weights."""
    shares = np.array(weights, np.float64)
    return str(names[int(rng.choice(len(names), p=shares / shares.sum()))])


def random_hair(rng: np.random.Generator, leaning: float, age: float, monk: int) -> str:
    """A hair style: longer if leaning is positive, shorter if negative, some independent of it."""
    styles: tuple[str, ...] = EITHER
    if rng.random() >= 0.12:
        styles = LONGER if rng.random() < 1 / (1 + np.exp(-3.0 * leaning)) else SHORTER
    coily = np.clip((monk - 4) / 4, 0.04, 1.0)
    chances = {
        "afro": 1.4 * coily,
        "braids": 1.2 * coily,
        "locs": coily,
        "coily short": 2.0 * coily,
        "fade": 0.4 + coily,
        "receding": 0.1 + max(0.0, (age - 40) / 25),
        "bald": 0.15 + max(0.0, (age - 45) / 40),
        "buzz": 0.7,
    }
    return picked(rng, styles, [chances.get(style, 1.0) for style in styles])


def random_hair_colour(rng: np.random.Generator, monk: int, age: float) -> Colour:
    """Mostly dark; light colours are rarer with darker skin, grey is more frequent with age."""
    light = max(0.012, 1 - (monk - 1) / 5)
    chances = {
        "black": 0.8 + 0.25 * monk,
        "soft black": 1.0,
        "dark brown": 1.3,
        "brown": 1.2 * light + 0.15,
        "chestnut": light,
        "auburn": 0.5 * light + 0.04,
        "ginger": 0.45 * light,
        "dark blond": 1.1 * light,
        "blond": 1.0 * light,
        "grey": 0.0,
        "white": 0.0,
        "blue": 0.03,
        "rose": 0.03,
    }
    colour = HAIR_COLOURS[picked(rng, tuple(chances), tuple(chances.values()))]
    grey = np.clip((age - 45) / 25 + 0.35 * rng.standard_normal(), 0, 1) if age > 38 else 0.0
    shade = float(np.clip(1 + 0.10 * rng.standard_normal(), 0.8, 1.25))
    target = HAIR_COLOURS["white" if age > 66 else "grey"]
    b, g, r = (min(255.0, shade * one * (1 - grey) + other * grey) for one, other in zip(colour, target, strict=True))
    return float(b), float(g), float(r)


def random_eyes(rng: np.random.Generator, monk: int) -> Colour:
    """Mostly brown; light colours are rarer with darker skin."""
    light = max(0.03, 1 - (monk - 1) / 5)
    weights = [0.7 + 0.3 * monk, 1.4, 0.7 * light + 0.1, 0.6 * light, 1.3 * light, 0.4 * light]
    return EYE_COLOURS[picked(rng, tuple(EYE_COLOURS), weights)]


def random_beard(rng: np.random.Generator, leaning: float) -> Beard:
    """Facial hair, for about half of the people with masculine traits and no one else."""
    if leaning > -0.25 or rng.random() < 0.42:
        return "none"
    kinds: tuple[Beard, ...] = ("stubble", "moustache", "goatee", "full")
    return kinds[int(rng.choice(4, p=[0.36, 0.10, 0.18, 0.36]))]


def random_glasses(rng: np.random.Generator) -> Glasses:
    """One in five wears glasses, in every photograph."""
    kinds: tuple[Glasses, ...] = ("round", "square", "cat-eye", "aviator")
    return kinds[int(rng.integers(0, 4))] if rng.random() < 0.2 else "none"


def random_frame(rng: np.random.Generator) -> Colour:
    """Colour of a frame: dark, tortoise, metal, red or blue."""
    frames = ((32.0, 30.0, 30.0), (38.0, 58.0, 92.0), (120.0, 150.0, 172.0), (58.0, 50.0, 140.0), (120.0, 76.0, 44.0))
    return frames[int(rng.integers(0, len(frames)))]


def random_mole(rng: np.random.Generator) -> tuple[float, float] | None:
    """The position of a mole, which one in four people has."""
    if rng.random() > 0.25:
        return None
    return float(rng.choice([-1, 1]) * rng.uniform(0.25, 0.62)), float(rng.uniform(0.35, 1.1))
