"""Simulated people who differ strongly in their images, in their error rates, and in how these are related.

A crowd is a group of people. One law gives the number of images of each person, another the error rate. There are two
laws for every kind of difficulty, so that a method chosen on one can be tested on the other. The estimand is the rate in
the population: per image (each pair of images has equal weight), or per person (people, or pairs of people, have equal
weight). They differ if the error rate depends on the number of images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from facegap.types import BoolArray, FloatArray, IntArray
from facegap.worlds.people import person_chances

CrowdKind = Literal["classification", "genuine", "impostor"]
Images = Literal["equal", "zipf", "lognormal", "uniform", "two sizes"]
Errs = Literal["alike", "beta", "probit", "goats", "heavy", "with images", "many images", "bad images", "sessions"]
PairErrs = Literal["alike", "probit", "pairs", "wolves", "heavy", "lookalikes", "relatives", "twins", "with images"]
OF_A_SESSION = 10
FEW_PEOPLE = (
    "goats",
    "wolves",
    "lookalikes",
    "relatives",
    "twins",
)  # laws in which a few people have most of the errors
POPULATION = 400_000  # people used to compute a truth without a formula
OF_PEOPLE = 0.05
HIGH = 0.6  # error rate of goats, of pairs with a wolf, and of lookalikes


@dataclass(frozen=True)
class Crowd:
    """One simulated group.

    images   : law of the number of images of a person, 1 to `most` (genuine pairs: 2 to `most`):
               equal       `most` each
               zipf        probability inversely proportional to the number
               lognormal   median of one sixth of `most`, sigma 1
               uniform     all numbers equally likely
               two sizes   `most` for one fifth of the people, a fifteenth of it for the others
    errs     : law of the error rate of a person, with mean `rate`; the meaning of `strength` is
               alike       unused
               beta        the intraclass correlation
               probit      rho
               goats       the proportion of people with error rate HIGH, the others being equal
               heavy       sigma of a lognormal factor: a few people err very often
               with images the exponent of the number of images in the rate
               many images factor of the error rate of people who have more than a third of `most`
               bad images  the proportion of images that fail; a pair errs if either image does (genuine pairs)
               sessions    the intraclass correlation of the OF_A_SESSION people of one session; the session is then the
                           sampling unit
    for impostor pairs:
               pairs       variance of an effect of each pair of people on their scores, in addition to OF_PEOPLE per person
               wolves      the proportion of people who match anyone at rate HIGH
               heavy       sigma of a lognormal factor of each person
               lookalikes  the proportion of the false matches in pairs of lookalikes, who match at rate HIGH
               relatives   the same, in families of three
               twins       the same, in pairs of which both are in the crowd
               with images as above, for the images of both people
    """

    kind: CrowdKind
    people: int
    images: Images
    most: int
    errs: Errs | PairErrs
    rate: float
    strength: float

    @property
    def units(self) -> int:
        """Sampling units: the people, or their sessions."""
        return self.people // OF_A_SESSION if self.errs == "sessions" else self.people

    @property
    def few_have_most(self) -> bool:
        """Whether a few people have most of the errors, so that a sample may contain none of them."""
        return self.errs in FEW_PEOPLE

    @property
    def estimand(self) -> str:
        """The quantity that the interval of the rate should cover."""
        return {
            "classification": "error rate per image",
            "genuine": "FNMR per genuine pair of images",
            "impostor": "FMR per impostor pair of images",
        }[self.kind]


@dataclass(frozen=True, eq=False)
class CrowdWorlds:
    """Trials and errors of each person in many simulations, int64 [worlds, people]."""

    errors: IntArray
    trials: IntArray


@dataclass(frozen=True, eq=False)
class PairWorlds:
    """False matches of each pair of people, int64 [worlds, people, people], symmetric with a zero diagonal.

    images : of each person, [worlds, people]; the trials of a pair are the product of both
    """

    errors: IntArray
    images: IntArray


@dataclass(frozen=True)
class Truth:
    """The estimands of a crowd."""

    per_image: float
    per_person: float


# ---- images ----


def images_of(crowd: Crowd, shape: tuple[int, ...], rng: np.random.Generator) -> IntArray:
    """Images of each person, int64 of the shape."""
    least = 2 if crowd.kind == "genuine" else 1
    sizes = np.arange(least, crowd.most + 1)
    if crowd.images == "equal":
        return np.full(shape, crowd.most, dtype=np.int64)
    if crowd.images == "lognormal":
        simulated = np.exp(np.log(crowd.most / 6) + rng.standard_normal(shape))
        return np.asarray(np.clip(np.rint(simulated), least, crowd.most), dtype=np.int64)
    if crowd.images == "two sizes":
        few = max(least, crowd.most // 15)
        return np.where(rng.random(shape) < 0.2, crowd.most, few).astype(np.int64)
    weight = 1 / sizes if crowd.images == "zipf" else np.ones(len(sizes))
    random_sizes: IntArray = rng.choice(sizes, shape, p=weight / weight.sum())
    return random_sizes


def trials_of(crowd: Crowd, images: IntArray) -> IntArray:
    """Trials of each person: images, or genuine pairs."""
    return images * (images - 1) // 2 if crowd.kind == "genuine" else images


# ---- errors of people ----


def chances(crowd: Crowd, images: IntArray, rng: np.random.Generator) -> FloatArray:
    """Error probability of each person, float64 of the shape of `images`."""
    rate, strength = crowd.rate, crowd.strength
    if crowd.errs in ("beta", "probit"):
        return person_chances(rate, "beta" if crowd.errs == "beta" else "probit", strength, images.shape, rng)
    if crowd.errs == "sessions":
        session = np.arange(images.shape[-1]) // OF_A_SESSION
        shape = (*images.shape[:-1], int(session[-1]) + 1)
        return person_chances(rate, "beta", strength, shape, rng)[..., session]
    if crowd.errs == "goats":
        low = (rate - strength * HIGH) / (1 - strength)
        return np.where(rng.random(images.shape) < strength, HIGH, max(low, 0.0))
    if crowd.errs == "heavy":
        return np.asarray(np.minimum(rate * np.exp(strength * rng.standard_normal(images.shape) - strength**2 / 2), 1))
    if crowd.errs == "with images":
        own = person_chances(rate, "beta", 0.05, images.shape, rng)
        return np.asarray(np.minimum(own * (images / images.mean()) ** strength, 1.0))
    if crowd.errs == "many images":
        own = person_chances(rate, "beta", 0.05, images.shape, rng)
        return np.asarray(np.minimum(own * np.where(3 * images > crowd.most, strength, 1.0), 1.0))
    return np.full(images.shape, rate)


def crowd_worlds(crowd: Crowd, worlds: int, rng: np.random.Generator) -> CrowdWorlds:
    """Simulations of a crowd whose trials belong to one person each.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = Crowd("classification", 40, "zipf", 50, "goats", 0.1, 0.05)
    >>> found = crowd_worlds(crowd, 3, np.random.default_rng(1))
    >>> found.errors.shape, bool((found.errors <= found.trials).all())
    ((3, 40), True)
    """
    images = images_of(crowd, (worlds, crowd.people), rng)
    trials = trials_of(crowd, images)
    if crowd.errs == "bad images":
        bad = rng.binomial(images, crowd.strength)
        good = images - bad
        wrong = trials - good * (good - 1) // 2
        return CrowdWorlds(wrong + rng.binomial(trials - wrong, crowd.rate), trials)
    return CrowdWorlds(rng.binomial(trials, chances(crowd, images, rng)), trials)


# ---- errors of pairs of two people ----


def pair_worlds(crowd: Crowd, worlds: int, rng: np.random.Generator) -> PairWorlds:
    """Simulations of a crowd whose trials belong to two people each."""
    images = images_of(crowd, (worlds, crowd.people), rng)
    first, second = np.triu_indices(crowd.people, 1)
    chance = pair_chance(crowd, images, first, second, rng)
    matches = rng.binomial(images[:, first] * images[:, second], chance)
    errors = np.zeros((worlds, crowd.people, crowd.people), np.int64)
    errors[:, first, second] = matches
    return PairWorlds(errors + errors.transpose(0, 2, 1), images)


def pair_chance(
    crowd: Crowd, images: IntArray, first: IntArray, second: IntArray, rng: np.random.Generator
) -> FloatArray:
    """Probability of a false match between an image of each of two people, float64 [worlds, pairs]."""
    shape, rate, strength = (len(images), len(first)), crowd.rate, crowd.strength
    if crowd.errs == "probit":
        own = np.sqrt(strength) * rng.standard_normal(images.shape)
        return np.asarray(ndtr((ndtri(rate) + own[:, first] + own[:, second]) / np.sqrt(1 - 2 * strength)))
    if crowd.errs == "pairs":
        own, both = (
            np.sqrt(OF_PEOPLE) * rng.standard_normal(images.shape),
            np.sqrt(strength) * rng.standard_normal(shape),
        )
        noise = np.sqrt(1 - 2 * OF_PEOPLE - strength)
        return np.asarray(ndtr((ndtri(rate) + own[:, first] + own[:, second] + both) / noise))
    if crowd.errs == "wolves":
        wolf = rng.random(images.shape) < strength
        either = 1 - (1 - strength) ** 2
        return np.where(wolf[:, first] | wolf[:, second], wolf_rate(crowd), 0.1 * rate / (1 - either))
    if crowd.errs == "heavy":
        factor = np.exp(strength * rng.standard_normal(images.shape) - strength**2 / 2)
        return np.asarray(np.minimum(rate * factor[:, first] * factor[:, second], 1.0))
    if crowd.errs == "lookalikes":
        return with_alike(crowd, rng.random(shape) < lookalike_proportion(crowd))
    if crowd.errs in ("relatives", "twins"):
        size = 3 if crowd.errs == "relatives" else 2
        together = (first // size == second // size) & (np.maximum(first, second) < crowd.people // size * size)
        of_family = rng.random((len(images), crowd.people // size + 1)) < lookalike_proportion(crowd) / together.mean()
        return with_alike(crowd, together & of_family[:, first // size])
    if crowd.errs == "with images":
        return np.asarray(np.minimum(rate * (images[:, first] * images[:, second] / images.mean() ** 2) ** strength, 1))
    return np.full(shape, rate)


def wolf_rate(crowd: Crowd) -> float:
    """Match rate of pairs with a wolf, chosen so that they have nine tenths of the false matches."""
    return min(0.9 * crowd.rate / (1 - (1 - crowd.strength) ** 2), HIGH)


def lookalike_proportion(crowd: Crowd) -> float:
    """Proportion of pairs of people who look alike, chosen so that they have `strength` of the false matches."""
    return crowd.strength * crowd.rate / HIGH


def with_alike(crowd: Crowd, alike: BoolArray) -> FloatArray:
    """Match probabilities of pairs that look alike and of the others."""
    share = lookalike_proportion(crowd)
    return np.where(alike, HIGH, crowd.rate * (1 - crowd.strength) / (1 - share))


# ---- the truth ----


def truth_of(crowd: Crowd) -> Truth:
    """The estimands: by formula if errors are independent of images, otherwise from a large population."""
    if crowd.errs == "bad images":
        value = 1 - (1 - crowd.strength) ** 2 * (1 - crowd.rate)
        return Truth(value, value)
    rng = np.random.default_rng(2_718)
    if crowd.errs in ("with images", "many images"):
        images = images_of(crowd, (POPULATION,), rng)
        if crowd.kind == "impostor":
            other = rng.permutation(images)
            chance = np.minimum(crowd.rate * (images * other / images.mean() ** 2) ** crowd.strength, 1)
            weight = images * other
        else:
            chance, weight = chances(crowd, images, rng), trials_of(crowd, images)
        return Truth(float((weight * chance).sum() / weight.sum()), float(chance.mean()))
    if crowd.errs == "heavy":
        sigma = crowd.strength * (np.sqrt(2) if crowd.kind == "impostor" else 1)
        at = (np.arange(POPULATION) + 0.5) / POPULATION
        mean = float(
            np.minimum(
                crowd.rate * np.exp(sigma * ndtri(at) - crowd.strength**2 * (sigma / crowd.strength) ** 2 / 2), 1
            ).mean()
        )
        return Truth(mean, mean)
    if crowd.errs == "goats":
        mean = crowd.strength * HIGH + (1 - crowd.strength) * max(
            (crowd.rate - crowd.strength * HIGH) / (1 - crowd.strength), 0.0
        )
        return Truth(mean, mean)
    if crowd.errs == "wolves":
        either = 1 - (1 - crowd.strength) ** 2
        mean = either * wolf_rate(crowd) + 0.1 * crowd.rate
        return Truth(mean, mean)
    return Truth(crowd.rate, crowd.rate)
