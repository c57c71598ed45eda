"""Services that predict a class besides gender, and ranges of ages, audited end to end on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.audit.run import recheck
from facegap.report.page import add_report
from facegap.store.run import Run
from fixtures.dialects import CLASSIFIER, DialectServer, serving
from fixtures.settings import audited

CARD = (
    CLASSIFIER
    + """[answer]
age = "face.age"
[answer.outputs.mood]
at = "face.mood"
classes = ["angry", "happy"]
words = {{ ANGER = "angry", JOY = "happy" }}
confidence = "face.sure"
confidence_scale = 0.01
label = "expression"
"""
)
# Truth and prediction for each person: age, expression; age, mood.
TRUE_AND_SAID: list[tuple[str, str, Any, str]] = [
    ("16", "happy", "25-32", "JOY"),  # under the limit, passes
    ("17", "happy", "16-20", "ANGER"),
    ("17-18", "angry", "25-32", "ANGER"),  # includes the limit: not a trial
    ("30", "happy", "22-30", "JOY"),  # the lower end is below the challenge age: must show a document
    ("40", "angry", {"low": 35, "high": 45}, "ANGER"),
    ("50", "angry", [48, 52], "SURPRISE"),  # a word that is not in the card
    ("60", "happy", "old", "JOY"),  # no age
]


def says(path: str, images: Mapping[str, bytes]) -> tuple[int, Any]:
    """The prediction for the person whose number is the blue of the image."""
    pixels = cv2.imdecode(np.frombuffer(images["image"], np.uint8), cv2.IMREAD_COLOR)
    _, _, age, mood = TRUE_AND_SAID[int(pixels[0, 0, 0])]
    return 200, {"face": {"age": age, "mood": mood, "sure": 90}}


@pytest.fixture
def server() -> Iterator[DialectServer]:
    with serving(says=says) as running:
        yield running


@pytest.fixture
def run(tmp_path: Path, server: DialectServer) -> Run:
    """The audit of 14 people: each of those above as a woman and as a man."""
    lines = ["image,subject,gender,age,expression"]
    for k, (age, expression, _, _) in enumerate(TRUE_AND_SAID):
        for gender in "fm":
            cv2.imwrite(str(tmp_path / f"{k}{gender}.png"), np.full((8, 8, 3), (k, 9, "fm".index(gender)), np.uint8))
            lines.append(f"{k}{gender}.png,{k}{gender},{gender},{age},{expression}")
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "vendor.toml").write_text(CARD.format(url=server.url))
    settings = {"classify": str(tmp_path / "vendor.toml"), "detect": "none", "send_images": True, "by": "gender"}
    quick = {"calls_per_second": 1000.0, "workers": 1, "notice": lambda text: None, "out": tmp_path / "run"}
    found: Run = audited(tmp_path / "people.csv", **settings, **quick, age_limit=18, challenge=25)
    return found


def counts(run: Run, gender: str, metric: str) -> tuple[int, int]:
    row = run.rates[(run.rates["gender"] == gender) & (run.rates["metric"] == metric)].iloc[0]
    return int(row["errors"]), int(row["trials"])


def test_a_class_and_a_range_of_ages_are_read_and_judged(run: Run, server: DialectServer, tmp_path: Path) -> None:
    assert len(server.seen) == 14
    said = run.predictions.iloc[::2].reset_index(drop=True)
    assert said["mood_answer"].tolist() == ["happy", "angry", "angry", "happy", "angry", "", "happy"]
    assert said["mood_probability"][0] == pytest.approx(0.9)
    assert said["age"][:6].tolist() == [28.5, 18.0, 28.5, 26.0, 40.0, 50.0]
    assert said["age_low"][:6].tolist() == [25, 16, 25, 22, 35, 48]
    assert "outside the classes of the card: 'SURPRISE'" in said["detail"][5]
    assert "no age at face.age" in said["detail"][6]
    for gender in ("female", "male"):
        assert counts(run, gender, "age_false_positive") == (1, 2)
        assert counts(run, gender, "age_false_negative") == (1, 3)
        assert counts(run, gender, "mood.missed") == (2, 7)
        assert counts(run, gender, "mood.missed.angry") == (1, 3)
        assert counts(run, gender, "mood.missed.happy") == (1, 4)
    ended = run.extra["age_checks.csv"].set_index("gender").loc["female"]
    assert (ended["straddling"], ended["no_estimate_from_limit"], ended["under"], ended["from_limit"]) == (1, 1, 2, 3)
    assert recheck(tmp_path / "run") == []
    add_report(tmp_path / "run", run, include_ids=False)
    assert f"14 images were sent to {server.url}" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
