"""Options of the commands for black boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.cli import app


@pytest.fixture
def templates(tmp_path: Path) -> tuple[Path, Path]:
    """Templates of 24 people with two images each, and their manifest."""
    rng = np.random.default_rng(3)
    people = np.repeat(rng.normal(size=(24, 16)), 2, axis=0)
    np.save(tmp_path / "templates.npy", (people + 0.2 * rng.normal(size=people.shape)).astype(np.float32))
    frame = pd.DataFrame(
        {
            "image": [f"{n}.png" for n in range(48)],
            "subject": [f"p{n // 2}" for n in range(48)],
            "gender": ["female" if n // 2 % 2 else "male" for n in range(48)],
        }
    )
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "templates.npy", tmp_path / "people.csv"


def test_reviewed_pairs_are_excluded_for_templates_from_the_command_line(
    templates: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "reviewed.csv").write_text("left,right\n0.png,4.png\n", encoding="utf-8")
    trials = []
    for extra in ([], ["--exclude-pairs", str(tmp_path / "reviewed.csv")]):
        out = tmp_path / f"run{len(extra)}"
        arguments = ["audit-embeddings", *map(str, templates), "--threshold", "0.5", "--tail-limit", "5000"]
        result = CliRunner().invoke(app, [*arguments, "--out", str(out), *extra])
        assert result.exit_code == 0, result.output
        rates = pd.read_csv(out / "rates.csv")
        trials.append(int(rates[(rates["metric"] == "fmr") & (rates["gender"] == "any")]["trials"].max()))
    assert trials[0] - trials[1] == 1


@pytest.mark.parametrize("command", ["audit", "audit-embeddings", "audit-scores"])
def test_a_target_together_with_a_threshold_is_rejected_and_not_ignored(command: str, tmp_path: Path) -> None:
    files = {"audit": ["a.csv"], "audit-embeddings": ["a.npy", "a.csv"], "audit-scores": ["a.csv"]}[command]
    result = CliRunner().invoke(
        app, [command, *files, "--fmr", "0.01", "--threshold", "0.5", "--out", str(tmp_path / "r")]
    )
    assert result.exit_code == 2
    assert "give only one" in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "r").exists()
