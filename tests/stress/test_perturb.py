"""Perturbations: each has its stated effect, keeps the size of the picture, and is reproducible."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facegap.errors import SettingError
from facegap.stress.perturb import PERTURBATIONS, Dose, Place, parsed_doses, perturbed

POINTS = np.array([[40.0, 40], [80, 40], [60, 60], [45, 80], [75, 80]])
PLACE = Place(POINTS, 40.0)
HASH = "ab12" * 16


def picture() -> np.ndarray:
    return np.random.default_rng(2).integers(30, 220, (100, 120, 3), dtype=np.uint8)


def of(name: str, amount: float, pixels: np.ndarray | None = None) -> np.ndarray:
    return perturbed(picture() if pixels is None else pixels, Dose(name, amount), PLACE, seed=1, sha256=HASH)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_every_default_dose_changes_the_picture_keeps_its_size_and_repeats(name: str) -> None:
    for amount in PERTURBATIONS[name].doses:
        one = of(name, amount)
        assert one.shape == (100, 120, 3)
        assert one.dtype == np.uint8
        assert (one != picture()).any()
        assert (one == of(name, amount)).all()
    assert len({of(name, amount).tobytes() for amount in PERTURBATIONS[name].doses}) == len(PERTURBATIONS[name].doses)


def test_one_ev_doubles_linear_light_and_values_beyond_white_are_clipped() -> None:
    # sRGB 188 is linear 0.5029, so twice that exceeds white; sRGB 100 is linear 0.1274, and twice that, 0.2549, is sRGB 138
    grey = np.full((4, 4, 3), 100, np.uint8)
    assert (of("exposure", 1.0, grey) == 138).all()
    assert (of("exposure", 1.0, np.full((4, 4, 3), 188, np.uint8)) == 255).all()
    assert (of("exposure", -1.0, np.full((4, 4, 3), 138, np.uint8)) == 100).all()


def test_detail_of_eight_pixels_between_the_eyes_is_gone_below_that_and_kept_above() -> None:
    stripes = np.zeros((100, 120, 3), np.uint8)
    stripes[:, ::2] = 255  # 20 periods between the eyes
    assert of("resolution", 8.0, stripes)[20:80, 20:100].std() < 20  # instead of 127.5
    assert (of("resolution", 40.0, stripes) == stripes).all()
    assert (perturbed(stripes, Dose("resolution", 8.0), Place(POINTS, 7.0), seed=1, sha256=HASH) == stripes).all()


def test_a_blur_of_ten_per_cent_of_the_eyes_distance_has_that_deviation() -> None:
    spot = np.zeros((101, 121, 3), np.uint8)
    spot[50, 60] = 255
    shown = of("blur", 5.0, spot).astype(float)[..., 0]  # 2 px
    across = shown.sum(axis=0)
    middle = (across * np.arange(121)).sum() / across.sum()
    assert np.sqrt((across * (np.arange(121) - middle) ** 2).sum() / across.sum()) == pytest.approx(2.0, abs=0.25)
    line = of("motion", 20.0, spot)[..., 0]  # 8 px, odd: 9
    assert np.count_nonzero(line) == 9
    assert set(np.flatnonzero(line.any(axis=1))) == {50}


def test_noise_has_the_requested_deviation_and_differs_by_image_and_seed() -> None:
    flat = np.full((100, 120, 3), 128, np.uint8)
    assert (of("noise", 8.0, flat).astype(float) - 128).std() == pytest.approx(8.0, rel=0.03)
    other = perturbed(flat, Dose("noise", 8.0), PLACE, seed=1, sha256="cd" * 32)
    assert (other != of("noise", 8.0, flat)).any()
    assert (perturbed(flat, Dose("noise", 8.0), PLACE, seed=2, sha256=HASH) != of("noise", 8.0, flat)).any()


def test_a_jpeg_is_what_opencv_writes_and_a_bar_covers_the_eyes_or_the_mouth_alone() -> None:
    _, data = cv2.imencode(".jpg", picture(), [cv2.IMWRITE_JPEG_QUALITY, 20])
    assert (of("jpeg", 20.0) == cv2.imdecode(data, cv2.IMREAD_COLOR)).all()
    eyes, mouth = of("eyes", 25.0), of("mouth", 40.0)
    for x, y in POINTS[:2].astype(int):
        assert not eyes[y, x].any()
        assert mouth[y, x].any()
    for x, y in POINTS[3:].astype(int):
        assert not mouth[y, x].any()
        assert eyes[y, x].any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fog", "no such perturbation; choose one of exposure, blur"),
        ("blur=a", "write NAME=DOSE"),
        ("blur=", "write NAME=DOSE"),
        ("jpeg=0", "0 is not within 1 to 100"),
        ("exposure=nan", "is not within"),
        ("noise=5,5", "given twice"),
        ("blur=" + ",".join(map(str, range(1, 22))), "more than 20"),
    ],
)
def test_an_invalid_perturbation_is_an_error(text: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        parsed_doses([text])


def test_doses_come_in_the_order_given() -> None:
    assert parsed_doses(["blur=2,1", "exposure"]) == (
        Dose("blur", 2.0),
        Dose("blur", 1.0),
        *(Dose("exposure", amount) for amount in PERTURBATIONS["exposure"].doses),
    )
