"""The commands that calibrate: what they print, and where they refuse."""

from __future__ import annotations

import cv2
import pytest
from typer.testing import CliRunner

from facegap.audit import recheck
from facegap.cli import app
from facegap.errors import RunError, TableError

WORLDS = 'title = "one"\nworlds = 20\n[[coverage]]\nkind = "classification"\nsubjects = 10\nimages = 1\nrates = 0.2\n'


def test_calibrate_prints_claims_and_where_the_page_is(tmp_path):
    (tmp_path / "worlds.toml").write_text(WORLDS)
    out = tmp_path / "out"
    said = CliRunner().invoke(app, ["calibrate", "--worlds", str(tmp_path / "worlds.toml"), "--out", str(out), "--workers", "1"])
    assert said.exit_code == 0, said.output
    assert "95 % intervals hold the truth" in said.output
    assert (out / "calibration.html").is_file()
    assert (out / "calibration.json").is_file()


def test_an_error_in_the_file_reaches_the_caller(tmp_path):
    (tmp_path / "worlds.toml").write_text(WORLDS.replace("rates", "rate"))
    with pytest.raises(TableError, match="did you mean rates"):
        CliRunner().invoke(app, ["calibrate", "--worlds", str(tmp_path / "worlds.toml")], catch_exceptions=False)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError):
        CliRunner().invoke(app, ["calibrate", "--run", str(tmp_path)], catch_exceptions=False)


def test_an_audit_with_calibrate_says_what_it_could_have_found(tmp_path, draw, toys):
    lines = []
    for number in range(8):
        cv2.imwrite(str(tmp_path / f"{number}.png"), draw(green=204 if number % 3 else 51))
        lines.append(f"{number}.png,{'female' if number % 2 else 'male'}")
    (tmp_path / "people.csv").write_text("image,gender\n" + "\n".join(lines) + "\n")
    asked = ["--by", "gender", "--min-subjects", "2", "--workers", "1", "--out", str(tmp_path / "run"), "--calibrate"]
    models = [part for task, card in toys.two.items() for part in (f"--{task}", card)]
    said = CliRunner().invoke(app, ["audit", str(tmp_path / "people.csv"), *models, *asked], catch_exceptions=False)
    assert said.exit_code == 0, said.output
    assert "With 4 subjects in each of 2 groups" in " ".join(said.output.split())
    assert "is found with probability" in " ".join(said.output.split())
    assert recheck(tmp_path / "run") == []
    assert (tmp_path / "run" / "calibration.html").is_file()
