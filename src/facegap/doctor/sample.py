"""Whom a judgement of settings rests on: what is asked of them, and who of the manifest is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from facegap.derive.answers import BONA_FIDE
from facegap.errors import TableError
from facegap.inputs.cards.categories import Category, class_word
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.manifests.labels import UNKNOWN, age_interval
from facegap.inputs.manifests.read import Manifest

Question = Literal["identity", "gender", "age", "liveness"]
MOST_IMAGES = 4  # of one person: more of them say little more about settings, and cost as much as other people's
# A model that accepts everything accepts every portrait, and no attack is here to show that. So only settings that make a
# model reject the greater part of bona fide pictures are called wrong: MiniFASNet fed 0..1 accepts none of 539 portraits, fed
# red and blue exchanged 99% instead of 98%, although it then takes attacks for bona fide.
ACCEPTED_MATTERS = 0.5
LEAST_SUBJECTS = 20  # fewer show no difference that matters, whatever the settings


class NoJudgementError(TableError):
    """Settings cannot be evaluated on this manifest; what needs no judgement can be checked."""


class NotEnoughPeopleError(NoJudgementError):
    """The manifest is sound, but it has too few people to evaluate settings; what needs no people can be checked."""


@dataclass(frozen=True)
class Measure:
    """What settings are evaluated by.

    name       : as tables head it
    matters    : least improvement that is called wrong. 0.02 of the people is the margin of every rate here; a year is
                 the unit of ages; d' see below
    proportion : of the better value, where that is more than `matters`
    crop       : instead of `matters` where only the margin around the face differs; None: the same
    lower      : whether less is better

    Notes
    -----
    A good model's d' is large and so is its noise, so the margin of d' grows with it. Measured: MobileFaceNet fed as its
    own repository feeds it had another scale better by 0.2 of 6.5 (3%), which is no mistake of its card. Red and
    blue exchanged cost mobileface_v2 0.68 of 6.46 (11%; simultaneous interval from 0.44, 198 legislators) and
    mobileface_v3 0.66 of 3.33 (from 0.45), with FNMR at FMR 0.001 3.5% instead of 0.5% and 67% instead of 32%. 5% and
    0.25 lie between; 10% would be above the lower end of a true mistake on 198 people.

    How much around a face does best depends on the portraits as well as on the model. ssrnet_gender_imdb does better
    with margin 0.4 than with its card's 0.2 by 6.6 points on FairFace, whose pictures are cut close, and by 0.2 on
    legislators; faceapi_age_gender with a margin that is wrong everywhere loses 27 and 34 points.
    """

    question: Question
    name: str
    matters: float
    proportion: float = 0.0
    lower: bool = False
    crop: float | None = None

    def margin(self, better: float, *, crop: bool = False) -> float:
        """Least improvement that is called wrong, where the better setting reaches this value."""
        if crop and self.crop is not None:
            return self.crop
        return max(self.matters, self.proportion * better)


MEASURES: dict[Question, Measure] = {
    "identity": Measure("identity", "d'", 0.25, 0.05),
    "gender": Measure("gender", "accuracy", 0.02, crop=0.1),
    "age": Measure("age", "mean error in years", 1.0, lower=True),
    "liveness": Measure("liveness", "bona fide accepted", ACCEPTED_MATTERS),
}


@dataclass(frozen=True, eq=False)
class Sample:
    """The people drawn.

    rows   : MANIFEST rows, in the manifest's order
    labels : the true label of each row: gender or age; empty texts where identity is asked
    """

    rows: pd.DataFrame
    labels: tuple[str, ...]

    @property
    def people(self) -> int:
        """Distinct subjects."""
        return int(self.rows["subject"].nunique())


def question_of(card: ModelCard, table: Manifest, wanted: Question | None) -> Question:
    """What a model can be asked about these portraits.

    wanted : gender or age, for a classifier that says both; None: gender where it can be evaluated
    Raises : TableError where the manifest has no answer to evaluate by; NotEnoughPeopleError where it names nobody
    """
    if card.task == "embed":
        if wanted not in (None, "identity"):
            raise TableError(f"{card.name} is an embedder; it is evaluated by identity, not by {wanted}")
        if not table.has_subjects:
            raise NotEnoughPeopleError(
                "no column subject, so no subject has two images to compare; add it, or use another manifest"
            )
        return "identity"
    if attack_detection(card) is not None and not card.gender_classes and not card.says_age:
        if wanted is not None:
            raise TableError(f"{card.name} detects attacks; it is evaluated by bona fide portraits, not by {wanted}")
        return "liveness"
    says: dict[Question, bool] = {"gender": bool(card.gender_classes), "age": card.says_age}
    possible = [question for question, said in says.items() if said and (wanted is None or question == wanted)]
    labelled = [question for question in possible if question in table.labels]
    if not labelled:
        asked = " or ".join(question for question, said in says.items() if said)
        has = ", ".join(table.labels) or "no label column"
        said = f"{card.name} predicts {asked}" + (f", but you requested {wanted}" if wanted else "")
        raise TableError(f"{said}; the manifest has {has}. Add a column by which it can be evaluated")
    return labelled[0]


def attack_detection(card: ModelCard) -> tuple[str, Category] | None:
    """The output of a card that detects attacks, with its name; None where none does."""
    return next(((name, one) for name, one in card.categories.items() if one.bona_fide is not None), None)


def bona_fide_labels(frame: pd.DataFrame, card: ModelCard) -> pd.Series:
    """The class that means bona fide for each row that is such a presentation, empty for others; all are, without a column."""
    found = attack_detection(card)
    assert found is not None and found[1].bona_fide is not None
    name, category = found
    column = category.label or name
    if column not in frame.columns:
        return pd.Series(category.bona_fide, index=frame.index, dtype="str")
    genuine = frame[column].map(class_word).isin([BONA_FIDE, category.bona_fide])
    return pd.Series(np.where(genuine, str(category.bona_fide), ""), index=frame.index)


def draw(table: Manifest, question: Question, card: ModelCard, *, people: int, rng: np.random.Generator) -> Sample:
    """At most `people` subjects at random, at most MOST_IMAGES of each; equally many of each gender.

    Raises
    ------
    NotEnoughPeopleError : fewer than LEAST_SUBJECTS can be drawn
    """
    frame = table.frame
    if question == "identity":
        images = frame["subject"].value_counts()
        chosen = some(sorted(images.index[images >= 2]), people, rng)
        return taken(frame, chosen, pd.Series("", index=frame.index), "have two images or more", rng)
    if question == "age":
        labels = frame["age"].where(frame["age"].map(age_interval).notna(), "")
        return taken(frame, some(sorted(set(frame["subject"][labels != ""])), people, rng), labels, "have an age", rng)
    if question == "liveness":
        labels = bona_fide_labels(frame, card)
        chosen = some(sorted(set(frame["subject"][labels != ""])), people, rng)
        return taken(frame, chosen, labels, "have a bona fide image", rng)
    labels = frame["gender"].where(frame["gender"].isin(card.gender_classes) & (frame["gender"] != UNKNOWN), "")
    return taken(
        frame, equally_many(frame, labels, people, rng), labels, "can be sampled with equal numbers of each gender", rng
    )


def equally_many(frame: pd.DataFrame, labels: pd.Series, people: int, rng: np.random.Generator) -> list[str]:
    """Subjects of each class, as many as the smallest class has, so that no class can be won by always saying it.

    Raises
    ------
    NotEnoughPeopleError : fewer than two classes
    """
    first = labels[labels != ""].groupby(frame["subject"]).first()
    classes = sorted(set(first))
    if len(classes) < 2:
        found = f"only {classes[0]}" if classes else "none of the model's classes"
        raise NotEnoughPeopleError(
            f"column gender: {found}; a model that always predicts one class would appear correct, so two are needed"
        )
    each = min(people // len(classes), *(int((first == name).sum()) for name in classes))
    return [name for label in classes for name in some(sorted(first.index[first == label]), each, rng)]


def taken(frame: pd.DataFrame, subjects: list[str], labels: pd.Series, what: str, rng: np.random.Generator) -> Sample:
    """The rows of these subjects that have a label where one is asked, at most MOST_IMAGES of each, drawn at random."""
    if len(subjects) < LEAST_SUBJECTS:
        raise NotEnoughPeopleError(
            f"not enough data: {len(subjects)} subjects {what}, but at least {LEAST_SUBJECTS} are needed to show a "
            f"relevant difference; use a larger manifest (or --sample)"
        )
    labelled = labels != "" if (labels != "").any() else labels == ""
    usable = frame[frame["subject"].isin(subjects) & labelled]
    shuffled = usable.iloc[rng.permutation(len(usable))]
    rows = shuffled.groupby("subject").head(MOST_IMAGES).sort_index()
    return Sample(rows, tuple(labels.loc[rows.index]))


def some(names: list[str], most: int, rng: np.random.Generator) -> list[str]:
    """All of the names, or `most` of them at random."""
    return (
        names if len(names) <= most else sorted(rng.choice(np.array(names, dtype=object), most, replace=False).tolist())
    )


def split(sample: Sample, share: float, rng: np.random.Generator) -> tuple[Sample, Sample]:
    """Two samples without a person in common: `share` of the people, and the others; of each label alike.

    Raises
    ------
    TableError : one of them would be too small to show anything
    """
    people = sample.rows.assign(label=sample.labels).groupby("subject")["label"].first()
    first: set[str] = set()
    for label in sorted(set(people)) if people.nunique() <= 2 else [None]:
        names = sorted(people.index[people == label] if label is not None else people.index)
        first |= set(some(names, round(share * len(names)), rng))
    inside = sample.rows["subject"].isin(first).to_numpy()
    parts = tuple(
        Sample(sample.rows[kept], tuple(np.array(sample.labels, dtype=object)[kept])) for kept in (inside, ~inside)
    )
    if min(part.people for part in parts) < LEAST_SUBJECTS:
        raise TableError(
            f"not enough data: {sample.people} subjects; settings are chosen on some and evaluated on others, with "
            f"at least {LEAST_SUBJECTS} each; use a larger manifest (or --sample)"
        )
    return parts[0], parts[1]
