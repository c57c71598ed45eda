"""The question by which settings are evaluated, and the sample of people from the manifest."""

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
MOST_IMAGES = 4  # per person; images of other people are more informative at the same cost
# A model that accepts everything accepts every bona fide image, and there are no attacks to reveal that. So a card is called
# wrong only if it rejects most bona fide images. Measured on 539 portraits: MiniFASNet accepts none with inputs in 0..1, but
# 99% instead of 98% with red and blue exchanged, although it then classifies attacks as bona fide.
ACCEPTED_MATTERS = 0.5
LEAST_SUBJECTS = 20  # fewer cannot show a relevant difference


class NotEvaluableError(TableError):
    """Settings cannot be evaluated on this manifest; checks that need no evaluation remain possible."""


class NotEnoughPeopleError(NotEvaluableError):
    """The manifest is valid, but it has too few people to evaluate settings; checks that need no labels remain possible."""


@dataclass(frozen=True)
class Measure:
    """The measure by which settings are evaluated.

    name       : as in table headings
    matters    : smallest relevant improvement: 0.02 for proportions, like the margin of all rates; one year for ages; for d'
                 see below
    proportion : of the better value, used if it is more than `matters`
    crop       : used instead of `matters` if only the margin around the face differs; None: the same
    lower      : whether lower is better

    Notes
    -----
    The margin of d' is proportional to d' because the noise of d' increases with d'. Measured: with MobileFaceNet and
    its authors' settings, another scale was better by 0.2 of 6.5 (3%), although the card is correct. Exchanging red
    and blue cost mobileface_v2 0.68 of 6.46 (11%; simultaneous interval from 0.44, 198 legislators) and mobileface_v3
    0.66 of 3.33 (from 0.45), with FNMR at FMR 0.001 of 3.5% instead of 0.5%, and 67% instead of 32%. 5% and 0.25 lie
    in between; 10% would exceed the lower end of the interval for a true error with 198 people.

    The best margin around the face depends on the portraits as well as on the model. ssrnet_gender_imdb is better with
    margin 0.4 than with its card's 0.2 by 6.6 points on FairFace, whose images are cropped closely, and by 0.2 on
    legislators; faceapi_age_gender loses 27 and 34 points with a margin that is wrong for both.
    """

    question: Question
    name: str
    matters: float
    proportion: float = 0.0
    lower: bool = False
    crop: float | None = None

    def margin(self, better: float, *, crop: bool = False) -> float:
        """Smallest relevant improvement if the better setting reaches this value."""
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
    """The sampled people.

    rows   : MANIFEST rows, in the manifest's order
    labels : true label of each row: gender or age; empty strings for identity
    """

    rows: pd.DataFrame
    labels: tuple[str, ...]

    @property
    def people(self) -> int:
        """Number of distinct subjects."""
        return int(self.rows["subject"].nunique())


def question_of(card: ModelCard, table: Manifest, wanted: Question | None) -> Question:
    """The question by which a model can be evaluated on these portraits.

    wanted : gender or age, for a classifier that predicts both; None: gender if possible
    Raises : TableError if the manifest has no matching label; NotEnoughPeopleError if it has no subjects
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
        predicted = " or ".join(question for question, said in says.items() if said)
        has = ", ".join(table.labels) or "no label column"
        said = f"{card.name} predicts {predicted}" + (f", but you requested {wanted}" if wanted else "")
        raise TableError(f"{said}; the manifest has {has}. Add a column by which it can be evaluated")
    return labelled[0]


def attack_detection(card: ModelCard) -> tuple[str, Category] | None:
    """The output of a card that detects attacks, with its name; None if there is none."""
    return next(((name, one) for name, one in card.categories.items() if one.bona_fide is not None), None)


def bona_fide_labels(frame: pd.DataFrame, card: ModelCard) -> pd.Series:
    """The bona fide class for each bona fide row, empty for others; without such a column all rows are bona fide."""
    found = attack_detection(card)
    assert found is not None and found[1].bona_fide is not None
    name, category = found
    column = category.label or name
    if column not in frame.columns:
        return pd.Series(category.bona_fide, index=frame.index, dtype="str")
    genuine = frame[column].map(class_word).isin([BONA_FIDE, category.bona_fide])
    return pd.Series(np.where(genuine, str(category.bona_fide), ""), index=frame.index)


def draw(table: Manifest, question: Question, card: ModelCard, *, people: int, rng: np.random.Generator) -> Sample:
    """At most `people` random subjects, at most MOST_IMAGES of each, with equal numbers of each gender.

    Raises
    ------
    NotEnoughPeopleError : fewer than LEAST_SUBJECTS are available
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
    """Equal numbers of subjects of each class, so that a constant prediction is never correct for most people.

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
    """At most MOST_IMAGES random rows of each subject, only rows with a label if labels are needed."""
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
    """All of the names, or a random sample of `most`."""
    return (
        names if len(names) <= most else sorted(rng.choice(np.array(names, dtype=object), most, replace=False).tolist())
    )


def split(sample: Sample, share: float, rng: np.random.Generator) -> tuple[Sample, Sample]:
    """Two samples without a common person: `share` of the people of each label, and the others.

    Raises
    ------
    TableError : one of the two is too small
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
