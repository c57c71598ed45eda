"""Checks that are run when there are too few people to evaluate settings: cases solved by hand, and the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from facegap.cli import app
from facegap.doctor.checks import (
    faces_found,
    lower_when_blurred,
    mirror_of_quality,
    norms,
    numbers,
    own_mirror,
    people_apart,
    same_answer,
    same_in_batch,
    some_rows,
)
from facegap.doctor.sample import NotEnoughPeopleError
from facegap.inputs.manifests.read import read_manifest
from facegap.vision.classify import Answers

NAMES = np.array([f"P{k // 2}" for k in range(12)], dtype=object)
APART = np.repeat(np.eye(6), 2, axis=0)  # two images of each of six dissimilar people


def answers(*words: str) -> Answers:
    return Answers(list(words), np.full(len(words), 0.9), np.full(len(words), np.nan))


# ---- each check ----


def test_faces_are_in_order_where_half_of_the_images_have_one() -> None:
    half = faces_found(["ok", "ok", "no_face", "unreadable"])
    assert (half.state, half.said) == ("in order", "2 of 4 images; 1 no_face, 1 unreadable")
    assert faces_found(["ok", "no_face", "no_face"]).state == "not in order"


def test_an_embedding_of_zeros_is_not_in_order_and_norms_are_reported() -> None:
    fine = norms(np.array([[3.0, 4.0], [6.0, 8.0], [0.0, 1.0]]))
    assert (fine.state, fine.said) == ("in order", "median 5, from 1 to 10")
    broken = norms(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0]]))
    assert (broken.state, broken.said) == ("not in order", "2 of 3 are zero or not finite")


def test_values_that_are_no_numbers_are_not_in_order() -> None:
    assert numbers(np.array([[0.1], [np.inf]])).state == "not in order"
    assert numbers(np.array([[0.1], [0.2]])).said == "2 of 2 faces have finite values"


def test_an_answer_that_depends_on_the_batch_is_not_in_order() -> None:
    assert same_in_batch(APART, APART + 1e-4, 8).state == "in order"
    changed = same_in_batch(APART, APART + 0.5, 8)
    assert (changed.state, changed.said) == ("not in order", "batches of 8: values differ by 0.5 at most")
    assert same_in_batch(APART, APART, 1).state == "not checked"


def test_templates_that_hardly_depend_on_the_face_are_not_in_order() -> None:
    assert people_apart(APART, NAMES).state == "in order"
    alike = people_apart(APART + 5, NAMES)
    assert alike.state == "not in order"
    assert alike.said.startswith("median cosine 0.99; above 0.85 the template hardly depends on the face")
    assert people_apart(APART[:4], NAMES[:4]).state == "not checked"
    assert people_apart(APART, np.full(12, "P0", dtype=object)).said == "all faces belong to one person"


def test_a_mirror_image_must_be_nearest_to_its_own_face() -> None:
    fine = own_mirror(APART, APART + 0.01, NAMES)
    assert (fine.state, fine.said[:37]) == ("in order", "nearest to its own face for 12 of 12;")
    others = np.roll(APART, 2, axis=0)
    assert own_mirror(APART, others, NAMES).state == "not in order"


def test_a_classifier_should_give_the_mirror_image_the_same_class() -> None:
    plain = answers(*["female", "male"] * 6)
    nearly = answers(*["female", "male"] * 5, "male", "female")
    assert same_answer(plain, nearly).said == "same class for 10 of 12"
    assert same_answer(plain, nearly).state == "in order"
    assert same_answer(plain, answers(*["male"] * 12)).state == "not in order"
    few = same_answer(answers("female"), answers("male"))
    assert (few.state, few.said) == ("not checked", "1 faces, at least 10 needed")


def test_most_blurred_faces_must_get_a_lower_quality() -> None:
    """Nine of 12 faces are exactly 75%; a tie is not lower, and faces without a value are not counted."""
    plain = np.arange(12.0)
    lower = plain - np.where(np.arange(12) < 9, 1.0, 0.0)
    fine = lower_when_blurred(plain, lower)
    assert (fine.state, fine.said) == ("in order", "lower quality for 9 of 12")
    assert lower_when_blurred(plain, plain - np.where(np.arange(12) < 8, 1.0, 0.0)).state == "not in order"
    assert lower_when_blurred(plain, plain + 1).said == "lower quality for 0 of 12"
    assert lower_when_blurred(np.r_[plain[:9], np.nan], lower[:10]).state == "not checked"


def test_the_quality_of_a_mirror_image_may_differ_by_one_standard_deviation_of_faces() -> None:
    plain = np.arange(12.0)  # standard deviation 3.45
    assert mirror_of_quality(plain, plain + 3.4).state == "in order"
    assert mirror_of_quality(plain, plain - 3.5).state == "not in order"
    assert mirror_of_quality(plain, plain + np.nan).state == "not checked"


def test_one_image_per_person_is_checked_before_second_images(tmp_path: Path) -> None:
    lines = [f"a{k}.jpg,S0" for k in range(60)] + [f"{k}.jpg,S{k}" for k in range(1, 25)]
    (tmp_path / "m.csv").write_text("\n".join(["image,subject", *lines]) + "\n")
    rows = some_rows(read_manifest(tmp_path / "m.csv").frame, np.random.default_rng(0))
    assert len(rows) == 40
    assert rows["subject"].nunique() == 25


# ---- the command ----


def doctor(toys: Any, model: str, manifest: Path, *options: str) -> Result:
    command = ["doctor", model, "--manifest", str(manifest), "--detect", toys.card("detector"), *options]
    return CliRunner().invoke(app, command)


@pytest.fixture
def few(crowd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """15 people of the crowd, two images each."""
    monkeypatch.setenv("FACEGAP_FINDINGS", str(tmp_path / "findings"))
    shutil.copytree(crowd.parent, tmp_path / "few")
    path = tmp_path / "few" / "people.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:31]) + "\n")
    return path


def test_with_few_people_the_possible_checks_run_and_the_others_are_listed(
    toys: Any, few: Path, tmp_path: Path
) -> None:
    found = doctor(toys, toys.card("classifier"), few, "--out", str(tmp_path / "checks.json"))
    assert found.exit_code == 0, found.output
    said = " ".join(found.output.split())
    assert "Settings were not evaluated: not enough data: 14 subjects can be sampled with equal numbers" in said
    assert "All checks passed." in said
    assert "Not checked: whether the card's colour, scale, crop, interpolation, classes are correct." in said
    assert "Required for this: column gender (with both genders) or age, and at least 20 people." in said
    assert "step 2 of 2: run the model on 30 faces and their mirror images" in found.stderr
    record = json.loads((tmp_path / "checks.json").read_text())
    assert record["verdict"] == "settings not evaluated"
    assert {one["name"]: one["said"] for one in record["checks"]}["face found"] == "30 of 30 images"
    assert not (tmp_path / "findings").exists()


def test_few_people_reveal_an_embedder_that_returns_the_same_template_for_all(
    toys: Any, few: Path, tmp_path: Path
) -> None:
    """With pixels in 2000..2255, all cosines of this graph are close to one."""
    shutil.copy(toys.folder / "toy_embedder.onnx", tmp_path)
    text = (toys.folder / "toy_embedder.toml").read_text()
    assert "mean = [0, 0, 0]" in text
    card = tmp_path / "toy_embedder.toml"
    card.write_text(text.replace("mean = [0, 0, 0]", "mean = [-2000, -2000, -2000]"))
    found = doctor(toys, str(card), few)
    assert found.exit_code == 1, found.output
    said = " ".join(found.output.split())
    assert "FAILED: templates of different people: median cosine 1.00; above 0.85" in said
    assert "Required for this: column subject, and at least 20 people with two photographs each." in said


def test_a_manifest_without_subjects_still_allows_the_other_checks(toys: Any, few: Path) -> None:
    images = [line.split(",")[0] for line in few.read_text().splitlines()]
    few.write_text("\n".join(images) + "\n")
    found = doctor(toys, toys.card("embedder"), few)
    assert "Settings were not evaluated: no column subject" in " ".join(found.output.split())
    assert "30 of 30 images" in found.output


def test_no_card_can_be_proposed_from_few_people(toys: Any, few: Path) -> None:
    found = doctor(toys, toys.card("classifier").replace(".toml", ".onnx"), few, "--propose")
    assert isinstance(found.exception, NotEnoughPeopleError)
    assert "settings cannot be evaluated" not in found.output


def test_a_quality_model_gets_the_checks_that_need_no_evaluation(toys: Any, few: Path, tmp_path: Path) -> None:
    """Blur changes the mean of red only by rounding and at edges, so the blur check must fail."""
    found = doctor(toys, toys.card("quality"), few, "--out", str(tmp_path / "checks.json"))
    said = " ".join(found.output.split())
    assert (
        "Settings were not evaluated: toy_quality is a quality model, and a manifest does not say how good an image is"
        in said
    )
    assert "Not checked: whether the card's colour, scale, alignment, interpolation are correct." in said
    record = json.loads((tmp_path / "checks.json").read_text())
    states = {one["name"]: one["state"] for one in record["checks"]}
    assert states == {
        "face found": "in order",
        "finite values": "in order",
        "batch against single": "in order",
        "mirror image": "in order",
        "blurred faces": "not in order",
    }
    assert found.exit_code == 1
