"""Joining measured and annotated tone: labels of rows, missing labels, and files that must be rejected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.derive.label_uncertainty.attach import with_tone
from facegap.derive.label_uncertainty.notes import label_warnings
from facegap.errors import TableError
from facegap.inputs.manifests.read import Manifest, read_manifest
from facegap.store.record import LabelColumn
from facegap.tables import TONE

# image: (subject, outcome, measured_tone, darker_probability, Monk)
ROWS: dict[str, tuple[str, str, str, float, int | None]] = {
    "a1.png": ("ann", "measured", "darker", 0.9, 7),
    "a2.png": ("ann", "measured", "unknown", 0.5, 6),
    "b1.png": ("bob", "measured", "lighter", 0.1, 3),
    "c1.png": ("cat", "grey", "", np.nan, None),
    "d1.png": ("dan", "no_face", "", np.nan, None),
    "e1.png": ("eve", "measured", "unknown", 0.6, 5),
}
ANSWERS = [  # a1: all darker; a2: skipped by both; b1: 2 to 1 lighter; c1: evenly split; e1: one answer
    ("a1.png", "x", "7"),
    ("a1.png", "y", "8"),
    ("a1.png", "z", "8"),
    ("a2.png", "x", ""),
    ("a2.png", "y", ""),
    ("b1.png", "x", "3"),
    ("b1.png", "y", "4"),
    ("b1.png", "z", "6"),
    ("c1.png", "x", "5"),
    ("c1.png", "y", "6"),
    ("e1.png", "x", "3"),
]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Six images of five people."""
    lines = [f"{image},{row[0]},{'f' if row[0] in 'ann cat eve' else 'm'}" for image, row in ROWS.items()]
    path = tmp_path / "people.csv"
    path.write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return path


def tone_frame() -> pd.DataFrame:
    """A TONE table for ROWS."""
    frame = pd.DataFrame(
        {
            "row": range(len(ROWS)),
            "line": range(2, len(ROWS) + 2),
            "image": list(ROWS),
            "subject": [row[0] for row in ROWS.values()],
            "outcome": [row[1] for row in ROWS.values()],
            "detail": "",
            "exposure": "",
            "measured_tone": [row[2] for row in ROWS.values()],
            "darker_probability": [row[3] for row in ROWS.values()],
            "measured_monk": pd.array([row[4] for row in ROWS.values()], dtype="Int32"),
            "photographs": 1,
        }
    )
    missing = [name for name in TONE.columns if name not in frame]
    return frame.assign(**dict.fromkeys(missing, np.nan))[list(TONE.columns)]


def write_tone(folder: Path, frame: pd.DataFrame | None = None) -> Path:
    """tone.parquet beside the manifest."""
    (tone_frame() if frame is None else frame).to_parquet(folder / "tone.parquet", index=False)
    return folder / "tone.parquet"


def write_annotations(folder: Path, answers: list[tuple[str, str, str]], scale: str = "monk") -> Path:
    """annotations.csv beside the manifest."""
    lines = [
        f"{image},{annotator},{scale},{value},{'' if value else 'covered'},2025-01-31T12:00:00+00:00"
        for image, annotator, value in answers
    ]
    path = folder / "annotations.csv"
    path.write_text("image,annotator,scale,value,skipped,at\n" + "\n".join(lines) + "\n")
    return path


def joined(manifest: Path, **files: Any) -> Manifest:
    """The manifest with tone."""
    chosen = {"draws": 200, "seed": 0, **files}
    return with_tone(read_manifest(manifest), chosen.pop("tone", None), chosen.pop("annotations", None), **chosen)


def stated(table: Manifest, column: str) -> LabelColumn:
    """The record of a column in run.json."""
    assert table.joined is not None
    return table.joined.record.columns[column]


def probabilities(table: Manifest, column: str) -> dict[tuple[int, str], float]:
    """LABELS of a column by row and label."""
    assert table.joined is not None
    frame = table.joined.probabilities
    frame = frame[frame["column"] == column]
    return dict(zip(zip(frame["row"], frame["label"], strict=True), frame["probability"], strict=True))


# ---- labels of rows ----


def test_without_files_the_manifest_is_the_very_same(manifest: Path) -> None:
    table = read_manifest(manifest)
    assert with_tone(table, None, None, draws=200, seed=0) is table


def test_measured_tone_becomes_a_label_with_the_probability_of_both_sides(manifest: Path) -> None:
    table = joined(manifest, tone=write_tone(manifest.parent))
    assert table.frame["measured_tone"].tolist() == ["darker", "unknown", "lighter", "unknown", "unknown", "unknown"]
    assert table.labels == ("gender", "measured_tone", "measured_monk")
    chances = probabilities(table, "measured_tone")
    assert chances[0, "darker"] == pytest.approx(0.9)
    assert chances[5, "lighter"] == pytest.approx(0.4)  # no label assigned, but still resampled
    assert {row for row, _ in chances} == {0, 1, 2, 5}


def test_rows_without_a_label_are_counted_by_reason(manifest: Path) -> None:
    found = stated(joined(manifest, tone=write_tone(manifest.parent)), "measured_tone")
    assert found.rows == {"darker": 1, "lighter": 1}
    assert found.without_label == {"too uncertain to call": 2, "grey": 1, "no_face": 1}
    assert found.without_label_but_drawn == 2
    assert found.uncertainty == "known"


def test_measured_monk_is_a_label_whose_uncertainty_is_not_known(manifest: Path) -> None:
    table = joined(manifest, tone=write_tone(manifest.parent))
    assert table.frame["measured_monk"].tolist() == ["7", "6", "3", "unknown", "unknown", "5"]
    assert stated(table, "measured_monk").uncertainty == "unknown"
    assert all(np.isnan(chance) for chance in probabilities(table, "measured_monk").values())


def test_rows_of_the_file_may_stand_in_any_order(manifest: Path) -> None:
    straight = joined(manifest, tone=write_tone(manifest.parent))
    turned = joined(manifest, tone=write_tone(manifest.parent, tone_frame().iloc[::-1]))
    assert turned.frame.equals(straight.frame)


def test_the_consensus_is_the_median_and_an_even_split_is_no_tone(manifest: Path) -> None:
    table = joined(manifest, annotations=write_annotations(manifest.parent, ANSWERS))
    assert table.frame["annotated_monk"].tolist() == ["8", "unknown", "4", "5", "unknown", "3"]
    assert table.frame["annotated_tone"].tolist() == ["darker", "unknown", "lighter", "unknown", "unknown", "lighter"]
    assert stated(table, "annotated_tone").without_label == {
        "skipped": 1,
        "annotators split evenly": 1,
        "not annotated": 1,
    }
    assert "the Monk scale has no official cut" in " ".join(stated(table, "annotated_tone").notes)


def test_probabilities_of_a_panel_are_those_of_panels_drawn_anew(manifest: Path) -> None:
    chances = probabilities(joined(manifest, annotations=write_annotations(manifest.parent, ANSWERS)), "annotated_tone")
    assert chances[0, "darker"] == 1
    assert chances[2, "lighter"] == pytest.approx(20 / 27)
    assert chances[3, "lighter"] == pytest.approx(0.5)
    # One answer, lighter. Among images with a lighter answer, b1 also has one lighter and one darker, c1 a darker one.
    assert chances[5, "lighter"] == pytest.approx((0.5 + 0.5 + 0) / 3)


def test_one_annotator_in_all_leaves_the_uncertainty_unknown(manifest: Path) -> None:
    table = joined(manifest, annotations=write_annotations(manifest.parent, [row for row in ANSWERS if row[1] == "x"]))
    assert stated(table, "annotated_tone").uncertainty == "unknown"
    said = " ".join(label_warnings(table.joined, [("annotated_tone",)], 6, compared=False))
    assert "only one annotator" in said
    assert "that does not mean that they are certain" in said


def test_of_two_scales_neither_says_lighter_and_darker(manifest: Path, tmp_path: Path) -> None:
    path = write_annotations(tmp_path, ANSWERS)
    path.write_text(path.read_text() + "b1.png,x,fitzpatrick,II,,2025-01-31T12:00:00+00:00\n")
    table = joined(manifest, annotations=path)
    assert table.labels == ("gender", "annotated_fitzpatrick", "annotated_monk")


def test_the_scale_lighter_darker_gives_annotated_tone_alone(manifest: Path) -> None:
    answers = [("a1.png", "x", "darker"), ("a1.png", "y", "darker"), ("b1.png", "x", "lighter")]
    table = joined(manifest, annotations=write_annotations(manifest.parent, answers, "lighter_darker"))
    assert table.labels == ("gender", "annotated_tone")


def test_rows_that_where_leaves_out_may_stand_in_the_files(manifest: Path) -> None:
    table = read_manifest(manifest, where="gender == 'male'")
    tone, annotations = write_tone(manifest.parent), write_annotations(manifest.parent, ANSWERS)
    found = with_tone(table, tone, annotations, draws=200, seed=0)
    assert found.frame["measured_tone"].tolist() == ["lighter", "unknown"]
    assert probabilities(found, "measured_tone") == {(0, "lighter"): 0.9, (0, "darker"): 0.1}


def test_the_record_names_files_by_hash_and_never_by_path(manifest: Path) -> None:
    table = joined(manifest, tone=write_tone(manifest.parent), draws=50, seed=3)
    assert table.joined is not None
    assert table.joined.record.tone_sha256 is not None
    assert len(table.joined.record.tone_sha256) == 64
    assert (table.joined.record.draws, table.joined.record.seed) == (50, 3)
    assert str(manifest.parent) not in repr(table.joined.record)


# ---- messages ----


def test_warnings_are_about_the_columns_that_a_run_is_split_by(manifest: Path) -> None:
    table = joined(manifest, tone=write_tone(manifest.parent))
    assert label_warnings(table.joined, [("gender",)], 6, compared=True) == []
    said = " ".join(label_warnings(table.joined, [("gender", "measured_tone")], 6, compared=True))
    for words in (
        "measured from pixels",
        "4 of 6 rows have no label",
        "fta is not compared",
        "gap in FMR is not known",
    ):
        assert words in said
    assert "measured_monk:" not in said
    assert "perceived" not in said.replace("not how a person is perceived", "")


def test_two_tones_in_one_grouping_are_said_to_have_no_joint_uncertainty(manifest: Path) -> None:
    table = joined(manifest, tone=write_tone(manifest.parent), annotations=write_annotations(manifest.parent, ANSWERS))
    said = " ".join(label_warnings(table.joined, [("measured_tone", "annotated_tone")], 6, compared=False))
    assert "uses two labels of tone" in said


# ---- rejected files ----


def changed(column: str, row: int, value: Any) -> pd.DataFrame:
    """A TONE table with one cell changed."""
    frame = tone_frame()
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame


REFUSED = {
    "an image of another manifest": (
        changed("image", 2, "zoe.png"),
        r"record 3, column image: 'zoe.png' is not in people.csv \(1 such\)",
    ),
    "an image twice": (
        pd.concat([tone_frame(), tone_frame().iloc[[1]]]),
        "record 7, column image: repeats an image",
    ),
    "a row of the manifest that is missing": (
        tone_frame().iloc[:-1],
        r"people.csv line 7, column image: 'e1.png' is not in tone.parquet .* facegap tone",
    ),
    "a tone that is none": (changed("measured_tone", 0, "medium"), "column measured_tone: 'medium' is not one of"),
    "a probability above 1": (changed("darker_probability", 0, 1.5), "record 1, column darker_probability"),
    "a call without a probability": (changed("darker_probability", 2, np.nan), "record 3, column darker_probability"),
    "a missing column": (
        tone_frame().drop(columns="darker_probability"),
        "column darker_probability of the table TONE",
    ),
    "a column too many": (tone_frame().assign(race="x"), "column race is not one of the table TONE"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_tone_file_is_refused_with(why: str, manifest: Path) -> None:
    frame, message = REFUSED[why]
    for name in frame.columns:
        if frame[name].dtype == object:
            frame = frame.assign(**{name: frame[name].astype("string" if name != "darker_probability" else "float64")})
    with pytest.raises(TableError, match=message):
        joined(manifest, tone=write_tone(manifest.parent, frame))


@pytest.mark.parametrize(
    ("answers", "scale", "message"),
    [
        ([("zoe.png", "x", "3")], "monk", r"line 2, column image: 'zoe.png' is not in people.csv"),
        (
            [("a1.png", "x", "3"), ("a1.png", "x", "4")],
            "monk",
            "line 3, column image: repeats an annotator, image and scale",
        ),
        ([("a1.png", "x", "VII")], "fitzpatrick", "line 2, column value: not a label of fitzpatrick"),
        ([("a1.png", "x", "3")], "munsell", "line 2, column scale: not a known scale"),
    ],
)
def test_annotations_are_refused_with_file_line_and_column(
    answers: list[tuple[str, str, str]], scale: str, message: str, manifest: Path
) -> None:
    with pytest.raises(TableError, match=message):
        joined(manifest, annotations=write_annotations(manifest.parent, answers, scale))


def test_a_manifest_that_has_the_column_already_is_not_overwritten(manifest: Path) -> None:
    manifest.write_text(manifest.read_text().replace("gender\n", "measured_tone\n"))
    with pytest.raises(TableError, match="column measured_tone: facegap adds a column with that name"):
        joined(manifest, tone=write_tone(manifest.parent))


def test_a_label_without_any_file_names_the_cure(manifest: Path) -> None:
    from facegap.derive.groupings import parse_by

    table = read_manifest(manifest)
    with pytest.raises(TableError, match=r"no label column 'measured_tone'; .*facegap tone .* --tone"):
        parse_by("gender*measured_tone", table.labels)
    with pytest.raises(TableError, match=r"no label column 'annotated_tone'; .*--annotations"):
        parse_by("annotated_tone", table.labels)
