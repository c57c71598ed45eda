"""`facegap check`: whether the files of a manifest exist and can be decoded."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from facegap.cli.app import main

WOMEN, MEN = 3, 4


def folder_of(tmp_path: Path, draw: Any) -> Path:
    """Seven images and their manifest."""
    lines = ["image,subject,gender"]
    for number in range(WOMEN + MEN):
        cv2.imwrite(str(tmp_path / f"{number}.png"), draw(green=204))
        lines.append(f"{number}.png,{number},{'female' if number < WOMEN else 'male'}")
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "people.csv"


Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Run the command; returns its exit code and all output."""

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["facegap", "check", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    return run


def test_a_manifest_whose_files_all_give_pictures_passes(tmp_path: Path, draw: Any, check: Check) -> None:
    code, said = check(folder_of(tmp_path, draw))
    assert code == 0
    assert "files that do not exist 0" in said
    assert "files that cannot be decoded 0" in said


def test_missing_files_fail_the_check_by_group_and_are_named_only_on_request(
    tmp_path: Path, draw: Any, check: Check
) -> None:
    table = folder_of(tmp_path, draw)
    (tmp_path / "0.png").rename(tmp_path / "0.PNG")
    code, said = check(table, "--by", "gender")
    assert code == 2
    assert "1 of 7 files is missing" in said
    assert "1 of 3 female, 0 of 4 male" in said
    assert "0.png" not in said
    code, said = check(table, "--by", "gender", "--include-ids")
    assert code == 2
    assert "Line 2: '0.png' does not exist, but '0.PNG' does." in said


def test_files_that_cannot_be_decoded_fail_the_check_with_their_lines(tmp_path: Path, draw: Any, check: Check) -> None:
    table = folder_of(tmp_path, draw)
    (tmp_path / "3.png").write_bytes(b"no picture")
    code, said = check(table, "--by", "gender")
    assert code == 2
    assert "1 of 7 files cannot be read" in said
    assert "Line 5: of no known format" in said
    assert "3.png" not in said
    assert "Line 5, '3.png': of no known format" in check(table, "--include-ids")[1]


def test_what_an_audit_would_be_allowed_to_leave_out_is_told_and_passes(
    tmp_path: Path, draw: Any, check: Check
) -> None:
    table = folder_of(tmp_path, draw)
    (tmp_path / "0.png").unlink()
    code, said = check(table, "--allow-missing")
    assert code == 0
    assert "1 of 7 files is missing" in said


def test_one_damaged_file_in_a_hundred_is_told_and_two_stop(tmp_path: Path, draw: Any, check: Check) -> None:
    for number in range(100):
        cv2.imwrite(str(tmp_path / f"{number}.png"), draw(green=204))
    (tmp_path / "people.csv").write_text("image\n" + "".join(f"{number}.png\n" for number in range(100)))
    (tmp_path / "7.png").write_bytes(b"")
    code, said = check(tmp_path / "people.csv")
    assert code == 0
    assert "1 of 100 files cannot be read" in said
    (tmp_path / "8.png").write_bytes(b"")
    code, said = check(tmp_path / "people.csv")
    assert code == 2
    assert "2 of 100 files cannot be read" in said


def test_crops_that_do_not_fit_and_points_that_are_missing_or_outside_are_told_before_an_audit(
    tmp_path: Path, draw: Any, check: Check, toys: Any
) -> None:
    table = folder_of(tmp_path, draw)
    code, said = check(table, "--detect", "aligned", "--embed", toys.card("embedder"))
    assert code == 2
    assert "images that do not fit the models 7" in said
    assert "Line 2 (and 6 more images): the image has 64 x 64 pixels" in said
    code, said = check(table, "--detect", "aligned", "--classify", toys.card("classifier"))
    assert (code, "images that do not fit the models 0" in said) == (0, True)
    code, said = check(table, "--detect", "aligned")
    assert (code, "give the models for which the crops were made" in said) == (2, True)
    points = ["image," + ",".join(f"{axis}{k}" for k in range(1, 6) for axis in "xy")]
    points += [f"{k}.png,20,20,40,20,30,30,22,40,38,40" for k in range(6)]
    (tmp_path / "points.csv").write_text("\n".join(points) + "\n")
    code, said = check(table, "--points", tmp_path / "points.csv")
    assert (code, "images without points 1" in said) == (0, True)
    (tmp_path / "points.csv").write_text("\n".join([*points[:3], "5.png,220,20,240,20,230,30,222,40,238,40"]) + "\n")
    code, said = check(table, "--points", tmp_path / "points.csv")
    assert code == 2
    assert "images with points outside 1" in said
    assert "Line 7: the image has no usable points: points.csv line 4: left eye (220, 20) lies outside" in said


def test_of_many_files_a_sample_is_decoded_and_rates_are_of_the_sample(tmp_path: Path, draw: Any, check: Check) -> None:
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number}.png"), draw(green=204))
    (tmp_path / "people.csv").write_text("image\n" + "".join(f"{number}.png\n" for number in range(41)))
    for number in range(20):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")
    code, said = check(tmp_path / "people.csv", "--decode", "10", "--allow-missing")
    assert code == 0
    assert "files decoded 10" in said
    assert "1 of 41 files is missing" in said
    assert re.search(r"[1-9] of 10 files cannot be read", said)
    assert "10 of 40 files were decoded, a random sample" in said
    assert check(tmp_path / "people.csv", "--decode", "10", "--allow-missing") == (code, said)
    assert "20 of 41 files cannot be read" in check(tmp_path / "people.csv", "--decode-all", "--allow-missing")[1]
