"""The command `facegap plan`: its output and its errors."""

from __future__ import annotations

import cv2
import pytest
from typer.testing import CliRunner

from facegap.audit.run import recheck
from facegap.cli import app
from facegap.errors import RunError


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError):
        CliRunner().invoke(app, ["plan", "--run", str(tmp_path)], catch_exceptions=False)


def test_the_plan_of_a_run_says_what_it_could_have_found(tmp_path, draw, toys):
    lines = []
    for number in range(8):
        cv2.imwrite(str(tmp_path / f"{number}.png"), draw(green=204 if number % 3 else 51))
        lines.append(f"{number}.png,{'female' if number % 2 else 'male'}")
    (tmp_path / "people.csv").write_text("image,gender\n" + "\n".join(lines) + "\n")
    asked = ["--by", "gender", "--min-subjects", "2", "--workers", "1", "--out", str(tmp_path / "run")]
    models = [part for task, card in toys.two.items() for part in (f"--{task}", card)]
    CliRunner().invoke(app, ["audit", str(tmp_path / "people.csv"), *models, *asked], catch_exceptions=False)
    said = CliRunner().invoke(app, ["plan", "--run", str(tmp_path / "run"), "--workers", "1"], catch_exceptions=False)
    assert said.exit_code == 0, said.output
    assert "With 4 subjects in each of 2 groups" in " ".join(said.output.split())
    assert "is found with probability" in " ".join(said.output.split())
    assert recheck(tmp_path / "run") == []
    assert (tmp_path / "run" / "power.html").is_file()
