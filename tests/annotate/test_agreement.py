"""`facegap agreement` from a CSV file to its tables, solved by hand, and its errors."""

from __future__ import annotations

import math
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.annotate.agreement import Agreement, agreement_tables
from facegap.annotate.agreement_text import as_text, write_agreement
from facegap.errors import RunError, TableError
from facegap.tables import TONE

AT = "2025-01-31T12:00:00+00:00"

# Three annotators, Monk's scale; "-" is skipped. Bo is one step darker than Ada wherever both answered.
ANSWERS = {
    "a.png": {"Ada": "3", "Bo": "4", "Cy": "3"},
    "b.png": {"Ada": "5", "Bo": "6", "Cy": "5"},
    "c.png": {"Ada": "1", "Bo": "2", "Cy": "9"},
    "d.png": {"Ada": "8", "Bo": "9"},
    "e.png": {"Ada": "2", "Bo": "-"},
    "f.png": {"Cy": "-"},
}


def write(folder: Path, answers: dict[str, dict[str, str]], scale: str = "monk") -> Path:
    lines = ["image,annotator,scale,value,skipped,at"]
    for image, given in answers.items():
        lines += [
            f"{image},{who},{scale},{'' if v == '-' else v},{'no_face' if v == '-' else ''},{AT}"
            for who, v in given.items()
        ]
    path = folder / f"{scale}.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tone_file(folder: Path, rows: dict[str, dict[str, Any]]) -> Path:
    """A tone.parquet file of measured images, with the given values per image."""
    blank: dict[str, Any] = dict.fromkeys(TONE.columns, math.nan)
    texts = {name: "" for name, column in TONE.columns.items() if column.kind == "str"}
    lines = [
        {
            **blank,
            **texts,
            "row": k,
            "line": k + 2,
            "image": image,
            "subject": image,
            "outcome": "measured",
            "photographs": 1,
            **given,
        }
        for k, (image, given) in enumerate(rows.items())
    ]
    path = folder / "tone.parquet"
    pd.DataFrame(lines).to_parquet(path)
    return path


def tables(path: Path, **options: Any) -> list[Agreement]:
    settings: dict[str, Any] = {"scale": None, "tone": None, "manifest": None, "even": "lower", "dispute_steps": 2}
    return agreement_tables(path, **(settings | options), rng=np.random.default_rng(0))


def by(frame: pd.DataFrame, **values: str) -> pd.Series:
    for name, value in values.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_alpha_counts_comparable_answers(tmp_path: Path) -> None:
    (found,) = tables(write(tmp_path, ANSWERS))
    row = by(found.alpha, metric="ordinal")
    assert (row["images"], row["subjects"], row["answers"], row["annotators"]) == (4, 4, 11, 3)
    assert list(found.alpha["metric"]) == ["nominal", "ordinal", "interval"]


def test_a_constant_difference_between_two_people_is_found_with_its_sign(tmp_path: Path) -> None:
    (found,) = tables(
        write(tmp_path, {image: {k: v for k, v in given.items() if k != "Cy"} for image, given in ANSWERS.items()})
    )
    ada, bo = by(found.annotators, annotator="Ada"), by(found.annotators, annotator="Bo")
    assert (ada["difference"], bo["difference"]) == (-1, 1)  # above 0 is darker
    assert (bo["answered"], bo["skipped"], bo["images"], bo["darker"]) == (4, 1, 4, 1)
    pair = by(found.pairs, annotator_a="Ada", annotator_b="Bo")
    assert (pair["images"], pair["same"]) == (4, 0)
    # By hand: Ada 3 5 1 8, Bo 4 6 2 9; squares of the steps: 1 each, and 274 over all sixteen combinations.
    crossings = sum((a - b) ** 2 for a in (3, 5, 1, 8) for b in (4, 6, 2, 9))
    assert pair["weighted_kappa"] == pytest.approx(1 - (4 / 4) / (crossings / 16))
    assert math.isnan(bo["difference_low"])  # it never varies, so its variance is unknown


def test_disputes_are_wide_or_across_the_cut(tmp_path: Path) -> None:
    (found,) = tables(write(tmp_path, ANSWERS))
    rows = found.disputes.set_index("image")
    assert list(rows.index) == ["c.png", "b.png"]  # b: one step, but 5 is lighter and 6 is darker
    assert rows.loc["c.png", ["lightest", "darkest", "steps", "across_cut"]].tolist() == ["1", "9", 8, True]
    assert rows.loc["b.png", ["lightest", "darkest", "steps", "across_cut"]].tolist() == ["5", "6", 1, True]
    (wider,) = tables(write(tmp_path, ANSWERS), dispute_steps=9)
    assert set(wider.disputes["image"]) == {"b.png", "c.png"}


def test_consensus_is_the_median_with_the_stated_rule(tmp_path: Path) -> None:
    path = write(tmp_path, ANSWERS)
    for even, expected in (("lower", "8"), ("upper", "9"), ("none", "")):
        (found,) = tables(path, even=even)
        values = found.consensus.set_index("image")["value"].to_dict()
        assert values == {"a.png": "3", "b.png": "5", "c.png": "2", "d.png": expected, "e.png": "2", "f.png": ""}
    assert found.consensus["tied"].sum() == 1


def test_a_scale_without_order_has_no_median_and_no_steps(tmp_path: Path) -> None:
    answers = {"a.png": {"Ada": "light red", "Bo": "light yellow"}, "b.png": {"Ada": "dark red", "Bo": "dark red"}}
    (found,) = tables(write(tmp_path, answers, "l_hue"))
    assert list(found.alpha["metric"]) == ["nominal"]
    assert found.consensus["value"].tolist() == ["", "dark red"]
    assert found.annotators["difference"].isna().all()
    assert found.pairs["weighted_kappa"].isna().all()
    assert found.disputes["image"].tolist() == ["a.png"]
    assert as_text([found], include_ids=False)


def test_one_annotator_alone_gives_no_agreement_and_no_error(tmp_path: Path) -> None:
    (found,) = tables(write(tmp_path, {"a.png": {"Ada": "3"}, "b.png": {"Ada": "5"}}))
    assert found.alpha["alpha"].isna().all()
    assert found.pairs.empty
    assert found.annotators["images"].tolist() == [0]
    text = as_text([found], include_ids=False)
    assert any("No image has two labels" in note for table in text for note in table.notes)


def test_annotators_are_compared_with_the_measurement(tmp_path: Path) -> None:
    rows = {
        "a.png": {"measured_ita": 50.0, "measured_monk": 4, "measured_tone": "lighter"},
        "b.png": {"measured_ita": 20.0, "measured_monk": 6, "measured_tone": "darker"},
        "c.png": {"measured_ita": 60.0, "measured_monk": 1, "measured_tone": "unknown"},
        "d.png": {"measured_ita": -40.0, "measured_monk": 8, "measured_tone": "darker"},
        "e.png": {"outcome": "grey", "measured_tone": ""},
        "f.png": {"measured_ita": 0.0, "measured_monk": 7, "measured_tone": "darker"},
    }
    (found,) = tables(write(tmp_path, ANSWERS), tone=tone_file(tmp_path, rows))
    assert found.measured is not None
    ada = by(found.measured, annotator="Ada")
    assert (ada["images"], ada["rank_correlation"]) == (4, 1.0)  # 3 5 1 8 against ITA 50 20 60 -40: same order
    assert ada["steps"] == pytest.approx((-1 - 1 + 0 + 0) / 4)
    assert ada["within_one"] == 1.0
    assert (ada["same_side"], ada["side_images"]) == (pytest.approx(2 / 3), 3)  # b: label 5 is lighter, measured darker
    together = by(found.measured, annotator="(consensus)")
    assert together["images"] == 4


def test_an_image_without_measurement_is_an_error_and_not_omitted(tmp_path: Path) -> None:
    tone = tone_file(tmp_path, {"a.png": {"measured_ita": 50.0}})
    with pytest.raises(
        TableError, match=r"are about images that tone\.parquet does not have, the first about 'b\.png'"
    ):
        tables(write(tmp_path, ANSWERS), tone=tone)


def test_images_of_one_subject_are_resampled_together(tmp_path: Path) -> None:
    manifest = tmp_path / "people.csv"
    subjects = dict(zip(ANSWERS, ["p", "p", "q", "q", "r", "r"], strict=True))
    manifest.write_text("image,subject\n" + "".join(f"{k},{v}\n" for k, v in subjects.items()))
    (found,) = tables(write(tmp_path, ANSWERS), manifest=manifest)
    assert by(found.alpha, metric="ordinal")[["images", "subjects"]].tolist() == [4, 2]


def test_images_are_named_only_on_request(tmp_path: Path) -> None:
    found = tables(write(tmp_path, ANSWERS))
    shown = repr(as_text(found, include_ids=False))
    assert ".png" not in shown
    assert "2 of 4 images with at least two labels are disputed" in shown
    names = write_agreement(found, tmp_path / "plain", include_ids=False)
    assert names == ["alpha.csv", "pairs.csv", "annotators.csv", "disputes.csv"]
    assert not any(".png" in (tmp_path / "plain" / name).read_text() for name in names)
    assert "c.png" in repr(as_text(found, include_ids=True))
    named = write_agreement(found, tmp_path / "named", include_ids=True)
    assert "consensus.csv" in named
    consensus = pd.read_csv(tmp_path / "named" / "consensus.csv", dtype=str, keep_default_na=False)
    assert consensus["image"].tolist() == list(ANSWERS)
    assert stat.S_IMODE((tmp_path / "named").stat().st_mode) == 0o700
    with pytest.raises(RunError, match="not empty"):
        write_agreement(found, tmp_path / "named", include_ids=True)


def test_a_hostile_name_stays_text_and_becomes_no_formula(tmp_path: Path) -> None:
    answers = {"a.png": {"=1+1": "3", "\x1b[2J": "4"}, "b.png": {"=1+1": "5", "\x1b[2J": "6"}}
    found = tables(write(tmp_path, answers))
    write_agreement(found, tmp_path / "out", include_ids=False)
    assert "'=1+1" in (tmp_path / "out" / "annotators.csv").read_text()


def test_each_scale_gets_its_tables_unless_one_is_named(tmp_path: Path) -> None:
    both = tmp_path / "both.csv"
    monk, words = (
        write(tmp_path, ANSWERS),
        write(tmp_path, {"a.png": {"Ada": "lighter", "Bo": "lighter"}}, "lighter_darker"),
    )
    both.write_text(monk.read_text() + "".join(words.read_text().splitlines(keepends=True)[1:]))
    assert [one.scale.name for one in tables(both)] == ["monk", "lighter_darker"]
    assert [one.scale.name for one in tables(both, scale="monk")] == ["monk"]
    with pytest.raises(TableError, match="no annotations on the scale 'fitzpatrick'"):
        tables(both, scale="fitzpatrick")


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from facegap.cli.app import app

    path = write(tmp_path, ANSWERS)
    app(["agreement", str(path), "--out", str(tmp_path / "out")], standalone_mode=False)
    printed = capsys.readouterr().out
    assert "monk: agreement (Krippendorff's alpha)" in printed
    assert "Ada, Bo" in printed
    assert ".png" not in printed
    assert (tmp_path / "out" / "alpha.csv").is_file()
