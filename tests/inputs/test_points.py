"""Files of five points: every layout gives the same numbers, and every error names the file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import TableError
from facegap.inputs.point_layouts import BOX, NAMED, NUMBERED, exchanged
from facegap.inputs.points import points_of, read_points, require_shared

# ArcFace's template, twice as large: left eye, right eye, nose, left and right mouth corner as seen in the image.
FACE = np.array([[76.6, 103.4], [147.1, 103.0], [112.1, 143.5], [83.1, 184.7], [141.5, 184.4]])
OTHER = FACE + np.array([3.25, 0.1])  # its sums have no short decimal form


def table(*faces: np.ndarray, names: tuple[str, ...] = NUMBERED) -> pd.DataFrame:
    rows = pd.DataFrame(np.stack(faces).reshape(len(faces), 10), columns=list(names))
    rows.insert(0, "image", [f"{k}.jpg" for k in range(len(faces))])
    return rows


def written(folder: Path, frame: pd.DataFrame, name: str = "points.csv") -> Path:
    frame.to_csv(folder / name, index=False)
    return folder / name


def test_every_layout_gives_the_numbers_as_they_were_written_to_the_last_bit(tmp_path: Path) -> None:
    faces = (FACE, OTHER)
    numbered, named = table(*faces), table(*faces, names=NAMED)
    blanks = numbered.drop(columns="image")
    person = [
        [{"Left eye": f[1], "Right eye": f[0], "Nose": f[2], "Mouth left": f[4], "Mouth right": f[3]}] for f in faces
    ]
    literal = [str({key: [*map(float, place), 1] for key, place in one[0].items()}) for one in person]
    named.to_parquet(tmp_path / "faces.parquet")
    (tmp_path / "ijb.txt").write_text(
        "".join(f"{k}.jpg {' '.join(map(repr, map(float, row)))} 0.98\n" for k, row in enumerate(blanks.to_numpy()))
    )
    (tmp_path / "rfw.txt").write_text(
        "".join(
            f"{k}.jpg\t{k + 7}\t{chr(9).join(map(repr, map(float, row)))}\n" for k, row in enumerate(blanks.to_numpy())
        )
    )
    fhibe = pd.DataFrame({"filepath": numbered["image"], "keypoints": literal})
    paths = [
        written(tmp_path, numbered),
        written(tmp_path, named, "named.csv"),
        tmp_path / "faces.parquet",
        tmp_path / "ijb.txt",
        tmp_path / "rfw.txt",
        written(tmp_path, fhibe, "fhibe.csv"),
    ]
    for path in paths:
        found = read_points(path)
        assert found.points.tolist() == np.stack(faces).tolist(), path.name
        assert [found.position(f"./{k}.jpg") for k in range(3)] == [0, 1, None]
        assert not found.has_boxes
    assert read_points(tmp_path / "ijb.txt").scores.tolist() == [0.98, 0.98]
    assert len({read_points(path).sha256 for path in paths}) == len(paths)


def test_a_run_s_own_faces_keep_their_boxes_and_say_which_images_had_no_face(tmp_path: Path) -> None:
    faces = table(FACE, OTHER, names=NAMED).assign(x1=60.0, y1=50.0, x2=170.0, y2=210.0, outcome=["ok", "no_face"])
    faces.loc[1, [*NAMED, *BOX]] = np.nan
    faces.to_parquet(tmp_path / "faces.parquet")
    found = read_points(tmp_path / "faces.parquet")
    assert found.has_boxes
    assert found.boxes.tolist() == [[60, 50, 170, 210]]
    assert found.position("1.jpg") is None
    assert found.why_none("1.jpg") == "faces.parquet contains no points for the image, but the outcome no_face"
    assert found.why_none("9.jpg") == "faces.parquet contains no points for the image"
    kept = points_of(faces.assign(score=0.5))
    assert (kept.points.tolist(), kept.images) == (found.points.tolist(), found.images)


def broken(change: str) -> pd.DataFrame:
    """A table of three faces with one error in line 3."""
    rows = table(FACE, OTHER, FACE).astype(object)
    match change:
        case "empty":
            rows.loc[1, "x3"] = ""
        case "text":
            rows.loc[1, "y5"] = "left"
        case "nan":
            rows.loc[1, "x1"] = "NaN"
        case "infinite":
            rows.loc[1, "x1"] = "inf"
        case "eyes":
            rows.loc[1, list(NUMBERED[:4])] = rows.loc[1, [*NUMBERED[2:4], *NUMBERED[:2]]].tolist()
        case "mouth":
            rows.loc[1, list(NUMBERED[6:])] = rows.loc[1, [*NUMBERED[8:], *NUMBERED[6:8]]].tolist()
        case "upwards":
            rows.loc[1, list(NUMBERED[1::2])] = [300 - y for y in rows.loc[1, list(NUMBERED[1::2])]]
        case "one place":
            rows.loc[1, list(NUMBERED)] = 40.0
        case "twice":
            rows.loc[1, "image"] = "./0.jpg"
    return rows


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("empty", "points.csv line 3, column x3: missing or not a finite number"),
        ("text", "points.csv line 3, column y5: missing or not a finite number"),
        ("nan", "points.csv line 3, column x1: missing or not a finite number"),
        ("infinite", "points.csv line 3, column x1: missing or not a finite number"),
        ("eyes", "points.csv line 3: left and right are exchanged"),
        ("mouth", "points.csv line 3: left and right are exchanged"),
        (
            "upwards",
            "points.csv line 3: left and right are exchanged (or y increases upwards); left and right mean as seen in the image:",
        ),
        ("one place", "points.csv line 3: the five points coincide"),
        ("twice", "points.csv line 3: the image '0.jpg' repeats line 2"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, change: str, said: str) -> None:
    with pytest.raises(TableError) as error:
        read_points(written(tmp_path, broken(change)))
    assert said in str(error.value)
    assert "more rows" not in str(error.value)


def test_shares_of_the_picture_other_columns_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TableError,
        match=r"so they are proportions of the image size; multiply x by the width and y by the height of the image in pixels",
    ):
        read_points(written(tmp_path, table(FACE / 224)))
    with pytest.raises(TableError, match=r"column y4 is missing; --points needs image and x1, y1 \.\.\. y5"):
        read_points(written(tmp_path, table(FACE).drop(columns="y4")))
    with pytest.raises(TableError, match="column image is missing"):
        read_points(written(tmp_path, table(FACE).drop(columns="image")))
    with pytest.raises(TableError, match="no row of points"):
        read_points(written(tmp_path, table(FACE).iloc[:0]))
    with pytest.raises(TableError, match="are both present; omit one of the two sets of points"):
        read_points(written(tmp_path, table(FACE, names=NAMED).assign(x3=1.0)))
    with pytest.raises(TableError, match="no box with an area"):
        read_points(written(tmp_path, table(FACE, names=NAMED).assign(x1=9.0, y1=9.0, x2=5.0, y2=20.0)))
    (tmp_path / "cut.txt").write_text(f"a.jpg {' '.join(['1.5'] * 10)} 0.9\nb.jpg 1 2\n")
    with pytest.raises(TableError, match=r"cut.txt line 2: 3 cells where the first line has 12"):
        read_points(tmp_path / "cut.txt")


@pytest.mark.parametrize("cell", ["__import__('os').getcwd()", "[" * 9000, "{'Left eye': 3}", "{'Nose': [1, 2]}", ""])
def test_a_cell_of_keypoints_that_is_no_mapping_of_numbers_is_refused_and_never_run(tmp_path: Path, cell: str) -> None:
    frame = pd.DataFrame({"filepath": ["a.png"], "keypoints": [cell]})
    with pytest.raises(TableError, match=r"fhibe.csv line 2, column keypoints: not a mapping"):
        read_points(written(tmp_path, frame, "fhibe.csv"))


def test_names_of_another_manifest_are_told_with_an_example(tmp_path: Path) -> None:
    found = read_points(written(tmp_path, table(FACE)))
    require_shared(found, ["b.jpg", "0.jpg"], "people.csv")
    with pytest.raises(
        TableError, match=r"no points for any image of people.csv; .* such as 'faces/0.jpg', not '0.jpg'"
    ):
        require_shared(found, ["faces/0.jpg"], "people.csv")


@given(
    degrees=st.floats(-180, 180),
    size=st.floats(0.1, 50),
    squeeze=st.floats(0.3, 1),
    shift=st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)),
)
def test_a_face_that_is_turned_resized_or_half_in_profile_is_never_taken_for_an_exchanged_one(
    degrees: float, size: float, squeeze: float, shift: tuple[float, float]
) -> None:
    turn = np.deg2rad(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    face = (FACE * [squeeze, 1]) @ rotation.T * size + np.array(shift)
    assert not exchanged(face[None])[0]
    assert exchanged(face[None][:, [1, 0, 2, 4, 3]])[0]
