"""Missing or unreadable image files: rejected before the first image, or soon after."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import pytest

from facegap.errors import TableError
from fixtures.settings import audited


def people(folder: Path, draw: Any, *, written: str = "{}.png", there: str = "{}.png") -> Path:
    """Twenty women, whose file names may differ from the manifest, and twenty men."""
    lines = ["image,gender"]
    for number in range(40):
        woman = number < 20
        cv2.imwrite(str(folder / "made.png"), draw(green=204 if woman else 51))
        (folder / "made.png").rename(folder / (there if woman else "{}.png").format(number))
        lines.append(f"{(written if woman else '{}.png').format(number)},{'female' if woman else 'male'}")
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    return folder / "people.csv"


def test_files_with_capitals_in_their_suffix_stop_the_audit_before_a_model_is_opened(
    tmp_path: Path, toys: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facegap.audit import models

    monkeypatch.setattr(models, "load_models", lambda *_: pytest.fail("a model was opened"))
    table = people(tmp_path, draw, there="{}.PNG")
    with pytest.raises(TableError) as caught:
        audited(table, **toys.two, by="gender", allow_missing=False)
    said = str(caught.value)
    assert said.startswith("20 of 40 files are missing")
    assert "20 of 20 female, 0 of 20 male; this differs between groups (Fisher's exact test" in said
    assert "20 of them have a similar name on the disk that differs in upper and lower case (20)" in said
    assert "--allow-missing" in said
    assert "0.png" not in said  # names only if requested


def test_missing_files_that_are_allowed_make_no_gap(tmp_path: Path, toys: Any, draw: Any) -> None:
    table = people(tmp_path, draw)
    for number in range(0, 20, 2):
        (tmp_path / f"{number}.png").unlink()
    run = audited(table, **toys.two, by="gender", min_subjects=2, out=tmp_path / "run")
    rates = run.rates.set_index(["metric", "gender"])
    for metric in ("fta", "error_rate_all"):
        assert rates.loc[(metric, "female"), ["errors", "trials"]].tolist() == [0, 10]
        assert rates.loc[(metric, "male"), ["errors", "trials"]].tolist() == [0, 20]
    assert not run.gaps["verdict"].str.contains("^gap").any()
    assert run.record.warnings[0].startswith("10 of 40 files are missing; these files were not passed to a model")
    with (tmp_path / "run" / "never_shown.csv").open() as file:
        lost = {row["gender"]: (row["files"], row["missing_file"]) for row in csv.DictReader(file)}
    assert lost == {"any": ("40", "10"), "female": ("20", "10"), "male": ("20", "0")}


def test_more_than_one_unreadable_image_in_a_hundred_stops_the_run_and_resume_goes_on(
    tmp_path: Path, toys: Any, draw: Any
) -> None:
    table = people(tmp_path, draw)
    (tmp_path / "3.png").write_bytes(b"GIF89a" + b"\0" * 50)
    with pytest.raises(TableError, match=r"1 of 40 images could not be passed .*a GIF image.* \(1\).*--allow-missing"):
        audited(table, **toys.two, by="gender", allow_missing=False, out=tmp_path / "run")
    run = audited(table, **toys.two, by="gender", allow_missing=True, out=tmp_path / "run", resume=True)
    assert run.faces["outcome"].value_counts().to_dict() == {"ok": 39, "unreadable": 1}


def test_one_unreadable_image_in_two_hundred_stops_nothing(tmp_path: Path, toys: Any, draw: Any) -> None:
    lines = ["image,gender"]
    for number in range(120):
        cv2.imwrite(str(tmp_path / f"{number}.png"), draw(green=204))
        lines.append(f"{number}.png,female")
    (tmp_path / "7.png").write_text("text")
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    run = audited(tmp_path / "people.csv", **toys.two, by="gender", allow_missing=False)
    assert (run.faces["outcome"] == "unreadable").sum() == 1


@pytest.mark.parametrize(
    ("header", "words", "said"),
    [
        (
            "gender",
            ("weiblich", "männlich"),
            r"column gender: no label is one of the predicted classes \(male, female\); there are 'weiblich' \(20\)",
        ),
        ("Gender", ("female", "male"), "the manifest has no column gender.*rename Gender to gender"),
        ("gender", ("", ""), "the column gender has no label"),
    ],
)
def test_labels_that_no_class_of_the_model_covers_stop_the_audit_before_a_model_is_opened(
    tmp_path: Path,
    toys: Any,
    draw: Any,
    monkeypatch: pytest.MonkeyPatch,
    header: str,
    words: tuple[str, str],
    said: str,
) -> None:
    from facegap.audit import models

    monkeypatch.setattr(models, "load_models", lambda *_: pytest.fail("a model was opened"))
    table = people(tmp_path, draw)
    text = table.read_text().replace("female", "F").replace("male", "M").replace("F", words[0]).replace("M", words[1])
    table.write_text(text.replace("image,gender", f"image,{header}"), encoding="utf-8")
    with pytest.raises(TableError, match=said):
        audited(table, **toys.two, allow_missing=False)
