"""`facegap tone` from a manifest to a table: one outcome per row, a private file, and no overwriting without --overwrite."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.audit.settings import leaves, settings_from
from facegap.cli import app
from facegap.errors import ModelError, RunError
from facegap.groups.skin import HEIGHT, TEMPLATE, WIDTH
from facegap.inputs.images.decode import Picture
from facegap.tables import TONE, check
from facegap.tone.measure import framed, measure_manifest, thumbnail, tone_summary


@pytest.fixture
def people(tmp_path: Path, draw: Any) -> Path:
    """A manifest with a picture of every outcome; two of the subject A."""
    cv2.imwrite(str(tmp_path / "ok.png"), draw(green=180, red=120))
    cv2.imwrite(str(tmp_path / "also.png"), draw(green=150, red=140))
    cv2.imwrite(str(tmp_path / "black.png"), draw(quadrants=()))
    cv2.imwrite(str(tmp_path / "two.png"), draw(green=100, quadrants=(0, 3)))
    small = draw(quadrants=())
    small[8:16, 8:16] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "small.png"), small)
    (tmp_path / "text.png").write_text("not an image")
    names = ["ok", "black", "two", "small", "text", "gone", "also"]
    rows = [f"{name}.png,{'A' if name in ('ok', 'also') else name}" for name in names]
    (tmp_path / "people.csv").write_text("\n".join(["image,subject", *rows]) + "\n")
    return tmp_path / "people.csv"


def run(people: Path, toys: Any, **more: Any) -> pd.DataFrame:
    words = {"detect": toys.card("detector"), "many_faces": "refuse", "models_dir": [toys.folder], "no_isolation": True}
    known = {one.name for _, one in leaves()} - {"progress"}
    words |= {name: more.pop(name) for name in [*more] if name in known}
    return measure_manifest(people, settings_from(words), **({"out": people.parent / "tone.parquet"} | more))


def test_every_row_ends_in_one_outcome_in_its_own_place(people: Path, toys: Any) -> None:
    seen: list[tuple[int, int]] = []
    frame = run(people, toys, progress=lambda done, total: seen.append((done, total)))
    assert frame["image"].tolist() == pd.read_csv(people)["image"].tolist()
    assert frame["outcome"].tolist() == [
        "measured",
        "no_face",
        "many_faces",
        "too_small",
        "unreadable",
        "missing_file",
        "measured",
    ]
    assert frame["row"].tolist() == list(range(7))
    assert frame["line"].tolist() == list(range(2, 9))
    assert (frame.loc[~frame["outcome"].isin(("measured", "no_face")), "detail"] != "").all()
    assert seen[-1] == (7, 7)
    unusable = frame[frame["outcome"] != "measured"]
    assert unusable[["measured_ita", "darker_probability", "l_star"]].isna().all(axis=None)
    assert (unusable["measured_tone"] == "").all()
    assert (unusable["photographs"] == 0).all()


def test_images_may_lie_in_another_folder_than_the_manifest(people: Path, toys: Any, tmp_path: Path) -> None:
    beside = tmp_path / "tables" / "people.csv"
    beside.parent.mkdir()
    beside.write_text(people.read_text())
    frame = run(beside, toys, images_dir=people.parent)
    assert frame["outcome"].tolist() == run(people, toys)["outcome"].tolist()


def test_a_grey_photograph_tells_of_no_colour(people: Path, toys: Any, draw: Any) -> None:
    cv2.imwrite(str(people.parent / "grey.png"), draw(green=255, red=255))
    people.write_text("image\ngrey.png\nok.png\n")
    frame = run(people, toys, many_faces="largest")
    assert frame["outcome"].tolist() == ["grey", "measured"]
    assert "no information about colour" in frame["detail"].iloc[0]
    assert np.isnan(frame["measured_ita"].iloc[0])


def test_what_was_written_is_what_came_back_and_only_its_owner_may_read_it(people: Path, toys: Any) -> None:
    frame = run(people, toys)
    out = people.parent / "tone.parquet"
    pd.testing.assert_frame_equal(check(pd.read_parquet(out), TONE, "tone.parquet"), frame)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_a_measured_row_has_every_number(people: Path, toys: Any) -> None:
    row = run(people, toys).iloc[0]
    for name in ("l_star", "a_star", "b_star", "ita", "measured_ita", "ita_sd", "hue", "monk_distance"):
        assert np.isfinite(row[name]), name
    assert 0 < row["usable_fraction"] <= 1
    assert 1 <= row["measured_monk"] <= 10
    assert row["measured_tone"] in ("lighter", "darker", "unknown")
    assert 0 <= row["darker_probability"] <= 1
    assert row["photographs"] == 1


def test_an_existing_table_is_kept_unless_told_otherwise(people: Path, toys: Any) -> None:
    out = people.parent / "tone.parquet"
    out.write_bytes(b"precious")
    with pytest.raises(RunError, match=r"already exists.*--overwrite"):
        run(people, toys)
    assert out.read_bytes() == b"precious"
    run(people, toys, overwrite=True)
    assert len(pd.read_parquet(out)) == 7
    with pytest.raises(RunError, match="give a file, such as"):
        run(people, toys, out=people.parent / "nowhere" / "tone.parquet")


def test_pooling_gives_both_photographs_of_a_subject_one_tone(people: Path, toys: Any) -> None:
    alone, together = run(people, toys), run(people, toys, pool=True, overwrite=True)
    pair = together.iloc[[0, 6]]
    assert pair["photographs"].tolist() == [2, 2]
    assert pair["measured_ita"].iloc[0] == pair["measured_ita"].iloc[1]
    low, high = sorted(alone.iloc[[0, 6]]["measured_ita"])
    assert low <= pair["measured_ita"].iloc[0] <= high
    assert (pair["ita_sd"].to_numpy() < alone.iloc[[0, 6]]["ita_sd"].to_numpy()).all()
    assert pair["l_star"].to_numpy() == pytest.approx(alone.iloc[[0, 6]]["l_star"].to_numpy())  # each as photographed


def test_a_cut_moves_the_calls_and_nothing_else(people: Path, toys: Any) -> None:
    low, high = (run(people, toys, cut=cut, prior="flat", overwrite=True) for cut in (-90.0, 90.0))
    assert low["measured_ita"].equals(high["measured_ita"])
    assert (low["darker_probability"].dropna() < high["darker_probability"].dropna()).all()


def test_a_detector_without_points_is_refused(people: Path, toys: Any, tmp_path: Path) -> None:
    card = Path(toys.card("detector")).read_text().replace("points = true", "points = false")
    (tmp_path / "toy_detector.toml").write_text(card)
    (tmp_path / "toy_detector.onnx").write_bytes((toys.folder / "toy_detector.onnx").read_bytes())
    with pytest.raises(ModelError, match="around five points, which it does not return; use yunet"):
        run(people, toys, detect=str(tmp_path / "toy_detector.toml"))


def test_a_large_face_is_averaged_down_and_lands_where_a_small_one_does() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(60, 200, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    large = np.kron(small, np.ones((5, 5, 1), np.uint8))
    points = TEMPLATE * 5 + 2  # pixel centres
    found = framed(Picture(large, grey=False), points)
    assert found is not None
    face, inside = found
    assert inside[5:-5, 5:-5].all()
    assert np.abs(face[5:-5, 5:-5].astype(int) - small[5:-5, 5:-5, ::-1]).max() <= 2


def test_points_without_a_place_give_no_frame() -> None:
    picture = Picture(np.zeros((20, 20, 3), np.uint8), grey=False)
    assert framed(picture, np.full((5, 2), 3.0)) is None
    assert framed(picture, np.full((5, 2), np.nan)) is None


def test_what_lies_outside_the_picture_is_said_to() -> None:
    found = framed(Picture(np.full((100, 80, 3), 90, np.uint8), grey=False), TEMPLATE)
    assert found is not None
    assert found[1][:100, :80].all()
    assert not found[1][101:].any()


def test_a_thumbnail_is_small_and_red_first() -> None:
    picture = np.zeros((1000, 500, 3), np.uint8)
    picture[..., 2] = 200
    small = thumbnail(picture)
    assert small.shape == (256, 128, 3)
    assert (small[..., 0] == 200).all()


def test_the_summary_counts_every_image(people: Path, toys: Any) -> None:
    frame = run(people, toys)
    tables = tone_summary(frame, Path("tone.parquet"))
    assert sum(int(row[1]) for row in tables[0].rows) == 7
    assert sum(int(row[1]) for row in tables[1].rows) == 2
    assert len(tone_summary(frame[frame["outcome"] != "measured"], Path("tone.parquet"))) == 1


def test_the_command_writes_the_table_and_says_what_it_did(people: Path, toys: Any) -> None:
    arguments = ["tone", str(people), "--detect", toys.card("detector"), "--models-dir", str(toys.folder)]
    done = CliRunner().invoke(app, [*arguments, "--out", str(people.parent / "t.parquet"), "--where", "subject == 'A'"])
    assert done.exit_code == 0, done.output
    assert "measured" in done.output
    assert "not how the person is perceived, and not race" in done.output
    assert pd.read_parquet(people.parent / "t.parquet")["image"].tolist() == ["ok.png", "also.png"]
