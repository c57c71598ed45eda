"""`facegap tone` on the workers of a cluster writes the table of one process, to the byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.audit.models import choose_models, contents_of
from facegap.audit.on_cluster.machines import machine_here
from facegap.audit.on_cluster.parts import part_to_run
from facegap.audit.on_cluster.worker import Setup, models_of, run_here
from facegap.audit.settings import settings_from
from facegap.inputs.manifests.read import read_manifest
from facegap.tone.measure import MEASURE, measure_manifest
from facegap.vision import pipeline
from fixtures.campaigns import short_and_full
from fixtures.kills import killing

pytest.importorskip("distributed")

IMAGES = 24


@pytest.fixture
def people(tmp_path: Path, draw: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest of illustrated people, two images to a part; one file is missing, one is not a picture, one has no face."""
    monkeypatch.setattr(pipeline, "PART_ROWS", 2)
    rng = np.random.default_rng(3)
    for k in range(IMAGES):
        green, red = rng.integers(80, 200, 2)
        cv2.imwrite(str(tmp_path / f"{k}.png"), draw(green=int(green), red=int(red), quadrants=[0][: k % 9]))
    (tmp_path / "3.png").unlink()
    (tmp_path / "5.png").write_bytes(b"no picture")
    lines = [f"{k}.png,person {k // 2}" for k in range(IMAGES)]
    (tmp_path / "people.csv").write_text("image,subject\n" + "\n".join(lines) + "\n")
    return tmp_path / "people.csv"


@pytest.fixture
def words(toys: Any) -> dict[str, Any]:
    """A measurement of tone with the toy detector."""
    return {"detect": toys.card("detector"), "models_dir": [toys.folder], "no_isolation": True}


@short_and_full("kills", 1, 10)
def test_workers_that_are_killed_change_no_byte(
    kills: int, people: Path, words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, seen = tmp_path / "one.parquet", tmp_path / "other.parquet", list[int]()
    measure_manifest(people, settings_from(words), out=one, pool=True)
    killed, rounds = killing(monkeypatch, kills, np.random.default_rng(5)), 0
    while len(killed) < kills or not rounds:
        rounds += 1
        chosen = settings_from({**words, "scheduler": "local:2", "ship_images": rounds % 2 == 1})
        measure_manifest(
            people, chosen, out=other, pool=True, overwrite=True, progress=lambda done, of: seen.append(done)
        )
        assert other.read_bytes() == one.read_bytes()
    assert seen == list(range(1, IMAGES + 1)) * rounds


def test_a_part_of_images_that_were_sent_is_that_of_the_folder(people: Path, words: dict[str, Any]) -> None:
    settings = settings_from(words)
    chosen, table = choose_models(settings), read_manifest(people)
    setup = Setup(
        "tone", MEASURE, chosen, settings, dict(contents_of(chosen, settings)), machine_here("cpu"), mixed=False
    )
    with models_of(setup) as stages:
        for number in range(IMAGES // 2):
            here, sent = (run_here(setup, part_to_run(number, table, ship=ship)) for ship in (False, True))
            assert [(one.outcome, one.detail) for one in here.part] == [(one.outcome, one.detail) for one in sent.part]
            assert [without_arrays(one) for one in here.part] == [without_arrays(one) for one in sent.part]
            assert here.images == 2
        stages.stop()


def without_arrays(toned: Any) -> Any:
    """A measurement that can be compared."""
    return toned.measurement and replace(toned.measurement, lab=None, photographed=None)
