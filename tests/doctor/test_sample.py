"""The sample of people: balanced by gender, reproducible by seed, and large enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facegap.doctor.sample import Question, Sample, draw, question_of, split
from facegap.errors import TableError
from facegap.inputs.cards.read import load_cards
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.manifests.read import Manifest, read_manifest

CARDS = load_cards()
EMBEDDER, CLASSIFIER, GENDER_ONLY = (
    CARDS[name] for name in ("mobileface_v2", "faceapi_age_gender", "ssrnet_gender_imdb")
)


def manifest(folder: Path, *rows: str, columns: str = "image,subject,gender,age") -> Manifest:
    (folder / "m.csv").write_text("\n".join([columns, *rows]) + "\n")
    return read_manifest(folder / "m.csv")


@pytest.fixture
def people(tmp_path: Path) -> Manifest:
    """40 women with one image and 25 men with six; all have ages, five have no gender."""
    women = [f"w{i}.jpg,W{i},f,30-39" for i in range(40)]
    men = [f"m{i}_{k}.jpg,M{i},m,{20 + i}" for i in range(25) for k in range(6)]
    return manifest(tmp_path, *women, *men, *(f"u{i}.jpg,U{i},,40" for i in range(5)))


def drawn(
    table: Manifest, question: Question, card: ModelCard = CLASSIFIER, *, people: int = 100, seed: int = 0
) -> Sample:
    return draw(table, question, card, people=people, rng=np.random.default_rng(seed))


def test_only_people_with_two_images_are_sampled_for_an_embedder(people: Manifest) -> None:
    sample = drawn(people, "identity", EMBEDDER)
    assert set(sample.rows["subject"].str[0]) == {"M"}
    assert sample.people == 25
    assert (sample.rows["subject"].value_counts() == 4).all()  # four of six images


def test_equal_numbers_of_women_and_men_are_sampled(people: Manifest) -> None:
    sample = drawn(people, "gender")
    subjects = sample.rows.assign(label=sample.labels).groupby("label")["subject"].nunique()
    assert subjects.to_dict() == {"female": 25, "male": 25}


def test_the_sample_is_bounded_and_the_same_for_a_seed(people: Manifest) -> None:
    first, again, other = (drawn(people, "gender", people=40, seed=seed) for seed in (1, 1, 2))
    assert first.people == again.people == 40
    assert first.rows["row"].tolist() == again.rows["row"].tolist() != other.rows["row"].tolist()
    assert first.rows["row"].is_monotonic_increasing
    assert len(first.labels) == len(first.rows)


def test_labels_stay_with_their_rows(people: Manifest) -> None:
    sample = drawn(people, "gender")
    assert tuple(sample.rows["gender"]) == sample.labels
    aged = drawn(people, "age")
    assert tuple(aged.rows["age"]) == aged.labels
    assert aged.people == 70


def test_two_parts_have_no_common_person_and_the_same_proportion_of_women(people: Manifest) -> None:
    sample = drawn(people, "gender")
    searched, held_out = split(sample, 0.4, np.random.default_rng(0))
    assert not set(searched.rows["subject"]) & set(held_out.rows["subject"])
    assert searched.people + held_out.people == sample.people
    for part in (searched, held_out):
        assert part.rows.assign(label=part.labels).groupby("label")["subject"].nunique().nunique() == 1


def test_too_few_people_for_both_parts_are_refused(people: Manifest) -> None:
    with pytest.raises(
        TableError, match=r"not enough data: 25 subjects; settings are chosen on some and evaluated on others"
    ):
        split(drawn(people, "identity", EMBEDDER), 1 / 3, np.random.default_rng(0))


def test_people_with_single_images_are_not_enough_data(tmp_path: Path) -> None:
    table = manifest(tmp_path, *(f"{i}.jpg,S{i},f,30" for i in range(50)))
    with pytest.raises(TableError, match=r"not enough data: 0 subjects have two images or more.*larger manifest"):
        drawn(table, "identity", EMBEDDER)


def test_one_gender_is_not_enough(tmp_path: Path) -> None:
    table = manifest(tmp_path, *(f"{i}.jpg,S{i},f,30" for i in range(50)))
    with pytest.raises(TableError, match="only female; a model that always predicts one class would appear correct"):
        drawn(table, "gender")


def test_few_of_one_gender_are_not_enough_data(tmp_path: Path) -> None:
    table = manifest(tmp_path, *(f"w{i}.jpg,W{i},f,30" for i in range(50)), *(f"m{i}.jpg,M{i},m,30" for i in range(9)))
    with pytest.raises(
        TableError,
        match=r"not enough data: 18 subjects can be sampled with equal numbers of each "
        r"gender",
    ):
        drawn(table, "gender")


def test_people_with_invalid_ages_are_not_sampled(tmp_path: Path) -> None:
    table = manifest(tmp_path, *(f"{i}.jpg,S{i},f,{'old' if i % 2 else 40}" for i in range(60)))
    assert drawn(table, "age").people == 30
    table = manifest(tmp_path, *(f"{i}.jpg,S{i},f,old" for i in range(60)))
    with pytest.raises(TableError, match="not enough data: 0 subjects have an age"):
        drawn(table, "age")


def test_an_embedder_cannot_be_evaluated_without_subjects(tmp_path: Path) -> None:
    table = manifest(tmp_path, "a.jpg,f", "b.jpg,m", columns="image,gender")
    with pytest.raises(TableError, match="no column subject, so no subject has two images"):
        question_of(EMBEDDER, table, None)


def test_a_classifier_is_evaluated_by_a_label_that_the_manifest_has(people: Manifest, tmp_path: Path) -> None:
    assert question_of(CLASSIFIER, people, None) == "gender"
    assert question_of(CLASSIFIER, people, "age") == "age"
    without = manifest(tmp_path, "a.jpg,30", "b.jpg,40", columns="image,age")
    assert question_of(CLASSIFIER, without, None) == "age"
    with pytest.raises(TableError, match="ssrnet_gender_imdb predicts gender; the manifest has age"):
        question_of(GENDER_ONLY, without, None)
    with pytest.raises(TableError, match="predicts gender, but you requested age"):
        question_of(GENDER_ONLY, people, "age")
    with pytest.raises(TableError, match="is an embedder"):
        question_of(EMBEDDER, people, "gender")
