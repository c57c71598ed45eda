"""The command `facegap selfcheck`: its output and its errors."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from facegap.cli import app
from facegap.errors import TableError

WORLDS = 'title = "one"\nworlds = 20\n[[coverage]]\nkind = "classification"\nsubjects = 10\nimages = 1\nrates = 0.2\n'


def test_selfcheck_prints_claims_and_where_the_page_is(tmp_path):
    (tmp_path / "worlds.toml").write_text(WORLDS)
    out = tmp_path / "out"
    said = CliRunner().invoke(
        app, ["selfcheck", "--worlds", str(tmp_path / "worlds.toml"), "--out", str(out), "--workers", "1"]
    )
    assert said.exit_code == 0, said.output
    assert "95% intervals cover the truth" in said.output
    assert (out / "selfcheck.html").is_file()
    assert (out / "selfcheck.json").is_file()


def test_an_error_in_the_file_reaches_the_caller(tmp_path):
    (tmp_path / "worlds.toml").write_text(WORLDS.replace("rates", "rate"))
    with pytest.raises(TableError, match="did you mean rates"):
        CliRunner().invoke(app, ["selfcheck", "--worlds", str(tmp_path / "worlds.toml")], catch_exceptions=False)
