"""Audits of real portraits with real models reproduce their published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.inputs.cards.read import resolve_card
from facegap.inputs.cards.weights import read_weights
from facegap.inputs.images.decode import Picture, read_picture
from facegap.runtime import open_session
from facegap.vision.embed import Embedder, embed, embedder, face_crop
from fixtures.settings import audited

pytestmark = pytest.mark.real

# The error of faceapi_age_gender for FairFace adults, women and men, measured once with yunet and margin 0.05.
FAIRFACE_ERRORS = {
    "Black": (0.308, 0.039),
    "East Asian": (0.136, 0.115),
    "Indian": (0.328, 0.038),
    "Latino_Hispanic": (0.161, 0.020),
    "Middle Eastern": (0.256, 0.020),
    "Southeast Asian": (0.172, 0.103),
    "White": (0.180, 0.024),
}


def error_rate(run: Any, metric: str = "error_rate_answered", **groups: str) -> float:
    rates = run.rates[run.rates["metric"] == metric]
    for name in run.record.manifest.labels:
        if name in rates.columns:
            rates = rates[rates[name].astype(str) == groups.get(name, "any")]
    assert len(rates) == 1
    return float(rates["value"].iloc[0])


@pytest.fixture(scope="module")
def congress(congress_run: Any) -> Path:
    """A manifest of all portraits of 2015 and 2024."""
    return Path(congress_run.manifest)


def written(members: pd.DataFrame, folder: Path, where: Path) -> Path:
    """The members as a manifest with absolute image paths."""
    whole = members.assign(image=[str(folder / image) for image in members["image"]])
    whole.to_csv(where / "people.csv", index=False)
    return where / "people.csv"


@pytest.fixture(scope="module")
def portraits(congress_run: Any) -> Any:
    """Portraits through detector, classifier and embedder, once for all tests."""
    return congress_run.run


def test_every_portrait_of_2015_is_detected(portraits: Any) -> None:
    faces = portraits.faces[portraits.manifest["snapshot"] == "2015"]
    assert len(faces) == 879
    assert set(faces["outcome"]) == {"ok"}
    assert error_rate(portraits, "fta", snapshot="2015") == 0


def test_women_and_men_of_2015_are_nearly_always_answered_right(portraits: Any) -> None:
    assert 1 - error_rate(portraits, snapshot="2015", gender="female") >= 0.97
    assert 1 - error_rate(portraits, snapshot="2015", gender="male") >= 0.99


# ---- embeddings ----


def means_of_pairs(templates: Any, images: list[str], test_data: Path) -> tuple[float, float]:
    """Mean score of the 198 genuine pairs, and of all pairs of different people between the two years."""
    row = {image: k for k, image in enumerate(images)}
    folder = test_data / "data" / "congress"
    pairs = pd.read_csv(folder / "genuine_pairs.csv", dtype=str)
    assert len(pairs) == 198
    left, right = (templates[[row[str(folder / image)] for image in pairs[side]]] for side in "ab")
    scores = left @ right.T
    return float(np.diag(scores).mean()), float(scores[~np.eye(198, dtype=bool)].mean())


def test_genuine_and_impostor_means_of_face_reid_0095_are_as_published(portraits: Any, test_data: Path) -> None:
    genuine, impostor = means_of_pairs(portraits.embeddings, portraits.faces["image"].tolist(), test_data)
    assert genuine == pytest.approx(0.72, abs=0.02)
    assert impostor == pytest.approx(0.02, abs=0.02)


def model_of(name: str, test_data: Path, *, rows: int = 8) -> Embedder:
    card, _ = resolve_card(name, "embed")
    return embedder(card, open_session(read_weights(card, [test_data / "models"]), name=name), rows)


def crops_of(portraits: Any, model: Embedder, images: list[str]) -> list[Any]:
    """The faces found by the audit, cropped for another embedder."""
    faces = portraits.faces.set_index("image").loc[images]
    columns = [
        f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth") for axis in "xy"
    ]
    crops = []
    for image, points in zip(images, faces[columns].to_numpy(), strict=True):
        picture = read_picture(Path(image))
        assert isinstance(picture, Picture)
        crops.append(face_crop(model, picture.pixels, points.reshape(5, 2)))
    return crops


@pytest.mark.parametrize(
    ("name", "genuine", "impostor"), [("mobileface_v2", 0.692, 0.028), ("mobileface_v3", 0.517, 0.089)]
)
def test_means_of_the_other_embedders_are_as_published(
    congress_run: Any, test_data: Path, name: str, genuine: float, impostor: float
) -> None:
    images = congress_run.run.faces["image"].tolist()
    found = means_of_pairs(congress_run.templates(name), images, test_data)
    assert found == pytest.approx((genuine, impostor), abs=0.02)


def cosines(left: Any, right: Any) -> Any:
    return (np.asarray(left, np.float64) * np.asarray(right, np.float64)).sum(axis=1)


@pytest.mark.parametrize("name", ["face_reid_0095", "mobileface_v2"])
def test_templates_are_the_same_at_batch_1_8_and_32(portraits: Any, test_data: Path, name: str) -> None:
    images = portraits.faces["image"].tolist()[:64]
    model = model_of(name, test_data)
    crops = crops_of(portraits, model, images)
    one, eight, thirty_two = (embed(model_of(name, test_data, rows=rows), crops) for rows in (1, 8, 32))
    assert cosines(one, eight).min() >= 0.9999
    assert cosines(one, thirty_two).min() >= 0.9999
    if name == "face_reid_0095":  # the audit also gave these
        assert cosines(one, portraits.embeddings[:64]).min() >= 0.9999


def test_a_model_opened_by_path_gives_the_same_templates(
    portraits: Any, congress: Path, test_data: Path, tmp_path: Path
) -> None:
    few = pd.read_csv(congress, dtype=str).head(48)
    few.to_csv(tmp_path / "few.csv", index=False)
    run = audited(
        tmp_path / "few.csv",
        embed=str(test_data / "models" / "face_reid_0095.onnx"),
        by="gender",
        batch=32,
        models_dir=[test_data / "models"],
        allow_outside=True,
        threshold=[0.388],
    )
    assert run.record.models["embed"] == "face_reid_0095"
    assert cosines(run.embeddings, portraits.embeddings[:48]).min() >= 0.9999


# ---- other classifiers, by their cards alone ----


@pytest.mark.parametrize(("name", "women"), [("mini_xception_gender", 0.78), ("ssrnet_gender_imdb", 0.90)])
def test_other_classifiers_run_by_their_cards_alone(test_data: Path, tmp_path: Path, name: str, women: float) -> None:
    folder = test_data / "data" / "congress"
    members = pd.read_csv(folder / "members.csv", dtype=str)
    of_2015 = members[members["snapshot"] == "2015"]
    men = of_2015[of_2015["gender"] == "male"].head(100)
    chosen = pd.concat([of_2015[of_2015["gender"] == "female"], men])
    run = audited(
        written(chosen, folder, tmp_path),
        classify=name,
        by="gender",
        models_dir=[test_data / "models"],
        allow_outside=True,
    )
    assert 1 - error_rate(run, gender="female") == pytest.approx(women, abs=0.04)
    assert 1 - error_rate(run, gender="male") >= 0.98


# ---- FairFace ----


@pytest.fixture(scope="module")
def fairface(test_data: Path) -> Any:
    """The 3,739 adults of FairFace's validation set, once for all tests."""
    return audited(
        test_data / "data" / "fairface_val" / "labels.csv",
        classify="faceapi_age_gender",
        by="gender,race*gender",
        where="age not in ('0-2', '3-9', '10-19')",
        models_dir=[test_data / "models"],
    )


@pytest.mark.campaign
def test_99_of_100_adults_of_fairface_are_detected(fairface: Any) -> None:
    assert len(fairface.faces) == 3739
    assert fairface.record.manifest.excluded_by_where == 5000 - 3739
    assert error_rate(fairface, "fta") <= 0.01


@pytest.mark.campaign
def test_errors_on_fairface_are_within_three_points_of_the_measured_ones_in_every_cell(fairface: Any) -> None:
    found = {
        (race, gender): error_rate(fairface, race=race, gender=gender)
        for race in FAIRFACE_ERRORS
        for gender in ("female", "male")
    }
    expected = {
        (race, gender): error
        for race, pair in FAIRFACE_ERRORS.items()
        for gender, error in zip(("female", "male"), pair, strict=True)
    }
    assert found == pytest.approx(expected, abs=0.03)
    assert error_rate(fairface, gender="female") == pytest.approx(0.213, abs=0.01)
    assert error_rate(fairface, gender="male") == pytest.approx(0.048, abs=0.01)
